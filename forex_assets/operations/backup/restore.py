"""Restores a backup archive; what it replaces is kept aside."""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from forex_assets.core.store.atomic import write_atomically
from forex_assets.operations.backup.archive import REPLACED, RESTORING, STAMP, ArchiveError, files_of, members, verify


def restore(
    path: Path, targets: Mapping[str, Path], now: datetime, *, is_forced: bool, left_alone: Collection[Path] = ()
) -> dict[str, Path]:
    """Restores an archive into its target folders.

    All files are verified and written to `.restoring-<time>` in the targets first. Then the present entries are moved
    to `.replaced-<time>` and the new ones into place, one by one; the folders stay, as container volumes must. If the
    process is killed, nothing is lost, and another restore completes it.

    Args:
        targets: folder by its name in the archive.
        now: for the names of the folders above.
        is_forced: replaces targets that hold files.
        left_alone: paths directly in a target that stay as they are.

    Returns:
        Folder of the replaced entries, by target name.

    Raises:
        ArchiveError: a damaged or foreign archive, a target with files and no `is_forced`, or a disk error, after which
            all is as before.
    """
    files = verify(path).files
    foreign = sorted(name for name in files if name.partition("/")[0] not in targets)
    if foreign or not files:
        extra = foreign[0] if foreign else "nothing"
        raise ArchiveError(f"{path} holds {extra}: not a backup of {', '.join(sorted(targets))}")
    occupied = [folder for folder in targets.values() if _holds_files(folder, left_alone)]
    if occupied and not is_forced:
        raise ArchiveError(f"{occupied[0]} holds files; --force replaces them and keeps them aside")
    stamp = now.astimezone(UTC).strftime(STAMP)
    outer = {name: folder for name, folder in targets.items() if not _outer(folder, targets)}
    fresh = {name: folder / f"{RESTORING}{stamp}" for name, folder in outer.items()}
    for name, folder in targets.items():
        if parent := _outer(folder, targets):  # Dagster's home within the warehouse moves with it
            fresh[name] = fresh[parent] / folder.relative_to(targets[parent])
    try:
        for name, content in members(path):
            if name not in files:
                continue  # the manifest
            prefix, _, rest = name.partition("/")
            file = fresh[prefix] / rest
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, partial(shutil.copyfileobj, content))
        unmoved = {*left_alone, *outer.values()}
        _swap([move for name in outer if fresh[name].exists() for move in _moves(outer[name], stamp, unmoved)])
    except OSError as error:
        raise ArchiveError(
            f"{path} cannot be restored: {error}; nothing was changed, check space and permissions"
        ) from error
    finally:
        for folder in outer.values():
            for left in folder.glob(f"{RESTORING}*"):  # also of a killed restore
                shutil.rmtree(left, ignore_errors=True)
    kept = {name: folder / f"{REPLACED}{stamp}" for name, folder in outer.items()}
    return {name: folder for name, folder in kept.items() if folder.exists()}


def _moves(folder: Path, stamp: str, left_alone: Collection[Path]) -> Iterator[tuple[Path, Path]]:
    """Renames that replace a folder's entries by the new ones, in order."""
    fresh, kept = folder / f"{RESTORING}{stamp}", folder / f"{REPLACED}{stamp}"
    for path in sorted(folder.iterdir()):
        if path not in left_alone and not path.name.startswith((RESTORING, REPLACED)) and path.name != "lost+found":
            yield path, kept / path.name
    for path in sorted(fresh.iterdir()):
        if folder / path.name not in left_alone:
            yield path, folder / path.name


def _outer(folder: Path, targets: Mapping[str, Path]) -> str | None:
    """Name of the target that contains a folder."""
    return next((name for name, other in targets.items() if other != folder and folder.is_relative_to(other)), None)


def _swap(moves: Sequence[tuple[Path, Path]]) -> None:
    """Renames all paths; a failure undoes those before it."""
    done = list[tuple[Path, Path]]()
    try:
        for old, new in moves:
            new.parent.mkdir(exist_ok=True)
            old.rename(new)
            done.append((old, new))
    except OSError:
        for old, new in reversed(done):
            new.rename(old)
        for folder in {new.parent for _, new in moves if new.parent.name.startswith(REPLACED)}:
            if folder.is_dir():
                folder.rmdir()
        raise


def _holds_files(folder: Path, left_alone: Collection[Path]) -> bool:
    """Tells whether a folder holds files besides the project's README."""
    skipped = [str(path.relative_to(folder)) for path in left_alone if path.is_relative_to(folder)]
    return any(path.name != "README.md" for path in files_of(folder, skipped)) if folder.is_dir() else False

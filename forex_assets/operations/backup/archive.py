"""One dated archive of everything that cannot be made again, checked when it is written, read and restored.

A tar.gz with a manifest of every file's SHA-256 inside, and the archive's own beside it. Databases go in by sqlite's
online backup, since a copy of a live one may be torn; all other files are written atomically and always whole.
"""

import hashlib
import io
import os
import re
import shutil
import sqlite3
import tarfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

import filelock
from pydantic import BaseModel, ConfigDict, ValidationError

from forex_assets.core.store.atomic import DRAFT_PREFIX, write_atomically, write_bytes_atomically

MANIFEST: Final = "manifest.json"
SUM: Final = ".sha256"
STAMP: Final = "%Y%m%dT%H%M%SZ"
RESTORING, REPLACED = ".restoring-", ".replaced-"
LOCK: Final = ".lock"
LOCK_S: Final = 600
_NAME: Final = re.compile(r"forex-assets_(\d{8}T\d{6}Z)\.tar\.gz")
_SQLITE: Final = b"SQLite format 3\x00"
_BESIDE: Final = ("-wal", "-shm", "-journal")
"""Endings of what sqlite keeps beside a live database; its backup has all of it."""


class ArchiveError(Exception):
    """An archive cannot be made, read or restored; the message names it and says what to do."""


class Manifest(BaseModel):
    """What an archive holds.

    Attributes:
        version: of this format.
        created_at: UTC.
        files: SHA-256 by name in the archive.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    created_at: datetime
    files: dict[str, str]


@dataclass(frozen=True)
class Archive:
    """An archive on disk.

    Attributes:
        path: of the file.
        at: when it was made, UTC.
        size: bytes.
    """

    path: Path
    at: datetime
    size: int


def archives(folder: Path) -> list[Archive]:
    """What lies in a folder, newest first."""
    found = []
    for path in folder.glob("forex-assets_*.tar.gz") if folder.is_dir() else ():
        if match := _NAME.fullmatch(path.name):
            at = datetime.strptime(match[1], STAMP).replace(tzinfo=UTC)
            found.append(Archive(path, at, path.stat().st_size))
    return sorted(found, key=lambda each: each.at, reverse=True)


def create(folder: Path, sources: Sequence[tuple[str, Path, Sequence[str]]], now: datetime) -> Archive:
    """Make an archive; until it is whole there is none under its name.

    Args:
        folder: where it goes; made where it is not there.
        sources: name in the archive, folder, and what to leave out of it (relative, with all below); in the order in
            which they are read: records that vouch for others come first.
        now: with a time zone.

    Raises:
        ArchiveError: a source cannot be read, or the disk does not allow it; nothing is left behind.
    """
    path = folder / f"forex-assets_{now.astimezone(UTC).strftime(STAMP)}.tar.gz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / LOCK, timeout=LOCK_S):
            return _create(path, sources, now)
    except filelock.Timeout:
        raise ArchiveError(f"{folder} is in use for over {LOCK_S} s: another backup is being made there") from None
    except (OSError, sqlite3.Error) as error:
        raise ArchiveError(f"{path} cannot be made: {error}; see to space and permissions, nothing was left") from error


def _create(path: Path, sources: Sequence[tuple[str, Path, Sequence[str]]], now: datetime) -> Archive:
    if path.exists():
        raise ArchiveError(f"{path} is there already: one a second; try again")
    try:
        write_atomically(path, lambda file: _write(file, sources, now))  # type: ignore[arg-type]
        write_bytes_atomically(path.with_name(f"{path.name}{SUM}"), f"{_sha256(path)}  {path.name}\n".encode())
    except (OSError, sqlite3.Error):
        with suppress(OSError):  # the reason why it could not be made may be why it cannot be taken away
            path.unlink(missing_ok=True)
        raise
    return Archive(path, now.astimezone(UTC), path.stat().st_size)


def _write(file: io.BufferedIOBase, sources: Sequence[tuple[str, Path, Sequence[str]]], now: datetime) -> None:
    sums: dict[str, str] = {}
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as tar:
        for name, content in _contents(sources):
            _add(tar, name, content, now)
            sums[name] = hashlib.sha256(content).hexdigest()
        manifest = Manifest(created_at=now.astimezone(UTC), files=sums)
        _add(tar, MANIFEST, manifest.model_dump_json(indent=1).encode(), now)


def _add(tar: tarfile.TarFile, name: str, content: bytes, now: datetime) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), 0o644, int(now.timestamp())
    tar.addfile(entry, io.BytesIO(content))


def _contents(sources: Sequence[tuple[str, Path, Sequence[str]]]) -> Iterator[tuple[str, bytes]]:
    """Names in the archive and bytes, file by file; what goes away meanwhile was not needed any more."""
    for prefix, root, left_out in sources:
        for path in _files(root, left_out):
            name = f"{prefix}/{path.relative_to(root).as_posix()}"
            try:
                yield name, _read(path)
            except FileNotFoundError:
                continue


def _files(root: Path, left_out: Sequence[str]) -> Iterator[Path]:
    """Files below a folder, in order, without drafts, links and what is left out."""
    skipped = {root / each for each in left_out}
    for folder, folders, names in os.walk(root):
        aside = (RESTORING, REPLACED)
        folders[:] = sorted(
            each for each in folders if Path(folder, each) not in skipped and not each.startswith(aside)
        )
        for name in sorted(names):
            path = Path(folder, name)
            if path in skipped or name.startswith(DRAFT_PREFIX) or name.endswith(_BESIDE) or path.is_symlink():
                continue
            yield path


def _read(path: Path) -> bytes:
    """A file as it is; a database as its online backup."""
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            file.seek(0)
            return file.read()
    with TemporaryDirectory(prefix="forex-assets-backup-") as folder:
        copy = Path(folder) / "copy.db"
        with closing(sqlite3.connect(path, timeout=60)) as live, closing(sqlite3.connect(copy)) as there:
            live.backup(there)
        return copy.read_bytes()


def verify(path: Path) -> Manifest:
    """Read an archive whole, and hold every file against the manifest and the archive against its sum.

    Raises:
        ArchiveError: not there, cut off, a bit off anywhere, or files that the manifest does not list.
    """
    with _opened(path) as tar:
        return _checked(path, tar)[0]


def _opened(path: Path) -> tarfile.TarFile:
    """The archive, once its own sum is right."""
    beside = path.with_name(f"{path.name}{SUM}")
    if path.is_file() and not beside.exists():
        raise ArchiveError(
            f"{beside} is not there: the SHA-256 is kept beside its archive; copy it too, or restore another"
        )
    try:
        told = beside.read_text(encoding="utf-8", errors="replace").partition(" ")[0]
        if told != _sha256(path):
            raise ArchiveError(f"{path} is damaged: its SHA-256 is not the one beside it; restore an older archive")
        return tarfile.open(path, mode="r:gz")  # the caller closes it
    except FileNotFoundError as error:
        raise ArchiveError(f"{error.filename} is not there; forex-assets backup list shows what is") from None
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        raise ArchiveError(f"{path} cannot be read: {error}; restore an older archive") from error


def _checked(path: Path, tar: tarfile.TarFile) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and every file's bytes, all as listed."""
    try:
        contents = {entry.name: _member(path, tar, entry) for entry in tar}
        manifest = Manifest.model_validate_json(contents.pop(MANIFEST))
    except (KeyError, ValidationError, tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ArchiveError(f"{path} cannot be read: {str(error).splitlines()[0]}; restore an older archive") from error
    if set(contents) != set(manifest.files):
        odd = sorted(set(contents) ^ set(manifest.files))
        raise ArchiveError(f"{path}: {odd[0]} is in the archive or its manifest and not in both")
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != manifest.files[name]:
            raise ArchiveError(f"{path}: {name} is damaged; restore an older archive")
    return manifest, contents


def _member(path: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    """A plain file's bytes; nothing else belongs in an archive of ours."""
    parts = PurePosixPath(entry.name).parts
    file = tar.extractfile(entry) if entry.isreg() else None
    is_plain = "/".join(parts) == entry.name and parts[0] != "/" and ".." not in parts
    if file is None or not is_plain or (len(parts) == 1 and entry.name != MANIFEST):
        raise ArchiveError(f"{path}: {entry.name!r} is no plain file of a backup; the archive is not one of ours")
    return file.read()


def restore(
    path: Path, targets: Mapping[str, Path], now: datetime, *, is_forced: bool, left_alone: Collection[Path] = ()
) -> dict[str, Path]:
    """Put an archive's files in their places; what was there is kept aside.

    Everything is checked and written, within the targets as `.restoring-<time>`, before anything is moved; then what
    was there goes to `.replaced-<time>` and the new in its place, entry by entry: the folders themselves stay, as
    volumes of containers must. Ended half-way, nothing is lost; restored once more, all is in its place.

    Args:
        path: the archive.
        targets: folder by the name in the archive.
        now: names what is kept aside.
        is_forced: whether targets that hold files may be replaced.
        left_alone: what stays as it is, each directly in a target.

    Returns:
        Where what was replaced is kept, by target name.

    Raises:
        ArchiveError: the archive is damaged or holds something else, a target holds files and it is not forced, or the
            disk does not allow it, in which case all is as it was.
    """
    with _opened(path) as tar:
        contents = _checked(path, tar)[1]
    odd = sorted(name for name in contents if name.partition("/")[0] not in targets)
    if odd or not contents:
        raise ArchiveError(f"{path} holds {odd[0] if odd else 'nothing'}: not a backup of {', '.join(sorted(targets))}")
    held = [folder for folder in targets.values() if _holds_files(folder, left_alone)]
    if held and not is_forced:
        raise ArchiveError(f"{held[0]} holds files; --force replaces them and keeps them aside")
    stamp = now.astimezone(UTC).strftime(STAMP)
    outer = {name: folder for name, folder in targets.items() if not _outer(folder, targets)}
    fresh = {name: folder / f"{RESTORING}{stamp}" for name, folder in outer.items()}
    for name, folder in targets.items():
        if around := _outer(folder, targets):  # Dagster's home in the warehouse comes and goes with it
            fresh[name] = fresh[around] / folder.relative_to(targets[around])
    try:
        for name, content in contents.items():
            prefix, _, rest = name.partition("/")
            file = fresh[prefix] / rest
            file.parent.mkdir(parents=True, exist_ok=True)
            write_bytes_atomically(file, content)
        held_back = {*left_alone, *outer.values()}
        _swap([move for name in outer if fresh[name].exists() for move in _moves(outer[name], stamp, held_back)])
    except OSError as error:
        raise ArchiveError(
            f"{path} cannot be restored: {error}; nothing was changed, see to space and permissions"
        ) from error
    finally:
        for folder in outer.values():
            for left in folder.glob(f"{RESTORING}*"):  # those of a restore that was killed, too
                shutil.rmtree(left, ignore_errors=True)
    kept = {name: folder / f"{REPLACED}{stamp}" for name, folder in outer.items()}
    return {name: folder for name, folder in kept.items() if folder.exists()}


def _moves(folder: Path, stamp: str, left_alone: Collection[Path]) -> Iterator[tuple[Path, Path]]:
    """Renames that put a folder's new entries in the place of the old, in order."""
    fresh, kept = folder / f"{RESTORING}{stamp}", folder / f"{REPLACED}{stamp}"
    for path in sorted(folder.iterdir()):
        if path not in left_alone and not path.name.startswith((RESTORING, REPLACED)) and path.name != "lost+found":
            yield path, kept / path.name
    for path in sorted(fresh.iterdir()):
        if folder / path.name not in left_alone:
            yield path, folder / path.name


def _outer(folder: Path, targets: Mapping[str, Path]) -> str | None:
    """Name of the target that a folder lies in."""
    return next((name for name, other in targets.items() if other != folder and folder.is_relative_to(other)), None)


def _swap(moves: Sequence[tuple[Path, Path]]) -> None:
    """Renames, all or none: where one fails those before it are undone."""
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
    """Whether there is anything to lose; the project's own note in an empty warehouse is nothing."""
    skipped = [str(path.relative_to(folder)) for path in left_alone if path.is_relative_to(folder)]
    return any(path.name != "README.md" for path in _files(folder, skipped)) if folder.is_dir() else False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def outlived(found: Sequence[Archive], days: int, now: datetime) -> list[Archive]:
    """Archives older than `days`, never the newest."""
    return [each for each in sorted(found, key=lambda a: a.at, reverse=True)[1:] if (now - each.at).days >= days]


def remove(archive: Archive) -> None:
    """Take an archive away, its sum last."""
    archive.path.unlink(missing_ok=True)
    archive.path.with_name(f"{archive.path.name}{SUM}").unlink(missing_ok=True)

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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from forex_assets.adapters.atomic import DRAFT_PREFIX, write_atomically, write_bytes_atomically

MANIFEST: Final = "manifest.json"
SUM: Final = ".sha256"
STAMP: Final = "%Y%m%dT%H%M%SZ"
RESTORING, REPLACED = ".restoring-", ".replaced-"
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
    if path.exists():
        raise ArchiveError(f"{path} is there already: one a second; try again")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: _write(file, sources, now))  # type: ignore[arg-type]
        write_bytes_atomically(path.with_name(f"{path.name}{SUM}"), f"{_sha256(path)}  {path.name}\n".encode())
    except (OSError, sqlite3.Error) as error:
        path.unlink(missing_ok=True)
        raise ArchiveError(f"{path} cannot be made: {error}; see to space and permissions, nothing was left") from error
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


@dataclass(frozen=True)
class _Place:
    """Where a folder's new content waits, and where its old content goes.

    Beside it, and in its place by a rename of the whole. A folder that cannot be renamed, as the volume of a container,
    has both within it, and its entries are moved one by one.
    """

    folder: Path
    stamp: str

    @property
    def is_fixed(self) -> bool:
        return self.folder.is_dir() and (self.folder.is_mount() or not os.access(self.folder.parent, os.W_OK))

    @property
    def fresh(self) -> Path:
        return self._named(RESTORING)

    @property
    def kept(self) -> Path:
        return self._named(REPLACED)

    def _named(self, what: str) -> Path:
        own = self.folder / what if self.is_fixed else self.folder.with_name(f"{self.folder.name}{what}")
        return own.with_name(f"{own.name}{self.stamp}")

    def moves(self) -> list[tuple[Path, Path]]:
        """Renames that put the new content in its place, in order."""
        if not self.is_fixed:
            away = [(self.folder, self.kept)] if self.folder.exists() else []
            return [*away, (self.fresh, self.folder)]
        old = [path for path in sorted(self.folder.iterdir()) if not path.name.startswith((RESTORING, REPLACED))]
        away = [(path, self.kept / path.name) for path in old if path.name != "lost+found"]
        return [*away, *((path, self.folder / path.name) for path in sorted(self.fresh.iterdir()))]


def restore(path: Path, targets: Mapping[str, Path], now: datetime, *, is_forced: bool) -> dict[str, Path]:
    """Put an archive's files in their places; what was there is kept aside.

    Everything is checked and written beside the targets before any of them is touched; then each is put in its place by
    two renames. Ended between those, the old folder lies under `<name>.replaced-<time>`, the new one whole under
    `<name>.restoring-<time>`. Mount points keep both within them, as `.replaced-<time>` and `.restoring-<time>`.

    Args:
        path: the archive.
        targets: folder by the name in the archive.
        now: names what is kept aside.
        is_forced: whether targets that hold files may be replaced.

    Returns:
        Where what was replaced is kept, by target name.

    Raises:
        ArchiveError: the archive is damaged or holds nothing of the targets, a target holds files and it is not forced,
            or the disk does not allow it, in which case all is as it was.
    """
    with _opened(path) as tar:
        contents = _checked(path, tar)[1]
    odd = sorted(name for name in contents if name.partition("/")[0] not in targets)
    if odd or not contents:
        raise ArchiveError(f"{path} holds {odd[0] if odd else 'nothing'}: not a backup of {', '.join(sorted(targets))}")
    held = [folder for folder in targets.values() if _holds_files(folder)]
    if held and not is_forced:
        raise ArchiveError(f"{held[0]} holds files; --force replaces them and keeps them aside")
    stamp = now.astimezone(UTC).strftime(STAMP)
    places = {name: _Place(folder, stamp) for name, folder in targets.items() if not _outer(folder, targets)}
    fresh = {name: place.fresh for name, place in places.items()}
    for name, folder in targets.items():
        if around := _outer(folder, targets):  # Dagster's home in the warehouse comes and goes with it
            fresh[name] = fresh[around] / folder.relative_to(targets[around])
    try:
        for name, content in contents.items():
            prefix, _, rest = name.partition("/")
            file = fresh[prefix] / rest
            file.parent.mkdir(parents=True, exist_ok=True)
            write_bytes_atomically(file, content)
        return _swap({name: place for name, place in places.items() if fresh[name].exists()})
    except OSError as error:
        for folder in fresh.values():
            shutil.rmtree(folder, ignore_errors=True)
        raise ArchiveError(
            f"{path} cannot be restored: {error}; nothing was changed, see to space and permissions"
        ) from error


def _outer(folder: Path, targets: Mapping[str, Path]) -> str | None:
    """Name of the target that a folder lies in."""
    return next((name for name, other in targets.items() if other != folder and folder.is_relative_to(other)), None)


def _swap(places: Mapping[str, _Place]) -> dict[str, Path]:
    """Old content away, new content in its place; where one rename fails, those before it are undone."""
    done = list[tuple[Path, Path]]()
    try:
        for place in places.values():
            for old, new in place.moves():
                new.parent.mkdir(parents=True, exist_ok=True)
                old.rename(new)
                done.append((old, new))
    except OSError:
        for old, new in reversed(done):
            new.rename(old)
        raise
    for place in places.values():
        if place.is_fixed:
            place.fresh.rmdir()
    return {name: place.kept for name, place in places.items() if place.kept.exists()}


def _holds_files(folder: Path) -> bool:
    """Whether there is anything to lose; the project's own note in an empty warehouse is nothing."""
    return any(path.name != "README.md" for path in _files(folder, ())) if folder.is_dir() else False


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

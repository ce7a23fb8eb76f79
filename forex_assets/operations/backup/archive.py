"""Writes, lists and verifies backup archives.

An archive is a tar.gz with a manifest of each file's SHA-256; the archive's own SHA-256 is in a file next to it.
Databases are copied by sqlite's online backup, since a plain copy of a live one may be torn.
"""

import hashlib
import io
import os
import re
import sqlite3
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Final

import filelock
from pydantic import BaseModel, ConfigDict, ValidationError

from forex_assets.core.store.atomic import DRAFT_PREFIX, write_atomically, write_bytes_atomically

MANIFEST: Final = "manifest.json"
SUM: Final = ".sha256"
STAMP: Final = "%Y%m%dT%H%M%SZ"
RESTORING, REPLACED = ".restoring-", ".replaced-"
"""Prefixes of folders that a restore makes; never archived."""

LOCK: Final = ".lock"
LOCK_S: Final = 600
"""Longest wait for another backup, in seconds."""

_NAME: Final = re.compile(r"forex-assets_(\d{8}T\d{6}Z)\.tar\.gz")
_SQLITE: Final = b"SQLite format 3\x00"
_SQLITE_SIDE_FILES: Final = ("-wal", "-shm", "-journal")
"""Endings of sqlite's side files; the online backup holds their content."""


class NotAnArchive(Exception):
    """A named file is no archive at all."""


class ArchiveError(Exception):
    """An archive cannot be made, read or restored."""


class Manifest(BaseModel):
    """Content of an archive: SHA-256 by file name.

    Attributes:
        version: of the format.
        created_at: UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    created_at: datetime
    files: dict[str, str]


@dataclass(frozen=True)
class Archive:
    """An archive file, its time (UTC) and size (bytes)."""

    path: Path
    at: datetime
    size: int


def archives(folder: Path) -> list[Archive]:
    """Archives of a folder, newest first."""
    listed = []
    for path in folder.glob("forex-assets_*.tar.gz") if folder.is_dir() else ():
        if match := _NAME.fullmatch(path.name):
            at = datetime.strptime(match[1], STAMP).replace(tzinfo=UTC)
            listed.append(Archive(path, at, path.stat().st_size))
    return sorted(listed, key=lambda archive: archive.at, reverse=True)


def create(folder: Path, sources: Sequence[tuple[str, Path, Sequence[str]]], now: datetime) -> Archive:
    """Makes an archive; it gets its name once it is complete.

    Args:
        folder: made if it is missing.
        sources: name in the archive, folder, and paths to leave out (relative). They are read in this order: records
            that refer to others come first.

    Raises:
        ArchiveError: a source cannot be read, or the archive cannot be written; nothing is left.
    """
    path = folder / f"forex-assets_{now.astimezone(UTC).strftime(STAMP)}.tar.gz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / LOCK, timeout=LOCK_S):
            return _create(path, sources, now)
    except filelock.Timeout:
        raise ArchiveError(f"{folder} is locked by another backup for over {LOCK_S} s; try again later") from None
    except (OSError, sqlite3.Error) as error:
        raise ArchiveError(f"{path} cannot be made: {error}; check space and permissions, nothing was left") from error


def _create(path: Path, sources: Sequence[tuple[str, Path, Sequence[str]]], now: datetime) -> Archive:
    if path.exists():
        raise ArchiveError(f"{path} exists already: names hold seconds; try again")
    try:
        write_atomically(path, lambda file: _write(file, sources, now))  # type: ignore[arg-type]
        write_bytes_atomically(path.with_name(f"{path.name}{SUM}"), f"{_sha256(path)}  {path.name}\n".encode())
    except (OSError, sqlite3.Error):
        with suppress(OSError):  # what stopped the writing may stop the removal
            path.unlink(missing_ok=True)
        raise
    return Archive(path, now.astimezone(UTC), path.stat().st_size)


def _write(file: io.BufferedIOBase, sources: Sequence[tuple[str, Path, Sequence[str]]], now: datetime) -> None:
    sums: dict[str, str] = {}
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as tar:
        for name, content in _contents(sources):
            sums[name] = _add(tar, name, content, os.fstat(content.fileno()).st_size, now)
        listed = Manifest(created_at=now.astimezone(UTC), files=sums).model_dump_json(indent=1).encode()
        _add(tar, MANIFEST, io.BytesIO(listed), len(listed), now)


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int, now: datetime) -> str:
    """Copies a file into an archive piece by piece; returns its SHA-256."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o644, int(now.timestamp())
    hashed = _Hashed(content)
    tar.addfile(entry, hashed)
    return hashed.digest.hexdigest()


class _Hashed:
    """A file whose SHA-256 is taken while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Next bytes of the file."""
        piece = self._file.read(size)
        self.digest.update(piece)
        return piece


def _contents(sources: Sequence[tuple[str, Path, Sequence[str]]]) -> Iterator[tuple[str, IO[bytes]]]:
    """Archive names and open files, one by one; skips files removed meanwhile."""
    for prefix, root, left_out in sources:
        for path in files_of(root, left_out):
            with ExitStack() as opened:
                try:
                    file = opened.enter_context(_opened(path))
                except FileNotFoundError:
                    continue
                yield f"{prefix}/{path.relative_to(root).as_posix()}", file


def files_of(root: Path, left_out: Sequence[str] = ()) -> Iterator[Path]:
    """Files below a folder, without drafts, links and `left_out` (relative)."""
    skipped = {root / path for path in left_out}
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            name for name in folders if Path(folder, name) not in skipped and not name.startswith((RESTORING, REPLACED))
        )
        for name in sorted(names):
            path = Path(folder, name)
            if (
                path in skipped
                or name.startswith(DRAFT_PREFIX)
                or name.endswith(_SQLITE_SIDE_FILES)
                or path.is_symlink()
            ):
                continue
            yield path


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file for reading; of a database, its online backup."""
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            file.seek(0)
            yield file
            return
    with TemporaryDirectory(prefix="forex-assets-backup-") as folder:
        copy = Path(folder) / "copy.db"
        with closing(sqlite3.connect(path, timeout=60)) as live, closing(sqlite3.connect(copy)) as target:
            live.backup(target)
        with copy.open("rb") as file:
            yield file


def verify(path: Path) -> Manifest:
    """Reads a whole archive and checks all SHA-256.

    Raises:
        ArchiveError: missing, truncated, a wrong bit, or a file that the manifest does not list.
    """
    sums, listed = dict[str, str](), b""
    for name, content in members(path):
        if name == MANIFEST:
            listed = content.read()
        else:
            sums[name] = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
    try:
        manifest = Manifest.model_validate_json(listed)
    except ValidationError as error:
        raise ArchiveError(f"{path} has no usable manifest; restore an older archive") from error
    for name in sorted(set(sums) | set(manifest.files)):
        if name not in sums or name not in manifest.files:
            raise ArchiveError(f"{path}: {name} is not in both archive and manifest; restore an older archive")
        if sums[name] != manifest.files[name]:
            raise ArchiveError(f"{path}: {name} is damaged; restore an older archive")
    return manifest


def members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Names of an archive's files, each open for reading.

    The archive's own SHA-256 is checked first.

    Each file must be read before the next is asked for; none is held in memory.

    Raises:
        ArchiveError: see `verify`.
        NotAnArchive: the file is something else.
    """
    sum_file = path.with_name(f"{path.name}{SUM}")
    if path.is_file() and not sum_file.exists() and not tarfile.is_tarfile(path):
        raise NotAnArchive(f"{path} is no archive of forex-assets; `forex-assets backup list` names them")
    if path.is_file() and not sum_file.exists():
        raise ArchiveError(
            f"{sum_file} is not there: an archive needs its SHA-256 file; copy it too, or restore another archive"
        )
    try:
        expected = sum_file.read_text(encoding="utf-8", errors="replace").partition(" ")[0]
        if expected != _sha256(path):
            raise ArchiveError(
                f"{path} is damaged: its SHA-256 differs from the recorded one; restore an older archive"
            )
        with tarfile.open(path, mode="r:gz") as tar:
            for entry in tar:
                yield entry.name, _member(path, tar, entry)
    except FileNotFoundError as error:
        raise ArchiveError(f"{error.filename} is not there; forex-assets backup list shows the archives") from None
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        raise ArchiveError(f"{path} cannot be read: {error}; restore an older archive") from error


def _member(path: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    """A member, open; refuses all but plain files inside a target."""
    parts = PurePosixPath(entry.name).parts
    file = tar.extractfile(entry) if entry.isreg() else None
    is_plain = "/".join(parts) == entry.name and parts[0] != "/" and ".." not in parts
    if file is None or not is_plain or (len(parts) == 1 and entry.name != MANIFEST):
        raise ArchiveError(f"{path}: {entry.name!r} is no plain file; the archive was not made by forex-assets")
    return file


def remove(archive: Archive) -> None:
    """Removes an archive, then its SHA-256 file."""
    archive.path.unlink(missing_ok=True)
    archive.path.with_name(f"{archive.path.name}{SUM}").unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

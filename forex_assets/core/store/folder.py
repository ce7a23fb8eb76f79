"""A folder as a store: atomic files and file locks.

The only module that touches paths for state.
"""

import os
import socket
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import filelock

from forex_assets.core.store.atomic import (
    DRAFT_PREFIX,
    create_once,
    remove_draft,
    remove_drafts,
    write_bytes_atomically,
)
from forex_assets.core.store.port import (
    Changed,
    Confirm,
    Entry,
    Locked,
    Store,
    Taken,
    WarehouseError,
    is_plain_key,
    plain_key,
    plain_segment,
)

LOCKS: Final = ".locks"
RACY_NS: Final = 2_000_000_000
"""Age in nanoseconds below which time stamps may miss a second write."""


def _pass_over(step: str) -> None:
    """Ignores a step."""


@dataclass(frozen=True)
class _Tag:
    """State of a file as read.

    Attributes:
        content: only where the time stamp is too young to tell of a second write.
    """

    state: str
    content: bytes | None


@dataclass(frozen=True)
class Folder(Store):
    """Files of one folder, which is made at the first write.

    Attributes:
        root: of the keys.
        follows_links: whether a link in a file's place is followed, as a person may want for settings.
        at_step: called at each step of a write, see `atomic.STEPS`; tests end the process there.
    """

    root: Path
    follows_links: bool = False
    at_step: Callable[[str], None] = field(default=_pass_over, repr=False, compare=False)

    @property
    def has_turns(self) -> bool:
        return True

    def get(self, key: str) -> Entry | None:
        path = self._path(key)
        # Taken before the bytes: a file replaced in between then counts as changed.
        state, at = _state(path), time.time_ns()
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise WarehouseError(f"cannot read {path}: {error.strerror}; check its permissions and disk") from error
        is_young = state is None or int(state.rpartition(" ")[2]) > at - RACY_NS
        return Entry(content, _Tag(state or "", content if is_young else None), state or "")

    def state(self, key: str) -> str | None:
        return _state(self._path(key))

    def put(self, key: str, content: bytes) -> None:
        path = self._path(key)
        with self._explained("write", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes_atomically(path, content, at_step=self.at_step, through_link=self.follows_links)

    def create(self, key: str, content: bytes) -> None:
        path = self._path(key)
        with self._explained("write", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                create_once(path, content, at_step=self.at_step)
            except FileExistsError:
                raise Taken(f"{path} is there already; nothing was written") from None

    def replace(self, key: str, content: bytes, tag: object) -> None:
        path = self._path(key)
        with Folder(path.parent)._locked("records", 60.0):  # shared by all processes of this machine
            if not self._is_unchanged(key, tag):
                raise Changed(f"{path} was changed meanwhile; nothing was written")
            self.put(key, content)

    def remove(self, key: str) -> None:
        path = self._path(key)
        with self._explained("remove", path):
            path.unlink(missing_ok=True)

    def list(self, prefix: str = "") -> Sequence[str]:
        folder = self._path(prefix) if prefix else self.root
        head = f"{prefix}/" if prefix else ""
        return [head + name for name in _names(folder)]

    def place(self, key: str = "") -> str:
        return str(self._path(key) if key else self.root)

    def under(self, folder: str) -> "Folder":
        return Folder(self._path(folder), self.follows_links, self.at_step)

    @contextmanager
    def lock(self, name: str, timeout_s: float = 60.0) -> Iterator[Confirm]:
        """Holds a name among threads and processes of this machine."""
        with self._locked(name, timeout_s) as file:
            holder = file.with_suffix(".holder")
            note = f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
            try:
                write_bytes_atomically(holder, note.encode(), through_link=False)
                _give_to_owner(self.root, holder)
                yield lambda: None
            finally:
                holder.unlink(missing_ok=True)

    @contextmanager
    def _locked(self, name: str, timeout_s: float) -> Iterator[Path]:
        """Locks a name's file; yields it."""
        stem = ".".join(plain_segment(part, name) for part in name.split("/"))
        folder = self.root / LOCKS
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WarehouseError(f"cannot make {folder}: {error.strerror}; check its permissions and disk") from error
        lock = filelock.FileLock(folder / f"{stem}.lock", timeout=timeout_s)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            holder = _holder(folder / f"{stem}.holder")
            raise Locked(
                f"{name} in {self.root} has been locked for over {timeout_s:g} s by {holder}; "
                "wait for that run or end it: the lock goes with its process, no file need be removed"
            ) from error
        try:
            _give_to_owner(self.root, folder, Path(lock.lock_file))
            yield Path(lock.lock_file)
        finally:
            lock.release()

    turn = lock

    def tidy(self) -> None:
        remove_drafts(self.root, 0.0)

    def _path(self, key: str) -> Path:
        return self.root / plain_key(key)

    def _is_unchanged(self, key: str, tag: object) -> bool:
        """Tells whether a file is as read, by time or content."""
        if not isinstance(tag, _Tag):
            return False
        if tag.content is None:
            return self.state(key) == tag.state
        now = self.get(key)
        return now is not None and now.content == tag.content

    @contextmanager
    def _explained(self, verb: str, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WarehouseError(f"cannot {verb} {path}: {error.strerror}; check space and permissions") from error


def _state(path: Path) -> str | None:
    """Returns inode, size and time (ns) of a file, or None."""
    try:
        status = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"


def _names(folder: Path) -> list[str]:
    """Lists files of a folder and below as keys, ascending.

    Drafts and locks are none. Drafts of dead writers are removed on the way, since `create` does not look for them. A
    folder in a file's place is listed, so that its reader says so.
    """
    names = list[str]()
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if is_plain_key(name)]
        head = Path(root).relative_to(folder).as_posix()
        for name in files:
            if name.startswith(DRAFT_PREFIX):
                remove_draft(Path(root, name))
        files += [name for name in folders if name.endswith((".json", ".parquet"))]
        names += [name if head == "." else f"{head}/{name}" for name in files if is_plain_key(name)]
    return sorted(names)


def _give_to_owner(root: Path, *paths: Path) -> None:
    """Gives lock files that root made to the folder's owner."""
    if os.geteuid() == 0:
        owner = root.stat()
        for path in paths:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _holder(path: Path) -> str:
    """Names the holder of a lock."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return "another process"

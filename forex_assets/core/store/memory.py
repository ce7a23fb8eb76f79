"""Memory as a store, for tests; gone with the process."""

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from forex_assets.core.store.lease import Lease
from forex_assets.core.store.port import Changed, Confirm, Entry, Store, Taken, plain_key


@dataclass
class _Shelf:
    """Content shared by all views of one memory."""

    entries: dict[str, Entry] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    guard: threading.RLock = field(default_factory=threading.RLock)


@dataclass(frozen=True)
class Memory(Store):
    """Byte strings in this process's memory.

    Attributes:
        folder: prefix of every key, empty or ending in `/`.
    """

    folder: str = ""
    _shelf: _Shelf = field(default_factory=_Shelf, repr=False, compare=False)

    @property
    def has_turns(self) -> bool:
        return False

    def get(self, key: str) -> Entry | None:
        return self._shelf.entries.get(self._path(key))

    def state(self, key: str) -> str | None:
        entry = self.get(key)
        return None if entry is None else entry.state

    def put(self, key: str, content: bytes) -> None:
        with self._shelf.guard:
            number = next(self._shelf.numbers)
            self._shelf.entries[self._path(key)] = Entry(bytes(content), number, str(number))

    def create(self, key: str, content: bytes) -> None:
        with self._shelf.guard:
            if self.get(key) is not None:
                raise Taken(f"{self.place(key)} is there already; nothing was written")
            self.put(key, content)

    def replace(self, key: str, content: bytes, tag: object) -> None:
        with self._shelf.guard:
            now = self.get(key)
            if now is None or now.tag != tag:
                raise Changed(f"{self.place(key)} was changed meanwhile; nothing was written")
            self.put(key, content)

    def remove(self, key: str) -> None:
        with self._shelf.guard:
            self._shelf.entries.pop(self._path(key), None)

    def list(self, prefix: str = "") -> Sequence[str]:
        head = self._path(prefix) + "/" if prefix else self.folder
        with self._shelf.guard:
            keys = [key.removeprefix(self.folder) for key in self._shelf.entries if key.startswith(head)]
        return sorted(keys)

    def place(self, key: str = "") -> str:
        return f"memory://{self.folder}{key}".removesuffix("/") if self.folder or key else "memory://"

    def under(self, folder: str) -> "Memory":
        return Memory(self._path(folder) + "/", self._shelf)

    def lock(self, name: str, timeout_s: float = 60.0) -> AbstractContextManager[Confirm]:
        return Lease(self, name).held(timeout_s)

    def tidy(self) -> None:
        """Does nothing: writes leave no drafts."""

    def turn(self, name: str, timeout_s: float = 60.0) -> AbstractContextManager[None]:
        return nullcontext()

    def _path(self, key: str) -> str:
        return self.folder + plain_key(key)

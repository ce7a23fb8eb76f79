"""A store whose user dies before or after a call, and does nothing more."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from forex_assets.core.store.lease import Lease
from forex_assets.core.store.port import Confirm, Entry, Store


class Killed(BaseException):
    """The process is gone; no handler of errors sees it."""


@dataclass
class Life:
    """Calls that were made, and the one that kills.

    Attributes:
        dies_at: number of the call; 0 for a long life.
        is_after: dies once the call is done.
    """

    dies_at: int = 0
    is_after: bool = False
    calls: int = 0
    is_over: bool = False

    def spend(self, action: Any, *arguments: Any) -> Any:
        """Makes a call, or dies."""
        if self.is_over:
            raise Killed
        self.calls += 1
        if self.calls == self.dies_at:
            self.is_over = True
            if self.is_after:
                action(*arguments)
            raise Killed
        return action(*arguments)


@dataclass(frozen=True)
class Mortal(Store):
    """A store as seen by a process that dies."""

    inner: Store
    life: Life = field(default_factory=Life)

    @property
    def has_turns(self) -> bool:
        return False

    def get(self, key: str) -> Entry | None:
        return self.life.spend(self.inner.get, key)  # type: ignore[no-any-return]

    def state(self, key: str) -> str | None:
        return self.life.spend(self.inner.state, key)  # type: ignore[no-any-return]

    def put(self, key: str, content: bytes) -> None:
        self.life.spend(self.inner.put, key, content)

    def create(self, key: str, content: bytes) -> None:
        self.life.spend(self.inner.create, key, content)

    def replace(self, key: str, content: bytes, tag: object) -> None:
        self.life.spend(self.inner.replace, key, content, tag)

    def remove(self, key: str) -> None:
        self.life.spend(self.inner.remove, key)

    def list(self, prefix: str = "") -> Sequence[str]:
        return self.life.spend(self.inner.list, prefix)  # type: ignore[no-any-return]

    def place(self, key: str = "") -> str:
        return self.inner.place(key)

    def under(self, folder: str) -> "Mortal":
        return Mortal(self.inner.under(folder), self.life)

    def lock(self, name: str, timeout_s: float = 60.0) -> AbstractContextManager[Confirm]:
        return Lease(self, name).held(timeout_s)

    def turn(self, name: str, timeout_s: float = 60.0) -> AbstractContextManager[None]:
        return nullcontext()

    def tidy(self) -> None:
        """Does nothing."""

"""The store port: byte strings by key, with compare-and-swap.

Keys are paths such as `market/usdclp.parquet`. Adapters: a folder, memory, object stores. Everything durable goes
through a store, so that two machines need no shared disk.
"""

import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

_SEGMENT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,=+%-]{0,199}")
"""Safe name: no separator and no leading dot."""

FIRST_WAIT_S: Final = 0.01
LONGEST_WAIT_S: Final = 1.0


class WarehouseError(Exception):
    """A table cannot be read, written or locked; says the remedy."""


class Taken(WarehouseError):
    """`create` found its key taken; nothing was written."""


class Changed(WarehouseError):
    """`replace` found other content than was read; nothing was written."""


Confirm = Callable[[], None]
"""Raises `WarehouseError` where a lock may have passed to another."""


class Locked(WarehouseError):
    """A lock is held by another; says by whom."""


@dataclass(frozen=True)
class Entry:
    """Content of a key as read.

    Attributes:
        content: whole.
        tag: for `Store.replace`; opaque.
        state: as `Store.state`, of this content or older.
    """

    content: bytes
    tag: object
    state: str


class Store(Protocol):
    """Byte strings by key; each is replaced whole.

    Attributes:
        has_turns: whether `turn` keeps every other writer out.

    Every method raises `WarehouseError` where the storage fails or a key is no plain path; the message names the place.
    """

    @property
    def has_turns(self) -> bool: ...

    def get(self, key: str) -> Entry | None:
        """Returns the content of a key; None where there is none."""

    def state(self, key: str) -> str | None:
        """Returns a mark that changes with every write, or None.

        The content is not read.
        """

    def put(self, key: str, content: bytes) -> None:
        """Writes content over whatever is there."""

    def create(self, key: str, content: bytes) -> None:
        """Writes content under a free key.

        Raises:
            Taken: the key is taken.
        """

    def replace(self, key: str, content: bytes, tag: object) -> None:
        """Writes content over what was read with `tag`.

        Raises:
            Changed: it was replaced or removed since.
        """

    def remove(self, key: str) -> None:
        """Removes a key; a missing one is no error."""

    def list(self, prefix: str = "") -> Sequence[str]:
        """Lists keys in a folder and below, ascending.

        Args:
            prefix: a folder such as `market/history`; empty for all.
        """

    def place(self, key: str = "") -> str:
        """Returns the place of a key, for messages."""

    def under(self, folder: str) -> "Store":
        """Returns the store of a folder below."""

    def lock(self, name: str, timeout_s: float = 60.0) -> AbstractContextManager["Confirm"]:
        """Holds a name exclusively among all users of the store.

        It ends with its holder and is not reentrant.

        Raises:
            Locked: another holds it for longer than `timeout_s`.
        """

    def tidy(self) -> None:
        """Removes drafts of killed writers at the store's top.

        Only under a lock that every writer takes.
        """

    def turn(self, name: str, timeout_s: float = 60.0) -> AbstractContextManager[object]:
        """Waits for other writers of a name where that is cheap.

        A folder's lock spares a second try. An object store has none: there `create` and `replace` alone decide.
        """


def update(store: Store, key: str, change: Callable[[bytes | None], bytes]) -> bytes:
    """Replaces content by what `change` makes of it; loses no other write.

    Args:
        change: from the content, None where there is none, to the new one; called again where another has written.

    Returns:
        What was written.
    """
    for wait_s in waits():
        before = store.get(key)
        content = change(None if before is None else before.content)
        try:
            if before is None:
                store.create(key, content)
            else:
                store.replace(key, content, before.tag)
            return content
        except (Taken, Changed):
            time.sleep(wait_s)
    raise AssertionError("waits() never ends")


def waits(first_s: float = FIRST_WAIT_S, longest_s: float = LONGEST_WAIT_S) -> Iterator[float]:
    """Yields waits in seconds without end: exponential back-off with full jitter."""
    most = first_s
    while True:
        yield random.uniform(0, most)
        most = min(2 * most, longest_s)


def plain_segment(text: str, whole: str) -> str:
    """Returns the text if it is a safe file name.

    Raises:
        WarehouseError: it is none.
    """
    if not _SEGMENT.fullmatch(text):
        raise WarehouseError(
            f"{whole!r} cannot name a table: {text!r} is no plain name (letters, digits and _ . , = + % -, "
            "no leading dot, at most 200 characters)"
        )
    return text


def plain_key(key: str) -> str:
    """Returns the key if each part is a safe name.

    Raises:
        WarehouseError: a part is none.
    """
    for part in key.split("/"):
        plain_segment(part, key)
    return key


def is_plain_key(key: str) -> bool:
    """Tells whether a name found in a store is a key."""
    return all(_SEGMENT.fullmatch(part) for part in key.split("/"))

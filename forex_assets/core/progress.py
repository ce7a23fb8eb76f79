"""Progress of long work, reported to listeners in this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[int, int], None]
"""Called with steps done and steps in total."""

Listener = Callable[[int, int, str], None]
"""Called with steps done, in total, and part."""

_listeners: list[Listener] = []


def notify(done: int, total: int, part: str = "") -> None:
    """Tells every listener of this process.

    Args:
        part: name of the part whose steps these are; empty where the work has one part.
    """
    for listener in _listeners:
        listener(done, total, part)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Calls `listener` on each notice while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)

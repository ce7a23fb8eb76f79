"""Progress of long work, reported to listeners in this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[int, int], None]
"""Called with steps done and steps in total."""

_listeners: list[Report] = []


def notify(done: int, total: int) -> None:
    """Tells every listener of this process."""
    for listener in _listeners:
        listener(done, total)


@contextmanager
def listening(report: Report) -> Iterator[None]:
    """Calls `report` on each notice while the block runs."""
    _listeners.append(report)
    try:
        yield
    finally:
        _listeners.remove(report)

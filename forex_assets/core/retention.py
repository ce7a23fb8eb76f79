"""Decides which dated files are removed for their age."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol, TypeVar


class Dated(Protocol):
    """Anything with a time, such as an archive."""

    @property
    def at(self) -> datetime:
        """Time it was made, with a time zone."""
        ...


T = TypeVar("T", bound=Dated)


def outlived(items: Iterable[T], *, days: int, keep: int, now: datetime) -> list[T]:
    """Items at least `days` old, except the newest `keep`; newest first."""
    newest_first = sorted(items, key=lambda item: item.at, reverse=True)
    return [item for item in newest_first[keep:] if item.at <= now - timedelta(days=days)]


def thinned(items: Iterable[T], *, daily: int, weekly: int, monthly: int) -> list[T]:
    """Items beyond the newest of each day, week and month.

    Args:
        daily: days, with an item, whose newest one is kept; likewise weeks and months.
    """
    newest_first = sorted(items, key=lambda item: item.at, reverse=True)
    kept = set[int]()
    for count, pattern in ((daily, "%Y-%m-%d"), (weekly, "%G-%V"), (monthly, "%Y-%m")):
        periods = dict[str, int]()
        for place, item in enumerate(newest_first):
            periods.setdefault(item.at.strftime(pattern), place)
        kept |= set(list(periods.values())[:count])
    return [item for place, item in enumerate(newest_first) if place not in kept]

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

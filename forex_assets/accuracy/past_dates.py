"""Past test dates: spacing and calendar."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from forex_assets.core.calendar import SessionCalendar


@dataclass(frozen=True)
class Every:
    """Spacing of origins: each `count`-th session, week or month."""

    count: int
    unit: Literal["d", "w", "m"]


def parse_every(text: str) -> Every:
    """Parses a spacing such as `1d`, `1w`, `2w`, `1m`.

    Raises:
        ValueError: it is nothing of the kind.
    """
    match = re.fullmatch(r"([1-9][0-9]?)([dwm])", text)
    if match is None:
        raise ValueError(f"{text!r} is no interval between origins; give a number of d, w or m, such as 1d, 1w, 2w, 1m")
    return Every(int(match[1]), match[2])  # type: ignore[arg-type]  # the pattern allows no other letter


def origin_dates(calendar: SessionCalendar, first: date, last: date, every: Every) -> list[date]:
    """Lists the sessions from `first` through `last` to forecast from.

    Days: every `count`-th session from the first. Weeks (ISO) and months: their last session, counted from a fixed day,
    so that another `first` or `last` picks from the same origins. A period that ends after `last` gives none.
    """
    sessions = calendar.between(first - timedelta(days=1), last)
    if every.unit == "d":
        return sessions[:: every.count]
    dates = []
    for day in sessions:
        number, end = _period(day, every.unit)
        if number % every.count == 0 and not calendar.between(day, end):
            dates.append(day)
    return dates


def _period(day: date, unit: Literal["w", "m"]) -> tuple[int, date]:
    """Number of a day's week or month, and its last day."""
    if unit == "w":
        return (day.toordinal() - 1) // 7, day + timedelta(days=6 - day.weekday())
    in_the_next = day.replace(day=28) + timedelta(days=4)
    return 12 * day.year + day.month, in_the_next - timedelta(days=in_the_next.day)

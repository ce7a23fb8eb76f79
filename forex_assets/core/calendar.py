"""Sessions: which days a market trades, and which instant a date stands for. Holidays are handed in."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

SANTIAGO: Final = ZoneInfo("America/Santiago")
NEW_YORK: Final = ZoneInfo("America/New_York")
LONDON: Final = ZoneInfo("Europe/London")
ISSUE_TIME: Final = time(19, 0)
"""Local time in Santiago at which a date's forecast is issued: after the peso's close and copper's settlement."""


def issue_instant(as_of: date) -> datetime:
    """The instant (UTC) that a bare date stands for: 19:00 of that day in Santiago."""
    return datetime.combine(as_of, ISSUE_TIME, SANTIAGO).astimezone(UTC)


@dataclass(frozen=True)
class SessionCalendar:
    """Business days less a market's holidays.

    Args:
        name: what the calendar is called in messages, such as `CLP`.
        holidays: full-day closures; weekends need not be among them.
    """

    name: str
    holidays: frozenset[date]

    def is_session(self, day: date) -> bool:
        """Whether the market trades on `day`."""
        return day.weekday() < 5 and day not in self.holidays

    def roll_back(self, day: date) -> date:
        """`day` itself where it is a session, else the last session before it."""
        while not self.is_session(day):
            day -= timedelta(days=1)
        return day

    def previous(self, day: date) -> date:
        """The last session strictly before `day`."""
        return self.roll_back(day - timedelta(days=1))

    def between(self, after: date, through: date) -> list[date]:
        """Sessions later than `after`, up to and with `through`, ascending; empty where there are none."""
        days = (after + timedelta(days=k) for k in range(1, (through - after).days + 1))
        return [day for day in days if self.is_session(day)]

    def age(self, last: date, as_of: date) -> int:
        """How many sessions have gone by after `last`, up to and with `as_of`."""
        return len(self.between(last, as_of))


def previous_weekday(day: date) -> date:
    """The Monday-to-Friday day strictly before `day`, holidays or not."""
    return day - timedelta(days={0: 3, 6: 2}.get(day.weekday(), 1))


def calendar_of(name: str, holidays: Iterable[date]) -> SessionCalendar:
    """A calendar from any iterable of holidays."""
    return SessionCalendar(name, frozenset(holidays))

"""Market sessions, and the instant that a bare date stands for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

SANTIAGO: Final = ZoneInfo("America/Santiago")
NEW_YORK: Final = ZoneInfo("America/New_York")
LONDON: Final = ZoneInfo("Europe/London")
ISSUE_TIME: Final = time(19, 0)
"""Issue time in Santiago, after the peso's close and copper's settlement."""

DAYS_PER_SESSION: Final = 7 / 5
"""Calendar days per session: five sessions a week, holidays aside."""


def issue_instant(as_of: date) -> datetime:
    """Returns 19:00 in Santiago of a day, in UTC."""
    return datetime.combine(as_of, ISSUE_TIME, SANTIAGO).astimezone(UTC)


def santiago_time(at: datetime) -> str:
    """Writes an instant for people, as `2025-06-13 10:05`."""
    return f"{at.astimezone(SANTIAGO):%Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class SessionCalendar:
    """Weekdays less the holidays of a market.

    Args:
        name: for messages, such as `CLP`.
        holidays: full-day closures; weekends may be missing.
        optional: closures on which the market may trade all the same; a price then makes a session.
    """

    name: str
    holidays: frozenset[date]
    optional: frozenset[date] = frozenset()

    def is_session(self, day: date) -> bool:
        """Tells whether the market trades on a day."""
        return day.weekday() < 5 and day not in self.holidays

    def may_trade(self, day: date) -> bool:
        """Tells whether a price can be of that day."""
        return self.is_session(day) or (day.weekday() < 5 and day in self.optional)

    def roll_back(self, day: date) -> date:
        """Returns the day, or the last session before it."""
        while not self.is_session(day):
            day -= timedelta(days=1)
        return day

    def previous(self, day: date) -> date:
        """Returns the last session strictly before a day."""
        return self.roll_back(day - timedelta(days=1))

    def next(self, day: date) -> date:
        """Returns the first session strictly after a day."""
        day += timedelta(days=1)
        while not self.is_session(day):
            day += timedelta(days=1)
        return day

    def between(self, after: date, through: date) -> list[date]:
        """Returns sessions after `after` through `through`, ascending."""
        days = (after + timedelta(days=k) for k in range(1, (through - after).days + 1))
        return [day for day in days if self.is_session(day)]

    def age(self, last: date, as_of: date) -> int:
        """Counts sessions after `last` through `as_of`."""
        return len(self.between(last, as_of))


def previous_weekday(day: date) -> date:
    """Returns the last Monday-to-Friday day before `day`, holiday or not."""
    return day - timedelta(days={0: 3, 6: 2}.get(day.weekday(), 1))


def calendar_of(name: str, holidays: Iterable[date], optional: Iterable[date] = ()) -> SessionCalendar:
    """Makes a calendar from holidays."""
    return SessionCalendar(name, frozenset(holidays), frozenset(optional))

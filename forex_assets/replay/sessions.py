"""A calendar whose sessions are listed once, for many questions."""

from bisect import bisect_right
from datetime import date
from functools import cached_property

from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.holidays import YEARS


class ListedCalendar(SessionCalendar):
    """`SessionCalendar` with equal answers in less time.

    A replay asks for the sessions of years at every evening and horizon.
    """

    @cached_property
    def _sessions(self) -> list[date]:
        return super().between(date(YEARS[0] - 1, 12, 31), date(YEARS[-1], 12, 31))

    def between(self, after: date, through: date) -> list[date]:
        """See `SessionCalendar.between`."""
        if after.year < YEARS[0] or through.year > YEARS[-1]:
            return super().between(after, through)
        return self._sessions[bisect_right(self._sessions, after) : bisect_right(self._sessions, through)]


def listed(calendar: SessionCalendar) -> ListedCalendar:
    """A calendar's sessions as a list."""
    return ListedCalendar(calendar.name, calendar.holidays, calendar.optional)

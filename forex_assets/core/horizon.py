"""Forecast horizons, target dates and steps.

A horizon counts calendar days from `as_of`, as the desk asks; steps are sessions, as a model sees them. Seven calendar
days are five steps without holidays.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from forex_assets.core.calendar import SessionCalendar

HORIZON_DAYS: Final[dict[str, int]] = {"7d": 7, "15d": 15, "30d": 30, "90d": 90}
HORIZONS: Final = tuple(HORIZON_DAYS)


def days_of(horizon: str) -> int:
    """Returns the calendar days of a horizon.

    Raises:
        ValueError: there is no such horizon.
    """
    try:
        return HORIZON_DAYS[horizon]
    except KeyError:
        raise ValueError(f"no horizon {horizon!r}; there are {', '.join(HORIZONS)}") from None


@dataclass(frozen=True)
class Target:
    """Dates of one forecast.

    Attributes:
        as_of: day of issue.
        target_date: `as_of` plus the horizon, rolled back to a session.
        sessions: forecast days, from the session after the last known one through the target.
    """

    as_of: date
    target_date: date
    sessions: tuple[date, ...]

    @property
    def steps(self) -> int:
        """Number of sessions forecast."""
        return len(self.sessions)


def target_of(horizon: str, as_of: date, last_known: date, calendar: SessionCalendar) -> Target:
    """Computes target date and steps of one forecast.

    Args:
        as_of: day of issue, a session or not.
        last_known: last session with a price.

    Raises:
        ValueError: unknown horizon, a price later than `as_of`, or no session between it and the target.
    """
    if last_known > as_of:
        raise ValueError(f"the last known session {last_known} is later than the forecast's date {as_of}")
    target_date = calendar.roll_back(as_of + timedelta(days=days_of(horizon)))
    sessions = calendar.between(last_known, target_date)
    if not sessions:
        raise ValueError(f"{horizon} from {as_of}: target {target_date} has no session after {last_known}")
    return Target(as_of, target_date, tuple(sessions))

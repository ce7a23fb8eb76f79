"""Rule of an evening's polling for the next observado."""

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final, Literal

from forex_assets.core.calendar import SANTIAGO, SessionCalendar

FROM: Final = time(18, 0)
"""Start of polling, Santiago: the Banco Central publishes from about then."""
UNTIL: Final = time(21, 0)
"""End of polling, Santiago."""
WAIT_MINUTES: Final = (8.0, 14.0)
"""Shortest and longest wait between two questions.

Drawn anew each time, so that installations do not ask together.
"""


@dataclass(frozen=True)
class Evening:
    """State of an evening, as the records tell it.

    Attributes:
        now: aware.
        has_account: whether the Banco Central can be asked.
        newest_observado: latest date of an observado that a run brought in; None without any.
        not_before: instant of the next question; None for at once.
        origin_observado: latest observado that today's origin knew; None if no origin was picked today.
        has_origin: whether an origin was picked today, by the evening's price run.
    """

    now: datetime
    has_account: bool
    newest_observado: date | None
    not_before: datetime | None
    origin_observado: date | None
    has_origin: bool


@dataclass(frozen=True)
class Step:
    """Next action of the evening, and the reason for people."""

    action: Literal["ask", "renew", "wait"]
    words: str


def next_step(evening: Evening, calendar: SessionCalendar) -> Step:
    """Decides what the polling does now.

    From 18:00 it asks until the observado of the next banking day is there, or 21:00. If a fan went out before that
    observado came, the origin is picked again.

    Args:
        calendar: banking days.
    """
    local = evening.now.astimezone(SANTIAGO)
    today, wanted = local.date(), calendar.next(local.date())
    if not calendar.is_session(today):
        return Step("wait", f"{today} is no banking day")
    if local.time() < FROM or local.time() >= UNTIL:
        return Step("wait", f"the observado of {wanted} is asked for from 18:00 to 21:00 in Santiago")
    if evening.newest_observado is not None and evening.newest_observado >= wanted:
        knew = evening.origin_observado is not None and evening.origin_observado >= wanted
        if evening.has_origin and not knew:
            return Step("renew", f"the observado of {wanted} came after today's origin was picked")
        return Step("wait", f"the observado of {wanted} is there")
    if not evening.has_account:
        return Step("wait", "no BCCH_USER and BCCH_PASSWORD: only the Banco Central shows tomorrow's observado")
    if evening.not_before is not None and evening.now < evening.not_before:
        return Step("wait", f"the observado of {wanted} is not out; next question at {evening.not_before:%H:%M} UTC")
    return Step("ask", f"the observado of {wanted} is not out yet")

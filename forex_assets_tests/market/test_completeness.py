"""Lost, late and rewritten sessions are counted with their dates."""

from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from forex_assets.core.calendar import calendar_of
from forex_assets.core.schemas import USDCLP_SCHEMA
from forex_assets.market.completeness import (
    last_finished_price_is_current,
    no_sessions_are_missing,
    stored_prices_are_not_rewritten,
)
from forex_assets.market.prices import USDCLP

CALENDAR = calendar_of("CLP", [date(2024, 6, 20)])
FIRST = datetime(2024, 6, 30, tzinfo=UTC)


def days(count: int, start: date = date(2023, 1, 2)) -> list[date]:
    every = (start + timedelta(days=n) for n in range(3 * count))
    return [day for day in every if CALENDAR.is_session(day)][:count]


def table(sessions: list[date], fetched_at: datetime = FIRST, *, is_provisional: bool = False) -> pl.DataFrame:
    return pl.DataFrame({
        "session": sessions,
        "clp_per_usd": [900.0 + n % 7 for n in range(len(sessions))],
        "source": ["yahoo"] * len(sessions),
        "is_provisional": [is_provisional] * len(sessions),
        "is_suspect": [False] * len(sessions),
        "available_at": [datetime.combine(day, time(22), UTC) for day in sessions],
        "fetched_at": [fetched_at] * len(sessions),
        "is_quarantined": [False] * len(sessions),
    }, schema=USDCLP_SCHEMA)  # fmt: skip


def test_missing_sessions_are_counted_and_the_recent_ones_named() -> None:
    every = days(600)
    assert no_sessions_are_missing(table(every), USDCLP, CALENDAR).passed
    old = no_sessions_are_missing(table([d for n, d in enumerate(every) if n != 100]), USDCLP, CALENDAR)
    assert (old.passed, old.values["missing"], old.values["missing_recent"]) == (True, 1, 0)
    gone = {every[590], every[595]}
    new = no_sessions_are_missing(table([d for d in every if d not in gone]), USDCLP, CALENDAR)
    assert (new.passed, new.severity, new.values["days"]) == (False, "warn", sorted(map(str, gone)))
    assert str(every[595]) in new.message
    weekly = no_sessions_are_missing(table(every[::5]), USDCLP, CALENDAR)
    assert weekly.values["missing"] == 476  # a weekly chart that calls itself daily


def test_a_session_between_the_last_bar_and_the_last_price_is_not_yet_missing() -> None:
    every = days(20)
    live = pl.concat([table(every[:18]), table(every[19:], is_provisional=True)])
    assert no_sessions_are_missing(live, USDCLP, CALENDAR).passed


def test_bars_that_stopped_are_noticed_although_last_prices_go_on() -> None:
    every = days(40)
    for late, passes in ((5, True), (6, False)):
        live = pl.concat([table(every[: 40 - late]), table(every[40 - late :], is_provisional=True)])
        finding = last_finished_price_is_current(live, USDCLP, CALENDAR, every[-1])
        assert (finding.passed, finding.values["age_sessions"]) == (passes, late)


def test_sessions_rewritten_or_late_in_one_fetch_are_counted_and_new_and_older_ones_are_not() -> None:
    every, later = days(100), FIRST + timedelta(days=1)
    for changed, passes in ((4, True), (5, False)):
        frame = pl.concat([
            table(every[:40], later),  # backfilled
            table(every[40:60]),
            table(every[60 : 60 + changed], later),
            table(every[60 + changed : 99]),
            table(every[99:], later),  # new
        ])  # fmt: skip
        finding = stored_prices_are_not_rewritten(frame, USDCLP)
        assert (finding.passed, finding.values["rewritten"]) == (passes, changed)
    assert stored_prices_are_not_rewritten(table(every), USDCLP).passed


def test_no_data_is_never_green_where_age_and_gaps_are_judged() -> None:
    nothing = table([])
    assert not no_sessions_are_missing(nothing, USDCLP, CALENDAR).passed
    assert not last_finished_price_is_current(nothing, USDCLP, CALENDAR, date(2024, 1, 2)).passed

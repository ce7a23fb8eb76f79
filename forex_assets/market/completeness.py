"""Rules on lost, late and rewritten sessions of a table."""

from datetime import date, datetime
from typing import Final

import polars as pl

from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.finding import Finding
from forex_assets.market.prices import PriceSeries
from forex_assets.market.quality import RECENT, daily_rows, usable

FINISHED_LATE_AFTER: Final = 5
"""Sessions without a finished price before a warning; Yahoo needs three."""
FEWEST_REWRITTEN: Final = 5
"""Stored sessions changed in one fetch that warn."""


def _finished(prices: pl.DataFrame, series: PriceSeries) -> pl.DataFrame:
    return usable(prices, series).filter(~pl.col("is_provisional"))


def no_sessions_are_missing(prices: pl.DataFrame, series: PriceSeries, calendar: SessionCalendar) -> Finding:
    """No session is missing between the first and last finished one.

    Those of the last 250 sessions warn; older ones are counted.
    """
    name = "no_sessions_are_missing"
    rows = daily_rows(prices, series)
    last = rows.filter(~pl.col("is_provisional"))["session"].max()
    first = rows["session"].min()
    if not isinstance(first, date) or not isinstance(last, date):
        return Finding(name, False, "warn", f"{series.name} has no finished price", {"missing": None})
    sessions = calendar.between(first, last)
    have = set(rows["session"])
    missing = [day for day in sessions if day not in have]
    recent = [day for day in missing if day in set(sessions[-RECENT:])]
    examples = ", ".join(str(day) for day in recent[-5:])
    message = f"{len(missing)} of {len(sessions) + 1} sessions since {first} are missing"
    if recent:
        message += f", {len(recent)} of them in the last {min(RECENT, len(sessions))}: {examples}"
    values = {"missing": len(missing), "missing_recent": len(recent), "days": [str(day) for day in recent]}
    return Finding(name, not recent, "warn", message, values)


def last_finished_price_is_current(
    prices: pl.DataFrame, series: PriceSeries, calendar: SessionCalendar, as_of: date
) -> Finding:
    """The last finished price is at most five sessions old.

    A last price can go on while bars have stopped; then nothing can be scored.
    """
    name = "last_finished_price_is_current"
    last = _finished(prices, series)["session"].max()
    if not isinstance(last, date):
        return Finding(name, False, "warn", f"{series.name} has no finished price", {"age_sessions": None})
    age = calendar.age(last, as_of)
    values = {"age_sessions": age, "last_session": str(last), "limit_sessions": FINISHED_LATE_AFTER}
    message = f"last finished price {last}, {age} sessions before {as_of}"
    return Finding(name, age <= FINISHED_LATE_AFTER, "warn", message, values)


def stored_prices_are_not_rewritten(prices: pl.DataFrame, series: PriceSeries) -> Finding:
    """The last fetch changed or added few sessions among those stored before.

    Most closes changed at once are refused when they come; this shows the rest.
    """
    name = "stored_prices_are_not_rewritten"
    rows = daily_rows(prices, series).filter(~pl.col("is_provisional"))
    newest = rows["fetched_at"].max()
    if not isinstance(newest, datetime):
        return Finding(name, True, "warn", f"{series.name} has no finished price", {"rewritten": 0})
    before = rows.filter(pl.col("fetched_at") < newest)["session"]
    first, last = before.min(), before.max()
    if first is None or last is None:
        return Finding(name, True, "warn", "all rows are of one fetch", {"rewritten": 0})
    changed = rows.filter((pl.col("fetched_at") == newest) & pl.col("session").is_between(first, last))["session"]
    message = f"{changed.len()} sessions changed or came late in the last fetch"
    if changed.len():
        message += f", {changed[0]} to {changed[-1]}; see market/revisions"
    return Finding(name, changed.len() < FEWEST_REWRITTEN, "warn", message, {"rewritten": changed.len()})

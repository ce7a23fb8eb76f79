"""Drivers of the peso for what-if questions, by session.

All optional: a series that no source gives is a column of nulls.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

import polars as pl

from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.finding import Finding
from forex_assets.core.schemas import DRIVERS_SCHEMA, conform, empty
from forex_assets.market.completeness import FINISHED_LATE_AFTER
from forex_assets.market.prices import BRL, DOLLAR_INDEX, POLICY_RATE, PriceSeries
from forex_assets.market.quality import RECENT, usable

Calendars = Callable[[PriceSeries], SessionCalendar]
DRIVERS: Final = (DOLLAR_INDEX, BRL, POLICY_RATE)
"""Series of the table, each a column of its name."""


def drivers_table(prices: Mapping[PriceSeries, pl.DataFrame]) -> pl.DataFrame:
    """Joins the series by session.

    A row is known when the last of its prices is.

    Args:
        prices: `prices_schema` of each series; provisional and bad rows are left out.

    Returns:
        `DRIVERS_SCHEMA`, oldest first.
    """
    table = empty({"session": pl.Date, "available_at": DRIVERS_SCHEMA["available_at"]})
    for series, rows in prices.items():
        final = usable(rows, series).filter(~pl.col("is_provisional"))
        values = final.select("session", series.value, known="available_at")
        table = table.join(values, on="session", how="full", coalesce=True)
        table = table.with_columns(available_at=pl.max_horizontal("available_at", "known")).drop("known")
    sources = sorted({name for rows in prices.values() for name in rows["source"].unique()})
    table = table.with_columns(pl.lit(" + ".join(sources)).alias("source"))
    absent = [name for name in DRIVERS_SCHEMA if name not in table.columns]
    table = table.with_columns(pl.lit(None, dtype=DRIVERS_SCHEMA[name]).alias(name) for name in absent)
    return conform(table.sort("session").select(list(DRIVERS_SCHEMA)), DRIVERS_SCHEMA, "drivers")


def drivers_are_ordered_and_in_range(table: pl.DataFrame) -> Finding:
    """One row a session, oldest first, and every value is possible."""
    name = "drivers_are_ordered_and_in_range"
    repeated = table.filter(pl.col("session").is_duplicated())["session"].unique().sort()
    faults = [f"{repeated[0]} has more than one row"] if repeated.len() else []
    if not table["session"].is_sorted():
        faults.append("sessions do not ascend")
    for series in DRIVERS:
        low, high = series.plausible
        odd = table.filter(~pl.col(series.value).is_between(low, high))
        if odd.height:
            value, day = odd[series.value][0], odd["session"][0]
            faults.append(f"{series.name} {value:g} of {day} is outside {low:g} to {high:g}")
    message = "; ".join(faults) or f"{table.height} sessions in order, values in range"
    return Finding(name, not faults, "warn", message, {"rows": table.height, "repeated": repeated.len()})


def drivers_are_current(table: pl.DataFrame, calendar_of: Calendars, as_of: date) -> Finding:
    """Each stored driver's last price is at most five sessions old.

    A driver that no source ever gave passes and is named: it is optional.
    """
    name, ages, lacking = "drivers_are_current", dict[str, int](), list[str]()
    for series in DRIVERS:
        last = table.drop_nulls(series.value)["session"].max()
        if isinstance(last, date):
            ages[series.name] = calendar_of(series).age(last, as_of)
        else:
            lacking.append(series.name)
    old = [series for series, age in ages.items() if age > FINISHED_LATE_AFTER]
    words = [f"{series} is {_sessions(age)} old" for series, age in ages.items()]
    words += [f"no {series}: no source has given any" for series in lacking]
    return Finding(name, not old, "warn", "; ".join(words), {**ages, "limit_sessions": FINISHED_LATE_AFTER})


def drivers_have_no_gaps(table: pl.DataFrame, calendar_of: Calendars) -> Finding:
    """No driver lacks one of its last 250 sessions.

    Counted are sessions between its first and last price. The policy rate holds until it is changed: its days are not
    counted.
    """
    name, missing = "drivers_have_no_gaps", dict[str, list[date]]()
    for series in (DOLLAR_INDEX, BRL):
        days = table.drop_nulls(series.value)["session"]
        first, last = days.min(), days.max()
        if isinstance(first, date) and isinstance(last, date):
            have = set(days)
            sessions = calendar_of(series).between(first, last)[-RECENT:]
            missing[series.name] = [day for day in sessions if day not in have]
    gaps = {series: days for series, days in missing.items() if days}
    words = [
        f"{series}: {_sessions(len(days))} missing, {', '.join(str(day) for day in days[-5:])}"
        for series, days in gaps.items()
    ]
    message = "; ".join(words) or f"no session missing in {', '.join(missing) or 'no driver'}"
    return Finding(name, not gaps, "warn", message, {series: len(days) for series, days in missing.items()})


def _sessions(count: int) -> str:
    """A number of sessions in words."""
    return f"{count} session{'s' * (count != 1)}"

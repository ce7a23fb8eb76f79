"""Rules for price tables, and detection of bad ticks.

A rule blocks if a failure makes forecasts wrong: peso prices out of order, missing, in another unit or weeks old. Other
failures warn. Copper never blocks. `alignment` compares two series.
"""

import math
from datetime import date
from statistics import median
from typing import Final

import numpy as np
import polars as pl

from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.finding import Finding, Severity
from forex_assets.market.prices import COPPER, POUNDS_PER_TONNE, USDCLP, PriceSeries

FRED_SOURCE: Final = "fred"
"""Source of copper's monthly level; its rows have no daily close."""

BIG_MOVE: Final = 0.08
"""Daily move that warns; in logs, +8 % equals -7.4 %."""
_BIG_LOG_MOVE: Final = math.log1p(BIG_MOVE)
USUAL_MOVES: Final = 20
USUAL_MULTIPLE: Final = 4.0
"""Multiple of the median of the last 20 moves that is ordinary."""
LEFT_OVER: Final = 1 / 3
"""Largest part of a bad tick's move left after its reversal."""

RECENT: Final = 250
"""Rows checked for oddities, about a year; older ones stop warning."""
LATE_AFTER: Final = 2
"""Sessions without a price before a warning; Yahoo needs one."""
STALE_AFTER: Final = 10
"""Sessions without a price before a block: two weeks."""
STILL: Final = 5
"""Identical closes in a row that warn; holidays repeat three or four."""


def severity_of(series: PriceSeries, wanted: Severity = "block") -> Severity:
    """Returns the severity for a series; copper always warns."""
    return wanted if series.name == USDCLP.name else "warn"


def daily_rows(prices: pl.DataFrame, series: PriceSeries) -> pl.DataFrame:
    """Leaves out rows with only copper's monthly level.

    A null close of another source stays.
    """
    is_level = (pl.col("source") == FRED_SOURCE).fill_null(False) & pl.col(series.value).is_null()
    return prices.filter(~is_level)


def usable(prices: pl.DataFrame, series: PriceSeries = USDCLP) -> pl.DataFrame:
    """Returns daily rows with a price and without bad ticks."""
    return prices.filter(pl.col(series.value).is_not_null() & ~pl.col("is_quarantined"))


def mark_bad_ticks(prices: pl.DataFrame, series: PriceSeries) -> pl.DataFrame:
    """Sets `is_quarantined` for values that are no market price.

    A bad tick lies outside `series.plausible`, or moves by more than 8 % and more than four times the median of the
    last 20 moves, and the next session reverses it but for a third at most (and 8 %). 8 % and a half alone would mark
    four real days of copper between 2006 and 2009. Two bad ticks in a row must both be twice 8 % off, since a 9 % shock
    that fades after two days is a market. The first and last rows are judged by range only, so a last row can become a
    bad tick tomorrow.

    Args:
        prices: oldest first, at least the price column; nulls stay unmarked.
    """
    values = prices[series.value].cast(pl.Float64).fill_null(math.nan).to_numpy()
    low, high = series.plausible
    is_bad = np.isfinite(values) & ((values < low) | (values > high))
    candidates = np.flatnonzero(np.isfinite(values) & ~is_bad)
    is_bad[candidates[_reverted(np.log(values[candidates]).tolist())]] = True
    return prices.with_columns(pl.Series("is_quarantined", is_bad, dtype=pl.Boolean))


def marked_anew(prices: pl.DataFrame, series: PriceSeries) -> pl.DataFrame:
    """Sets `is_quarantined` from these rows alone: suspect rows and bad ticks.

    A table cut at an earlier instant must not know of a later reversal.
    """
    # Suspect values are excluded: a good price must not look like a spike next to one.
    marked = mark_bad_ticks(prices.filter(~pl.col("is_suspect")), series)
    suspect = prices.filter("is_suspect").with_columns(is_quarantined=pl.lit(True))
    return pl.concat([marked, suspect]).sort("session", maintain_order=True)


def _reverted(logs: list[float]) -> list[int]:
    """Returns indices of log prices reversed one or two rows later."""
    bad: list[int] = []
    good, moves, row = logs[:1], [0.0], 1
    while row < len(logs):
        usual = USUAL_MULTIPLE * median(moves[-USUAL_MOVES:])
        run = next((n for n in (1, 2) if _is_excursion(good[-1], logs[row : row + n + 1], n, usual)), 0)
        bad.extend(range(row, row + run))
        row += run  # the reversing row, or the row judged a price, stays
        moves.append(abs(logs[row] - good[-1]))
        good.append(logs[row])
        row += 1
    return bad


def _is_excursion(level: float, logs: list[float], length: int, usual: float) -> bool:
    """Tells whether all but the last log price are off `level`."""
    if len(logs) <= length:
        return False
    off = min(abs(log - level) for log in logs[:length])
    back = abs(logs[length] - level)
    return off > max(length * _BIG_LOG_MOVE, usual) and back <= min(_BIG_LOG_MOVE, off * LEFT_OVER)


def sessions_strictly_increase(prices: pl.DataFrame, series: PriceSeries) -> Finding:
    """Sessions are unique and in order."""
    steps = daily_rows(prices, series)["session"].diff().dt.total_days()
    count = int((steps <= 0).sum())
    message = (
        f"{count} of {prices.height} rows are not later than the row before" if count else "each later than the last"
    )
    return Finding("sessions_strictly_increase", count == 0, severity_of(series), message, {"rows_out_of_order": count})


def sessions_are_business_days(prices: pl.DataFrame, series: PriceSeries, calendar: SessionCalendar) -> Finding:
    """Every session is a trading day of the market."""
    days = [day for day in daily_rows(prices, series)["session"].drop_nulls() if not calendar.may_trade(day)]
    weekends = sum(day.weekday() >= 5 for day in days)
    examples = ", ".join(str(day) for day in days[-3:])
    failure = f"{len(days)} rows on no {calendar.name} session, {weekends} on weekends; last {examples}"
    message = failure if days else "all"
    values = {"rows_off_calendar": len(days), "rows_on_weekends": weekends}
    return Finding("sessions_are_business_days", not days, "warn", message, values)


def has_no_nulls(prices: pl.DataFrame, series: PriceSeries) -> Finding:
    """No price, day or instant is missing."""
    rows = daily_rows(prices, series)
    names = ["session", series.value, "source", "is_provisional", "available_at", "fetched_at", "is_quarantined"]
    counts = {name: rows[name].null_count() for name in names if rows[name].null_count()}
    message = "; ".join(f"{name}: {count} nulls" for name, count in counts.items()) or "none"
    return Finding("has_no_nulls", not counts, severity_of(series), message, counts)


def prices_are_in_range(prices: pl.DataFrame, series: PriceSeries) -> Finding:
    """Every price that is not marked is possible in its unit."""
    low, high = series.plausible
    outside = prices.filter(~pl.col(series.value).is_between(low, high))
    unmarked = outside.filter(~pl.col("is_quarantined"))
    message = f"{outside.height} outside {low:g} to {high:g} {series.unit}, {unmarked.height} of them not marked"
    if unmarked.height:
        message += f", last {unmarked[series.value][-1]:g} of {unmarked['session'][-1]}"
    values = {"rows_outside": outside.height, "rows_outside_unmarked": unmarked.height}
    return Finding("prices_are_in_range", unmarked.is_empty(), severity_of(series), message, values)


def moves_are_ordinary(prices: pl.DataFrame, series: PriceSeries) -> Finding:
    """The last 250 rows have no big move or bad tick.

    It warns only: real shocks move that far. A large newest move stays in use and is named, since it may be either.
    """
    prices = prices.filter(pl.col("session").is_not_null())  # `has_no_nulls` reports nulls
    good = usable(prices, series)
    moves = good.select("session", move=pl.col(series.value).log().diff()).filter(pl.col("move").abs() > _BIG_LOG_MOVE)
    bad = prices.filter(pl.col("is_quarantined"))
    lately = prices["session"].tail(RECENT).to_list()
    recent = [(day, math.expm1(move)) for day, move in moves.iter_rows() if day >= lately[0]]
    recent_bad = [day for day in bad["session"] if day >= lately[0]]
    is_last = bool(recent) and recent[-1][0] == good["session"][-1]
    parts = [f"{day} {move:+.1%}" for day, move in recent[-3:]] + [f"{day} quarantined" for day in recent_bad[-3:]]
    message = "; ".join(parts) or f"none over {BIG_MOVE:.0%} in the last {min(RECENT, prices.height)} rows"
    if is_last:
        message += "; the last one is the newest price: tomorrow shows whether it is a bad tick"
    values = {"big_moves": moves.height, "bad_ticks": bad.height, "recent_big_moves": len(recent),
              "recent_bad_ticks": len(recent_bad), "is_newest_price_a_big_move": is_last}  # fmt: skip
    return Finding("moves_are_ordinary", not recent and not recent_bad, "warn", message, values)


def is_current(prices: pl.DataFrame, series: PriceSeries, calendar: SessionCalendar, as_of: date) -> Finding:
    """The last usable price is at most two sessions old."""
    return _age("is_current", LATE_AFTER, "warn", prices, series, calendar, as_of)


def is_not_stale(prices: pl.DataFrame, series: PriceSeries, calendar: SessionCalendar, as_of: date) -> Finding:
    """The last usable price is at most ten sessions old."""
    return _age("is_not_stale", STALE_AFTER, severity_of(series), prices, series, calendar, as_of)


def is_ordered_and_current(
    prices: pl.DataFrame, series: PriceSeries, calendar: SessionCalendar, as_of: date
) -> Finding:
    """Rows are in order, in range and current.

    A series without any row passes: it is optional, and needs an account or a network.
    """
    name = "is_ordered_and_current"
    if prices.is_empty():
        return Finding(name, True, "warn", f"no {series.name}: no source has given any", {"rows": 0})
    parts = (
        sessions_strictly_increase(prices, series),
        has_no_nulls(prices, series),
        prices_are_in_range(prices, series),
        is_current(prices, series, calendar, as_of),
    )
    failures = [f"{part.name}: {part.message}" for part in parts if not part.passed]
    message = "; ".join(failures) or parts[-1].message
    return Finding(name, not failures, "warn", message, {"rows": prices.height})


def _age(
    name: str,
    limit: int,
    severity: Severity,
    prices: pl.DataFrame,
    series: PriceSeries,
    calendar: SessionCalendar,
    as_of: date,
) -> Finding:
    """Finding on the number of sessions since the last usable price."""
    last = usable(prices, series)["session"].max()
    if not isinstance(last, date):
        return Finding(name, False, severity, f"{series.name} has no usable price", {"age_sessions": None})
    age = calendar.age(last, as_of)
    values = {"age_sessions": age, "last_session": str(last), "limit_sessions": limit}
    return Finding(name, age <= limit, severity, f"last price {last}, {age} sessions before {as_of}", values)


def prices_keep_moving(prices: pl.DataFrame, series: PriceSeries) -> Finding:
    """No five closes in a row are identical in the last 250."""
    tail = usable(prices, series).tail(RECENT)
    if tail.is_empty():
        return Finding("prices_keep_moving", False, "warn", f"{series.name} has no usable price", {"longest_run": 0})
    runs = tail.group_by(pl.col(series.value).rle_id().alias("run"), maintain_order=True).agg(
        pl.len().alias("rows"), pl.col("session").first(), pl.col(series.value).first()
    )
    rows, start, value = runs.sort("rows", maintain_order=True).select("rows", "session", series.value).row(-1)
    message = f"longest run of identical closes: {rows} ({value:g} from {start} on)"
    return Finding("prices_keep_moving", rows < STILL, "warn", message, {"longest_run": rows, "since": str(start)})


def copper_is_in_usd_per_pound(prices: pl.DataFrame) -> Finding:
    """The median copper close is possible in USD/lb.

    A second guard: a merge refuses other units. All rows count, marked or not.
    """
    values = daily_rows(prices, COPPER)[COPPER.value].drop_nulls().tail(RECENT)
    if values.is_empty():
        return Finding("copper_is_in_usd_per_pound", False, "warn", "no daily copper price", {"median": None})
    level = float(np.median(values.to_numpy()))
    low, high = COPPER.plausible
    message = f"median of the last {values.len()} closes is {level:g}, plausible {low:g} to {high:g} {COPPER.unit}"
    if level > high and low <= level / POUNDS_PER_TONNE <= high:
        message += "; looks like USD/t"
    elif level > high and low <= level / 100 <= high:
        message += "; looks like US cents/lb"
    return Finding("copper_is_in_usd_per_pound", low <= level <= high, "warn", message, {"median": level})

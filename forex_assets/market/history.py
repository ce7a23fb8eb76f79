"""Append-only price history: merges, revisions, and views at an instant.

A history holds one series from one source (`history_schema`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from forex_assets.core.schemas import (
    REVISIONS_SCHEMA,
    UTC,
    conform,
    empty,
    fetched_schema,
    history_schema,
    prices_schema,
)
from forex_assets.market.prices import POUNDS_PER_TONNE, PriceSeries
from forex_assets.market.quality import marked_anew

SAME_VALUE: Final = 1e-7
"""Relative difference of equal values; feeds print single precision (6e-8)."""

UNIT_JUMP: Final = (0.5, 2.0)
"""Ratios of new to stored values that the market can cause."""

BORNE_LOSS: Final = 0.02
"""Share of stored sessions that an answer may lack."""
RECENT: Final = 5
"""Values of a median level; robust to a bad tick."""


class BadFetch(Exception):
    """A refused fetch; nothing stored has changed. `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, eq=False)
class Merge:
    """Result of merging one fetch.

    Attributes:
        history: whole history afterwards (`history_schema`), oldest version first.
        added: number of new rows.
        revised: number of rows that replaced another value.
        message: summary for people.
    """

    history: pl.DataFrame
    added: int
    revised: int
    message: str


def merge_history(
    stored: pl.DataFrame | None,
    fetched: pl.DataFrame,
    series: PriceSeries,
    now: datetime,
    as_of: datetime | None = None,
) -> Merge:
    """Appends new rows of a fetch; changed values supersede old rows.

    A final bar is identified by its session, a provisional price by its session and moment. A repeated value changes
    nothing, even with another `available_at`.

    Args:
        stored: history of one source (`history_schema`), or None.
        fetched: rows of the same source (`fetched_schema`).
        now: instant of fetching; becomes `fetched_at` and `superseded_at`.
        as_of: instant asked for; stored bars available by then must be in the answer.

    Raises:
        BadFetch: empty, no price, out of order, wrong unit, missing sessions, or another source.
        ValueError: columns do not match the schema.
    """
    old = (
        empty(history_schema(series.value))
        if stored is None
        else conform(stored, history_schema(series.value), "stored")
    )
    rows = conform(fetched, fetched_schema(series.value), "fetched")
    _refuse_bad_fetch(old.filter(pl.col("superseded_at").is_null()), rows, series, as_of)
    old = old.with_row_index("_row")
    paired = _pair(old.filter(pl.col("superseded_at").is_null()), rows, series.value)
    is_new = pl.col("_row").is_null()
    is_other_value = (pl.col(series.value) - pl.col("_old")).abs() > SAME_VALUE * pl.col("_old").abs()
    is_changed = is_other_value | (pl.col("is_suspect") != pl.col("_was_suspect"))
    learnt = paired.filter(is_new | is_changed)
    changed = learnt["_row"].drop_nulls().to_list()
    appended = learnt.with_columns(fetched_at=pl.lit(now), superseded_at=pl.lit(None)).select(
        [pl.col(name).cast(dtype) for name, dtype in history_schema(series.value).items()]
    )
    superseded = pl.when(pl.col("_row").is_in(changed)).then(pl.lit(now)).otherwise(pl.col("superseded_at"))
    kept = old.with_columns(superseded_at=superseded.cast(UTC)).select(list(history_schema(series.value)))
    added = learnt.height - len(changed)
    message = f"rows {rows.height}, last {rows['session'].sort()[-1]}, added {added}, revised {len(changed)}"
    return Merge(pl.concat([kept, appended]), added, len(changed), message)


def _pair(current: pl.DataFrame, rows: pl.DataFrame, value: str) -> pl.DataFrame:
    """Adds `_row` and `_old` of the matching current row, or null."""
    moment = pl.when(pl.col("is_provisional")).then(pl.col("available_at")).alias("_moment")
    key = ["session", "is_provisional", "_moment"]
    known = current.with_columns(moment).select(
        [*key, "_row", pl.col(value).alias("_old"), pl.col("is_suspect").alias("_was_suspect")]
    )
    return rows.with_columns(moment).join(known, on=key, how="left", nulls_equal=True, maintain_order="left")


def _refuse_bad_fetch(current: pl.DataFrame, rows: pl.DataFrame, series: PriceSeries, as_of: datetime | None) -> None:
    """Raises `BadFetch` for rows that must not be merged."""
    if rows.is_empty():
        raise BadFetch("no rows")
    if nulls := [name for name in rows.columns if rows[name].null_count()]:
        raise BadFetch(f"nulls in {', '.join(nulls)}")
    if len(sources := sorted({*rows["source"], *current["source"]})) > 1:
        raise BadFetch(f"rows of several sources ({', '.join(sources)}) in one history")
    bad = rows.filter(~pl.col(series.value).is_finite() | (pl.col(series.value) <= 0))
    if bad.height:
        raise BadFetch(f"{series.value} {bad[series.value][0]} of {bad['session'][0]} is no price ({bad.height} such)")
    finals = rows.filter(~pl.col("is_provisional"))["session"]
    if not finals.is_sorted() or finals.is_duplicated().any():
        raise BadFetch("sessions are not strictly increasing among final rows")
    # A session may have several provisional prices, each of its own moment.
    moments = rows.filter("is_provisional").select("session", "available_at")
    if not moments.equals(moments.sort("session", "available_at")) or moments.is_duplicated().any():
        raise BadFetch("sessions or moments are not increasing among provisional rows")
    _refuse_wrong_unit(current, rows, series)
    _refuse_missing_sessions(current, rows, as_of)


def _median(values: pl.Series) -> float:
    """Returns the median of prices; the column is not empty."""
    return float(values.median())  # type: ignore[arg-type]


def _refuse_wrong_unit(current: pl.DataFrame, rows: pl.DataFrame, series: PriceSeries) -> None:
    """Raises for another unit or a jump of the level.

    Medians: one bad tick must not refuse the whole fetch.
    """
    low, high = series.plausible
    recent = current.sort("session", maintain_order=True)[series.value].tail(RECENT)
    usual = _median(recent) if recent.len() else math.sqrt(low * high)
    level = _median(rows[series.value])
    if not low <= level <= high:
        raise BadFetch(
            f"median {level:g} is no price in {series.unit} ({low:g} to {high:g}){_hint(level / usual, series)}"
        )
    pairs = rows.join(current.select("session", "is_provisional", pl.col(series.value).alias("_old")),
                      on=["session", "is_provisional"])  # fmt: skip
    newer = rows.filter(pl.col("session") > current["session"].max()) if current.height else rows.clear()
    ratios = []
    if pairs.height:
        ratios.append(("the stored values of the same sessions", _median(pairs[series.value] / pairs["_old"])))
    # Up to two wild new rows after a fitting overlap are bad ticks: kept and quarantined.
    if newer.height and (newer.height >= 3 or not pairs.height):
        ratios.append(("the last stored values", _median(newer[series.value]) / usual))
    for what, ratio in ratios:
        if not UNIT_JUMP[0] <= ratio <= UNIT_JUMP[1]:
            raise BadFetch(f"values are {ratio:.4g} times {what}{_hint(ratio, series)}")


def _hint(ratio: float, series: PriceSeries) -> str:
    """Names the wrong unit that a ratio suggests; else empty."""
    if series.unit == "USD/lb":
        for factor, words in ((POUNDS_PER_TONNE, "USD/t"), (100.0, "US cents/lb")):
            if UNIT_JUMP[0] <= ratio / factor <= UNIT_JUMP[1]:
                return f": looks like {words} for {series.unit}"
    return ""


def _refuse_missing_sessions(current: pl.DataFrame, rows: pl.DataFrame, as_of: datetime | None) -> None:
    """Raises if stored final sessions are missing from the answer.

    Services sometimes lose a bar for good. One in fifty is accepted if none of the newest is missing: the stored bar
    stays, and a refusal would lose the source for 90 days. A session that became provisional again is not missing.
    Sessions are compared, not counts.
    """
    finals = rows.filter(~pl.col("is_provisional"))["session"]
    if finals.is_empty():
        return
    reach = pl.col("session") <= finals[-1]
    if as_of is not None:
        reach = reach | (pl.col("available_at") <= as_of)
    expected = current.filter(~pl.col("is_provisional") & (pl.col("session") >= finals[0]) & reach)["session"]
    missing = sorted(set(expected) - set(rows["session"]))
    is_borne = len(missing) <= expected.len() * BORNE_LOSS and not set(missing) & set(expected.sort().tail(RECENT))
    if missing and not is_borne:
        examples = ", ".join(str(day) for day in missing[:3]) + (" …" if len(missing) > 3 else "")
        raise BadFetch(
            f"{len(missing)} finished sessions from {finals[0]} on are stored and missing from the answer: {examples}"
        )


def revisions_of(history: pl.DataFrame, series: PriceSeries) -> pl.DataFrame:
    """Returns final bars that their source later changed (`REVISIONS_SCHEMA`).

    Oldest revision first; `revised_at` is when the new value was fetched.
    """
    finals = conform(history, history_schema(series.value), "history").filter(~pl.col("is_provisional"))
    revised = (
        finals.with_columns(old_value=pl.col(series.value).shift(1).over("source", "session"))
        .filter(pl.col("old_value") != pl.col(series.value))
        .select(
            pl.lit(series.name).alias("series"),
            "source",
            "session",
            "old_value",
            pl.col(series.value).alias("new_value"),
            pl.col("fetched_at").alias("revised_at"),
        )
        .sort("revised_at", "session", maintain_order=True)
    )
    return conform(revised, REVISIONS_SCHEMA, "revisions")


def prices_at(
    history: pl.DataFrame,
    series: PriceSeries,
    as_of: datetime,
    mark: Callable[[pl.DataFrame, PriceSeries], pl.DataFrame] = marked_anew,
) -> pl.DataFrame:
    """Returns prices as of an instant (`prices_schema`), bad ticks marked.

    One row a session, oldest first: current rows with `available_at` ≤ `as_of`; the final bar, else the latest
    provisional price. A suspect row is used only without another, and quarantined. A revised value shows at all
    instants: values served before the first fetch are unknown.

    Args:
        history: one series from one source (`history_schema`).
        mark: fills `is_quarantined`.

    Raises:
        ValueError: columns do not match the schema, or sources are mixed.
    """
    rows = conform(history, history_schema(series.value), "history")
    if rows["source"].n_unique() > 1:
        raise ValueError(f"{series.name}: history mixes sources {sorted(rows['source'].unique())}; view one at a time")
    view = (
        rows.filter(pl.col("superseded_at").is_null() & (pl.col("available_at") <= as_of))
        .sort("session", ~pl.col("is_suspect"), ~pl.col("is_provisional"), "available_at", maintain_order=True)
        .unique("session", keep="last", maintain_order=True)
        .with_columns(is_quarantined=pl.lit(False))
        .select(list(prices_schema(series.value)))
    )
    return mark(view, series)

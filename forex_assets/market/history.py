"""Price history that only grows: merging a fetch, what was revised, and which prices stood at an instant.

History holds one series from one source (`history_schema`). Which source is asked, and when, is `fallback`'s affair.
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
"""Relative difference up to which two values are the same: feeds carry single precision (6e-8), variously printed."""

UNIT_JUMP: Final = (0.5, 2.0)
"""Ratios of new to stored values that can be the market's doing."""

BORNE_LOSS: Final = 0.02
"""Share of stored sessions that an answer may lack: one in fifty."""
RECENT: Final = 5
"""Values whose median stands for a level: a bad tick among them does not move it."""


class BadFetch(Exception):
    """A fetch that is not to be trusted; merging it has changed nothing. `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, eq=False)
class Merge:
    """What came of merging one fetch.

    Attributes:
        history: the whole history after it (`history_schema`), in the order in which rows were learnt.
        added: rows of a session, or of a provisional price's moment, not seen before.
        revised: rows that replaced another value of the same session.
        message: the same for people.
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
    """Append what `fetched` has that `stored` has not; a changed value supersedes the old row, which stays.

    A finished bar is known by its session, a provisional price by its session and its moment. A value that repeats
    changes nothing, whatever its `available_at` says now: it was known when it was first known.

    Args:
        stored: history of one source (`history_schema`), None where there is none.
        fetched: rows of the same source (`fetched_schema`).
        series: what the prices are of.
        now: the instant of fetching, aware; becomes `fetched_at` and `superseded_at`.
        as_of: the instant that was asked for. Where given, an answer that ends before stored bars that were available
            by then counts as one with sessions missing.

    Raises:
        BadFetch: empty, not a price, out of order, wrong unit, sessions missing, or of another source.
        ValueError: columns are not those of the schema, which is a mistake in the code that fetched.
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
    """`rows` with `_row` and `_old` of the current row that they repeat or change; null where they are new."""
    moment = pl.when(pl.col("is_provisional")).then(pl.col("available_at")).alias("_moment")
    key = ["session", "is_provisional", "_moment"]
    known = current.with_columns(moment).select(
        [*key, "_row", pl.col(value).alias("_old"), pl.col("is_suspect").alias("_was_suspect")]
    )
    return rows.with_columns(moment).join(known, on=key, how="left", nulls_equal=True, maintain_order="left")


def _refuse_bad_fetch(current: pl.DataFrame, rows: pl.DataFrame, series: PriceSeries, as_of: datetime | None) -> None:
    """Raise `BadFetch` where `rows` must not be merged."""
    if rows.is_empty():
        raise BadFetch("no rows")
    if nulls := [name for name in rows.columns if rows[name].null_count()]:
        raise BadFetch(f"nulls in {', '.join(nulls)}")
    if len(sources := sorted({*rows["source"], *current["source"]})) > 1:
        raise BadFetch(f"rows of several sources ({', '.join(sources)}) in one history")
    bad = rows.filter(~pl.col(series.value).is_finite() | (pl.col(series.value) <= 0))
    if bad.height:
        raise BadFetch(f"{series.value} {bad[series.value][0]} of {bad['session'][0]} is no price ({bad.height} such)")
    for (is_provisional,), part in rows.group_by("is_provisional"):
        if part.height > 1 and not (part["session"].diff().drop_nulls().dt.total_days() > 0).all():
            raise BadFetch(
                f"sessions are not strictly increasing among {'provisional' if is_provisional else 'final'} rows"
            )
    _refuse_wrong_unit(current, rows, series)
    _refuse_missing_sessions(current, rows, as_of)


def _median(values: pl.Series) -> float:
    """Median of a column of prices that is not empty."""
    return float(values.median())  # type: ignore[arg-type]


def _refuse_wrong_unit(current: pl.DataFrame, rows: pl.DataFrame, series: PriceSeries) -> None:
    """Raise where the level is not this unit's or has jumped. Medians: one bad tick must not cost the whole fetch."""
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
    # With an overlap that fits, two or fewer wild new rows are bad ticks, which are kept and quarantined.
    if newer.height and (newer.height >= 3 or not pairs.height):
        ratios.append(("the last stored values", _median(newer[series.value]) / usual))
    for what, ratio in ratios:
        if not UNIT_JUMP[0] <= ratio <= UNIT_JUMP[1]:
            raise BadFetch(f"values are {ratio:.4g} times {what}{_hint(ratio, series)}")


def _hint(ratio: float, series: PriceSeries) -> str:
    """Which wrong unit a ratio looks like, in words; empty where it looks like none."""
    if series.unit == "USD/lb":
        for factor, words in ((POUNDS_PER_TONNE, "USD/t"), (100.0, "US cents/lb")):
            if UNIT_JUMP[0] <= ratio / factor <= UNIT_JUMP[1]:
                return f": looks like {words} for {series.unit}"
    return ""


def _refuse_missing_sessions(current: pl.DataFrame, rows: pl.DataFrame, as_of: datetime | None) -> None:
    """Raise where finished sessions that are stored between the answer's first and last are not in the answer.

    Services lose a bar now and then, for good. One in fifty that is not among the newest is borne: what is stored
    stays, and refusing would cost the source for the 90 days in which the bar is looked for. Not by number
    alone: one session lost and another gained is a loss too. A session that has gone back to provisional is there.
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
        shown = ", ".join(str(day) for day in missing[:3]) + (" …" if len(missing) > 3 else "")
        raise BadFetch(
            f"{len(missing)} finished sessions from {finals[0]} on are stored and missing from the answer: {shown}"
        )


def revisions_of(history: pl.DataFrame, series: PriceSeries) -> pl.DataFrame:
    """Finished bars that their source later changed (`REVISIONS_SCHEMA`), oldest revision first.

    `revised_at` is when the new value was fetched. Empty where nothing was revised.
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
    """The prices that stood at `as_of` (`prices_schema`): one row a session, oldest first, bad ticks marked.

    Current rows with `available_at` ≤ `as_of`; the finished bar where there is one, else the latest provisional price.
    A suspect row stands only where there is no other, and is quarantined.
    A value that its source revised shows as revised, also at instants before the revision: history starts at the first
    fetch, so what was served before it is not known.

    Args:
        history: one series from one source (`history_schema`).
        series: what the prices are of.
        as_of: an aware instant.
        mark: fills `is_quarantined`.

    Raises:
        ValueError: columns are not the schema's, or several sources are mixed.
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

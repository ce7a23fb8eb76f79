"""Append-only price history: merges, revisions, and views at an instant.

A history holds one series from one source (`history_schema`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
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
from forex_assets.market.prices import PriceSeries
from forex_assets.market.quality import marked_anew
from forex_assets.market.refusals import BadFetch as BadFetch
from forex_assets.market.refusals import refuse_bad_fetch, some_days

SAME_VALUE: Final = 1e-7
"""Relative difference of equal values; feeds print single precision (6e-8)."""


@dataclass(frozen=True, eq=False)
class Merge:
    """Result of merging one fetch.

    Attributes:
        history: whole history afterwards (`history_schema`), oldest version first.
        added: number of new rows.
        revised: number of rows that replaced another value.
        message: summary for people.
        lost: stored sessions that the answer lacked; their rows are kept.
    """

    history: pl.DataFrame
    added: int
    revised: int
    message: str
    lost: tuple[date, ...] = ()


@dataclass(frozen=True)
class MergeTerms:
    """Terms of one merge, by earlier answers and a person.

    Attributes:
        borne: stored sessions that may be missing from the answer.
        previous: the last good answer: instant asked for, and its first session.
        accepts_revision: whether most stored closes may change.
    """

    borne: frozenset[date] = frozenset()
    previous: tuple[datetime, date] | None = None
    accepts_revision: bool = False


NO_TERMS: Final = MergeTerms()


def merge_history(
    stored: pl.DataFrame | None,
    fetched: pl.DataFrame,
    series: PriceSeries,
    now: datetime,
    as_of: datetime | None = None,
    terms: MergeTerms = NO_TERMS,
) -> Merge:
    """Appends new rows of a fetch; changed values supersede old rows.

    A final bar is identified by its session, a provisional price by its session and moment. A repeated value changes
    nothing, even with another `available_at`.

    Args:
        stored: history of one source (`history_schema`), or None.
        fetched: rows of the same source (`fetched_schema`).
        now: instant of fetching; becomes `fetched_at` and `superseded_at`.
        as_of: instant asked for; stored bars available by then must be in the answer.
        terms: losses that are borne, the answer before, and a person's consent.

    Raises:
        BadFetch: empty, no price, out of order, wrong unit, missing sessions, most closes changed, or another source.
        ValueError: columns do not match the schema.
    """
    old = (
        empty(history_schema(series.value))
        if stored is None
        else conform(stored, history_schema(series.value), "stored")
    )
    rows = conform(fetched, fetched_schema(series.value), "fetched")
    current = old.filter(pl.col("superseded_at").is_null())
    lost = refuse_bad_fetch(current, rows, series, as_of, terms.borne, accepts_revision=terms.accepts_revision)
    rows = _known_when_seen(current, rows, as_of, terms.previous)
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
    if lost:
        message += f"; {len(lost)} stored sessions missing from the answer are kept: {some_days(lost)}"
    return Merge(pl.concat([kept, appended]), added, len(changed), message, lost)


def _known_when_seen(
    current: pl.DataFrame, rows: pl.DataFrame, as_of: datetime | None, previous: tuple[datetime, date] | None
) -> pl.DataFrame:
    """Dates a late bar by when it was seen.

    A finished bar that the answer before lacked, although it could have had it, is known from this answer on.
    """
    if as_of is None or previous is None or previous[0] >= as_of:
        return rows
    asked_at, first = previous
    is_late = (
        ~pl.col("is_provisional")
        & (pl.col("session") >= first)
        & (pl.col("available_at") <= asked_at)
        & ~pl.col("session").is_in(current.filter(~pl.col("is_provisional"))["session"].to_list())
    )
    seen_at = pl.when(is_late).then(pl.lit(as_of)).otherwise(pl.col("available_at"))
    return rows.with_columns(available_at=seen_at.cast(UTC))


def _pair(current: pl.DataFrame, rows: pl.DataFrame, value: str) -> pl.DataFrame:
    """Adds `_row` and `_old` of the matching current row, or null."""
    moment = pl.when(pl.col("is_provisional")).then(pl.col("available_at")).alias("_moment")
    key = ["session", "is_provisional", "_moment"]
    known = current.with_columns(moment).select(
        [*key, "_row", pl.col(value).alias("_old"), pl.col("is_suspect").alias("_was_suspect")]
    )
    return rows.with_columns(moment).join(known, on=key, how="left", nulls_equal=True, maintain_order="left")


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

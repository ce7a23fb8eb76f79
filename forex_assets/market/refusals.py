"""Reasons to refuse a fetch."""

import math
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Final

import polars as pl

from forex_assets.market.prices import POUNDS_PER_TONNE, PriceSeries

UNIT_JUMP: Final = (0.5, 2.0)
"""Ratios of new to stored values that the market can cause."""

BORNE_LOSS: Final = 0.02
"""Share of stored sessions that an answer may lack."""
RECENT: Final = 5
"""Newest sessions: their loss is refused; their median is the level."""
MOST: Final = 0.5
"""Share of closes in common that are no revision if changed."""
FEWEST_CHANGED: Final = 3
"""Changed closes below which nothing is rewritten."""
OVERLAP: Final = 60
"""Newest sessions in common that are judged by themselves, about three months."""


class BadFetch(Exception):
    """A refused fetch; nothing stored has changed.

    Attributes:
        reason: for people.
        lost: stored sessions missing from the answer.
    """

    def __init__(self, reason: str, lost: Sequence[date] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lost = tuple(lost)


def refuse_bad_fetch(
    current: pl.DataFrame,
    rows: pl.DataFrame,
    series: PriceSeries,
    as_of: datetime | None,
    borne: Collection[date] = (),
    *,
    accepts_revision: bool = False,
) -> tuple[date, ...]:
    """Raises `BadFetch` for rows that must not be merged.

    Args:
        current: stored rows in force (`history_schema`).
        rows: the answer (`fetched_schema`).
        as_of: instant asked for.
        borne: stored sessions that may be missing.
        accepts_revision: whether most closes may change.

    Returns:
        Stored sessions that the answer lacks, all of them borne.
    """
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
    _refuse_mass_revision(current, rows, series, accepts_revision=accepts_revision)
    return _missing_sessions(current, rows, as_of, borne)


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


def _refuse_mass_revision(
    current: pl.DataFrame, rows: pl.DataFrame, series: PriceSeries, *, accepts_revision: bool
) -> None:
    """Raises if most finished closes in common changed.

    Both all sessions in common and the newest of them are judged: a long answer must not hide a change of the last
    months. Closes shifted by a session are refused even where revisions are accepted: their dating rule is wrong.
    """
    finals = ~pl.col("is_provisional")
    stored = current.filter(finals).sort("session").select("session", old=pl.col(series.value))
    stored = stored.with_columns(before=pl.col("old").shift(1), after=pl.col("old").shift(-1))
    pairs = rows.filter(finals).select("session", new=pl.col(series.value)).join(stored, on="session").sort("session")
    for part in (pairs, pairs.tail(OVERLAP)):
        changed = part.filter((pl.col("new") - pl.col("old")).abs() > series.tick)
        if changed.height < FEWEST_CHANGED or changed.height <= part.height * MOST:
            continue
        for neighbour, side in (("before", "late"), ("after", "early")):
            is_same = (changed["new"] - changed[neighbour]).abs() <= series.tick
            if (is_same.sum() or 0) > changed.height * MOST:
                raise BadFetch(
                    f"{changed.height} of {part.height} finished closes are those of the session {neighbour}: "
                    f"the answer is dated a session {side}"
                )
        if not accepts_revision:
            ratio = _median(changed["new"] / changed["old"]) - 1
            raise BadFetch(
                f"{changed.height} of {part.height} finished closes differ from those stored by more than a tick, "
                f"median {ratio:+.2%}; if the source is right, run `forex-assets ingest --accept-revision`"
            )


def _missing_sessions(
    current: pl.DataFrame, rows: pl.DataFrame, as_of: datetime | None, borne: Collection[date]
) -> tuple[date, ...]:
    """Returns stored final sessions that the answer lacks; raises unless borne.

    Services sometimes lose a bar for good. It is borne after three evenings, or at once if it is one in fifty and none
    of the answer's newest: the stored bar stays, and a refusal would lose the source. A session that became provisional
    again is not missing. Sessions are compared, not counts.
    """
    finals = rows.filter(~pl.col("is_provisional"))["session"].sort()
    if finals.is_empty():
        return ()
    reach = pl.col("session") <= finals[-1]
    if as_of is not None:
        reach = reach | (pl.col("available_at") <= as_of)
    expected = current.filter(~pl.col("is_provisional") & (pl.col("session") >= finals[0]) & reach)["session"]
    missing = sorted(set(expected) - set(rows["session"]))
    newest = finals.tail(RECENT)[0]
    unborne = [day for day in missing if day not in borne]
    is_old_and_rare = len(unborne) <= expected.len() * BORNE_LOSS and all(day < newest for day in unborne)
    if unborne and not is_old_and_rare:
        raise BadFetch(
            f"{len(missing)} finished sessions from {finals[0]} on are stored and missing from the answer: "
            f"{some_days(missing)}",
            missing,
        )
    return tuple(missing)


def some_days(days: Sequence[date]) -> str:
    """Lists the first three days."""
    return ", ".join(str(day) for day in days[:3]) + (" …" if len(days) > 3 else "")

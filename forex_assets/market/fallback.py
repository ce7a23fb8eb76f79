"""Fallback between price sources: the first that answers, else the stored history.

Sources are never mixed in one table. Copper's monthly level is a column apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

import polars as pl

from forex_assets.core import names
from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.schemas import COPPER_SCHEMA, conform, empty, prices_schema
from forex_assets.core.schemas import UTC as UTC_TYPE
from forex_assets.market.answers import Answer, borne_losses, first_session_to_ask, previous_answer
from forex_assets.market.history import NO_TERMS, BadFetch, Merge, MergeTerms, prices_at
from forex_assets.market.prices import COPPER, COPPER_MONTHLY, Attempt, PriceSeries, PriceSource, SourceError
from forex_assets.market.quality import FRED_SOURCE

FINISHED_WITHIN: Final = timedelta(days=12)
"""Oldest last finished price; then the next source is asked."""


class PriceStorePort(Protocol):
    """Port: stored histories, one a series and source."""

    def sources(self, series: PriceSeries) -> list[str]:
        """Lists sources with stored history."""
        ...

    def history(self, series: PriceSeries, source: str) -> pl.DataFrame | None:
        """Returns every stored version (`history_schema`), or None."""
        ...

    def answers(self, series: PriceSeries, source: str) -> pl.DataFrame | None:
        """Returns what a source answered (`ANSWERS_SCHEMA`), or None."""
        ...

    def note(self, series: PriceSeries, source: str, answer: Answer) -> None:
        """Records an answer of a source."""
        ...

    def merge(
        self,
        series: PriceSeries,
        fetched: pl.DataFrame,
        now: datetime,
        as_of: datetime | None = None,
        terms: MergeTerms = NO_TERMS,
    ) -> Merge:
        """Merges and stores a fetch.

        Raises:
            BadFetch: the fetch is refused; nothing stored has changed.
        """
        ...


@dataclass(frozen=True, eq=False)
class Ingest:
    """Result of one ingest.

    Attributes:
        prices: rows of one source (`prices_schema`); may be empty.
        source: source of the rows; None without rows.
        attempts: sources asked and their answers, in order; the stored history last, if used.
        revised: number of stored values that the source changed.
        added: number of new rows.
    """

    prices: pl.DataFrame
    source: str | None
    attempts: tuple[Attempt, ...]
    revised: int
    added: int


def ingest(
    series: PriceSeries,
    sources: Sequence[PriceSource],
    store: PriceStorePort,
    as_of: datetime,
    now: datetime,
    clock: Callable[[], float],
    *,
    accepts_revision: bool = False,
) -> Ingest:
    """Fetches a series from the first source with a good answer.

    A good answer is merged into that source's history. A source that fails, is refused, or has finished no session for
    twelve days is passed over. Without a good answer the stored history with the latest session is used; among equals,
    that of the first source.

    Args:
        sources: in the order asked.
        as_of: rows known only later are left out.
        now: instant of fetching, for the record.
        clock: seconds, for durations.
        accepts_revision: whether most stored closes may change.

    Raises:
        Exception: any error but `SourceError` and `BadFetch` is not passed over.
    """
    attempts: list[Attempt] = []
    for source in sources:
        started = clock()
        prices, answer, merge = _ask(series, source, store, as_of, now, accepts_revision=accepts_revision)
        attempts.append(Attempt(source.name, merge is not None, answer, clock() - started))
        if merge is not None:
            return Ingest(prices, source.name, tuple(attempts), merge.revised, merge.added)
    started = clock()
    name, prices = _stored(series, [source.name for source in sources], store, as_of)
    answer = f"rows {prices.height} from {name}, last {prices['session'][-1]}" if name else "nothing stored"
    attempts.append(Attempt(names.STORED, name is not None, answer, clock() - started))
    return Ingest(prices, name, tuple(attempts), 0, 0)


def _ask(
    series: PriceSeries,
    source: PriceSource,
    store: PriceStorePort,
    as_of: datetime,
    now: datetime,
    *,
    accepts_revision: bool,
) -> tuple[pl.DataFrame, str, Merge | None]:
    """Fetches from one source and records its answer.

    Returns:
        Prices, answer in words, and merge; no merge if the source is passed over.
    """
    answers = store.answers(series, source.name)
    start = first_session_to_ask(store.history(series, source.name), answers, as_of)
    answer = Answer(as_of, now, is_whole=start is None)
    terms = MergeTerms(borne_losses(answers, as_of), previous_answer(answers, as_of), accepts_revision)
    prices, merge, lost = empty(prices_schema(series.value)), None, tuple[date, ...]()
    try:
        fetched = source.fetch(start, as_of)
        answer = answer.reaching(fetched["session"])
        merge = store.merge(series, fetched, now, as_of, terms)
    except SourceError as error:
        words = error.reason
    except BadFetch as error:
        words, lost = f"refused: {error.reason}", error.lost
    else:
        prices, lost = prices_at(merge.history, series, as_of), merge.lost
        words = _unusable(prices, series, as_of)
    store.note(series, source.name, replace(answer, lost=lost, refusal=words))
    if words or merge is None:
        return prices.clear(), words, None
    return prices, merge.message, merge


def _unusable(prices: pl.DataFrame, series: PriceSeries, as_of: datetime) -> str:
    """Returns why merged prices are passed over; empty if they are not."""
    if prices.is_empty():
        return f"refused: no row was available by {as_of:%Y-%m-%d %H:%M} UTC"
    last = prices.filter(~pl.col("is_provisional"))["session"].max()
    finished = last if isinstance(last, date) else None
    if series is COPPER_MONTHLY or (finished is not None and as_of.date() - finished <= FINISHED_WITHIN):
        return ""
    return f"stale: its last finished session is {finished or 'none'}"


def _stored(
    series: PriceSeries, order: Sequence[str], store: PriceStorePort, as_of: datetime
) -> tuple[str | None, pl.DataFrame]:
    """Returns the stored source with the latest session and its prices.

    (None, empty) without any.
    """
    stored = sorted(store.sources(series), key=lambda name: (order.index(name) if name in order else len(order), name))
    best: tuple[str | None, pl.DataFrame] = (None, empty(prices_schema(series.value)))
    for name in stored:
        history = store.history(series, name)
        prices = best[1].clear() if history is None else prices_at(history, series, as_of)
        if prices.height and (best[0] is None or prices["session"][-1] > best[1]["session"][-1]):
            best = (name, prices)
    return best


def with_monthly_level(
    daily: pl.DataFrame, monthly: pl.DataFrame | None, as_of: datetime, calendar: SessionCalendar
) -> pl.DataFrame:
    """Adds FRED's monthly level to copper's daily rows (`COPPER_SCHEMA`).

    Each row has the level known at the time. Levels published after the last daily session become rows of source `fred`
    without a close: a monthly average is no daily price. Their session is the day of publication, rolled forward, so it
    can lie a few days after `as_of`; the latest level of a session stays.

    Args:
        daily: copper by session (`prices_schema`), may be empty.
        monthly: levels in USD/lb with `available_at`; None leaves the column null.
        as_of: levels published later are left out.
    """
    rows = conform(daily, prices_schema(COPPER.value), "daily copper")
    if monthly is None:
        return rows.with_columns(pl.lit(None).cast(pl.Float64).alias("monthly_level_usd_lb"))
    levels = _levels(monthly, as_of)
    known = levels.select("available_at", monthly_level_usd_lb=pl.col(COPPER.value))
    carried = rows.sort("available_at", maintain_order=True).join_asof(known, on="available_at", strategy="backward")
    carried = carried.sort("session", maintain_order=True).select(list(COPPER_SCHEMA))
    last = rows["session"].max()
    published = [_roll_forward(instant.astimezone(UTC).date(), calendar) for instant in levels["available_at"]]
    alone = (
        levels.with_columns(pl.Series("session", published, dtype=pl.Date))
        .filter(pl.lit(True) if last is None else pl.col("session") > last)
        .unique("session", keep="last", maintain_order=True)
        .with_columns(
            pl.lit(None).cast(pl.Float64).alias(COPPER.value),
            pl.lit(FRED_SOURCE).alias("source"),
            is_provisional=pl.lit(False),
            is_suspect=pl.lit(False),
            is_quarantined=pl.lit(False),
            monthly_level_usd_lb=pl.col(COPPER.value),
        )
        .select(list(COPPER_SCHEMA))
    )
    return pl.concat([carried, alone])


def _levels(monthly: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Plausible current levels published by `as_of`, oldest first.

    Quarantine marks are ignored: a month can move 8 % and come back.
    """
    if "superseded_at" in monthly.columns:
        monthly = monthly.filter(pl.col("superseded_at").is_null())
    if "fetched_at" not in monthly.columns:
        monthly = monthly.with_columns(pl.lit(as_of).cast(UTC_TYPE).alias("fetched_at"))
    is_known = pl.col("available_at") <= as_of
    return (
        monthly.filter(is_known & pl.col(COPPER.value).is_between(*COPPER.plausible))
        .sort("available_at", "session", maintain_order=True)
        .select("session", COPPER.value, "available_at", "fetched_at")
    )


def _roll_forward(day: date, calendar: SessionCalendar) -> date:
    """Returns the day, or the next session."""
    while not calendar.is_session(day):
        day += timedelta(days=1)
    return day

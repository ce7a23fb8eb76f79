"""Which source a series comes from: the first that answers, else what is stored. Two sources are never spliced.

Copper's monthly level, which stands in when no daily source answers, is joined here too, in a column of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

import polars as pl

from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.schemas import COPPER_SCHEMA, conform, empty, prices_schema
from forex_assets.core.schemas import UTC as UTC_TYPE
from forex_assets.market.history import BadFetch, Merge, prices_at
from forex_assets.market.prices import COPPER, Attempt, PriceSeries, PriceSource, SourceError
from forex_assets.market.quality import FRED_SOURCE

STORED: Final = "stored"
"""What the stored history is called among the attempts."""

LOOK_BACK: Final = timedelta(days=90)
"""How far before the last stored session a fetch starts: revisions come within weeks; an overlap shows unit jumps."""


class PriceStorePort(Protocol):
    """Port: where histories are kept, one a series and source."""

    def sources(self, series: PriceSeries) -> list[str]:
        """Sources with stored history."""
        ...

    def history(self, series: PriceSeries, source: str) -> pl.DataFrame | None:
        """Every version stored (`history_schema`), or None."""
        ...

    def merge(self, series: PriceSeries, fetched: pl.DataFrame, now: datetime, as_of: datetime | None = None) -> Merge:
        """Merge and keep a fetch.

        Raises:
            BadFetch: it is not to be trusted; nothing stored has changed.
        """
        ...


@dataclass(frozen=True, eq=False)
class Ingest:
    """What one ingest brought.

    Attributes:
        prices: rows of one source only as of the instant asked for (`prices_schema`); empty where there is nothing.
        source: whose rows they are; None where there are none.
        attempts: every source asked and its answer, in order; `stored` last where it came to that.
        revised: stored values that the source changed.
        added: rows that were new.
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
) -> Ingest:
    """Prices of `series` as of `as_of`, from the first source with a good answer, else from what is stored.

    A good answer is merged, and the series is that source's own history. A source that fails or whose answer is refused
    is passed over. The stored history that stands in is the one with the latest session; of equals, the first asked.

    Args:
        series: what to bring.
        sources: in the order in which to ask.
        store: where histories are kept.
        as_of: nothing that could be known only later is seen.
        now: the instant of fetching, for the record.
        clock: seconds from any zero, for how long each source took.

    Raises:
        Exception: whatever is neither `SourceError` nor `BadFetch` is a mistake of ours or of the disk, and is not
            passed over.
    """
    attempts: list[Attempt] = []
    for source in sources:
        started = clock()
        prices, answer, merge = _ask(series, source, store, as_of, now)
        attempts.append(Attempt(source.name, merge is not None, answer, clock() - started))
        if merge is not None:
            return Ingest(prices, source.name, tuple(attempts), merge.revised, merge.added)
    started = clock()
    name, prices = _stored(series, [source.name for source in sources], store, as_of)
    answer = f"rows {prices.height} from {name}, last {prices['session'][-1]}" if name else "nothing stored"
    attempts.append(Attempt(STORED, name is not None, answer, clock() - started))
    return Ingest(prices, name, tuple(attempts), 0, 0)


def _ask(
    series: PriceSeries, source: PriceSource, store: PriceStorePort, as_of: datetime, now: datetime
) -> tuple[pl.DataFrame, str, Merge | None]:
    """Prices, answer and merge of one source; no merge where it is to be passed over."""
    nothing = empty(prices_schema(series.value))
    try:
        fetched = source.fetch(_start(store.history(series, source.name), as_of), as_of)
        merge = store.merge(series, fetched, now, as_of)
    except SourceError as error:
        return nothing, error.reason, None
    except BadFetch as error:
        return nothing, f"refused: {error.reason}", None
    prices = prices_at(merge.history, series, as_of)
    if prices.is_empty():
        return nothing, f"refused: no row was available by {as_of:%Y-%m-%d %H:%M} UTC", None
    return prices, merge.message, merge


def _start(history: pl.DataFrame | None, as_of: datetime) -> date | None:
    """From which session on to fetch; None, the whole history, where nothing that was known at `as_of` is stored."""
    if history is None:
        return None
    last = history.filter(pl.col("available_at") <= as_of)["session"].max()
    return last - LOOK_BACK if isinstance(last, date) else None


def _stored(
    series: PriceSeries, order: Sequence[str], store: PriceStorePort, as_of: datetime
) -> tuple[str | None, pl.DataFrame]:
    """The stored source with the latest session as of `as_of`, and its prices; (None, empty) where there is none."""
    names = sorted(store.sources(series), key=lambda name: (order.index(name) if name in order else len(order), name))
    best: tuple[str | None, pl.DataFrame] = (None, empty(prices_schema(series.value)))
    for name in names:
        history = store.history(series, name)
        prices = best[1].clear() if history is None else prices_at(history, series, as_of)
        if prices.height and (best[0] is None or prices["session"][-1] > best[1]["session"][-1]):
            best = (name, prices)
    return best


def with_monthly_level(
    daily: pl.DataFrame, monthly: pl.DataFrame | None, as_of: datetime, calendar: SessionCalendar
) -> pl.DataFrame:
    """Copper's table (`COPPER_SCHEMA`): daily rows, each with the monthly level known when the row was.

    Levels published after the last daily session follow as rows of their own, source `fred`, without a close: a monthly
    average is no daily price. Their session is the day of publication, rolled forward to a session, which can lie a few
    days after `as_of`; of several on one session the latest stays.

    Args:
        daily: copper by session (`prices_schema`), may be empty.
        monthly: levels in USD/lb with `available_at`, as fetched, stored or viewed; None where FRED was not needed, and
            the level column is then null.
        as_of: levels published later are not seen.
        calendar: copper's sessions.
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
    """Plausible current levels published by `as_of`, in the order of publication, with a `fetched_at`.

    Quarantine marks are not heeded: a month may well move 8 % and come back.
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
    """`day` itself where it is a session, else the next one."""
    while not calendar.is_session(day):
        day += timedelta(days=1)
    return day

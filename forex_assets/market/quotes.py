"""Archive of peso prices as seen, and the origin at a clock.

The stored histories only grow, under a lock: the archive is a view of them, and nothing that was seen is lost with it.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

import polars as pl

from forex_assets.core import names
from forex_assets.core.calendar import SANTIAGO, SessionCalendar
from forex_assets.core.schemas import QUOTES_SCHEMA, empty
from forex_assets.core.session import Session
from forex_assets.core.volatility import ewma_volatility
from forex_assets.market.gaps import per_session_prices
from forex_assets.market.origin import LOOK_BACK as OLDEST
from forex_assets.market.origin import (
    OBSERVADO,
    PUBLISHED_AT,
    Origin,
    Quote,
    QuoteBook,
    observado_quotes,
    pick_origin,
    price_quotes,
)
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.price_store import PriceStore
from forex_assets.market.prices import OBSERVADO as OBSERVADO_SERIES
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import usable

NOTED_WITHIN: Final = timedelta(days=1)
"""Longest delay from publication to an observed first sight.

A longer one is a later download, which says nothing of when the price could be known.
"""
AGREEING_DAYS: Final = 20
"""Observed evenings that replace the assumed time of publication."""
AGREEMENT: Final = timedelta(hours=1)
"""Largest spread of the times of evenings that agree."""
LOOK_BACK: Final = 500
"""Finished prices behind σ."""


def publication_time(seen: Iterable[tuple[date, datetime]]) -> time | None:
    """Returns the observado's publication time once 20 evenings agree.

    That is the latest of their first sights; None with fewer evenings, or a spread over an hour.

    Args:
        seen: session that an observado averages, and its first sight (aware).
    """
    evenings = sorted((session, at.astimezone(SANTIAGO)) for session, at in seen)
    newest = [at for session, at in evenings if at.date() == session][-AGREEING_DAYS:]
    minutes = [60 * at.hour + at.minute for at in newest]
    if len(minutes) < AGREEING_DAYS or max(minutes) - min(minutes) > AGREEMENT.total_seconds() / 60:
        return None
    return time(*divmod(max(minutes), 60))


def archive(
    prices: Sequence[pl.DataFrame], observados: Sequence[pl.DataFrame], calendar: SessionCalendar
) -> pl.DataFrame:
    """Returns every price as it was seen (`QUOTES_SCHEMA`), oldest first.

    A price seen within a day of coming out is known from its first sight; one downloaded later from a rule.

    Args:
        prices: stored histories of the peso (`history_schema`); their provisional rows count.
        observados: stored histories of the observado by its own date (`history_schema`).
        calendar: sessions of the peso.
    """
    rows = [row for history in prices for row in _last_prices(history, calendar)]
    rows += [row for history in observados for row in _observados(history, calendar)]
    table = pl.DataFrame(rows, schema=QUOTES_SCHEMA, orient="row")
    return table.sort("session", "observed_at", "source", "seen_at", maintain_order=True)


def _last_prices(history: pl.DataFrame, calendar: SessionCalendar) -> list[tuple[object, ...]]:
    """Rows of provisional prices: last prices and opens."""
    rows = history.filter("is_provisional")
    pairs = zip(price_quotes(rows, calendar), rows.filter(~pl.col("is_suspect"))["fetched_at"], strict=True)
    return [_row(quote, quote.known_from, seen) for quote, seen in pairs]


def _observados(history: pl.DataFrame, calendar: SessionCalendar) -> list[tuple[object, ...]]:
    """Rows of observados, known from their first sight or by rule."""
    sights = history.group_by("session").agg(pl.col("fetched_at").min().alias("seen"))
    current = history.filter(pl.col("superseded_at").is_null()).join(sights, on="session", maintain_order="left")
    rows = list(current.select("session", "clp_per_usd", "source", "available_at", "seen").iter_rows())
    noted = ((calendar.previous(day), seen) for day, _, _, known, seen in rows if _is_noted(known, seen))
    learnt = publication_time(noted)
    archived = []
    for day, value, source, known, seen in rows:
        # The learnt time is that of an evening publication; a source that shows values later keeps its own rule.
        is_evening = known.astimezone(SANTIAGO).date() == calendar.previous(day)
        published_at = learnt if learnt is not None and is_evening else PUBLISHED_AT
        [quote] = observado_quotes([(day, value)], calendar, source=source, published_at=published_at)
        archived.append(_row(quote, quote.known_from if is_evening else known, seen))
    return archived


def _is_noted(known: datetime, seen: datetime) -> bool:
    """Tells whether a price was seen when it came out."""
    return abs(seen - known) <= NOTED_WITHIN


def _row(quote: Quote, known: datetime, seen: datetime) -> tuple[object, ...]:
    """One row of `QUOTES_SCHEMA`.

    Args:
        known: instant by rule.
        seen: instant of the first fetch.
    """
    is_noted = _is_noted(known, seen)
    known = seen if is_noted else known
    own_time = min(quote.observed_at, known)
    is_assumed = quote.kind == OBSERVADO and not is_noted
    return (quote.kind, quote.session, quote.dated, quote.level, own_time, seen, known, is_assumed, quote.source)


def archive_of(session: Session) -> pl.DataFrame:
    """Returns the archive of the stored histories; empty for the generated market."""
    if session.market == "sample":
        return empty(QUOTES_SCHEMA)
    store = PriceStore(session.live_tables)

    def histories(series: object) -> list[pl.DataFrame]:
        frames = [store.history(series, source) for source in store.sources(series)]  # type: ignore[arg-type]
        return [history for history in frames if history is not None]

    return archive(histories(USDCLP), histories(OBSERVADO_SERIES), calendar_of(USDCLP))


def archived_quotes(table: pl.DataFrame) -> list[Quote]:
    """Makes quotes of the archive's rows (`QUOTES_SCHEMA`)."""
    columns = ["quote_kind", "session", "dated", "clp_per_usd", "observed_at", "available_at", "source", "is_assumed"]
    return [Quote(*row) for row in table.select(columns).iter_rows()]


def origin_at(session: Session, prices: pl.DataFrame) -> Origin | None:
    """Picks the starting level of a fan as of the session's clock.

    Args:
        prices: `USDCLP_SCHEMA` known by then, bad ticks marked: the series that width and context come from.

    Returns:
        None without any usable price.
    """
    table = session.tables.read(names.QUOTES)
    is_recent = pl.col("session") >= session.today - OLDEST
    quotes = price_quotes(prices.filter(is_recent), calendar_of(USDCLP))
    quotes += [] if table is None else archived_quotes(table.filter(is_recent))
    return pick_origin(QuoteBook(quotes), series_sd(prices), session.now, calendar_of(USDCLP))


def newest_observado(session: Session) -> date | None:
    """Returns the latest date of a known observado, or None."""
    table = session.tables.read(names.QUOTES)
    if table is None:
        return None
    known = table.filter((pl.col("quote_kind") == OBSERVADO) & (pl.col("available_at") <= session.now))
    newest = known["dated"].max()
    return newest if isinstance(newest, date) else None


def series_sd(prices: pl.DataFrame) -> float:
    """EWMA standard deviation of a session's log return.

    0 with fewer than two finished prices.
    """
    finished = usable(prices).filter(~pl.col("is_provisional")).sort("session").tail(LOOK_BACK)
    return ewma_volatility(per_session_prices(finished)) if finished.height > 1 else 0.0

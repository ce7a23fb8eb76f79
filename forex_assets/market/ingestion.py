"""Ingestion of each series: sources, stored history, generated market."""

import time
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from forex_assets.core import names
from forex_assets.core.schemas import SAMPLE_SOURCE, empty, fetched_schema, prices_schema
from forex_assets.core.session import Session
from forex_assets.market.fallback import Ingest, ingest, with_monthly_level
from forex_assets.market.history import prices_at
from forex_assets.market.price_sources import PriceSources, calendar_of
from forex_assets.market.price_store import PriceStore
from forex_assets.market.prices import (
    BRL,
    COPPER,
    COPPER_LME,
    COPPER_MONTHLY,
    DOLLAR_INDEX,
    OBSERVADO,
    POLICY_RATE,
    USDCLP,
    Attempt,
    PriceSeries,
    PriceSource,
)
from forex_assets.market.quality import mark_bad_ticks, marked_anew
from forex_assets.market.sample import sample_observado


def ingest_usdclp(sources: PriceSources) -> Ingest:
    """Fetches USD/CLP from the first source that answers.

    Falls back to the stored history; empty if nothing is stored.
    """
    if sources.branch() == "sample":
        return _sampled(sources, USDCLP, sources.sample().usdclp)
    return _fetched(sources, USDCLP, sources.daily(USDCLP))


def ingest_copper(sources: PriceSources) -> Ingest:
    """Fetches copper by session (`COPPER_SCHEMA`).

    FRED's monthly level is fetched only if no daily source answers.
    """
    if sources.branch() == "sample":
        return _with_level(sources, _sampled(sources, COPPER, sources.sample().copper), None)
    daily = _fetched(sources, COPPER, sources.daily(COPPER))
    if any(attempt.is_ok for attempt in daily.attempts if attempt.source != names.STORED):
        return _with_level(sources, daily, None)
    monthly = _fetched(sources, COPPER_MONTHLY, [sources.fred])
    renamed = [replace(attempt, source=f"{attempt.source} (monthly)") for attempt in monthly.attempts]
    both = Ingest(
        daily.prices,
        daily.source or monthly.source,
        (*daily.attempts, *renamed),
        daily.revised + monthly.revised,
        daily.added + monthly.added,
    )
    return _with_level(sources, both, None if monthly.prices.is_empty() else monthly.prices)


def ingest_observado(sources: PriceSources) -> Ingest:
    """Fetches the dólar observado by its own date; may be empty.

    In the evening the Banco Central also gives that of the next banking day.
    """
    if sources.branch() == "sample":
        return _sampled(sources, OBSERVADO, sample_observado(sources.sample().usdclp, calendar_of(OBSERVADO)))
    return _fetched(sources, OBSERVADO, sources.observado_sources())


def ingest_copper_lme(sources: PriceSources) -> Ingest:
    """Fetches London copper; empty for the generated market."""
    if sources.branch() == "sample":
        return _sampled(sources, COPPER_LME, empty(fetched_schema(COPPER_LME.value)))
    return _fetched(sources, COPPER_LME, sources.copper_lme_sources())


def ingest_drivers(sources: PriceSources) -> dict[PriceSeries, Ingest]:
    """Fetches dollar index, real and policy rate; any may be empty.

    The generated market has none.
    """
    asked = {
        DOLLAR_INDEX: sources.daily(DOLLAR_INDEX),
        BRL: sources.daily(BRL),
        POLICY_RATE: sources.policy_rate_sources(),
    }
    if sources.branch() == "sample":
        return {series: _sampled(sources, series, empty(fetched_schema(series.value))) for series in asked}
    return {series: _fetched(sources, series, services) for series, services in asked.items()}


def _fetched(sources: PriceSources, series: PriceSeries, asked: list[PriceSource]) -> Ingest:
    session = sources.session
    # A fan of this run may use what the run fetched. At a clock set by hand nothing was seen: the real time is noted.
    fetched_at = session.now if session.settings.as_of is None else datetime.now(UTC)
    return ingest(
        series,
        asked,
        sources.histories,
        session.now,
        fetched_at,
        time.perf_counter,
        accepts_revision=sources.accepts_revision,
    )


def _with_level(sources: PriceSources, daily: Ingest, monthly: pl.DataFrame | None) -> Ingest:
    """Adds copper's monthly level column, null without FRED."""
    table = with_monthly_level(daily.prices, monthly, sources.session.now, calendar_of(COPPER))
    return replace(daily, prices=table)


def _sampled(sources: PriceSources, series: PriceSeries, rows: pl.DataFrame) -> Ingest:
    """Wraps generated prices as an ingest; they are never stored as history."""
    prices = mark_bad_ticks(
        rows.with_columns(
            pl.lit(sources.session.now).cast(pl.Datetime("us", "UTC")).alias("fetched_at"),
            pl.lit(False).alias("is_quarantined"),
        ).select(list(prices_schema(series.value))),
        series,
    )
    attempt = Attempt(SAMPLE_SOURCE, True, f"generated {prices.height} rows", 0.0)
    return Ingest(prices, SAMPLE_SOURCE, (attempt,), 0, prices.height)


def truths(session: Session, usdclp: pl.DataFrame) -> pl.DataFrame:
    """Returns realized USD/CLP prices: one row a session and source.

    A forecast is scored on the source it was made from, even on a day when another source is the fallback.

    Args:
        usdclp: `market/usdclp`.
    """
    current = marked_anew(usdclp.filter(pl.col("available_at") <= session.now), USDCLP)
    tables, present = [current], set(current["source"].unique())
    if session.market == "live":
        histories = PriceStore(session.live_tables)
        for source in histories.sources(USDCLP):
            history = histories.history(USDCLP, source)
            if source not in present and history is not None:
                tables.append(prices_at(history, USDCLP, session.now).select(current.columns))
    return pl.concat(tables)

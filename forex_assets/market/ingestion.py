"""How each series is brought in: which sources, in which order, and what stands in when all is dark."""

import time
from datetime import UTC, datetime

import polars as pl

from forex_assets.core.schemas import SAMPLE_SOURCE, prices_schema
from forex_assets.market.fallback import Ingest, ingest, with_monthly_level
from forex_assets.market.history import prices_at
from forex_assets.market.prices import COPPER, COPPER_MONTHLY, USDCLP, Attempt, PriceSeries
from forex_assets.market.quality import mark_bad_ticks, marked_anew
from forex_assets.platform import Platform


def ingest_usdclp(platform: Platform) -> Ingest:
    """USD/CLP from the first source that answers, else from what is stored; empty where there is neither."""
    if platform.ingest_branch() == "sample":
        return _sampled(platform, USDCLP, platform.sample().usdclp)
    return _daily(platform, USDCLP)


def ingest_copper(platform: Platform) -> Ingest:
    """Copper by session (`COPPER_SCHEMA`). FRED is asked only where no daily source answered; it gives a level."""
    if platform.ingest_branch() == "sample":
        return _with_level(platform, _sampled(platform, COPPER, platform.sample().copper), None)
    daily = _daily(platform, COPPER)
    if any(attempt.is_ok for attempt in daily.attempts if attempt.source != "stored"):
        return _with_level(platform, daily, None)
    monthly = ingest(
        COPPER_MONTHLY, [platform.fred], platform.store, platform.now, datetime.now(UTC), time.perf_counter
    )
    level = None if monthly.prices.is_empty() else monthly.prices
    renamed = [Attempt(f"{a.source} (monthly)", a.is_ok, a.answer, a.seconds) for a in monthly.attempts]
    both = Ingest(
        daily.prices,
        daily.source or monthly.source,
        (*daily.attempts, *renamed),
        daily.revised + monthly.revised,
        daily.added + monthly.added,
    )
    return _with_level(platform, both, level)


def _daily(platform: Platform, series: PriceSeries) -> Ingest:
    return ingest(
        series,
        platform.daily_sources(series),
        platform.store,
        platform.now,
        datetime.now(UTC),
        time.perf_counter,
    )


def _with_level(platform: Platform, daily: Ingest, monthly: pl.DataFrame | None) -> Ingest:
    """The same ingest with copper's level column, empty where FRED was not needed."""
    table = with_monthly_level(daily.prices, monthly, platform.now, platform.calendar(COPPER))
    return Ingest(table, daily.source, daily.attempts, daily.revised, daily.added)


def _sampled(platform: Platform, series: PriceSeries, rows: pl.DataFrame) -> Ingest:
    """The generated market as an ingest of its own; it is never stored as history."""
    prices = mark_bad_ticks(
        rows.with_columns(
            pl.lit(platform.now).cast(pl.Datetime("us", "UTC")).alias("fetched_at"),
            pl.lit(False).alias("is_quarantined"),
        ).select(list(prices_schema(series.value))),
        series,
    )
    attempt = Attempt(SAMPLE_SOURCE, True, f"generated {prices.height} rows", 0.0)
    return Ingest(prices, SAMPLE_SOURCE, (attempt,), 0, prices.height)


def truths(platform: Platform, usdclp: pl.DataFrame) -> pl.DataFrame:
    """What peso prices came true by the clock, from every source that there is: one row a session and source.

    A forecast is scored on the source that it was made from, also on an evening on which another one stands in.

    Args:
        platform: stores and clock.
        usdclp: `market/usdclp` as it stands.
    """
    current = marked_anew(usdclp.filter(pl.col("available_at") <= platform.now), USDCLP)
    tables, present = [current], set(current["source"].unique())
    if platform.reading_branch == "live":
        for source in platform.store.sources(USDCLP):
            history = platform.store.history(USDCLP, source)
            if source not in present and history is not None:
                tables.append(prices_at(history, USDCLP, platform.now).select(current.columns))
    return pl.concat(tables)

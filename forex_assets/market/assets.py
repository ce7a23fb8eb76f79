"""Market assets: price tables and their revisions."""

from typing import Any

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.conditions import MARKET_FRESHNESS, on_any_update
from forex_assets.core.dagster.metadata import attempts_table, clock_metadata, column_schema, frame_metadata
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.plots import markdown_image
from forex_assets.core.schemas import (
    COPPER_LME_SCHEMA,
    COPPER_SCHEMA,
    DRIVERS_SCHEMA,
    OBSERVADO_SCHEMA,
    QUOTES_SCHEMA,
    REVISIONS_SCHEMA,
    STARTING_LEVEL_SCHEMA,
    USDCLP_SCHEMA,
    empty,
    is_sample,
)
from forex_assets.core.session import Session
from forex_assets.market.drivers import drivers_table
from forex_assets.market.fallback import Ingest
from forex_assets.market.history import revisions_of
from forex_assets.market.ingestion import (
    ingest_copper,
    ingest_copper_lme,
    ingest_drivers,
    ingest_observado,
    ingest_usdclp,
)
from forex_assets.market.origin_table import origin_table, start_words
from forex_assets.market.plots import drivers_plot, prices_plot
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.price_store import PriceStore
from forex_assets.market.prices import COPPER, COPPER_LME, OBSERVADO, USDCLP, PriceSeries, describe_attempts
from forex_assets.market.quality import marked_anew
from forex_assets.market.quotes import archive_of, newest_observado, origin_at
from forex_assets.market.resources import MarketSources


@dg.asset(
    key=keys.USDCLP,
    group_name="market",
    pool=names.YAHOO_POOL,
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(USDCLP_SCHEMA),
    freshness_policy=MARKET_FRESHNESS,
    description="USD/CLP by session: Yahoo `CLP=X` (a bar dated t carries the session before), else the Banco "
    "Central's dólar observado, else the stored history. All rows are of one source; fails without any price.",
)
def usdclp(context: dg.AssetExecutionContext, session: SessionResource, sources: MarketSources) -> pl.DataFrame:
    """Returns USD/CLP by session; provisional until its bar is finished."""
    run_session = session.session()
    result = ingest_usdclp(sources.of(run_session))
    if result.prices.is_empty():
        raise dg.Failure(
            f"USD/CLP: no price from any source and none stored. Tried: {describe_attempts(result.attempts)}. "
            "Check the network with `forex-assets doctor`, or set FOREX_MARKET=sample to try the platform without one.",
            metadata={"sources": attempts_table(result.attempts)},
            allow_retries=False,
        )
    _show(context, run_session, USDCLP, result)
    return result.prices


@dg.asset(
    key=keys.COPPER,
    group_name="market",
    pool=names.YAHOO_POOL,
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(COPPER_SCHEMA),
    freshness_policy=MARKET_FRESHNESS,
    description="COMEX copper, front month, USD/lb by session: Yahoo `HG=F`, else the stored history with FRED's "
    "monthly level in a separate column, else an empty table. Never blocks a forecast.",
)
def copper_hgf_usd_lb(
    context: dg.AssetExecutionContext, session: SessionResource, sources: MarketSources
) -> pl.DataFrame:
    """Returns copper's close by session, with FRED's monthly level as fallback."""
    run_session = session.session()
    result = ingest_copper(sources.of(run_session))
    if result.prices["close_usd_lb"].is_null().all():
        context.log.warning(f"no daily copper price: {describe_attempts(result.attempts)}; forecasts go on without it")
    _show(context, run_session, COPPER, result)
    return result.prices


@dg.asset(
    key=keys.OBSERVADO,
    group_name="market",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(OBSERVADO_SCHEMA),
    description="Dólar observado by its own date: Banco Central, else mindicador.cl, else the stored history. That of "
    "the next banking day is out at about 18:00. Contracts settle on it. Never blocks a forecast.",
)
def observado(context: dg.AssetExecutionContext, session: SessionResource, sources: MarketSources) -> pl.DataFrame:
    """Returns the dólar observado by its own date; may be empty."""
    run_session = session.session()
    return _optional(context, run_session, OBSERVADO, ingest_observado(sources.of(run_session)))


@dg.asset(
    key=keys.COPPER_LME,
    group_name="market",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(COPPER_LME_SCHEMA),
    description="London copper, USD/lb by the publisher's date: Banco Central, else mindicador.cl, else the stored "
    "history. For what-if questions only: it shows a move two rows later than COMEX. Never blocks a forecast.",
)
def copper_lme(context: dg.AssetExecutionContext, session: SessionResource, sources: MarketSources) -> pl.DataFrame:
    """Returns London copper; may be empty."""
    run_session = session.session()
    return _optional(context, run_session, COPPER_LME, ingest_copper_lme(sources.of(run_session)))


@dg.asset(
    key=keys.QUOTES,
    deps=[keys.USDCLP, keys.OBSERVADO],
    group_name="market",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(QUOTES_SCHEMA),
    description="Every last price and dólar observado as it was seen: value, its own time, first sight, source. A view "
    "of the stored histories, which only grow.",
)
def quotes(context: dg.AssetExecutionContext, session: SessionResource) -> pl.DataFrame:
    """Returns the archive of peso prices; empty for the generated market."""
    table = archive_of(session.session())
    assumed = int(table["is_assumed"].sum())
    context.add_output_metadata(frame_metadata(table, availability_assumed=assumed))
    return table


@dg.asset(
    key=keys.ORIGIN,
    deps=[keys.USDCLP, keys.QUOTES],
    group_name="market",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(STARTING_LEVEL_SCHEMA),
    description="The level that fans start from now, its source and age: the session's last price if near the dólar "
    "observado of the next banking day, else that observado, else the open of the unfinished bar, else the last bar.",
)
def origin(context: dg.AssetExecutionContext, session: SessionResource) -> pl.DataFrame:
    """Returns the current origin as one row; empty without a price."""
    run = session.session()
    prices = run.tables.read(names.USDCLP, schema=USDCLP_SCHEMA)
    known = empty(USDCLP_SCHEMA) if prices is None else prices.filter(pl.col("available_at") <= run.now)
    chosen = origin_at(run, marked_anew(known, USDCLP))
    table = origin_table(chosen, run.now)
    if chosen is None:
        context.log.warning("no price to start a fan from; bring prices in with `forex-assets ingest`")
    else:
        row = table.row(0, named=True)
        metadata = {
            "starts_from": start_words(row),
            "level": chosen.level,
            "source": chosen.source,
            "kind": chosen.kind,
            "session_of_price": str(chosen.session),
            names.NEWEST_OBSERVADO: str(newest_observado(run)),
            "age_hours": round(chosen.age_hours, 1),
            "age_in_sessions": chosen.age_sessions,
            "tolerance_pct": round(chosen.tolerance_pct, 2),
        }
        if chosen.disagreement_pct is not None:
            metadata["disagreement_pct"] = round(chosen.disagreement_pct, 2)
            metadata["is_disputed"] = chosen.is_disputed
        context.add_output_metadata(frame_metadata(table, **metadata, **clock_metadata(run)))
    return table


@dg.asset(
    key=keys.DRIVERS,
    group_name="market",
    pool=names.YAHOO_POOL,
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(DRIVERS_SCHEMA),
    description="Drivers of the peso for what-if questions: Yahoo `DX-Y.NYB` (dollar index) and `BRL=X` (a bar dated t "
    "carries the session before), and the Banco Central's policy rate. Each optional; never blocks a forecast.",
)
def drivers(context: dg.AssetExecutionContext, session: SessionResource, sources: MarketSources) -> pl.DataFrame:
    """Returns the drivers by session; may be empty."""
    results = ingest_drivers(sources.of(session.session()))
    table = drivers_table({series: result.prices for series, result in results.items()})
    attempts = [attempt for result in results.values() for attempt in result.attempts]
    missing = [series.name for series, result in results.items() if result.prices.is_empty()]
    if missing:
        context.log.warning(f"no {', '.join(missing)}: {describe_attempts(attempts)}; forecasts go on without them")
    title = "Dollar index and Brazilian real"
    context.add_output_metadata(
        frame_metadata(
            table,
            markdown_image(drivers_plot(table, title), title),
            **{names.SOURCES_TRIED: attempts_table(attempts)},
            missing=", ".join(missing) or "none",
        )
    )
    return table


@dg.asset(
    key=keys.REVISIONS,
    deps=[keys.USDCLP, keys.COPPER, keys.OBSERVADO, keys.COPPER_LME],
    group_name="market",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(REVISIONS_SCHEMA),
    automation_condition=on_any_update(keys.OBSERVADO, keys.COPPER_LME),
    description="Prices that a source revised: old value, new value, time of the change.",
)
def revisions(context: dg.AssetExecutionContext, session: SessionResource) -> pl.DataFrame:
    """Returns every revision in the stored histories, oldest first.

    Empty for the generated market, which has none.
    """
    run_session = session.session()
    frames = [empty(REVISIONS_SCHEMA)]
    if run_session.market == "live":
        store = PriceStore(run_session.live_tables)
        for series in (USDCLP, COPPER, OBSERVADO, COPPER_LME):
            histories = (store.history(series, source) for source in store.sources(series))
            frames += [revisions_of(history, series) for history in histories if history is not None]
    table = pl.concat(frames).sort("revised_at", "series", "session")
    context.add_output_metadata(frame_metadata(table))
    return table


def _optional(context: dg.AssetExecutionContext, session: Session, series: PriceSeries, result: Ingest) -> pl.DataFrame:
    """Shows a series without which forecasts go on, and returns its rows."""
    if result.prices.is_empty():
        context.log.warning(f"no {series.name}: {describe_attempts(result.attempts)}; forecasts go on without it")
    _show(context, session, series, result)
    return result.prices


def _show(context: dg.AssetExecutionContext, session: Session, series: PriceSeries, result: Ingest) -> None:
    """Adds source, attempts, counts, age and plot to the UI's metadata."""
    prices = result.prices.filter(pl.col(series.value).is_not_null())
    title = f"{series.name}, {series.unit}"
    plot = markdown_image(prices_plot(prices, series, title, is_sample(prices)), title)
    last: Any = prices["session"].max()
    context.add_output_metadata(
        frame_metadata(
            result.prices,
            plot,
            **{names.SOURCES_TRIED: attempts_table(result.attempts)},
            source=result.source or "none",
            rows_added=result.added,
            values_revised=result.revised,
            bad_ticks=int(prices["is_quarantined"].sum()),
            age_in_sessions=calendar_of(series).age(last, session.today) if last else -1,
        )
    )

"""Market assets: prices in, under one source's dating rule at a time, with what every source answered."""

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.conditions import MARKET_FRESHNESS
from forex_assets.core.dagster.metadata import attempts_table, column_schema, frame_metadata, is_sample
from forex_assets.core.schemas import COPPER_SCHEMA, REVISIONS_SCHEMA, USDCLP_SCHEMA, empty
from forex_assets.forecasts.plots import markdown_image, prices_plot
from forex_assets.market.fallback import Ingest
from forex_assets.market.history import revisions_of
from forex_assets.market.ingestion import ingest_copper, ingest_usdclp
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries, describe_attempts
from forex_assets.platform import Platform, PlatformResource


@dg.asset(
    key=keys.USDCLP,
    group_name="market",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(USDCLP_SCHEMA),
    freshness_policy=MARKET_FRESHNESS,
    description="USD/CLP by session: Yahoo `CLP=X` (its bar dated t carries the session before), then the Banco "
    "Central's dólar observado, then the stored history. One source's dating rule at a time; fails where there is "
    "no history at all.",
)
def usdclp(context: dg.AssetExecutionContext, platform: PlatformResource) -> pl.DataFrame:
    """The peso's price by session; provisional until the bar that carries the session is finished."""
    ready = platform.platform()
    result = ingest_usdclp(ready)
    if result.prices.is_empty():
        raise dg.Failure(
            f"USD/CLP: no price from any source and none stored. Tried: {describe_attempts(result.attempts)}. "
            "Check the network with `forex-assets doctor`, or set FOREX_MARKET=sample to try the platform without one.",
            metadata={"sources": attempts_table(result.attempts)},
            allow_retries=False,
        )
    _show(context, ready, USDCLP, result)
    return result.prices


@dg.asset(
    key=keys.COPPER,
    group_name="market",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(COPPER_SCHEMA),
    freshness_policy=MARKET_FRESHNESS,
    description="COMEX copper, front month, USD/lb by session: Yahoo `HG=F`, then FRED's monthly level in a column of "
    "its own, then the stored history, then an empty table. Never blocks a forecast.",
)
def copper_hgf_usd_lb(context: dg.AssetExecutionContext, platform: PlatformResource) -> pl.DataFrame:
    """Copper's close by session, and the monthly level where FRED had to stand in."""
    ready = platform.platform()
    result = ingest_copper(ready)
    if result.prices["close_usd_lb"].is_null().all():
        context.log.warning(f"no daily copper price: {describe_attempts(result.attempts)}; forecasts go on without it")
    _show(context, ready, COPPER, result)
    return result.prices


@dg.asset(
    key=keys.REVISIONS,
    deps=[keys.USDCLP, keys.COPPER],
    group_name="market",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(REVISIONS_SCHEMA),
    automation_condition=dg.AutomationCondition.eager(),
    description="Prices that a source changed after the fact: old value, new value, when it was noticed.",
)
def revisions(context: dg.AssetExecutionContext, platform: PlatformResource) -> pl.DataFrame:
    """Every revision in every stored history, oldest first; empty for the generated market, which has none."""
    ready = platform.platform()
    frames = [empty(REVISIONS_SCHEMA)]
    if ready.reading_branch == "live":
        for series in (USDCLP, COPPER):
            histories = (ready.store.history(series, source) for source in ready.store.sources(series))
            frames += [revisions_of(history, series) for history in histories if history is not None]
    table = pl.concat(frames).sort("revised_at", "series", "session")
    context.add_output_metadata(frame_metadata(table))
    return table


def _show(context: dg.AssetExecutionContext, ready: Platform, series: PriceSeries, result: Ingest) -> None:
    """Says in the UI what came, from where, how old it is, and draws it."""
    prices = result.prices.filter(pl.col(series.value).is_not_null())
    title = f"{series.name}, {series.unit}"
    plot = markdown_image(prices_plot(prices, series, title, is_sample(prices)), title)
    last = prices["session"].max()
    context.add_output_metadata(
        frame_metadata(
            result.prices,
            plot,
            source=result.source or "none",
            sources_tried=attempts_table(result.attempts),
            rows_added=result.added,
            values_revised=result.revised,
            bad_ticks=int(prices["is_quarantined"].sum()),
            age_in_sessions=ready.calendar(series).age(last, ready.settings.as_of_date) if last else -1,
        )
    )

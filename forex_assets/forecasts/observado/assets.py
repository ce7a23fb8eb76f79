"""Assets of the fixing's forecasts: latest fans and their ledger."""

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.conditions import on_new_inputs
from forex_assets.core.dagster.metadata import column_schema, frame_metadata
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.plots import markdown_image
from forex_assets.core.schemas import FORECAST_SCHEMA, LEDGER_SCHEMA, OBSERVADO_SCHEMA, empty
from forex_assets.core.session import Session
from forex_assets.forecasts.assets import append_fans, past_rows
from forex_assets.forecasts.calibration import past_errors
from forex_assets.forecasts.observado.fixing import fixing_fan, last_fixing
from forex_assets.forecasts.observado.history import calibrated_rows, published
from forex_assets.forecasts.plots import fan_plot
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import usable


@dg.asset(
    key=keys.OBSERVADO_FORECAST,
    ins={"latest": dg.AssetIn(key=keys.LATEST)},
    deps=[keys.OBSERVADO, keys.INFERENCE_CONFIG],
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="forecasts",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(FORECAST_SCHEMA),
    automation_condition=on_new_inputs(keys.OBSERVADO),
    description="The latest fan of the dólar observado, which contracts settle on, by the fixing's own date up to the "
    "horizon's. The peso's fan, moved to where the average of a day lies and scaled to its width. Past errors correct "
    "the bands. Empty without a published fixing.",
)
def observado_forecast(
    context: dg.AssetExecutionContext, session: SessionResource, latest: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    """Returns one row a fixing and horizon."""
    run, tables = session.session(), {}
    fixings = known_fixings(run)
    last = last_fixing(usable(fixings, USDCLP))
    for horizon in context.partition_keys:
        fan = latest.filter(pl.col("horizon") == horizon)
        tables[horizon] = fan.clear() if last is None else fixing_fan(fan, last, calendar_of(USDCLP))
        if tables[horizon].is_empty():
            context.log.warning(f"{horizon}: no fixing is published, so none is forecast; see `forex-assets doctor`")
            continue
        tables[horizon] = _calibrated(run, horizon, tables[horizon], fixings)
        title = f"dólar observado {horizon}, issued {fan['as_of'][0]}"
        plot = fan_plot(usable(fixings, USDCLP).tail(120), tables[horizon], title)
        metadata = frame_metadata(tables[horizon], markdown_image(plot, title))
        context.add_asset_metadata(metadata, keys.OBSERVADO_FORECAST, horizon)
    return tables


@dg.asset(
    key=keys.OBSERVADO_LEDGER,
    ins={"fans": dg.AssetIn(key=keys.OBSERVADO_FORECAST)},
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="forecasts",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(LEDGER_SCHEMA),
    automation_condition=on_new_inputs(),
    description="Every forecast of the dólar observado ever issued, in a chain of its own: one file an entry, written "
    "once, each with the hash of the entry before.",
)
def observado_ledger(context: dg.AssetExecutionContext, session: SessionResource, fans: pl.DataFrame) -> None:
    """Appends to the fixing's ledger; returns nothing."""
    append_fans(context, session.session(), keys.OBSERVADO_LEDGER, fans)


def known_fixings(session: Session) -> pl.DataFrame:
    """Fixings published by the session's clock; empty without any."""
    stored = session.tables.read(names.OBSERVADO, schema=OBSERVADO_SCHEMA)
    return published(empty(OBSERVADO_SCHEMA) if stored is None else stored, session.now)


def _calibrated(session: Session, horizon: str, fan: pl.DataFrame, fixings: pl.DataFrame) -> pl.DataFrame:
    """Corrects the bands by past errors, if the config says so.

    Errors count if model, settings and series are equal.
    """
    if not session.configs.read(horizon).is_calibrated:
        return fan
    labels = ("engine", "model", "config_fingerprint", "source")
    is_same = pl.all_horizontal(pl.col(name) == fan[name][0] for name in labels)
    errors = past_rows(session, names.OBSERVADO_LEDGER, names.OBSERVADO_BACKTEST, horizon, fixings, is_same)
    return calibrated_rows(fan, past_errors(errors).calibration(session.now, fan.height))

"""Assets of forecasts: inference settings, latest fans, ledger."""

import time
from dataclasses import dataclass

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.calendar import santiago_time
from forex_assets.core.code_version import code_version
from forex_assets.core.config_store import ConfigError
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.conditions import FORECAST_FRESHNESS, observed_nightly, on_new_inputs
from forex_assets.core.dagster.config_observations import config_version
from forex_assets.core.dagster.metadata import column_schema, frame_metadata
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.horizon import HORIZONS, target_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.plots import markdown_image
from forex_assets.core.schemas import FORECAST_SCHEMA, LEDGER_SCHEMA, MODEL_QUANTILE_COLUMNS
from forex_assets.core.session import Session
from forex_assets.core.store.identity import ensured_identity
from forex_assets.forecasts.calibration import past_errors
from forex_assets.forecasts.engine import Engine, EngineError
from forex_assets.forecasts.engines import Engines
from forex_assets.forecasts.forecast import last_session, make_forecast
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.forecasts.plots import fan_plot
from forex_assets.forecasts.realized import with_outcomes
from forex_assets.forecasts.resources import ForecastEngines
from forex_assets.market.findings import findings
from forex_assets.market.origin_table import start_words
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import marked_anew, usable
from forex_assets.market.quotes import origin_at

PAST = (
    *("as_of", "step", "session", "source", "issued_at", "is_shadow", "engine", "model", "config_fingerprint"),
    *MODEL_QUANTILE_COLUMNS,
)
"""Columns of the ledger that calibration reads."""


@dataclass(frozen=True)
class Forecast:
    """A horizon's fan, and the reason for its model."""

    fan: pl.DataFrame
    model_reason: str


@dg.observable_source_asset(
    key=keys.INFERENCE_CONFIG,
    partitions_def=keys.HORIZON_PARTITIONS,
    group_name="config",
    tags={"dagster/kind/json": ""},
    automation_condition=observed_nightly(),
    description="`configs/chronos_<horizon>.json`: model, context, samples, temperature, representation, seed. "
    "Data version: the settings' fingerprint; changed settings start a forecast, a reformatted file does not. "
    "`observe_configs` reports edits within a minute, a deployment or rollback reports itself.",
)
def inference(session: SessionResource) -> dg.DataVersionsByPartition:
    """Returns each horizon's fingerprint, also when one file is unreadable."""
    configs = session.session().configs
    return dg.DataVersionsByPartition({horizon: config_version(configs, horizon) for horizon in HORIZONS})


@dg.asset(
    key=keys.LATEST,
    ins={"usdclp": dg.AssetIn(key=keys.USDCLP), "copper": dg.AssetIn(key=keys.FEATURES)},
    deps=[keys.INFERENCE_CONFIG, keys.ORIGIN],
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="forecasts",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(FORECAST_SCHEMA),
    automation_condition=on_new_inputs(keys.ORIGIN),
    freshness_policy=FORECAST_FRESHNESS,
    description="The latest USD/CLP fan (forecast range) by session up to the horizon's target date: mean and nine "
    "quantiles, with the uncorrected model's and the no-change benchmark's. Made by the configured Chronos model, the "
    "embedded one or the EWMA benchmark. Past errors of the same model and settings correct the bands. It starts from "
    "the level of `market/origin`; width and context come from finished prices of one source.",
)
def latest(
    context: dg.AssetExecutionContext,
    session: SessionResource,
    engines: ForecastEngines,
    usdclp: pl.DataFrame,
    copper: pl.DataFrame,
) -> pl.DataFrame:
    """Returns one row a session and horizon."""
    run = session.session()
    is_known = pl.col("available_at") <= run.now  # a table written after the clock's time holds future prices
    prices, features = marked_anew(usdclp.filter(is_known), USDCLP), copper.filter(is_known)
    _refuse_unfit(run, prices)
    forecasts, faults = dict[str, Forecast](), list[str]()
    for horizon in context.partition_keys:
        try:
            forecasts[horizon] = _forecast(run, engines.of(run), horizon, prices, features)
        except (ConfigError, EngineError) as error:
            if len(context.partition_keys) == 1:
                raise
            faults.append(f"{horizon}: {error}")
    metadata = {horizon: _metadata(prices, forecast) for horizon, forecast in forecasts.items()}
    if faults:
        # The run fails, so Dagster stores nothing: the other horizons' fans are written and recorded here.
        for horizon, forecast in forecasts.items():
            run.tables_for(names.LATEST, forecast.fan).write(names.LATEST, forecast.fan, horizon)
            event = dg.AssetMaterialization(keys.LATEST, partition=horizon, metadata=metadata[horizon])  # type: ignore[arg-type]
            context.log_event(event)
        others = "; the other horizons were forecast" if forecasts else ""
        raise dg.Failure("; ".join(faults) + others, allow_retries=False)
    for horizon, values in metadata.items():
        context.add_asset_metadata(values, keys.LATEST, horizon)
    return pl.concat([forecast.fan for forecast in forecasts.values()])


def _refuse_unfit(session: Session, prices: pl.DataFrame) -> None:
    """Refuses prices that fail a blocking check.

    Dagster's checks block within their own run only.
    """
    results = findings(prices, USDCLP, calendar_of(USDCLP), session.today)
    faults = [f"{f.name}: {f.message}" for f in results if f.severity == "block" and not f.passed]
    if faults:
        raise dg.Failure(
            f"USD/CLP is unfit to forecast from at {santiago_time(session.now)} in Santiago: {'; '.join(faults)}. "
            "Bring prices in with `forex-assets ingest`, at the same FOREX_AS_OF where one is set",
            metadata={names.UNFIT: True},
            allow_retries=False,
        )


def _forecast(
    session: Session, engines: Engines, horizon: str, prices: pl.DataFrame, features: pl.DataFrame
) -> Forecast:
    """Forecasts one horizon."""
    resolved, config = engines.resolve(session.configs.read(horizon))
    engine = engines.engine(resolved)
    start = origin_at(session, prices)
    target = target_of(horizon, session.today, last_session(prices, start), calendar_of(USDCLP))
    calibration = None
    if config.is_calibrated:
        errors = past_errors(matching_errors(session, engine, config, prices))
        calibration = errors.calibration(session.now, target.steps)
    fan = make_forecast(
        engine, config, target, prices, features, clock=time.perf_counter, calibration=calibration, start=start
    )
    return Forecast(fan, resolved.why)


def matching_errors(session: Session, engine: Engine, config: InferenceConfig, prices: pl.DataFrame) -> pl.DataFrame:
    """Realized forecasts of one engine, settings and price source.

    Taken from the ledger, else from the backtest. Read from the warehouse, not as inputs: a forecast never waits for a
    score, and the graph stays free of circles. The ledger is joined to prices here, so that two forecasts of one
    evening use the same errors.
    """
    is_same = (
        (pl.col("engine") == engine.name)
        & (pl.col("model") == engine.model)
        & (pl.col("config_fingerprint") == config.fingerprint)
        & (pl.col("source") == " + ".join(sorted(usable(prices, USDCLP)["source"].unique())))
        & ~pl.col("is_shadow")
    )
    return past_rows(session, names.LEDGER, names.BACKTEST, config.horizon, prices, is_same)


def past_rows(
    session: Session, ledger: str, backtest: str, horizon: str, prices: pl.DataFrame, is_same: pl.Expr
) -> pl.DataFrame:
    """Reads what calibration needs of past forecasts and outcomes.

    Args:
        ledger: table of the issued forecasts; their outcomes are joined anew.
        backtest: table of the scored ones from past dates; may be missing.
        prices: of the series that they forecast.
        is_same: condition on the columns of `PAST`.
    """
    issued = LedgerStore(session.tables, ledger).read(horizon, PAST).filter(is_same)
    frames = [with_outcomes(issued, prices, session.now)]
    scored = session.tables.read(backtest, horizon, columns=frames[0].columns)
    if scored is not None:  # of two rows for one date and step the later one counts: the ledger's
        frames.insert(0, scored.filter(is_same))
    return pl.concat(frames)


def _metadata(prices: pl.DataFrame, forecast: Forecast) -> dict[str, object]:
    """One horizon's fan for the UI, plot first."""
    last = forecast.fan.row(-1, named=True)
    title = f"USD/CLP {last['horizon']}, issued {last['as_of']}"
    return frame_metadata(
        forecast.fan,
        markdown_image(fan_plot(usable(prices, USDCLP).tail(120), forecast.fan, title), title),
        model=f"{last['model']} ({forecast.model_reason})",
        calibration=f"bands corrected by {last['calibration_errors']} past errors at the target"
        if last["is_calibrated"]
        else "none: the model's own quantiles",
        starts_from=start_words(last),
        target_date=str(last["target_date"]),
        median_at_target=last["q50"],
        band_95_at_target=f"{last['q025']:.2f} to {last['q975']:.2f}",
        config_fingerprint=last["config_fingerprint"],
        data_fingerprint=last["data_fingerprint"],
        engine_seconds=last["engine_seconds"],
    )


@dg.asset(
    key=keys.LEDGER,
    ins={"latest": dg.AssetIn(key=keys.LATEST)},
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="forecasts",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(LEDGER_SCHEMA),
    automation_condition=on_new_inputs(),
    description="Every forecast ever issued: one file an entry, written once, each with the hash of the entry before. "
    "An equal forecast adds nothing; other inputs make a new version. `forex-assets ledger verify` checks the chain.",
)
def ledger(context: dg.AssetExecutionContext, session: SessionResource, latest: pl.DataFrame) -> None:
    """Appends to the ledger's files; returns nothing."""
    append_fans(context, session.session(), keys.LEDGER, latest)


def append_fans(
    context: dg.AssetExecutionContext, session: Session, ledger_key: dg.AssetKey, fans: pl.DataFrame
) -> None:
    """Appends each horizon's fan to the chain of a ledger.

    Args:
        ledger_key: asset of the ledger.
        fans: `FORECAST_SCHEMA`; a horizon without rows adds nothing.
    """
    table = keys.table_key(ledger_key)
    # By the rows' source: a generated forecast never enters the chain of real ones.
    store = LedgerStore(session.tables_for(table, fans), table)
    for horizon in context.partition_keys:
        rows = fans.filter(pl.col("horizon") == horizon)
        if rows.is_empty():
            continue
        # One day of grace for midnight; an older fan was made at another clock than this run's.
        is_old = (session.today - rows["as_of"][0]).days > 1
        is_replay = session.settings.as_of is not None or is_old
        entry = store.append(rows, issued_at=session.now, code_version=code_version(), is_replay=is_replay)
        metadata = {
            names.LEDGER_HEAD: entry.entry_hash,
            names.LEDGER_ROOT: store.store.place(),
            names.WAREHOUSE_ID: ensured_identity(store.store),
            "sequence": entry.sequence,
            "version": entry.version,
            "is_new": entry.is_new,
            "is_replay": is_replay,
        }
        context.add_asset_metadata(metadata, ledger_key, horizon)

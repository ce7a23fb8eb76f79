"""Forecast assets: the inference settings as they stand, the latest fan of each horizon, and all fans ever issued."""

import time

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.code_version import code_version
from forex_assets.core.config_store import ConfigError
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.conditions import FORECAST_FRESHNESS, on_new_inputs
from forex_assets.core.dagster.keys import table_key
from forex_assets.core.dagster.metadata import column_schema, frame_metadata
from forex_assets.core.horizon import HORIZONS, target_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.names import LEDGER_HEAD
from forex_assets.core.plots import markdown_image
from forex_assets.core.schemas import FORECAST_SCHEMA, LEDGER_SCHEMA
from forex_assets.forecasts.calibration import past_errors
from forex_assets.forecasts.engine import Engine, EngineError
from forex_assets.forecasts.forecast import make_forecast, usable
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.forecasts.plots import fan_plot
from forex_assets.forecasts.realized import join_realized
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import findings, marked_anew
from forex_assets.platform import Platform, PlatformResource


@dg.observable_source_asset(
    key=keys.INFERENCE_CONFIG,
    partitions_def=keys.HORIZON_PARTITIONS,
    group_name="config",
    tags={"dagster/kind/json": ""},
    automation_condition=dg.AutomationCondition.on_cron("0 * * * *"),
    description="`configs/chronos_<horizon>.json`: model, context, samples, temperature, representation, seed. Its "
    "data version is the fingerprint of the settings: a changed file starts a forecast, a reformatted one does not.",
)
def inference(platform: PlatformResource) -> dg.DataVersionsByPartition:
    """The fingerprint of each horizon's settings; one that cannot be read is no reason not to see the others change."""
    configs = platform.platform().configs

    def version(horizon: str) -> str:
        try:
            return configs.read(horizon).fingerprint
        except ConfigError:
            return "cannot be read"

    return dg.DataVersionsByPartition({horizon: version(horizon) for horizon in HORIZONS})


@dg.asset(
    key=keys.LATEST,
    ins={"usdclp": dg.AssetIn(key=keys.USDCLP), "copper": dg.AssetIn(key=keys.FEATURES)},
    deps=[keys.INFERENCE_CONFIG],
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="forecasts",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(FORECAST_SCHEMA),
    automation_condition=on_new_inputs(),
    freshness_policy=FORECAST_FRESHNESS,
    description="The latest fan of USD/CLP by session up to the horizon's target date: mean and nine quantiles, with "
    "the model's own and the random walk's beside them. Made by the configured Chronos model, the embedded one or the "
    "EWMA walk; bands are corrected by past errors of the same model and settings where there are enough.",
)
def latest(
    context: dg.AssetExecutionContext, platform: PlatformResource, usdclp: pl.DataFrame, copper: pl.DataFrame
) -> pl.DataFrame:
    """One row a session and horizon; several horizons in one run share one model."""
    ready = platform.platform()
    is_known = pl.col("available_at") <= ready.now  # a table written later than the clock holds what must not be seen
    prices, features = marked_anew(usdclp.filter(is_known), USDCLP), copper.filter(is_known)
    _refuse_unfit(ready, prices)
    made, faults = dict[str, tuple[pl.DataFrame, str]](), list[str]()
    for horizon in context.partition_keys:
        try:
            made[horizon] = _forecast(ready, horizon, prices, features)
        except (ConfigError, EngineError) as error:
            if len(context.partition_keys) == 1:
                raise
            faults.append(f"{horizon}: {error}")
    shown = {horizon: _shown(prices, table, why) for horizon, (table, why) in made.items()}
    if faults:
        _keep(context, ready, made, shown)
        others = "; the other horizons were forecast" if made else ""
        raise dg.Failure("; ".join(faults) + others, allow_retries=False)
    for horizon, metadata in shown.items():
        context.add_asset_metadata(metadata, keys.LATEST, horizon)
    return pl.concat([table for table, _ in made.values()])


def _keep(
    context: dg.AssetExecutionContext,
    ready: Platform,
    made: dict[str, tuple[pl.DataFrame, str]],
    shown: dict[str, dict[str, object]],
) -> None:
    """Fans of the horizons that have nothing wrong, kept and recorded although the run will fail for another's sake."""
    key = table_key(keys.LATEST)
    for horizon, (table, _) in made.items():
        ready.warehouse_for(key, table).write(key, table, horizon)
        context.log_event(dg.AssetMaterialization(keys.LATEST, partition=horizon, metadata=shown[horizon]))


def _refuse_unfit(ready: Platform, prices: pl.DataFrame) -> None:
    """Fails on prices that a blocking check refuses: Dagster's checks block within their own run only."""
    judged = findings(prices, USDCLP, ready.calendar(USDCLP), ready.settings.as_of_date)
    wrong = [f"{f.name}: {f.message}" for f in judged if f.severity == "block" and not f.passed]
    if wrong:
        raise dg.Failure(
            f"USD/CLP is unfit to forecast from at {ready.now:%Y-%m-%d %H:%M} UTC: {'; '.join(wrong)}. "
            "Bring prices in with `forex-assets ingest`, at the same FOREX_AS_OF where one is set",
            metadata={names.UNFIT: True},
            allow_retries=False,
        )


def _forecast(ready: Platform, horizon: str, prices: pl.DataFrame, features: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """The forecast of one horizon, and why this model made it."""
    found, config = ready.model_for(ready.configs.read(horizon))
    engine = ready.engine(found)
    rows = usable(prices)
    target = target_of(horizon, ready.settings.as_of_date, rows["session"][-1], ready.calendar(USDCLP))
    calibration = None
    if config.is_calibrated:
        errors = past_errors(own_errors(ready, engine, config, prices))
        calibration = errors.calibration(ready.now, target.steps)
    table = make_forecast(engine, config, target, prices, features, clock=time.perf_counter, calibration=calibration)
    return table, found.why


def own_errors(ready: Platform, engine: Engine, config: InferenceConfig, prices: pl.DataFrame) -> pl.DataFrame:
    """What came true of this engine's own forecasts with these settings and from this source: ledger, else backtest.

    From the warehouse and not as inputs: a forecast never waits for a score, and the graph has no circle. The ledger's
    part is joined here anew, so that two forecasts of one evening rest on the same errors.
    """
    ledger = LedgerStore(ready.warehouse).read(config.horizon)
    frames = [join_realized(ledger, prices, ready.now)]
    backtest = ready.warehouse.read("/".join(keys.BACKTEST.path), config.horizon)
    if backtest is not None:  # of two rows for one date and step the later one counts, which is the ledger's
        frames.insert(0, backtest.select(frames[0].columns))
    return pl.concat(frames).filter(
        (pl.col("engine") == engine.name)
        & (pl.col("model") == engine.model)
        & (pl.col("config_fingerprint") == config.fingerprint)
        & (pl.col("source") == " + ".join(sorted(usable(prices)["source"].unique())))
        & ~pl.col("is_shadow")
    )


def _shown(prices: pl.DataFrame, table: pl.DataFrame, why: str) -> dict[str, object]:
    """What the UI shows of one horizon's fan."""
    last = table.row(-1, named=True)
    title = f"USD/CLP {last['horizon']}, issued {last['as_of']}"
    return frame_metadata(
        table,
        markdown_image(fan_plot(usable(prices).tail(120), table, title), title),
        model=f"{last['model']} ({why})",
        calibration=f"bands corrected by {last['calibration_errors']} past errors at the target"
        if last["is_calibrated"]
        else "none: the model's own quantiles",
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
    description="Every forecast ever issued: one file an entry, written once, each with the hash of the one before. "
    "The same forecast again changes nothing; other inputs make a new version. `forex-assets ledger verify` walks it.",
)
def ledger(context: dg.AssetExecutionContext, platform: PlatformResource, latest: pl.DataFrame) -> None:
    """Appends; the files are the ledger's own, so nothing is handed on."""
    ready = platform.platform()
    # By the rows' own source: what was generated never lands in the chain of real forecasts.
    store = LedgerStore(ready.warehouse_for("/".join(keys.LEDGER.path), latest))
    for horizon in context.partition_keys:
        rows = latest.filter(pl.col("horizon") == horizon)
        # A day's grace for midnight; a fan older than that was made at another clock, whatever this run's says.
        is_old = (ready.settings.as_of_date - rows["as_of"][0]).days > 1
        is_replay = ready.settings.as_of is not None or is_old
        entry = store.append(rows, issued_at=ready.now, code_version=code_version(), is_replay=is_replay)
        shown = {
            LEDGER_HEAD: entry.entry_hash,
            names.LEDGER_ROOT: str(store.root),
            "sequence": entry.sequence,
            "version": entry.version,
            "is_new": entry.is_new,
            "is_replay": is_replay,
        }
        context.add_asset_metadata(shown, keys.LEDGER, horizon)

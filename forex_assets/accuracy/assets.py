"""Whether forecasts are any good: what came true, what would have, and how both compare with the walks."""

from datetime import date

import dagster as dg
import polars as pl
from pydantic import Field

from forex_assets.accuracy.backtest_run import Origins, choose_engine, run_backtest
from forex_assets.accuracy.copper_effect import (
    COPPER_EFFECT_SCHEMA,
    compare_backtests,
    copper_effect,
    verdict_on_copper,
)
from forex_assets.accuracy.plots import scorecard_plot
from forex_assets.accuracy.scorecard import SCORECARD_SCHEMA, scorecard
from forex_assets.accuracy.superiority import spa_p_value
from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.conditions import on_new_inputs, on_saturdays
from forex_assets.core.dagster.keys import table_key
from forex_assets.core.dagster.metadata import column_schema, frame_metadata
from forex_assets.core.plots import markdown_image
from forex_assets.core.schemas import REALIZED_SCHEMA, empty, is_sample
from forex_assets.forecasts.forecast import COVARIATE_ENGINES
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.forecasts.realized import realize
from forex_assets.market.alignment import lead_lag
from forex_assets.market.ingestion import truths
from forex_assets.platform import Platform, PlatformResource


@dg.asset(
    key=keys.REALIZED,
    ins={"usdclp": dg.AssetIn(key=keys.USDCLP)},
    deps=[keys.LEDGER],
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="accuracy",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(REALIZED_SCHEMA),
    automation_condition=on_new_inputs(),
    description="Every forecast in the ledger beside the sessions that came true, by step, with its scores and the "
    "walks' on the same dates. Provisional prices and bad ticks are no truth.",
)
def realized(
    context: dg.AssetExecutionContext, platform: PlatformResource, usdclp: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    """One row a forecast and step; scores of rows that have not changed are taken over."""
    ready = platform.platform()
    prices = truths(ready.session, usdclp)
    ledger, tables = LedgerStore(ready.warehouse), {}
    for horizon in context.partition_keys:
        previous = ready.warehouse.read(table_key(keys.REALIZED), horizon)
        tables[horizon] = realize(ledger.read(horizon), prices, ready.now, previous=previous)
        context.add_asset_metadata(_counts(tables[horizon]), keys.REALIZED, horizon)
    return tables


class BacktestSettings(dg.Config):
    """Which origins to run through the engine that forecasts are made with; as it stands, five years of weekly ones."""

    first: str | None = Field(None, description="first origin, such as 2021-01-01; five years before the last if empty")
    last: str | None = Field(None, description="last origin; yesterday if empty")
    every: str = Field("1w", description="how far origins are apart: 1d, 1w, 2w, 1m")

    def origins(self) -> Origins:
        """The dates as `Origins`."""
        first, last = (date.fromisoformat(text) if text else None for text in (self.first, self.last))
        return Origins(first, last, self.every)


@dg.asset(
    key=keys.BACKTEST,
    deps=[keys.USDCLP, keys.FEATURES, keys.INFERENCE_CONFIG],
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="accuracy",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(REALIZED_SCHEMA),
    automation_condition=on_saturdays(),
    description="What the configured engine would have said on past dates, each origin seeing only what was available "
    "at it, beside what came true. Bands are calibrated by errors known before each origin; forecasts use them too.",
)
def backtest(
    context: dg.AssetExecutionContext, config: BacktestSettings, platform: PlatformResource
) -> dict[str, pl.DataFrame]:
    """One row an origin and step; origins that were run before on the same data are not run again."""
    ready, tables = platform.platform(), {}
    for horizon in context.partition_keys:
        rows, skipped = run_backtest(
            ready,
            horizon,
            origins=config.origins(),
            with_stored=True,  # a quick look must not shorten what calibration rests on
            report=lambda done, total, name=horizon: context.log.info(f"{name}: {done} of {total} origins"),  # type: ignore[misc]
        )
        tables[horizon] = rows
        shown = _counts(rows) | {"skipped": len(skipped), "skipped_because": "; ".join(skipped[:3]) or "none"}
        context.add_asset_metadata(shown, keys.BACKTEST, horizon)
    return tables


@dg.asset(
    key=keys.SCORECARD,
    deps=[keys.REALIZED, keys.BACKTEST],
    group_name="accuracy",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(SCORECARD_SCHEMA),
    automation_condition=on_new_inputs(keys.REALIZED, keys.BACKTEST),
    description="How wrong, how sure and how much better than no change: by record (ledger, replay, backtest), horizon "
    "and span, each figure beside the random walk's and the EWMA walk's on the same dates.",
)
def scorecard_asset(context: dg.AssetExecutionContext, platform: PlatformResource) -> pl.DataFrame:
    """The card of everything realized."""
    ready = platform.platform()
    rows = realized_rows(ready)
    card = scorecard(rows, ready.settings.as_of_date)
    shown = frame_metadata(card)
    for record in rows["record"].unique().sort():
        own, part = card.filter(pl.col("record") == record), rows.filter(pl.col("record") == record)
        plot = scorecard_plot(own, part, f"USD/CLP forecasts: {record}", is_sample(rows))
        shown[f"plot_{record}"] = dg.MetadataValue.md(markdown_image(plot, f"scorecard of the {record}"))
    context.add_output_metadata(shown)
    return card


@dg.asset(
    key=keys.COPPER_EFFECT,
    deps=[keys.BACKTEST, keys.FEATURES],
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="accuracy",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(COPPER_EFFECT_SCHEMA),
    # New features come every evening; what copper is worth changes only with the backtest.
    automation_condition=on_new_inputs().ignore(dg.AssetSelection.assets(keys.FEATURES)),
    description="Whether copper helps: the backtest's fans against the same fans moved by a ridge on the ten features, "
    "fitted at each origin on what had come true by then; for Chronos-2, itself with and without the features. With "
    "intervals, by year and in words.",
)
def copper_effect_asset(context: dg.AssetExecutionContext, platform: PlatformResource) -> dict[str, pl.DataFrame]:
    """One row a comparison and scope."""
    ready, tables = platform.platform(), {}
    features = ready.warehouse.read(table_key(keys.FEATURES))
    prices = [ready.warehouse.read(table_key(key)) for key in (keys.COPPER, keys.USDCLP)]
    for horizon in context.partition_keys:
        rows = ready.warehouse.read(table_key(keys.BACKTEST), horizon)
        if rows is None:
            raise dg.Failure(f"no backtest of {horizon} to compare on; make it with `forex-assets backtest`")
        if features is None:
            raise dg.Failure("no copper features to compare with; make them with `forex-assets ingest`")
        table = _with_and_without(ready, horizon, rows, features)
        tables[horizon] = table
        compared = table["comparison"].unique(maintain_order=True)
        shown = {f"verdict_{name}": verdict_on_copper(table, name) for name in compared}
        if prices[0] is not None and prices[1] is not None:
            lags = lead_lag(prices[0], prices[1]).to_dicts()
            shown["lead_lag"] = dg.MetadataValue.table([dg.TableRecord(row) for row in lags])
        context.add_asset_metadata(frame_metadata(table) | shown, keys.COPPER_EFFECT, horizon)
    return tables


def _with_and_without(ready: Platform, horizon: str, rows: pl.DataFrame, features: pl.DataFrame) -> pl.DataFrame:
    """What copper would change: as covariates where the engine reads them, else and besides as a move of the fan."""
    tables = []
    engine, _ = choose_engine(ready, horizon, "auto")
    if engine.name in COVARIATE_ENGINES:
        days = Origins(days=tuple(rows["as_of"].unique().sort()))
        runs = {
            uses: run_backtest(ready, horizon, origins=days, uses_copper=uses)[0].filter("is_target")
            for uses in (True, False)
        }
        rows = runs[False]
        tables.append(compare_backtests(runs[True], rows, superiority=spa_p_value))
    tables.append(copper_effect(rows.filter("is_target"), features, superiority=spa_p_value).table)
    return pl.concat(tables)


def realized_rows(ready: Platform) -> pl.DataFrame:
    """All that has come true of ledger and backtest, every horizon; no rows where there is nothing yet."""
    frames = [empty(REALIZED_SCHEMA)]
    for key in (keys.REALIZED, keys.BACKTEST):
        name = table_key(key)
        stored = (ready.warehouse.read(name, horizon) for horizon in ready.warehouse.partitions(name))
        frames += [frame for frame in stored if frame is not None]
    return pl.concat(frames)


def _counts(rows: pl.DataFrame) -> dict[str, object]:
    """What the UI shows of one horizon's realized rows."""
    return frame_metadata(rows, forecasts=rows["as_of"].n_unique(), at_target=int(rows["is_target"].sum()))

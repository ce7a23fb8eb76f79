"""Assets of accuracy: scored forecasts, backtest, scorecard, effect of copper."""

from datetime import date

import dagster as dg
import polars as pl
from pydantic import Field

from forex_assets.accuracy.backtest_run import Origins, choose_engine, renewed_words, run_backtest
from forex_assets.accuracy.copper_effect import (
    COPPER_EFFECT_SCHEMA,
    compare_backtests,
    copper_effect,
    verdict_on_copper,
)
from forex_assets.accuracy.plots import scorecard_plot
from forex_assets.accuracy.realized_store import RealizedStore
from forex_assets.accuracy.scorecard import SCORECARD_SCHEMA, scorecard
from forex_assets.accuracy.superiority import spa_p_value
from forex_assets.core import names
from forex_assets.core.compute.opening import compute_of
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.conditions import on_new_inputs, on_saturdays
from forex_assets.core.dagster.metadata import column_schema, frame_metadata
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.plots import markdown_image
from forex_assets.core.schemas import REALIZED_SCHEMA, empty, is_sample
from forex_assets.core.session import Session
from forex_assets.forecasts.engines import Engines
from forex_assets.forecasts.forecast import COVARIATE_ENGINES
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.forecasts.resources import ForecastEngines
from forex_assets.market.alignment import lead_lag
from forex_assets.market.ingestion import truths


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
    description="Forecasts of the ledger beside the prices that came true, by step, with scores of the forecast and "
    "of both no-change benchmarks on the same dates. Provisional prices and bad ticks are left out. The table holds "
    "open years of issue; a year whose sessions are all past has a table of its own, under "
    "`accuracy/realized_settled`.",
)
def realized(context: dg.AssetExecutionContext, session: SessionResource, usdclp: pl.DataFrame) -> None:
    """Scores one row a forecast and step."""
    run = session.session()
    score_ledger(context, run, keys.REALIZED, LedgerStore(run.tables), truths(run, usdclp))


def score_ledger(
    context: dg.AssetExecutionContext,
    session: Session,
    realized_key: dg.AssetKey,
    ledger: LedgerStore,
    prices: pl.DataFrame,
) -> None:
    """Brings the scored rows of each horizon's ledger up to date.

    Args:
        realized_key: asset of the scored rows.
        prices: as for `realized.realize`.
    """
    store = RealizedStore(session.tables, keys.table_key(realized_key))
    for horizon in context.partition_keys:
        rows, settled = store.update(horizon, ledger, prices, session.now)
        counts = frame_metadata(
            rows,
            forecasts=rows["as_of"].n_unique() + sum(year.forecasts for year in settled),
            at_target=int(rows["is_target"].sum()) + sum(year.at_target for year in settled),
            settled_years=len(settled),
        )
        counts["dagster/row_count"] = rows.height + sum(year.rows for year in settled)
        context.add_asset_metadata(counts, realized_key, horizon)


class BacktestSettings(dg.Config):
    """Past test dates of a backtest.

    By default five years of weekly ones.
    """

    first: str | None = Field(None, description="first origin, such as 2021-01-01; five years before the last if empty")
    last: str | None = Field(None, description="last origin; yesterday if empty")
    every: str = Field("1w", description="spacing of the origins: 1d, 1w, 2w, 1m")

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
    description="Forecasts of the current settings from past test dates, without look-ahead, beside the prices that "
    "came true. Bands are calibrated by errors known before each date; current forecasts use these errors too.",
)
def backtest(
    context: dg.AssetExecutionContext, config: BacktestSettings, session: SessionResource, engines: ForecastEngines
) -> dict[str, pl.DataFrame]:
    """Forecasts one row a past date and step.

    Stored origins on the same data are not run again.
    """
    run, tables = session.session(), {}
    with compute_of(run.settings.compute_setting):
        for horizon in context.partition_keys:
            done = run_backtest(
                run,
                engines.of(run),
                horizon,
                origins=config.origins(),
                with_stored=True,  # a run over few dates must not shorten what calibration rests on
                report=lambda done, total, name=horizon: context.log.info(f"{name}: {done} of {total} origins"),  # type: ignore[misc]
            )
            tables[horizon] = done.rows
            skips = {"skipped": len(done.skipped), "skipped_because": "; ".join(done.skipped[:3]) or "none"}
            if words := renewed_words(done.renewed):
                context.log.info(f"{horizon}: {words}")
            context.add_asset_metadata(_counts(done.rows) | skips, keys.BACKTEST, horizon)
    return tables


@dg.asset(
    key=keys.SCORECARD,
    deps=[keys.REALIZED, keys.BACKTEST],
    group_name="accuracy",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(SCORECARD_SCHEMA),
    automation_condition=on_new_inputs(keys.REALIZED, keys.BACKTEST),
    description="Accuracy by record (ledger, replay, backtest), horizon and period: errors, coverage of the bands, and "
    "improvement over no change, against the random walk and the EWMA walk on the same dates.",
)
def scorecard_asset(context: dg.AssetExecutionContext, session: SessionResource) -> pl.DataFrame:
    """Returns the scorecard of all realized forecasts."""
    run = session.session()
    rows = realized_rows(run)
    card = scorecard(rows, run.today)
    metadata = frame_metadata(card)
    for record in rows["record"].unique().sort():
        plot = scorecard_plot(
            card.filter(pl.col("record") == record),
            rows.filter(pl.col("record") == record),
            f"USD/CLP forecasts: {record}",
            is_sample(rows),
        )
        metadata[f"plot_{record}"] = dg.MetadataValue.md(markdown_image(plot, f"scorecard of the {record}"))
    context.add_output_metadata(metadata)
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
    # Features come every evening; the effect of copper changes only with the backtest.
    automation_condition=on_new_inputs().ignore(dg.AssetSelection.assets(keys.FEATURES)),  # type: ignore[attr-defined]
    description="Whether copper helps: the backtest's fans against the same fans moved by a ridge regression on the "
    "ten features, fitted at each date on what was known; for Chronos-2, its fans with and without the features. By "
    "year, with intervals, in words.",
)
def copper_effect_asset(
    context: dg.AssetExecutionContext, session: SessionResource, engines: ForecastEngines
) -> dict[str, pl.DataFrame]:
    """Returns one row a comparison and scope."""
    run, tables = session.session(), {}
    features = run.tables.read(names.FEATURES)
    copper, peso = (run.tables.read(name) for name in (names.COPPER, names.USDCLP))
    for horizon in context.partition_keys:
        rows = run.tables.read(names.BACKTEST, horizon)
        if rows is None:
            raise dg.Failure(f"no backtest of {horizon} to compare on; make it with `forex-assets backtest`")
        if features is None:
            raise dg.Failure("no copper features to compare with; make them with `forex-assets ingest`")
        table = _with_and_without(run, engines.of(run), horizon, rows, features)
        tables[horizon] = table
        comparisons = table["comparison"].unique(maintain_order=True)
        metadata = frame_metadata(table) | {f"verdict_{name}": verdict_on_copper(table, name) for name in comparisons}
        if copper is not None and peso is not None:
            lags = lead_lag(copper, peso).to_dicts()
            metadata["lead_lag"] = dg.MetadataValue.table([dg.TableRecord(row) for row in lags])
        context.add_asset_metadata(metadata, keys.COPPER_EFFECT, horizon)
    return tables


def _with_and_without(
    session: Session, engines: Engines, horizon: str, rows: pl.DataFrame, features: pl.DataFrame
) -> pl.DataFrame:
    """Compares fans with and without copper.

    As covariates if the engine reads them, and as a move of the fan.
    """
    tables = []
    engine, _ = choose_engine(session, engines, horizon, "auto")
    if engine.name in COVARIATE_ENGINES:
        days = Origins(days=tuple(rows["as_of"].unique().sort()))
        runs = {
            uses: run_backtest(session, engines, horizon, origins=days, uses_copper=uses)[0].filter("is_target")
            for uses in (True, False)
        }
        rows = runs[False]
        tables.append(compare_backtests(runs[True], rows, superiority=spa_p_value))
    tables.append(copper_effect(rows.filter("is_target"), features, superiority=spa_p_value).table)
    return pl.concat(tables)


def realized_rows(session: Session, *tables: str) -> pl.DataFrame:
    """Reads the rows that a scorecard counts, all horizons: those at targets.

    Args:
        tables: scored rows; by default ledger and backtest of the peso.
    """
    stored = (
        RealizedStore(session.tables, name).read(horizon, where=pl.col("is_target"))
        for name in tables or (names.REALIZED, names.BACKTEST)
        for horizon in session.tables.partitions(name)
    )
    return pl.concat([empty(REALIZED_SCHEMA), *(frame for frame in stored if frame is not None)])


def _counts(rows: pl.DataFrame) -> dict[str, object]:
    """Row counts of one horizon for the UI."""
    return frame_metadata(rows, forecasts=rows["as_of"].n_unique(), at_target=int(rows["is_target"].sum()))

"""Assets of the fixing's accuracy: scored forecasts, backtest, scorecard."""

import dagster as dg
import polars as pl

from forex_assets.accuracy.assets import realized_rows, score_ledger
from forex_assets.accuracy.backtest_run import stored_fans
from forex_assets.accuracy.scorecard import SCORECARD_SCHEMA, scorecard
from forex_assets.accuracy.start_level import StartLevel
from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.conditions import on_new_inputs
from forex_assets.core.dagster.metadata import column_schema, frame_metadata
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.schemas import REALIZED_SCHEMA
from forex_assets.core.session import Session
from forex_assets.forecasts.calibration import calibrated_history
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.forecasts.observado.assets import known_fixings
from forex_assets.forecasts.observado.history import fixing_backtest, published_by_rule
from forex_assets.forecasts.realized import join_realized, score_rows
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import USDCLP


@dg.asset(
    key=keys.OBSERVADO_REALIZED,
    deps=[keys.OBSERVADO_LEDGER, keys.OBSERVADO],
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="accuracy",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(REALIZED_SCHEMA),
    automation_condition=on_new_inputs(keys.OBSERVADO),
    description="Forecasts of the dólar observado beside the published fixings, by fixing, with scores of the forecast "
    "and of both no-change benchmarks, which start from the last fixing.",
)
def observado_realized(context: dg.AssetExecutionContext, session: SessionResource) -> None:
    """Scores one row a forecast and fixing."""
    run = session.session()
    ledger = LedgerStore(run.tables, names.OBSERVADO_LEDGER)
    score_ledger(context, run, keys.OBSERVADO_REALIZED, ledger, known_fixings(run))


@dg.asset(
    key=keys.OBSERVADO_BACKTEST,
    deps=[keys.BACKTEST, keys.OBSERVADO],
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="accuracy",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(REALIZED_SCHEMA),
    automation_condition=on_new_inputs(keys.OBSERVADO).ignore(dg.AssetSelection.assets(keys.OBSERVADO)),  # type: ignore[attr-defined]
    description="Fans of the dólar observado from the backtest's past dates, beside the fixings that were published. "
    "Bands are calibrated by errors known before each date; current forecasts use these errors too.",
)
def observado_backtest(context: dg.AssetExecutionContext, session: SessionResource) -> dict[str, pl.DataFrame]:
    """Scores one row a past date and fixing."""
    run, tables = session.session(), {}
    for horizon in context.partition_keys:
        tables[horizon] = backtest_rows(run, horizon)
        context.add_asset_metadata(frame_metadata(tables[horizon]), keys.OBSERVADO_BACKTEST, horizon)
    return tables


@dg.asset(
    key=keys.OBSERVADO_SCORECARD,
    deps=[keys.OBSERVADO_REALIZED, keys.OBSERVADO_BACKTEST],
    group_name="accuracy",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(SCORECARD_SCHEMA),
    automation_condition=on_new_inputs(keys.OBSERVADO_REALIZED, keys.OBSERVADO_BACKTEST),
    description="Accuracy of the dólar observado's forecasts by record, horizon and period, calendar years included: "
    "errors, coverage of the bands, and improvement over the last fixing.",
)
def observado_scorecard(context: dg.AssetExecutionContext, session: SessionResource) -> pl.DataFrame:
    """Returns the scorecard of all realized fixing forecasts."""
    run = session.session()
    card = scorecard(realized_rows(run, names.OBSERVADO_REALIZED, names.OBSERVADO_BACKTEST), run.today)
    context.add_output_metadata(frame_metadata(card))
    return card


def backtest_rows(session: Session, horizon: str, level: StartLevel = "live") -> pl.DataFrame:
    """Scored fixing fans of one horizon's past dates."""
    calendar = calendar_of(USDCLP)
    fixings = published_by_rule(known_fixings(session), calendar)
    fans = fixing_backtest(stored_fans(session, horizon, level), fixings, calendar)
    joined = join_realized(fans, fixings, session.now)
    is_calibrated = session.configs.read(horizon).is_calibrated
    return score_rows(calibrated_history(joined) if is_calibrated else joined)

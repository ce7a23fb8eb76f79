"""Assets of monitoring: drift report, degradation reports, decision to search."""

from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.metadata import (
    clock_metadata,
    column_schema,
    frame_metadata,
    small_table,
    table_by_horizon,
)
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.dagster.run_records import last_by_clock, records
from forex_assets.core.session import Session
from forex_assets.forecasts.resources import ForecastEngines
from forex_assets.monitoring.degradation import DEGRADATION_SCHEMA
from forex_assets.monitoring.drift import DRIFT_SCHEMA, Drift
from forex_assets.monitoring.open_requests import open_requests
from forex_assets.monitoring.reports import NoPrices, degradation_of, drift_of, reads_copper
from forex_assets.monitoring.request_store import Open, requests_of
from forex_assets.monitoring.trigger import DECISION_SCHEMA, Decision, decide


@dg.asset(
    key=keys.DRIFT_REPORT,
    deps=[keys.USDCLP, keys.COPPER, keys.REALIZED, keys.BACKTEST],
    group_name="monitoring",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(DRIFT_SCHEMA),
    description="Drift of the returns of copper and peso and of the forecast errors: KS, PSI, variance ratios, "
    "correlation. Judged by the published rule and by a joint rule calibrated to the budget of false alarms.",
)
def drift_report_asset(context: dg.AssetExecutionContext, session: SessionResource) -> pl.DataFrame:
    """Returns one row a series and statistic."""
    drift = _drift_of(session.session())
    figures: dict[str, Any] = {
        names.WORDS: drift.words,
        "severity": drift.severity,
        "fires_calibrated": drift.fires_calibrated,
        "fires_literal": drift.fires_literal,
        "joint": drift.joint,
        "joint_limit": drift.joint_limit,
        "statistics": small_table(drift.table),
    }
    context.add_output_metadata(frame_metadata(drift.table, **figures))
    return drift.table


@table_by_horizon(
    keys.DEGRADATION_REPORT,
    DEGRADATION_SCHEMA,
    deps=[keys.REALIZED, keys.BACKTEST],
    description="Whether forecasts of a horizon got worse: recent errors against the baseline's, by the published rule "
    "and relative to no change on the same dates. Names the scored steps, and when evidence is insufficient.",
)
def degradation_report_asset(
    context: dg.AssetExecutionContext, session: SessionResource, engines: ForecastEngines
) -> dict[str, pl.DataFrame]:
    """Returns one row a measure."""
    run, tables = session.session(), {}
    for horizon in context.partition_keys:
        report = degradation_of(run, engines.of(run), horizon)
        tables[horizon] = report.table
        figures: dict[str, Any] = {
            names.WORDS: report.words,
            "fires_calibrated": _verdict(report.fires_calibrated),
            "fires_literal": _verdict(report.fires_literal),
            "evidence": f"{report.n} of {report.n_needed} errors",
            "leads": ", ".join(map(str, report.leads)) or "none",
            "measures": small_table(report.table),
        }
        context.add_asset_metadata(frame_metadata(report.table, **figures), keys.DEGRADATION_REPORT, horizon)
    return tables


@table_by_horizon(
    keys.TRIGGER_DECISION,
    DECISION_SCHEMA,
    deps=[keys.DRIFT_REPORT, keys.DEGRADATION_REPORT],
    description="Whether to search for better settings of a horizon: value, limit and verdict of each rule, and the "
    "decision in words. The sensor `optimize_on_trigger` launches a search for each decision that fires.",
)
def trigger_decision(
    context: dg.AssetExecutionContext, session: SessionResource, engines: ForecastEngines
) -> dict[str, pl.DataFrame]:
    """Returns one row a rule.

    Figures are computed from the current tables: a decision must not rest on a report of another day.
    """
    run, tables = session.session(), {}
    drift, store = _drift_of(run), requests_of(run)
    for horizon in context.partition_keys:
        waiting = open_requests(records(context.instance, keys.TRIGGER_DECISION, horizon), store, horizon)
        for fault in waiting.faults:
            context.log.warning(fault)
        decision = decide(
            horizon,
            degradation=degradation_of(run, engines.of(run), horizon),
            drift=drift if reads_copper(run, engines.of(run), horizon) else drift.without_copper(run.policy),
            last_optimized=_day_of(context.instance, run, keys.OPTIMIZED, horizon),
            last_triggered=_day_of(context.instance, run, keys.TRIGGER_DECISION, horizon, fires=True),
            is_requested=bool(waiting.requests),
            policy=run.policy,
            now=run.now,
        )
        tables[horizon] = decision.table
        context.log.info(decision.words)
        context.add_asset_metadata(_decision_metadata(run, decision, waiting), keys.TRIGGER_DECISION, horizon)
    return tables


def _drift_of(session: Session) -> Drift:
    """Drift of the inputs; fails the run without prices."""
    try:
        return drift_of(session)
    except NoPrices as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def _day_of(
    instance: dg.DagsterInstance, session: Session, key: dg.AssetKey, horizon: str, *, fires: bool = False
) -> date | None:
    """Day in Santiago of the last record on the session's market."""
    last = last_by_clock(instance, key, horizon, session.market, session.now, fires=fires)
    return None if last is None else last.clock.astimezone(SANTIAGO).date()


def _decision_metadata(session: Session, decision: Decision, waiting: Open) -> dict[str, object]:
    """Metadata for sensor and people.

    No picture: the sensor loads all of it at every tick.
    """
    requests = "; ".join(request.words for request in waiting.requests)
    words = f"{decision.words}. Requested by {requests}." if requests else decision.words
    figures: dict[str, Any] = {
        names.FIRES: decision.fires,
        names.REASONS: ", ".join(decision.reasons),
        names.WORDS: words,
        names.REQUESTS: ", ".join(request.id for request in waiting.requests),
        "unreadable_requests": "; ".join(waiting.faults) or "none",
        "decided_by": session.policy.decide_by,
        "rules": small_table(decision.table),
        **clock_metadata(session),
    }
    return frame_metadata(decision.table, **figures)


def _verdict(fires: bool | None) -> str:
    return "not enough evidence" if fires is None else "yes" if fires else "no"

"""Whether it is time to search for better settings: what the inputs and errors say, and what is decided from it."""

from datetime import date

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.metadata import clock_metadata, column_schema, frame_metadata, small_table
from forex_assets.core.dagster.run_records import last_by_clock, records
from forex_assets.core.schemas import UTC, Schema
from forex_assets.monitoring.degradation import DEGRADATION_SCHEMA
from forex_assets.monitoring.drift import DRIFT_SCHEMA
from forex_assets.monitoring.open_requests import open_requests
from forex_assets.monitoring.reports import degradation_of, drift_of
from forex_assets.monitoring.request_store import Open
from forex_assets.monitoring.trigger import DECISION_SCHEMA, Decision, decide
from forex_assets.platform import Platform, PlatformResource

BY_HAND = "started by hand, without a decision"

SEARCH_REQUEST_SCHEMA: Schema = {
    "horizon": pl.String,
    "requested_at": UTC,  # the platform's clock
    "reason": pl.String,  # names of the rules that fired, `age, manual`; or that it was started by hand
    "decision": pl.String,  # id of the decision's event; empty where started by hand
    "superseded": pl.String,  # ids of earlier decisions that waited meanwhile, `12-0a1b2c3d, …`; mostly empty
    "words": pl.String,  # the decision's, with what people said who asked for it; empty where started by hand
    "attempt": pl.Int64,  # which launch for that decision, from 1
    "run_id": pl.String,
}
"""One row: the search that was last begun for a horizon."""


@dg.asset(
    key=keys.DRIFT_REPORT,
    deps=[keys.USDCLP, keys.COPPER, keys.REALIZED, keys.BACKTEST],
    group_name="monitoring",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(DRIFT_SCHEMA),
    description="Whether returns of copper and peso, and the errors of forecasts, still behave as they did: KS, PSI, "
    "variance ratios, correlation. The published rule word for word, and the joint one that keeps to the budget of "
    "false alarms.",
)
def drift_report_asset(context: dg.AssetExecutionContext, platform: PlatformResource) -> pl.DataFrame:
    """One row a series and statistic."""
    found = drift_of(platform.platform())
    shown = {
        names.WORDS: found.words,
        "severity": found.severity,
        "fires_calibrated": found.fires_calibrated,
        "fires_literal": found.fires_literal,
        "joint": found.joint,
        "joint_limit": found.joint_limit,
        "statistics": small_table(found.table),
    }
    context.add_output_metadata(frame_metadata(found.table, **shown))
    return found.table


@dg.asset(
    key=keys.DEGRADATION_REPORT,
    deps=[keys.REALIZED, keys.BACKTEST],
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="monitoring",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(DEGRADATION_SCHEMA),
    description="Whether forecasts of a horizon got worse: recent errors against the baseline's, by the published rule "
    "and against the walk on the same dates. Says which leads were scored, and when there is not enough evidence.",
)
def degradation_report_asset(context: dg.AssetExecutionContext, platform: PlatformResource) -> dict[str, pl.DataFrame]:
    """One row a measure."""
    ready, tables = platform.platform(), {}
    for horizon in context.partition_keys:
        found = degradation_of(ready, horizon)
        tables[horizon] = found.table
        shown = {
            names.WORDS: found.words,
            "fires_calibrated": _verdict(found.fires_calibrated),
            "fires_literal": _verdict(found.fires_literal),
            "evidence": f"{found.n} of {found.n_needed} errors",
            "leads": ", ".join(map(str, found.leads)) or "none",
            "measures": small_table(found.table),
        }
        context.add_asset_metadata(frame_metadata(found.table, **shown), keys.DEGRADATION_REPORT, horizon)
    return tables


@dg.asset(
    key=keys.TRIGGER_DECISION,
    deps=[keys.DRIFT_REPORT, keys.DEGRADATION_REPORT],
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="monitoring",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(DECISION_SCHEMA),
    description="Whether to search for better settings of a horizon: every rule's value, limit and verdict, and the "
    "decision in words. The sensor `optimize_on_trigger` launches a search for each that fires.",
)
def trigger_decision(context: dg.AssetExecutionContext, platform: PlatformResource) -> dict[str, pl.DataFrame]:
    """One row a rule.

    Figures are worked out anew on the tables that stand now, so that a decision never rests on a report of another day.
    """
    ready, tables = platform.platform(), {}
    drift = drift_of(ready)
    for horizon in context.partition_keys:
        waiting = open_requests(records(context.instance, keys.TRIGGER_DECISION, horizon), ready.requests, horizon)
        for fault in waiting.faults:
            context.log.warning(fault)
        decision = decide(
            horizon,
            degradation=degradation_of(ready, horizon),
            drift=drift,
            last_optimized=_day_of(context.instance, ready, keys.OPTIMIZED, horizon),
            last_triggered=_day_of(context.instance, ready, keys.TRIGGER_DECISION, horizon, fires=True),
            is_requested=bool(waiting.requests),
            policy=ready.policy,
            now=ready.now,
        )
        tables[horizon] = decision.table
        context.log.info(decision.words)
        context.add_asset_metadata(_decision_metadata(ready, decision, waiting), keys.TRIGGER_DECISION, horizon)
    return tables


@dg.asset(
    key=keys.SEARCH_REQUEST,
    deps=[keys.TRIGGER_DECISION],
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="optimizer",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(SEARCH_REQUEST_SCHEMA),
    description="The search that was last begun for a horizon: who asked, when, why, by which decision. The head of "
    "the optimization graph; the age of a horizon's settings is counted from the search that follows.",
)
def search_request(context: dg.AssetExecutionContext, platform: PlatformResource) -> dict[str, pl.DataFrame]:
    """One row a horizon, from the tags of the run."""
    ready, tags, tables = platform.platform(), context.run.tags, {}
    for horizon in context.partition_keys:
        name = tags.get(names.DECISION_TAG, "")
        decisions = records(context.instance, keys.TRIGGER_DECISION, horizon) if name else iter(())
        answered = next((each for each in decisions if each.id == name), None)
        row = {
            "horizon": horizon,
            "requested_at": ready.now,
            "reason": tags.get(names.REASON_TAG, BY_HAND),
            "decision": name,
            "superseded": tags.get(names.SUPERSEDED_TAG, ""),
            "words": answered.metadata.get(names.WORDS, "") if answered else "",
            "attempt": int(tags.get(names.ATTEMPT_TAG, "1")),
            "run_id": context.run.run_id,
        }
        tables[horizon] = pl.DataFrame([row], schema=SEARCH_REQUEST_SCHEMA)
        shown = {
            names.WORDS: row["words"] or row["reason"],
            names.REASONS: row["reason"],
            "decision": name or "none",
            **clock_metadata(ready.session),
        }
        context.add_asset_metadata(frame_metadata(tables[horizon], **shown), keys.SEARCH_REQUEST, horizon)
    return tables


def _day_of(
    instance: dg.DagsterInstance, ready: Platform, key: dg.AssetKey, horizon: str, *, fires: bool = False
) -> date | None:
    """The day in Santiago of the last record by the platform's clock, on the market that stands."""
    found = last_by_clock(instance, key, horizon, ready.reading_branch, ready.now, fires=fires)
    return None if found is None else found.clock.astimezone(SANTIAGO).date()


def _decision_metadata(ready: Platform, decision: Decision, waiting: Open) -> dict[str, object]:
    """What the sensor reads, and what people do; no picture, since the sensor loads all of it at every tick."""
    asked = "; ".join(request.words for request in waiting.requests)
    words = f"{decision.words}. Asked for by {asked}." if asked else decision.words
    return frame_metadata(
        decision.table,
        **{
            names.FIRES: decision.fires,
            names.REASONS: ", ".join(decision.reasons),
            names.WORDS: words,
            names.REQUESTS: ", ".join(request.id for request in waiting.requests),
            "unreadable_requests": "; ".join(waiting.faults) or "none",
            "decided_by": ready.policy.decide_by,
            "rules": small_table(decision.table),
            **clock_metadata(ready.session),
        },
    )


def _verdict(fires: bool | None) -> str:
    return "not enough evidence" if fires is None else "yes" if fires else "no"

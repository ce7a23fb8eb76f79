"""Runs into MLflow, after the fact and from a process of its own: no forecast waits for it, whatever state it is in.

Dagster's records are the spool: what was sent is marked, what was not is found again. A run that is sent twice, because
a sender was killed between the two, is kept once.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl

from forex_assets.adapters.atomic import write_bytes_atomically
from forex_assets.adapters.code_version import code_version
from forex_assets.adapters.tracking import Tracker, TrackingError
from forex_assets.defs import contracts
from forex_assets.defs.records import PARTITION_TAG, Record, records
from forex_assets.domain.horizon import HORIZONS
from forex_assets.domain.tracking import Kind, RunRecord, forecast_details, search_details, validation_details
from forex_assets.resources.parquet_io import table_key
from forex_assets.resources.platform import Platform, PlatformResource
from forex_assets.resources.tracking import tracker_of

KINDS: Final[dict[Kind, dg.AssetKey]] = {
    "forecast": contracts.LATEST,
    "search": contracts.CANDIDATE_CONFIG,
    "validation": contracts.VALIDATION_REPORT,
    "deployment": contracts.DEPLOYMENT,
}
IDENTITY: Final[dict[Kind, str]] = {
    "forecast": "data_fingerprint", "search": contracts.SEARCH_ID, "validation": contracts.VALIDATION_ID
}  # fmt: skip
"""Metadata that says whether the table that stands is still the one that an event made."""

MARKS: Final = "sent.json"
BEGINNING: Final = 50
"""Events of a kind and horizon that are sent at the first time; older ones stay Dagster's."""

RELAUNCH_S: Final = 600
FAILED: Final = "failed"


def waiting(instance: dg.DagsterInstance, marks: dict[str, Any]) -> Iterator[tuple[Kind, str, Record]]:
    """Events that have not been sent, oldest first of each kind and horizon."""
    for kind, key in KINDS.items():
        for horizon in HORIZONS:
            mark = int(marks.get(f"{kind}/{horizon}", 0))
            found = list(islice(records(instance, key, horizon, after=mark), BEGINNING))
            yield from ((kind, horizon, each) for each in reversed(found))


def send_waiting(platform: Platform, instance: dg.DagsterInstance) -> tuple[int, str]:
    """Send what has not been sent, marking each; how many, and why it ended early, if it did.

    Returns:
        A count, and a reason that is empty where all was sent.
    """
    tracker = tracker_of(platform)
    path, count = tracker.folder / MARKS, 0
    marks = marks_of(path)
    try:
        for kind, horizon, each in waiting(instance, marks):
            _send(platform, tracker, instance, kind, horizon, each)
            marks[f"{kind}/{horizon}"] = each.place
            write_bytes_atomically(path, json.dumps(marks).encode())
            count += 1
        count += _send_failures(platform, tracker, instance, marks, path)
    except TrackingError as error:
        return count, str(error)
    return count, ""


def marks_of(path: Path) -> dict[str, Any]:
    """What was sent; nothing where the note is lost, which costs time and doubles nothing."""
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def record_of(platform: Platform, instance: dg.DagsterInstance, kind: Kind, horizon: str, event: Record) -> RunRecord:
    """What is kept of one event: its metadata, and its table where that still stands."""
    run = instance.get_run_record_by_id(event.run_id) if event.run_id else None
    began = datetime.fromtimestamp(run.start_time, UTC) if run and run.start_time else event.written_at
    plain = {name: value for name, value in event.metadata.items() if isinstance(value, str | int | float | bool)}
    noted = {name: str(value)[:500] for name, value in plain.items() if name != contracts.WORDS}
    base = RunRecord(
        id=f"{kind}/{horizon}/{event.id}",
        kind=kind,
        horizon=horizon,
        is_sample=_is_sample(event),
        started_at=min(began, event.written_at),
        ended_at=event.written_at,
        tags={**noted, "dagster_run": event.run_id, "code_version": code_version()},
        artifacts={"words.txt": str(event.metadata.get(contracts.WORDS) or "")},
    )
    table = _table(platform, kind, horizon, event)
    if table is None:
        return base
    if kind == "search":
        more = search_details(table, base.model_copy(update={"tags": {}, "artifacts": {}}))
    else:
        more = forecast_details(table) if kind == "forecast" else validation_details(table)
    merged = {"tags": {**base.tags, **more["tags"]}, "artifacts": {**base.artifacts, **more["artifacts"]}}
    return base.model_copy(update=more | merged)


def _is_sample(event: Record) -> bool:
    return event.metadata.get(contracts.MARKET) == "sample" or "SAMPLE" in str(event.metadata.get("data", ""))


def _table(platform: Platform, kind: Kind, horizon: str, event: Record) -> pl.DataFrame | None:
    """The table that an event made, where it is still that one."""
    name = IDENTITY.get(kind)
    table = platform.warehouse.read(table_key(KINDS[kind]), horizon) if name else None
    if table is None or name is None or table.is_empty() or table[name][0] != event.metadata.get(name):
        return None
    return table


def _send(
    platform: Platform, tracker: Tracker, instance: dg.DagsterInstance, kind: Kind, horizon: str, event: Record
) -> None:
    """One event, and what it means for the registry: which settings are live, which were found."""
    record = record_of(platform, instance, kind, horizon, event)
    run_id = tracker.send(record)
    fingerprint = str(event.metadata.get(contracts.CHALLENGER) or "")
    model = f"usdclp{'-sample' if record.is_sample else ''}-{horizon}"
    challenger = record.artifacts.get("challenger.json")
    if kind == "validation" and challenger and event.metadata.get(contracts.CHAMPION) != fingerprint:
        tracker.challenged(model, fingerprint, challenger, run_id)
    if kind == "deployment" and event.metadata.get(contracts.STATE) == "deployed":
        live = platform.configs.path(horizon)
        config = live.read_text(encoding="utf-8") if live.exists() else "{}"
        tracker.deployed(model, fingerprint, config, run_id)


def _send_failures(
    platform: Platform, tracker: Tracker, instance: dg.DagsterInstance, marks: dict[str, Any], path: Path
) -> int:
    """Runs that failed since the last look: kept as FAILED, whatever they would have made."""
    since = datetime.fromisoformat(str(marks.get(FAILED) or datetime.now(UTC) - timedelta(days=1)))
    wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since)
    found = sorted(instance.get_run_records(wanted), key=lambda each: each.update_timestamp)
    count, is_sample = 0, platform.reading_branch == "sample"
    for each in found:
        ended = each.update_timestamp.replace(tzinfo=each.update_timestamp.tzinfo or UTC)
        for kind, horizon in _what_failed(each.dagster_run):
            began = datetime.fromtimestamp(each.start_time, UTC) if each.start_time else ended
            tags = {"dagster_run": each.dagster_run.run_id, "job": each.dagster_run.job_name}
            name = f"{FAILED}/{each.dagster_run.run_id}/{horizon}"
            tracker.send(
                RunRecord(
                    id=name,
                    kind=kind,
                    horizon=horizon,
                    is_sample=is_sample,
                    status="FAILED",
                    started_at=began,
                    ended_at=ended,
                    tags=tags,
                )
            )
            count += 1
        marks[FAILED] = ended.isoformat()
        write_bytes_atomically(path, json.dumps(marks).encode())
    return count


def _what_failed(run: dg.DagsterRun) -> list[tuple[Kind, str]]:
    """Kind and horizons of a failed run; none where it is of another kind."""
    chosen = run.asset_selection or frozenset[dg.AssetKey]()
    jobs: dict[str, Kind] = {
        contracts.FORECAST_JOB: "forecast", contracts.OPTIMIZE_JOB: "search", contracts.DEPLOY_JOB: "deployment"
    }  # fmt: skip
    kind = jobs.get(run.job_name) or next((name for name, key in KINDS.items() if key in chosen), None)
    first = run.tags.get("dagster/asset_partition_range_start", run.tags.get(PARTITION_TAG))
    last = run.tags.get("dagster/asset_partition_range_end", first)
    names = list(HORIZONS)
    if kind is None or first not in names or last not in names:
        return []
    return [(kind, horizon) for horizon in names[names.index(str(first)) : names.index(str(last)) + 1]]


@dg.op(description="Sends to MLflow what Dagster has recorded since the last time; what cannot be sent waits.")
def send_to_mlflow(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """One sending; a store that is gone is a green run that says so."""
    count, reason = send_waiting(platform.platform(), context.instance)
    if reason:
        context.log.warning(reason)
    context.add_output_metadata({"sent": count, "waits_for": reason or "nothing"})


@dg.job(
    name=contracts.TRACKING_JOB, executor_def=dg.in_process_executor, description="Runs into MLflow, after the fact."
)
def track_runs() -> None:
    """One op."""
    send_to_mlflow()


@dg.sensor(
    job_name=contracts.TRACKING_JOB,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches a sending to MLflow when something is new; forecasts know nothing of it.",
)
def record_runs(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult:
    """Reads Dagster's records and the note of what was sent."""
    marks = marks_of(tracker_of(platform.platform()).folder / MARKS)
    newest = {f"{kind}/{horizon}": each.place for kind, horizon, each in waiting(context.instance, marks)}
    if not newest:
        return dg.SensorResult(skip_reason="nothing new")
    bucket = int(datetime.now(UTC).timestamp()) // RELAUNCH_S
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"{max(newest.values())}/{len(newest)}/{bucket}")])

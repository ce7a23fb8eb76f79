"""Job that records events in MLflow.

A run records one event, or all that MLflow lacks.

A recording run is launched after the event, in a process of its own: no forecast waits for MLflow. An unavailable
MLflow makes a green run with a warning and a hidden tag; the sensor launches another.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice, product
from typing import Any, Final

import dagster as dg

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.dagster.run_records import PARTITION_TAG, EventRecord, forecasts_of, records, updated_at
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.session import Session
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.deployment.deployment_store import deployments_of
from forex_assets.deployment.event_records import deployments
from forex_assets.operations.tracking.connection import DeletedExperimentError, TrackingError
from forex_assets.operations.tracking.mlflow_store import ActiveRun, Tracker
from forex_assets.operations.tracking.recording import base_record, send_event
from forex_assets.operations.tracking.resources import MlflowRuns, tracker_of
from forex_assets.operations.tracking.run_record import Kind, RunRecord

KINDS: Final[dict[Kind, dg.AssetKey]] = {
    "forecast": keys.LATEST, "search": keys.CANDIDATE_CONFIG, "validation": keys.VALIDATION_REPORT
}  # fmt: skip
"""Assets by kind of event.

Deployments are read from their store, rollbacks included.
"""

JOBS: Final[dict[str, Kind]] = {
    names.FORECAST_JOB: "forecast", names.OPTIMIZE_JOB: "search", names.DEPLOY_JOB: "deployment"
}  # fmt: skip

DEPLOYMENT: Final[Kind] = "deployment"
FAILED: Final = "failed"
"""Stream of failed runs."""

Send = Callable[[Session, dg.DagsterInstance, Tracker, ActiveRun], None]


@dataclass(frozen=True)
class Unrecorded:
    """An event that may not be recorded yet.

    Attributes:
        id: id of its record and key of its recording run.
        stream: `forecast/7d` or `failed`.
        place: position in the stream.
        send: records it.
    """

    id: str
    stream: str
    place: float
    send: Send


def events(
    session: Session,
    instance: dg.DagsterInstance,
    marks: Mapping[str, float],
    only: str | None = None,
    limit: int | None = None,
) -> Iterator[Unrecorded]:
    """Yields events to record, oldest first of each stream.

    Args:
        marks: last place read in each stream; all events of a stream without one.
        only: one stream; None for all.
        limit: number of newest events of each stream; None for all.

    Raises:
        WarehouseError: a deployment record cannot be read; events before it were yielded.
    """
    if only in (None, FAILED):
        yield from _failures(session, instance, marks.get(FAILED, 0), limit)
    for horizon, kind in product(HORIZONS, (*KINDS, DEPLOYMENT)):
        stream = f"{kind}/{horizon}"
        if only in (None, stream):
            newest_first = _stream(session, instance, kind, horizon, int(marks.get(stream, 0)))
            yield from (_unrecorded(kind, horizon, event) for event in reversed(list(islice(newest_first, limit))))


def _stream(
    session: Session, instance: dg.DagsterInstance, kind: Kind, horizon: str, after: int
) -> Iterator[EventRecord]:
    """Yields new events of a kind and horizon, newest first."""
    if kind in KINDS:
        yield from records(instance, KINDS[kind], horizon, after=after)
        return
    for event in deployments(deployments_of(session), horizon, after=after):
        # A deployment by the loop that failed is recorded as a failed run.
        if (event.metadata[names.STATE], event.metadata["by"]) != ("failed", "loop"):
            yield replace(event, metadata=event.metadata | {names.MARKET: session.market})


def _unrecorded(kind: Kind, horizon: str, event: EventRecord) -> Unrecorded:
    """Wraps an event record."""
    name = f"{kind}/{horizon}/{event.id}"

    def send(session: Session, instance: dg.DagsterInstance, tracker: Tracker, active_run: ActiveRun) -> None:
        run = instance.get_run_record_by_id(event.run_id) if event.run_id else None
        began = datetime.fromtimestamp(run.start_time, UTC) if run and run.start_time else event.written_at
        send_event(session, tracker, active_run, base_record(name, kind, horizon, event, began), event)

    return Unrecorded(name, f"{kind}/{horizon}", event.place, send)


def _failures(session: Session, instance: dg.DagsterInstance, after: float, limit: int | None) -> Iterator[Unrecorded]:
    """Yields failed runs, one a horizon that they did not forecast."""
    since = datetime.fromtimestamp(after, UTC) if after else None
    wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since)
    is_sample = session.market == "sample"
    for run_record in sorted(instance.get_run_records(wanted, limit=limit), key=lambda record: record.update_timestamp):
        run = run_record.dagster_run
        ended = updated_at(run_record)
        forecast = forecasts_of(instance, run.run_id)
        for kind, horizon in _kinds_of(run):
            if horizon in forecast:
                continue
            failure = RunRecord(
                id=f"failed/{run.run_id}/{horizon}",
                kind=kind,
                horizon=horizon,
                is_sample=is_sample,
                status="FAILED",
                started_at=datetime.fromtimestamp(run_record.start_time, UTC) if run_record.start_time else ended,
                ended_at=ended,
                tags={"dagster_run": run.run_id, "job": run.job_name},
            )

            def send(_: Session, __: dg.DagsterInstance, tracker: Tracker, active_run: ActiveRun,
                     failure: RunRecord = failure) -> None:  # fmt: skip
                tracker.send(failure, active_run)

            yield Unrecorded(failure.id, FAILED, ended.timestamp(), send)


def _kinds_of(run: dg.DagsterRun) -> list[tuple[Kind, str]]:
    """Returns kind and horizons of a failed run, if recorded."""
    chosen = run.asset_selection or frozenset[dg.AssetKey]()
    kind = JOBS.get(run.job_name) or next((name for name, key in KINDS.items() if key in chosen), None)
    first = run.tags.get("dagster/asset_partition_range_start", run.tags.get(PARTITION_TAG))
    last = run.tags.get("dagster/asset_partition_range_end", first)
    order = list(HORIZONS)
    if kind is None or first not in order or last not in order:
        return []
    return [(kind, horizon) for horizon in order[order.index(str(first)) : order.index(str(last)) + 1]]


def record_events(
    session: Session, instance: dg.DagsterInstance, active_run: ActiveRun, tags: Mapping[str, str]
) -> tuple[int, str]:
    """Records one event, or all that MLflow lacks.

    MLflow is asked which records it has, pruned ones included: none is written twice, whoever wrote it. A new store
    gets all events, whichever was wanted.

    Args:
        tags: tags of the recording run; they name one event or none.

    Returns:
        Number of new records, and why others wait; empty if none does.
    """
    tracker, count, problems = tracker_of(session), 0, dict[str, None]()
    try:
        wanted = None if tracker.is_empty() else tags.get(names.EVENT_TAG)
        known = tracker.recorded() if wanted is None else tracker.recorded(wanted)
        stream, marks = None, dict[str, float]()
        if wanted is not None:
            stream = FAILED if wanted.startswith(f"{FAILED}/") else wanted.rpartition("/")[0]
            marks = {stream: float(tags.get(names.EVENT_PLACE_TAG, 0)) - 1}
        for event in events(session, instance, marks, stream):
            if event.id in known or wanted not in (None, event.id):
                continue
            try:
                event.send(session, instance, tracker, active_run)
                count += 1
            except DeletedExperimentError as error:
                problems[str(error)] = None
    except (TrackingError, WarehouseError) as error:
        problems[str(error)] = None
    return count, "; ".join(problems)


def _end_run(context: dg.HookContext, event_list: Any) -> Any:
    """Runs dagster-mlflow's hook; importing it imports mlflow."""
    from dagster_mlflow import end_mlflow_on_run_finished

    return end_mlflow_on_run_finished.hook_fn(context, event_list)


end_mlflow_run = dg.HookDefinition(
    name="end_mlflow_on_run_finished", hook_fn=_end_run, required_resource_keys={"mlflow"}
)


@dg.op(description="Records events in MLflow; what cannot be recorded waits.")
def record_in_mlflow(
    context: dg.OpExecutionContext, session: SessionResource, mlflow: dg.ResourceParam[MlflowRuns]
) -> None:
    """Records the tagged event, or all that MLflow lacks."""
    count, reason = record_events(session.session(), context.instance, mlflow.active_run, context.run.tags)
    if reason:
        context.log.warning(reason)
        context.instance.add_run_tags(context.run_id, {names.WAITS_TAG: "yes"})
    context.add_output_metadata({"sent": count, "waits_for": reason})


@dg.job(
    name=names.TRACKING_JOB,
    executor_def=dg.in_process_executor,
    hooks={end_mlflow_run},
    description="Records events in MLflow by dagster-mlflow, after they happened.",
)
def track_runs() -> None:
    """Runs one op."""
    record_in_mlflow()

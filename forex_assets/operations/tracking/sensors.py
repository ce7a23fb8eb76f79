"""Sensor that launches recording runs; reads metadata only, never MLflow."""

import json
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from forex_assets.core import names
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.dagster.run_records import IN_PROGRESS, updated_at
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.operations.tracking.jobs import Unrecorded, events

BATCH_FROM: Final = 4
"""Number of new events from which one run records all.

Importing MLflow costs more than a record.
"""

RELAUNCH: Final = timedelta(minutes=10)
"""Wait after a recording run that failed or left events waiting."""

LOST: Final = {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
PAGE: Final = 100


@dg.sensor(
    job_name=names.TRACKING_JOB,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches one recording run an event, or one for many; forecasts know nothing of MLflow.",
)
def record_runs(context: dg.SensorEvaluationContext, session: SessionResource) -> dg.SensorResult:
    """Requests recording runs of new events.

    The cursor saves reading; the run key, which Dagster remembers, launches each event once.
    """
    marks = _marks(context)
    unrecorded, newest = list[Unrecorded](), dict(marks)
    try:
        for event in events(session.session(), context.instance, marks, limit=None if marks else 1):
            unrecorded.append(event)
            newest[event.stream] = max(event.place, newest.get(event.stream, 0))
    except WarehouseError as error:
        context.log.warning(str(error))
    requests = [_request(event) for event in unrecorded]
    if unrecorded and (len(unrecorded) >= BATCH_FROM or not marks):
        requests = [dg.RunRequest(run_key=f"batch/{unrecorded[-1].id}/{len(unrecorded)}")]
    lost = _lost(context.instance, datetime.now(UTC))
    if lost is not None:
        requests = [dg.RunRequest(run_key=f"batch/after/{lost}")]
    cursor = json.dumps(newest)
    if not requests:
        return dg.SensorResult(skip_reason="nothing new", cursor=cursor)
    return dg.SensorResult(run_requests=requests, cursor=cursor)


def _marks(context: dg.SensorEvaluationContext) -> dict[str, float]:
    """Last place read in each stream; none if the cursor is unreadable."""
    try:
        noted = json.loads(context.cursor or "{}")
    except ValueError:
        context.log.warning(f"the cursor {context.cursor!r} cannot be read; the newest events are looked at again")
        return {}
    held = noted if isinstance(noted, dict) else {}
    return {stream: float(place) for stream, place in held.items() if isinstance(place, int | float)}


def _request(event: Unrecorded) -> dg.RunRequest:
    """Requests the recording run of one event."""
    tags = {names.EVENT_TAG: event.id, names.EVENT_PLACE_TAG: repr(event.place)}
    return dg.RunRequest(run_key=event.id, tags=tags)


def _lost(instance: dg.DagsterInstance, now: datetime) -> str | None:
    """Returns the last failed recording run without a later batch.

    None also while a batch is queued or in progress, and for some minutes after the run.
    """
    for record in instance.get_run_records(dg.RunsFilter(job_name=names.TRACKING_JOB), limit=PAGE):
        run = record.dagster_run
        is_batch = names.EVENT_TAG not in run.tags
        if run.status in LOST or names.WAITS_TAG in run.tags:
            return run.run_id if now - updated_at(record) >= RELAUNCH else None
        if is_batch and (run.status in IN_PROGRESS or run.status == dg.DagsterRunStatus.SUCCESS):
            return None
    return None

"""Sensor that launches searches from decisions on record."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.dagster.run_records import EventRecord, attempts_for, is_ours, is_searching, records
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.retry_policy import next_step
from forex_assets.core.session import Session

Clock = Callable[[], datetime]


def _real_time() -> datetime:
    return datetime.now(UTC)


def optimize_sensor(clock: Clock = _real_time) -> dg.SensorDefinition:
    """`optimize_on_trigger`; `clock` says when a failed search has waited long enough."""

    @dg.sensor(
        name="optimize_on_trigger",
        job_name=names.OPTIMIZE_JOB,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches the search of a horizon once for each decision that fires; one search a horizon at a "
        "time. A failed search is launched again after 10 and 20 minutes, then given up.",
    )
    def optimize_on_trigger(context: dg.SensorEvaluationContext, session: SessionResource) -> dg.SensorResult:
        run = session.session()
        marks = _marks(context)
        requests, reasons = list[dg.RunRequest](), list[str]()
        for horizon in HORIZONS:
            try:
                request, marks[horizon], words = _of_horizon(context.instance, run, horizon, marks[horizon], clock())
            except Exception as error:  # an unreadable record of one horizon leaves the others searched
                context.log.exception(f"{horizon}: {error}")
                request, words = None, f"{type(error).__name__}: {error}"
            requests += [request] if request else []
            reasons.append(f"{horizon}: {words}")
        return _result(requests, marks, "; ".join(reasons))

    return optimize_on_trigger


def _of_horizon(
    instance: dg.DagsterInstance, session: Session, horizon: str, mark: int, now: datetime
) -> tuple[dg.RunRequest | None, int, str]:
    """Decides what to launch for a horizon.

    Returns the request, the event up to which decisions are settled, and the reason.

    The newest decision that fires is answered, with those before it that found a search under way: their searches would
    look at the same tables. What was launched is read from the runs, so that a lost cursor launches nothing twice; the
    run key of a decision is the same at every tick, so that Dagster does not either.
    """
    unsettled = list(records(instance, keys.TRIGGER_DECISION, horizon, after=mark))
    firing = [record for record in unsettled if record.fires and is_ours(record, session)]
    if not firing:
        return None, unsettled[0].place if unsettled else mark, "no decision to act on"
    if is_searching(instance, horizon):
        return None, mark, f"a search is queued or under way; decision {firing[0].id} is settled after it"
    newest = firing[0]
    step = next_step(attempts_for(instance, newest.id), now)
    words = f"decision {newest.id}: {step.words}"
    if step.launch is None:
        return None, newest.place if step.is_settled else mark, words
    waited = [record for record in firing[1:] if not attempts_for(instance, record.id)]
    return _request(horizon, newest, waited, step.launch), mark, words


def _request(horizon: str, decision: EventRecord, waited: list[EventRecord], attempt: int) -> dg.RunRequest:
    """Run request of one attempt.

    Run keys: the decision's id, then `<id>/2`, `<id>/3`.
    """
    reasons = dict.fromkeys(name for record in (decision, *waited) for name in record.names(names.REASONS))
    tags = {
        names.DECISION_TAG: decision.id,
        names.REASON_TAG: ", ".join(reasons),
        names.HORIZON_TAG: horizon,
        names.ATTEMPT_TAG: str(attempt),
    }
    if waited:
        tags[names.SUPERSEDED_TAG] = ", ".join(record.id for record in waited)
    run_key = decision.id if attempt == 1 else f"{decision.id}/{attempt}"
    return dg.RunRequest(run_key=run_key, partition_key=horizon, tags=tags)


def _marks(context: dg.SensorEvaluationContext) -> dict[str, int]:
    """Last settled event by horizon; 0 with a lost cursor."""
    noted: Any = {}
    try:
        noted = json.loads(context.cursor or "{}")
    except ValueError:
        context.log.warning(f"the cursor {context.cursor!r} cannot be read; every decision is looked at once more")
    held = noted if isinstance(noted, dict) else {}
    return {horizon: mark if isinstance(mark := held.get(horizon), int) else 0 for horizon in HORIZONS}


def _result(requests: list[dg.RunRequest], cursor: Any, words: str) -> dg.SensorResult:
    """Requests, or the reason for none, and the cursor."""
    if requests:
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(cursor))
    return dg.SensorResult(skip_reason=words, cursor=json.dumps(cursor))


optimize_on_trigger = optimize_sensor()

"""Sensors of the optimization location. They read Dagster's records and nothing else; each tick ends in one result."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.run_records import (
    FIRST_SOURCE,
    MARKET_KEYS,
    Record,
    attempts_for,
    is_fallback,
    is_ours,
    is_searching,
    records,
)
from forex_assets.core.horizon import HORIZONS
from forex_assets.monitoring.retry_policy import next_step
from forex_assets.platform import Platform, PlatformResource

FALLBACKS = 3
FALLBACK_WINDOW = timedelta(days=7)

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
    def optimize_on_trigger(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult:
        ready = platform.platform()
        marks = _marks(context)
        requests, said = list[dg.RunRequest](), list[str]()
        for horizon in HORIZONS:
            request, marks[horizon], words = _of_horizon(context.instance, ready, horizon, marks[horizon], clock())
            requests += [request] if request else []
            said.append(f"{horizon}: {words}")
        return _result(requests, marks, "; ".join(said))

    return optimize_on_trigger


def _of_horizon(
    instance: dg.DagsterInstance, ready: Platform, horizon: str, mark: int, now: datetime
) -> tuple[dg.RunRequest | None, int, str]:
    """What to launch for a horizon; the place up to which its decisions are settled; and why, for people.

    The newest decision that fires is answered, with those before it that found a search under way: their searches would
    look at the same tables. What was launched is read from the runs, so that a lost cursor launches nothing twice; the
    run key of a decision is the same at every tick, so that Dagster does not either.
    """
    unsettled = list(records(instance, keys.TRIGGER_DECISION, horizon, after=mark))
    firing = [each for each in unsettled if each.fires and is_ours(each, ready)]
    if not firing:
        return None, unsettled[0].place if unsettled else mark, "no decision to act on"
    if is_searching(instance, horizon):
        return None, mark, f"a search is queued or under way; decision {firing[0].id} is settled after it"
    newest = firing[0]
    step = next_step(attempts_for(instance, newest.id), now)
    words = f"decision {newest.id}: {step.words}"
    if step.launch is None:
        return None, newest.place if step.is_settled else mark, words
    waited = [each for each in firing[1:] if not attempts_for(instance, each.id)]
    return _request(horizon, newest, waited, step.launch), mark, words


def _request(horizon: str, decision: Record, waited: list[Record], attempt: int) -> dg.RunRequest:
    """The run of one attempt; the first has the decision's id for its key, later ones `<id>/2`, `<id>/3`."""
    reasons = dict.fromkeys(name for each in (decision, *waited) for name in each.names(names.REASONS))
    tags = {
        names.DECISION_TAG: decision.id,
        names.REASON_TAG: ", ".join(reasons),
        names.HORIZON_TAG: horizon,
        names.ATTEMPT_TAG: str(attempt),
    }
    if waited:
        tags[names.SUPERSEDED_TAG] = ", ".join(each.id for each in waited)
    run_key = decision.id if attempt == 1 else f"{decision.id}/{attempt}"
    return dg.RunRequest(run_key=run_key, partition_key=horizon, tags=tags)


def _marks(context: dg.SensorEvaluationContext) -> dict[str, int]:
    """Up to which event each horizon's decisions are settled; 0 where the cursor is lost, which costs time only."""
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


@dg.sensor(
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Warns, on the price's own page and in the log, when prices did not come from the first source three "
    "times in seven days.",
)
def warn_on_price_fallback(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """One observation of the price for each further fallback while there are three in the seven days up to it."""
    marks = _fallback_marks(context.cursor)
    observed, said = list[dg.AssetObservation](), list[str]()
    for key in MARKET_KEYS:
        name = key.to_user_string()
        past = _recent(context.instance, key)
        used = [each for each in past if is_fallback(each)]
        if len(used) >= FALLBACKS and used[0].place > marks.get(name, 0):
            words = _fallback_words(name, used)
            context.log.warning(words)
            observed.append(dg.AssetObservation(key, description=words, metadata={"warning": words}))
        said.append(f"{name}: {len(used)} in {FALLBACK_WINDOW.days} days")
        marks[name] = past[0].place if past else marks.get(name, 0)
    return dg.SensorResult(asset_events=observed, skip_reason="; ".join(said), cursor=json.dumps(marks))


def _recent(instance: dg.DagsterInstance, key: dg.AssetKey) -> list[Record]:
    """Materializations in the seven days up to the newest one, newest first; by their own times, not by any clock."""
    past = list[Record]()
    for each in records(instance, key, page=10):
        if past and each.written_at < past[0].written_at - FALLBACK_WINDOW:
            break
        past.append(each)
    return past


def _fallback_words(name: str, used: list[Record]) -> str:
    sources = ", ".join(dict.fromkeys(str(each.metadata["source"]) for each in used))
    return (
        f"{name}: {len(used)} times in {FALLBACK_WINDOW.days} days prices did not come from {FIRST_SOURCE} but from "
        f"{sources} or the stored history, last {used[0].written_at:%Y-%m-%d %H:%M} UTC; see `forex-assets doctor`"
    )


def _fallback_marks(cursor: str | None) -> dict[str, int]:
    """Which fallbacks were warned of; none where the cursor is lost, and a warning is then said twice."""
    try:
        noted = json.loads(cursor or "{}")
    except ValueError:
        return {}
    return {k: v for k, v in noted.items() if isinstance(v, int)} if isinstance(noted, dict) else {}


optimize_on_trigger = optimize_sensor()

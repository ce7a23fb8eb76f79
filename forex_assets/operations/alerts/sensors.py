"""Telling people what happened: one sensor gathers events into the outbox, one launches the job that sends them.

Neither sensor speaks to a server. A delivery that fails is a green run that says so, and is tried again.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg

from forex_assets.core import names
from forex_assets.core.dagster.run_records import end_dead_runs
from forex_assets.operations.alerts.gather import Marks, Reader, gathered
from forex_assets.operations.alerts.send import ids_of, notifier_of
from forex_assets.platform import PlatformResource

Clock = Callable[[], datetime]
RELAUNCH_S: Final = 600
"""A delivery that ended without a trace, as when its process was killed, is launched again after ten minutes."""


def _real_time() -> datetime:
    return datetime.now(UTC)


def gather_sensor(clock: Clock = _real_time) -> dg.SensorDefinition:
    """`gather_alerts`; `clock` is the real time, not the platform's."""

    @dg.sensor(
        name="gather_alerts",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Puts into the outbox what people are to be told of: triggers, verdicts, deployments, rollbacks, "
        "failing watches, price fallbacks, stale prices, failed runs. Each once, however often it is looked at.",
    )
    def gather_alerts(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult:
        ready, now = platform.platform(), clock()
        for words in end_dead_runs(context.instance, now):  # first, so that they are told of as failures
            context.log.warning(words)
        reader = Reader(context.instance, ready.deployments, _marks(context), now, ready.reading_branch == "sample")
        new, dropped = notifier_of(ready).add(gathered(reader), now)
        if dropped:
            context.log.warning(f"{dropped} events were dropped unsent: too old or too many; forex-assets mail status")
        # The cursor after the events: what is gathered twice after a crash between the two is in the outbox once.
        return dg.SensorResult(skip_reason=f"{new} new events", cursor=json.dumps(reader.marks))

    return gather_alerts


def send_sensor(clock: Clock = _real_time) -> dg.SensorDefinition:
    """`send_alerts`; `clock` is the real time, not the platform's."""

    @dg.sensor(
        name="send_alerts",
        job_name=names.ALERT_JOB,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches a delivery when a message is due; without mail server, recipients or webhook none.",
    )
    def send_alerts(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult:
        notifier, now = notifier_of(platform.platform()), clock()
        for name, fault in notifier.faults.items():
            context.log.warning(f"{name}: {fault}")
        messages = notifier.due(now)
        if not messages:
            said = "no message is due" if notifier.channels else "neither mail nor webhook is set up"
            return dg.SensorResult(skip_reason=said)
        run_key = f"{ids_of(messages)}/{int(now.timestamp()) // RELAUNCH_S}"
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=run_key)])

    return send_alerts


@dg.op(description="Sends what is due through every channel; a server that fails is a warning, and tried again.")
def send_what_is_due(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """One delivery."""
    attempts = notifier_of(platform.platform()).deliver(_real_time())
    for each in attempts:
        words = f"{each.channel}, {each.count} events: {each.words}"
        context.log.info(words) if each.is_sent else context.log.warning(words)
    context.add_output_metadata({"messages": len(attempts), "failed": sum(not each.is_sent for each in attempts)})


@dg.job(
    name=names.ALERT_JOB,
    executor_def=dg.in_process_executor,
    # Ahead of forecasts and searches in the queue: it takes seconds, and people wait for it.
    tags={"dagster/priority": "10"},
    description="Mail and webhook messages that are due.",
)
def deliver_alerts() -> None:
    """One op."""
    send_what_is_due()


def _marks(context: dg.SensorEvaluationContext) -> Marks:
    """Where the last look ended; none where the cursor is lost: a day is then looked at once more."""
    noted: Any = {}
    try:
        noted = json.loads(context.cursor or "{}")
    except ValueError:
        context.log.warning(f"the cursor {context.cursor!r} cannot be read; the last day is looked at once more")
    return {k: v for k, v in noted.items() if isinstance(v, int)} if isinstance(noted, dict) else {}


gather_alerts = gather_sensor()
send_alerts = send_sensor()

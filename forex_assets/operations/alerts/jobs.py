"""Job that delivers alerts.

A failed delivery is a green run with a warning, and is tried again.
"""

from datetime import UTC, datetime

import dagster as dg

from forex_assets.core import names
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.operations.alerts.send import notifier_of


@dg.op(description="Sends due messages through every channel. A failed delivery is a warning, and is tried again.")
def send_what_is_due(context: dg.OpExecutionContext, session: SessionResource) -> None:
    """Delivers once."""
    attempts = notifier_of(session.session()).deliver(datetime.now(UTC))
    for attempt in attempts:
        words = f"{attempt.channel}, {attempt.count} events: {attempt.words}"
        context.log.info(words) if attempt.is_sent else context.log.warning(words)
    failed = sum(not attempt.is_sent for attempt in attempts)
    context.add_output_metadata({"messages": len(attempts), "failed": failed})


@dg.job(
    name=names.ALERT_JOB,
    executor_def=dg.in_process_executor,
    # Before forecasts and searches in the queue: it takes seconds, and people wait for it.
    tags={"dagster/priority": "10"},
    description="Delivers due messages to mail, webhook and chat services.",
)
def deliver_alerts() -> None:
    """Delivers alerts."""
    send_what_is_due()

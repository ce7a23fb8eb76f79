"""Manual search requests that no recorded decision has answered."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from forex_assets.core import names
from forex_assets.core.dagster.run_records import EventRecord
from forex_assets.monitoring.request_store import Open, RequestStore

ANSWERS: Final = 50
"""Number of newest decisions searched for answered requests."""


def open_requests(decisions: Iterable[EventRecord], store: RequestStore, horizon: str) -> Open:
    """Returns a horizon's unanswered requests.

    The first decision after a request answers it, so the newest decisions suffice. Only a recorded decision counts: a
    decision killed before its record was written answers nothing.

    Args:
        decisions: records of `monitoring/trigger_decision` of the horizon, newest first.
    """
    return store.open(
        horizon, {name for decision in islice(decisions, ANSWERS) for name in decision.names(names.REQUESTS)}
    )

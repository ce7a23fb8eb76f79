"""Heartbeat of a run, by which other machines know that it lives."""

import threading
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from forex_assets.core.processes import HEARTBEAT_TAG

INTERVAL_S: Final = 300.0
"""Seconds between two beats."""

_BEATING: set[str] = set()
"""Runs that this process beats for."""


def start_heartbeat(instance: dg.DagsterInstance, run_id: str, interval_s: float = INTERVAL_S) -> None:
    """Notes every few minutes in the run's tags that its process lives.

    Ends with the run or with the process.
    """
    if run_id in _BEATING:
        return
    _BEATING.add(run_id)

    def beat() -> None:
        pause = threading.Event()
        while not pause.wait(interval_s):
            run = instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                break
            instance.add_run_tags(run_id, {HEARTBEAT_TAG: datetime.now(UTC).isoformat()})
        _BEATING.discard(run_id)

    threading.Thread(target=beat, name=f"heartbeat of {run_id[:8]}", daemon=True).start()

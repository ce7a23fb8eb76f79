"""Heartbeat of a run, by which other machines know that it lives."""

import logging
import threading
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from forex_assets.core.processes import HEARTBEAT_TAG

INTERVAL_S: Final = 300.0
"""Seconds between two beats."""

FAILURES: Final = 12
"""Failed beats in a row after which a heartbeat ends."""

_BEATING: set[str] = set()
"""Runs that this process beats for."""


def start_heartbeat(instance: dg.DagsterInstance, run_id: str, interval_s: float = INTERVAL_S) -> None:
    """Notes every few minutes in the run's tags that its process lives.

    Ends with the run, with the process, or where the records cannot be written for long.
    """
    if run_id in _BEATING:
        return
    _BEATING.add(run_id)

    def beat() -> None:
        pause, failures = threading.Event(), 0
        while failures < FAILURES and not pause.wait(interval_s):
            try:
                run = instance.get_run_by_id(run_id)
                if run is None or run.is_finished:
                    break
                instance.add_run_tags(run_id, {HEARTBEAT_TAG: datetime.now(UTC).isoformat()})
                failures = 0
            except Exception as error:  # noqa: BLE001 - records that are away for a while must not end the heartbeat
                failures += 1
                logging.getLogger(__name__).warning("run %s: no heartbeat noted: %s", run_id, error)
        _BEATING.discard(run_id)

    threading.Thread(target=beat, name=f"heartbeat of {run_id[:8]}", daemon=True).start()

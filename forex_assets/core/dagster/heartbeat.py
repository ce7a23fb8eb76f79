"""Heartbeat of a run, by which other machines know that it lives."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from forex_assets.core.processes import HEARTBEAT_TAG

INTERVAL_S: Final = 300.0
"""Seconds between two beats."""


@contextmanager
def heartbeat(instance: dg.DagsterInstance, run_id: str, interval_s: float = INTERVAL_S) -> Iterator[None]:
    """Notes every few minutes, in the run's tags, that its process lives."""
    is_over = threading.Event()

    def beat() -> None:
        while not is_over.wait(interval_s):
            instance.add_run_tags(run_id, {HEARTBEAT_TAG: datetime.now(UTC).isoformat()})

    thread = threading.Thread(target=beat, name=f"heartbeat of {run_id[:8]}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()

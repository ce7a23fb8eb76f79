"""Dagster's own daemon, as a process, follows edited settings with a forecast."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from forex_assets.core import names
from forex_assets.core.session import open_session

DAEMON = ["-m", "dagster._daemon", "run", "-m", "forex_assets.locations.forecasting"]


def edit(workspace: Path, horizon: str, seed: int) -> str:
    """Changes the seed of a horizon; returns the new fingerprint."""
    path = workspace / f"configs/chronos_{horizon}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seed": seed}))
    return open_session().configs.fingerprint(horizon)


def forecast_with(horizon: str) -> str | None:
    """Fingerprint of the settings behind the latest fan."""
    fan = open_session().tables.read(names.LATEST, horizon)
    return None if fan is None else str(fan["config_fingerprint"][0])


def wait_for(is_so: Callable[[], bool], daemon: "subprocess.Popen[bytes]", log: Path) -> None:
    while not is_so():
        assert daemon.poll() is None, log.read_text()[-3000:]
        time.sleep(1)


@pytest.mark.timeout(400)
def test_edited_settings_are_followed_by_the_daemon_also_where_it_was_down(with_forecasts: Path) -> None:
    """One file is edited before the daemon's first start, another one while it runs."""
    workspace = with_forecasts
    while_down = edit(workspace, "7d", 11)
    assert forecast_with("7d") != while_down
    log = workspace / "daemon.log"
    with log.open("wb") as output:
        daemon = subprocess.Popen([sys.executable, *DAEMON], stdout=output, stderr=output, start_new_session=True)
    try:
        wait_for(lambda: forecast_with("7d") == while_down, daemon, log)
        while_up = edit(workspace, "15d", 12)
        wait_for(lambda: forecast_with("15d") == while_up, daemon, log)
    finally:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()
    with dg.DagsterInstance.get() as instance:
        runs = [run for run in instance.get_runs() if "source" not in run.tags]
    assert runs, "the daemon's own"

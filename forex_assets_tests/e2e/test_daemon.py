"""`dagster dev`, as a process, follows edited settings with a forecast, listens on loopback only, and prints little."""

import contextlib
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import psutil
import pytest

from forex_assets.core import names
from forex_assets.core.session import open_session
from forex_assets.locations.forecasting import defs

DEV = ["-m", "dagster", "dev", "-m", "forex_assets.locations.forecasting", "--log-level", "warning"]
"""As `make ui`, with one location."""


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


def listeners_of(process: "subprocess.Popen[bytes]") -> dict[int, str]:
    """Addresses that a process and its descendants listen on, by port."""
    root = psutil.Process(process.pid)
    listeners = dict[int, str]()
    for member in [root, *root.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            listeners |= {
                c.laddr.port: c.laddr.ip for c in member.net_connections("inet") if c.status == psutil.CONN_LISTEN
            }
    return listeners


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.timeout(600)
def test_edited_settings_are_followed_by_the_daemon_also_where_it_was_down(with_forecasts: Path) -> None:
    """One file is edited before the daemon's first start, another one while it runs."""
    workspace = with_forecasts
    while_down = edit(workspace, "7d", 11)
    assert forecast_with("7d") != while_down
    log, port = workspace / "daemon.log", free_port()
    with log.open("wb") as output:
        daemon = subprocess.Popen(
            [sys.executable, *DEV, "-p", str(port)], stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_for(lambda: forecast_with("7d") == while_down, daemon, log)
        while_up = edit(workspace, "15d", 12)
        wait_for(lambda: forecast_with("15d") == while_up, daemon, log)
        wait_for(lambda: port in listeners_of(daemon), daemon, log)
        assert {ipaddress.ip_address(ip).is_loopback for ip in listeners_of(daemon).values()} == {True}
    finally:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()
    with dg.DagsterInstance.get() as instance:
        runs = [run for run in instance.get_runs() if "source" not in run.tags]
    assert runs, "the daemon's own"
    printed = log.read_text()
    assert "ended: " in printed, "a line a run"
    assert "Checking for new runs" not in printed
    assert "STEP_START" not in printed


def test_the_longest_wait_between_an_edit_and_its_forecast_is_within_two_minutes() -> None:
    """The sensor reports an edit, the automation sensor launches its forecast; both at their own intervals."""
    repository = defs.get_repository_def()
    watcher, automation = (repository.get_sensor_def(name) for name in ("observe_configs", "follow_new_inputs"))
    assert watcher.default_status == automation.default_status == dg.DefaultSensorStatus.RUNNING
    assert (watcher.minimum_interval_seconds or 30) + (automation.minimum_interval_seconds or 30) <= 60

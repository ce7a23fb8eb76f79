"""Records in a real tracking server on loopback, read back by its own REST interface; it dies and comes back."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from forex_assets.operations.tracking.connection import TrackingError
from forex_assets.operations.tracking.mlflow_store import Tracker
from forex_assets_tests.operations.tracking.test_mlflow_store import children, record, send

PNG = b"\x89PNG\r\n\x1a\n and more"


class Server:
    """`mlflow server` with a store of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder, self.url = folder, f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        words = [
            "--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}",
            "--artifacts-destination", str(self.folder / "artifacts"),
            "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1",
        ]  # fmt: skip
        with (self.folder / "log.txt").open("a") as log:
            command = [sys.executable, "-m", "mlflow", "server", *words]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        until = time.monotonic() + 120
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.2)
        raise AssertionError((self.folder / "log.txt").read_text())

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def get(self, path: str, **query: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            return bytes(answer.read())

    def api(self, path: str, **query: str) -> Any:
        return json.loads(self.get(f"/api/2.0/mlflow/{path}", **query))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.start()
    yield made
    made.kill()


def test_a_server_gets_runs_files_and_versions_and_what_it_missed_once_it_is_back(
    server: Server, tmp_path: Path, environment: Callable[..., None]
) -> None:
    environment(MLFLOW_HTTP_REQUEST_TIMEOUT="5", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    tracker = Tracker(tmp_path / "own", server.url)
    run_id = send(tracker, record(children=children(27), artifacts={"words.txt": "found ñ", "plot.png": PNG}))
    run = server.api("runs/get", run_id=run_id)["run"]
    assert run["info"]["status"] == "FINISHED"
    assert {each["key"]: each["value"] for each in run["data"]["metrics"]} == {"loss": 5.25, "gain": 0.03}
    where = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert server.get(f"/api/2.0/mlflow-artifacts/artifacts/{where}/plot.png") == PNG
    assert server.get(f"/api/2.0/mlflow-artifacts/artifacts/{where}/words.txt").decode() == "found ñ"
    tracker.deployed("usdclp-7d", "a", "{}", run_id)
    tracker.deployed("usdclp-7d", "b", "{}", run_id)
    named = server.api("registered-models/get", name="usdclp-7d")["registered_model"]["aliases"]
    assert {each["alias"]: each["version"] for each in named} == {"champion": "2", "previous": "1"}

    server.kill()
    with pytest.raises(TrackingError, match="unrecorded events wait"):
        send(tracker, record("late"))
    server.start()
    assert send(tracker, record("late")) == send(tracker, record("late"))
    assert sorted(each.tags["forex.record_id"] for each in tracker.runs()) == ["late", "search/7d/1"]
    assert not (tmp_path / "own" / "mlflow.db").exists()

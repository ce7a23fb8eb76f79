"""A real MLflow server on loopback with a store of its own, read by its REST interface."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from forex_assets_tests.core.store.s3_server import free_ports


class MlflowServer:
    """`mlflow server`; it has an address before it runs."""

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        self.folder, self.url = folder, f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{folder / 'server.db'}",
            "--artifacts-destination", str(folder / "artifacts"),
        ]  # fmt: skip

    def start(self) -> None:
        self.folder.mkdir()
        settings = {"HOME": str(self.folder), "TMPDIR": str(self.folder), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "log.txt").open("w") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
                env={**os.environ, **settings},
            )

    def wait(self, limit_s: float = 240.0) -> None:
        """Waits until it answers, from its database, too."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until and self.process is not None and self.process.poll() is None:
            try:
                self.api("experiments/search", {"max_results": 1})
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError((self.folder / "log.txt").read_text())

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def get(self, path: str, **query: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(query)}", timeout=120) as answer:
            return bytes(answer.read())

    def api(self, path: str, body: dict[str, Any] | None = None, **query: str) -> Any:
        """An answer; a body makes it a POST."""
        if body is None:
            return json.loads(self.get(f"/api/2.0/mlflow/{path}", **query))
        data = json.dumps(body).encode()
        asked = urllib.request.Request(f"{self.url}/api/2.0/mlflow/{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=120) as answer:
            return json.loads(answer.read())

"""A real Dask scheduler with two workers, started as the units in `deploy/systemd` start them."""

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from forex_assets.core.settings import PROJECT

DASK = f"{sys.executable} -m dask"
"""`.venv/bin/dask` of this interpreter."""


def unit(name: str) -> str:
    return (PROJECT / "deploy/systemd" / name).read_text(encoding="utf-8")


def command_of(name: str, **values: str) -> list[str]:
    """The unit's command, with its own variables or others in place."""
    (line,) = re.findall(r"^ExecStart=(.*)$", unit(name), re.MULTILINE)
    (defaults,) = re.findall(r"^Environment=(.*)$", unit(name), re.MULTILINE)
    values = dict(pair.split("=", 1) for pair in shlex.split(defaults)) | values
    text = re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], line)
    return shlex.split(text.replace("/opt/forex-assets/.venv/bin/dask", DASK))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@dataclass
class Cluster:
    """A running scheduler and its workers."""

    port: int
    scheduler: "subprocess.Popen[bytes]"
    others: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def processes(self) -> list[psutil.Process]:
        roots = [psutil.Process(child.pid) for child in (self.scheduler, *self.others) if child.poll() is None]
        return [one for root in roots for one in (root, *root.children(recursive=True))]

    def listening(self) -> set[str]:
        """Addresses that scheduler, nannies and workers listen on."""
        return {
            connection.laddr.ip
            for one in self.processes()
            for connection in one.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }


@contextmanager
def cluster(
    folder: Path, *, workers: int = 2, environment: Mapping[str, str] | None = None, **values: str
) -> Iterator[Cluster]:
    """Runs a scheduler and workers until the block ends.

    Args:
        folder: for logs and the workers' files.
        workers: worker processes.
        environment: added to this process's.
        values: variables of the units.
    """
    port, dashboard = free_port(), free_port()
    protocol = values.setdefault("LISTEN_PROTOCOL", "tcp")
    given = {**os.environ, **(environment or {}), "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "false"}
    # Workers import the tests' functions, as they import the package's where it is installed.
    given["PYTHONPATH"] = os.pathsep.join([str(PROJECT), str(PROJECT / "benchmarks")])

    def start(name: str, **more: str) -> "subprocess.Popen[bytes]":
        text = shlex.join(command_of(name, **values, **more))
        text = text.replace("8786", str(port)).replace("127.0.0.1:8787", f"127.0.0.1:{dashboard}")
        words = shlex.split(text.replace("--local-directory /tmp", f"--local-directory {folder}"))
        with (folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(words, env=given, stdout=log, stderr=log)

    running = Cluster(port, start("forex-scheduler.service"))
    try:
        until(lambda: can_connect(port))
        address = f"{protocol}://127.0.0.1:{port}"
        running.others.append(start("forex-workers.service", SCHEDULER=address, WORKERS=str(workers)))
        yield running
    finally:
        processes = running.processes()
        for one in processes:
            one.kill()
        psutil.wait_procs(processes, timeout=30)
        for child in (running.scheduler, *running.others):
            child.wait(30)


def can_connect(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False

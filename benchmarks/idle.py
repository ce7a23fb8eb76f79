"""Memory and processor time of an idle UI, beside one without content.

`python benchmarks/idle.py` starts what `make ui` starts, on sample forecasts of one evening or on `--warehouse`, and a
`dagster dev` with two code locations of one asset each and no sensors: what Dagster itself takes. Both are measured at
the same time, after `--warm` seconds, in which the first runs end. Memory is the proportional set size, which counts
shared pages once. Linux only.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import psutil

EMPTY: Final = """\
import dagster as dg

@dg.asset
def nothing() -> None: ...

defs = dg.Definitions(assets=[nothing])
"""
BIN: Final = Path(sys.executable).parent
ROLES: Final = {"dagster_webserver": "webserver", "dagster._daemon": "daemon", "code-server start": "code-server",
                "api grpc": "code location", "dagster dev": "dev"}  # fmt: skip
"""Name of a process, by a part of its command."""


def usage(parent: psutil.Process) -> dict[int, tuple[str, float, float]]:
    """Name, CPU seconds and MiB by process id."""
    read = {}
    for process in [parent, *parent.children(recursive=True)]:
        try:
            command, times = " ".join(process.cmdline()), process.cpu_times()
            memory = process.memory_full_info().pss / 2**20
        except psutil.NoSuchProcess:
            continue  # ended between the list and the look
        name = next((name for part, name in ROLES.items() if part in command), "others")
        read[process.pid] = name, times.user + times.system, memory
    return read


def measured(parents: dict[str, psutil.Process], seconds: float) -> str:
    """Table of what each takes at rest, by process."""
    before, began = {of: usage(parent) for of, parent in parents.items()}, time.perf_counter()
    time.sleep(seconds)
    after, took = {of: usage(parent) for of, parent in parents.items()}, time.perf_counter() - began
    lines = ["| process | " + " | ".join(f"{of}, MiB | % of a core" for of in parents) + " |"]
    lines += ["| --- |" + " ---: | ---: |" * len(parents)]
    for name in (*ROLES.values(), "others", "all"):
        cells = []
        for of in parents:
            rows = [(pid, cpu, memory) for pid, (some, cpu, memory) in after[of].items() if name in (some, "all")]
            share = sum(cpu - before[of].get(pid, ("", 0.0, 0.0))[1] for pid, cpu, _ in rows) / took
            cells.append(f"{sum(memory for *_, memory in rows):.0f} | {100 * share:.1f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def empty_ui(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """Starts `dagster dev` with two locations of one asset each."""
    for name in ("one", "two"):
        (folder / f"{name}.py").write_text(EMPTY)
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    command = [str(BIN / "dagster"), "dev", "-m", "one", "-m", "two", "-p", str(port), "--log-level", "error"]
    return subprocess.Popen(command, cwd=folder, env=os.environ | {"DAGSTER_HOME": str(folder)}, start_new_session=True)


def run(options: argparse.Namespace, scratch: Path) -> None:
    """Starts both, waits, measures, ends them."""
    folder = options.warehouse or scratch / "warehouse"
    environment = os.environ | {"FOREX_WAREHOUSE": str(folder), "FOREX_MARKET": "sample"}
    if options.warehouse is None:
        for command in (["ingest"], ["forecast", "--horizon", "all", "--stored"]):
            subprocess.run(
                [str(BIN / "forex-assets"), *command], env=environment, check=True, stdout=subprocess.DEVNULL
            )
    (scratch / "empty").mkdir()
    started = {
        "ours": subprocess.Popen(["make", "ui", f"PORT={options.port}"], env=environment, start_new_session=True),
        "empty": empty_ui(scratch / "empty", options.port + 1),
    }
    try:
        time.sleep(options.warm)
        print(measured({of: psutil.Process(process.pid) for of, process in started.items()}, options.seconds))
    finally:
        end([psutil.Process(process.pid) for process in started.values()])


def end(parents: list[psutil.Process]) -> None:
    """Ends processes with all their descendants, in whatever groups."""
    family = [*parents, *(child for parent in parents for child in parent.children(recursive=True))]
    for stop in (psutil.Process.terminate, psutil.Process.kill):
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                stop(process)
        family = psutil.wait_procs(family, timeout=20)[1]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warehouse", type=Path, metavar="DIR", help="default: a new one with sample forecasts")
    parser.add_argument("--warm", type=float, default=300, metavar="S", help="before it is measured (default 300)")
    parser.add_argument("--seconds", type=float, default=300, metavar="S", help="how long (default 300)")
    parser.add_argument("--port", type=int, default=3137, help="and the one after it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run(options, Path(scratch))


if __name__ == "__main__":
    sys.exit(main())  # type: ignore[func-returns-value]

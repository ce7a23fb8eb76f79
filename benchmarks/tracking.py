"""Times MLflow records: `python benchmarks/tracking.py --runs 1000`.

The sending, in a store of its own: seconds a forecast and a search of 27 candidates, and the growth of database and
artifacts by forecasts. Then a forecast's run itself, `forex-assets forecast --horizon 7d --stored` on the generated
market, in fresh processes by turns: with no MLflow at all, with a store that somebody else holds locked, and while a
sender is at work on a full store; seconds and peak memory, and the sender's own.
"""

import argparse
import logging
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

from forex_assets.operations.tracking.mlflow_store import Tracker
from forex_assets.operations.tracking.resources import MlflowRuns
from forex_assets.operations.tracking.run_record import RunRecord

ACTIVE = MlflowRuns(logging.getLogger("tracking"), None).active_run
"""Opens dagster-mlflow's resource outside a Dagster run."""


def record(number: int, candidates: int = 0) -> RunRecord:
    """A run of the usual size."""
    now = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    fields = {
        "kind": "search" if candidates else "forecast",
        "horizon": "7d",
        "started_at": now,
        "ended_at": now,
        "params": {f"p{i}": "value" for i in range(6)},
        "metrics": {f"m{i}": float(i) for i in range(6)},
        "tags": {f"t{i}": "0123456789abcdef" for i in range(15)},
    }
    children = tuple(RunRecord(id=f"{number}/{i}", **fields) for i in range(candidates))  # type: ignore[arg-type]
    words = {"words.txt": "w" * 300, "plot.png": os.urandom(40_000), "fan.csv": "1.0," * 2_000}
    return RunRecord(id=str(number), children=children, artifacts=words, **fields)  # type: ignore[arg-type]


def sending(folder: Path, runs: int) -> None:
    """Fills a store, and prints what that took."""
    tracker = Tracker(folder)
    tracker.send(record(0), ACTIVE)
    database = folder / "mlflow.db"
    before, seconds = database.stat().st_size, list[float]()
    for number in range(1, runs + 1):
        began = time.perf_counter()
        tracker.send(record(number), ACTIVE)
        seconds.append(time.perf_counter() - began)
    grown = (database.stat().st_size - before) / runs
    files = sum(path.stat().st_size for path in (folder / "artifacts").rglob("*") if path.is_file()) / (runs + 1)
    began = time.perf_counter()
    tracker.send(record(runs + 1, candidates=27), ACTIVE)
    search = time.perf_counter() - began
    print(
        f"a forecast: median {1000 * statistics.median(seconds):.0f} ms, of the last hundred "
        f"{1000 * statistics.median(seconds[-100:]):.0f} ms; a search of 27: {search:.1f} s"
    )
    for name, size in (("database", grown), ("artifacts", files)):
        year = size * 1000 / 2**20
        print(f"{name}: {size / 1024:.1f} KiB a forecast; 4 horizons, 250 evenings a year: {year:.1f} MiB a year")


def run(environment: dict[str, str], *words: str) -> tuple[float, float]:
    """Runs a command: wall seconds and peak memory in MiB."""
    began = time.perf_counter()
    command = subprocess.Popen(
        [sys.executable, "-m", "forex_assets", *words], env=environment, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(command.pid, 0)
    command.returncode = os.waitstatus_to_exitcode(status)
    if command.returncode:
        raise RuntimeError(f"{words} ended with {command.returncode}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Somebody else holds the store."""
    with closing(sqlite3.connect(database, isolation_level=None)) as held:
        held.execute("begin exclusive")
        yield


@contextmanager
def sender(folder: Path) -> Iterator[None]:
    """Somebody sends one record after the other."""
    code = (
        "import sys, itertools; from pathlib import Path; sys.path.insert(0, 'benchmarks'); import tracking as t\n"
        "store = t.Tracker(Path(sys.argv[1]))\n"
        "for number in itertools.count(10**6): store.send(t.record(number), t.ACTIVE)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def forecasting(root: Path, full: Path, repeats: int) -> None:
    """Prints the cost of a forecast without and with MLflow."""
    base = {name: value for name, value in os.environ.items() if not name.startswith(("FOREX_", "DAGSTER_", "MLFLOW_"))}
    base |= {"FOREX_MARKET": "sample", "FOREX_MODEL": "ewma", "FOREX_AS_OF": "2025-06-13"}
    homes = {name: root / name.replace(" ", "-") for name in ("none", "locked", "sending")}
    environments = {name: base | {"FOREX_WAREHOUSE": str(home)} for name, home in homes.items()}
    for name, home in homes.items():
        run(environments[name], "forecast", "--horizon", "7d")
        if name != "none":
            shutil.copytree(full, home / "mlflow")
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in homes}
    for _ in range(repeats):
        for name, home in homes.items():
            with {"none": nullcontext, "locked": lambda h=home: locked(h / "mlflow/mlflow.db"),
                  "sending": lambda h=home: sender(h / "mlflow")}[name]():  # fmt: skip
                taken[name].append(run(environments[name], "forecast", "--horizon", "7d", "--stored"))
    seconds = {name: statistics.median(cost[0] for cost in runs) for name, runs in taken.items()}
    memory = {name: statistics.median(cost[1] for cost in runs) for name, runs in taken.items()}
    for name in ("locked", "sending"):
        pairs = [b[0] - a[0] for a, b in zip(taken["none"], taken[name], strict=True)]
        print(
            f"a forecast's run, store {name}: {seconds[name]:.2f} s against {seconds['none']:.2f} s with none; "
            f"pair by pair {statistics.median(pairs):+.2f} s ({min(pairs):+.2f} to {max(pairs):+.2f}); "
            f"peak memory {memory[name]:.0f} against {memory['none']:.0f} MiB"
        )
    sent = run(environments["none"], "tracking", "repair")
    print(
        f"`tracking repair` of {repeats + 1} forecasts, a process of its own: {sent[0]:.1f} s, "
        f"peak memory {sent[1]:.0f} MiB"
    )


def main() -> None:
    """Measures, then prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=9)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "mlflow"
        sending(store, chosen.runs)
        forecasting(Path(folder), store, chosen.repeats)


if __name__ == "__main__":
    main()

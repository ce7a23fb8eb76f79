"""Times a long ledger: `python benchmarks/ledger.py --entries 10000`.

One chain of generated fans, of 5, 11, 21 and 62 steps in turn: as many rows as the four horizons have. Every entry is
appended as a run would, flushed to the disk and under the lock. Each figure is the median over fresh processes; peak is
the process's resident memory while it works, less what it held before. The ratios are to polars reading one parquet of
the same rows, and are what can be quoted; seconds are this machine's.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import psutil

from forex_assets.core.names import LEDGER
from forex_assets.core.schemas import FORECAST_SCHEMA
from forex_assets.core.store.warehouse import Warehouse
from forex_assets.forecasts.ledger_store import LedgerStore

HORIZON = "90d"
STEPS = (5, 11, 21, 62)
ISSUED = datetime(2000, 1, 1, tzinfo=UTC)
MADE = {"issued_at": ISSUED, "code_version": "0.1.0+benchmark"}


def forecast_of(number: int) -> pl.DataFrame:
    """A generated forecast, another for each number."""
    steps, as_of = STEPS[number % len(STEPS)], date(2000, 1, 1) + timedelta(days=number)
    rng = np.random.default_rng(number)
    values = {
        pl.Float64: lambda: rng.normal(900, 20, steps),
        pl.Int64: lambda: np.arange(1, steps + 1),
        pl.Date: lambda: as_of,
        pl.Boolean: lambda: True,
        pl.String: lambda: "0123456789abcdef",
        pl.Datetime("us", "UTC"): lambda: datetime(2000, 1, 1, tzinfo=UTC),
    }
    rows = {name: values[dtype]() for name, dtype in FORECAST_SCHEMA.items()}
    days = [as_of + timedelta(days=step) for step in range(1, steps + 1)]
    return pl.DataFrame({**rows, "horizon": HORIZON, "session": days}, schema=FORECAST_SCHEMA)


def measure(call: Callable[[], object]) -> dict[str, float]:
    """Seconds and peak memory of one call, sampled every 5 ms."""
    process, is_done = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not is_done.wait(0.005):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        started = time.perf_counter()
        result = call()
        seconds = time.perf_counter() - started
        peak = max(peak, process.memory_info().rss)  # what the call gave is still held, so that it counts
        del result
    finally:
        is_done.set()
        watcher.join()
    return {"seconds": seconds, "peak_mib": (peak - before) / 2**20}


def works(folder: Path, number: int) -> dict[str, Callable[[], object]]:
    """Measured calls by name; `number` makes a new forecast."""
    warehouse = Warehouse(folder / "warehouse")
    store = LedgerStore(warehouse)
    new = forecast_of(number)
    return {
        "scan": lambda: pl.read_parquet(folder / "plain.parquet", memory_map=False),
        "first read": lambda: store.read(HORIZON),
        "read": lambda: store.read(HORIZON),
        "append": lambda: store.append(new, **MADE),
        "append again": lambda: store.append(forecast_of(0), **MADE),
        "verify": lambda: _whole(store),
    }


def _whole(store: LedgerStore) -> None:
    misfit = store.verify(HORIZON, [str(store.head(HORIZON))])
    assert misfit is None, str(misfit)


def build(folder: Path, entries: int) -> dict[str, float]:
    """Append all entries; median seconds of the first and the last hundred."""
    warehouse, seconds = Warehouse(folder / "warehouse"), []
    store = LedgerStore(warehouse)
    for number in range(entries):
        forecast = forecast_of(number)
        started = time.perf_counter()
        store.append(forecast, **MADE)
        seconds.append(time.perf_counter() - started)
    store.read(HORIZON).write_parquet(folder / "plain.parquet", compression="zstd", compression_level=3)
    return {"first 100": statistics.median(seconds[:100]), "last 100": statistics.median(seconds[-100:])}


def child(folder: Path, work: str, number: int) -> dict[str, float]:
    """One measurement in a fresh process."""
    if work == "first read":
        Warehouse(folder / "warehouse").remove(f"{LEDGER}_compacted", HORIZON)
    command = [sys.executable, __file__, "--folder", str(folder), "--work", work, "--number", str(number)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def report(appends: dict[str, float], figures: dict[str, dict[str, float]], rows: int, entries: int) -> None:
    """Print the figures beside those of the plain scan."""
    print(f"{entries:,} entries, {rows:,} rows in one chain; {psutil.cpu_count()} cores, polars {pl.__version__}\n")
    print("| what | seconds | × plain scan | peak MiB | × plain scan |\n| --- | --: | --: | --: | --: |")
    scan = figures["scan"]
    for name, figure in figures.items():
        ratios = [figure[key] / scan[key] for key in ("seconds", "peak_mib")]
        print(f"| {name} | {figure['seconds']:.3f} | {ratios[0]:.2f} | {figure['peak_mib']:.0f} | {ratios[1]:.2f} |")
    print(f"\nappending while building, median ms: {', '.join(f'{k} {v * 1e3:.1f}' for k, v in appends.items())}")


def main() -> None:
    """Build, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print every measurement as JSON")
    for name, kind in (("--folder", Path), ("--work", str), ("--number", int)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(measure(works(options.folder, options.number)[options.work])))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        appends = build(folder, options.entries)
        runs = [
            {work: child(folder, work, options.entries + repeat) for work in works(folder, 0)}
            for repeat in range(options.repeats)
        ]
        rows = pl.scan_parquet(folder / "plain.parquet").select(pl.len()).collect().item()
    if options.json:
        print(json.dumps({"entries": options.entries, "rows": rows, "appends": appends, "runs": runs}, indent=1))
        return
    figures = {
        work: {key: statistics.median(run[work][key] for run in runs) for key in ("seconds", "peak_mib")}
        for work in runs[0]
    }
    report(appends, figures, rows, options.entries)


if __name__ == "__main__":
    main()

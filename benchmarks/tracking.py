"""What records in MLflow cost: `python benchmarks/tracking.py [--runs 1000]`.

Forecasts know nothing of MLflow (a sensor sends what Dagster has recorded), so that a forecast's own run costs nothing
more; what is measured is the sending, in a store of its own: seconds a forecast and a search of 27 candidates, and the
growth of the database by forecasts.
"""

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from forex_assets.adapters.tracking import Tracker
from forex_assets.domain.tracking import RunRecord


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
    words = {"words.txt": "w" * 300}
    return RunRecord(id=str(number), children=children, artifacts=words, **fields)  # type: ignore[arg-type]


def main() -> None:
    """Measures, then prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        tracker = Tracker(Path(folder))
        tracker.send(record(0))
        database = Path(folder) / "mlflow.db"
        before, seconds = database.stat().st_size, list[float]()
        for number in range(1, runs + 1):
            began = time.perf_counter()
            tracker.send(record(number))
            seconds.append(time.perf_counter() - began)
        grown = (database.stat().st_size - before) / runs
        began = time.perf_counter()
        tracker.send(record(runs + 1, candidates=27))
        search = time.perf_counter() - began
    print(
        f"a forecast: median {1000 * statistics.median(seconds):.0f} ms, of the last hundred "
        f"{1000 * statistics.median(seconds[-100:]):.0f} ms; a search of 27: {search:.1f} s"
    )
    year = grown * 1000 / 2**20
    print(f"database: {grown / 1024:.1f} KiB a forecast; 4 horizons, 250 evenings a year: {year:.1f} MiB a year")


if __name__ == "__main__":
    main()

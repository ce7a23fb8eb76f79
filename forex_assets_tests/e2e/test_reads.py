"""One run reads each table file at most once."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from forex_assets.locations import forecasting, optimization

HORIZONS = {"dagster/asset_partition_range_start": "7d", "dagster/asset_partition_range_end": "90d"}


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[tuple[str, int]]]:
    """Counts reads of parquet files by path and inode: a replaced file is another file."""
    counts = Counter[tuple[str, int]]()
    read_bytes = Path.read_bytes

    def counting(path: Path) -> bytes:
        if path.suffix == ".parquet":
            counts[f"{path.parent.parent.name}/{path.parent.name}/{path.name}", path.stat().st_ino] += 1
        return read_bytes(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", counting)
        yield counts


def test_each_run_of_the_daily_jobs_reads_a_table_once(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [
        (forecasting.build(), "market_refresh", {}),
        (forecasting.build(), "forecast_all_horizons", HORIZONS),
        (optimization.build(), "report_drift", {}),
        (optimization.build(), "decide_all_horizons", HORIZONS),
    ]
    with dg.DagsterInstance.ephemeral() as instance:
        for definitions, name, tags in jobs:
            with counted(monkeypatch) as reads:
                result = definitions.resolve_job_def(name).execute_in_process(instance=instance, tags=tags)
            assert result.success
            assert {file: n for file, n in reads.items() if n > 1} == {}, name
            assert name == "market_refresh" or reads, name

"""What a backtest has done is kept through a kill, and read once however often it is stored."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from forex_assets.accuracy.backtest import backtest
from forex_assets.accuracy.backtest_store import ROOT, BacktestStore, engine_key
from forex_assets.core.calendar import calendar_of, issue_instant
from forex_assets.core.fan import Fan
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import FORECAST_SCHEMA, SAMPLE_SOURCE, USDCLP_SCHEMA
from forex_assets.core.store.warehouse import Warehouse, WarehouseError
from forex_assets.forecasts.baselines import EwmaEngine
from forex_assets.forecasts.engine import Origin
from forex_assets_tests.places import path_of, root_of

CALENDAR = calendar_of("CLP", [])
SESSIONS = CALENDAR.between(date(2022, 10, 31), date(2024, 2, 2))
ORIGINS = SESSIONS[260:280]
CONFIG = InferenceConfig.model_validate({"horizon": "7d", "model": "m", "context_length": 180})
BATCH = 3


class Counting:
    """Engine: the walk; writes a line for each origin into a file, and stands still at one call."""

    name = "ewma"
    model = "ewma"

    def __init__(self, log: Path, stop_at: int | None = None) -> None:
        self.log = log
        self.stop_at = stop_at
        self.calls = 0

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        if self.calls == self.stop_at:
            print("standing still", flush=True)
            sys.stdin.readline()
        self.calls += 1
        with self.log.open("a") as file:
            file.writelines(f"{len(origin.prices)}\n" for origin in origins)
        return EwmaEngine().forecast(origins, config)


def prices() -> pl.DataFrame:
    rows = {
        "session": SESSIONS,
        "clp_per_usd": 900 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.006, len(SESSIONS)))),
        "source": SAMPLE_SOURCE,
        "is_provisional": False,
        "is_suspect": False,
        "available_at": [issue_instant(day) for day in SESSIONS],
        "fetched_at": datetime(2024, 6, 1, tzinfo=UTC),
        "is_quarantined": False,
    }
    return pl.DataFrame(rows, schema=USDCLP_SCHEMA)


def go_on(store: BacktestStore, engine: Counting) -> None:
    """Run what is not yet done, keeping each batch."""
    done = store.read("7d", "ewma")
    options = {"clock": lambda: 0.0, "done": done, "batch": BATCH}
    for frame in backtest(engine, CONFIG, prices(), None, ORIGINS, CALENDAR, **options):  # type: ignore[arg-type]
        store.add("7d", "ewma", frame)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse")


@pytest.fixture
def store(warehouse: Warehouse) -> BacktestStore:
    return BacktestStore(warehouse)


@pytest.fixture(scope="module")
def whole() -> pl.DataFrame:
    """The fans of a run that nobody interrupts."""
    run = backtest(EwmaEngine(), CONFIG, prices(), None, ORIGINS, CALENDAR, clock=lambda: 0.0, batch=BATCH)
    return pl.concat(list(run))


RUNS = """
import sys
from pathlib import Path
from forex_assets.accuracy.backtest_store import BacktestStore
from forex_assets.core.store.warehouse import Warehouse
from forex_assets_tests.accuracy.test_backtest_store import Counting, go_on
go_on(BacktestStore(Warehouse(Path(sys.argv[1]))), Counting(Path(sys.argv[2]), int(sys.argv[3])))
"""


def test_a_run_that_is_killed_keeps_its_batches_and_none_of_them_is_run_again(
    store: BacktestStore, warehouse: Warehouse, tmp_path: Path, whole: pl.DataFrame
) -> None:
    log = tmp_path / "origins.log"
    for stop_at in (2, 1):
        run = subprocess.Popen(
            [sys.executable, "-c", RUNS, str(root_of(warehouse)), str(log), str(stop_at)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert run.stdout is not None
        assert run.stdout.readline() == "standing still\n"
        run.kill()
        run.communicate(timeout=60)
        assert run.returncode == -signal.SIGKILL
    kept = store.read("7d", "ewma")
    assert kept["as_of"].unique(maintain_order=True).to_list() == ORIGINS[: 3 * BATCH]
    go_on(store, Counting(log))
    assert store.read("7d", "ewma").equals(whole)
    assert log.read_text().split() == [str(n) for n in range(261, 281)]


def test_nothing_kept_is_an_empty_table(store: BacktestStore) -> None:
    assert store.read("7d", "ewma").equals(pl.DataFrame(schema=FORECAST_SCHEMA))
    assert store.engines("7d") == []


def test_horizons_and_engines_are_kept_apart(store: BacktestStore, whole: pl.DataFrame) -> None:
    key = engine_key("chronos-t5", "org/tiny model", "0123456789abcdef")
    store.add("7d", "ewma", whole)
    store.add("7d", key, whole.head(5))
    assert key == "chronos-t5--org%2Ftiny%20model--0123456789abcdef"
    assert engine_key("ewma", "ewma", "0123456789abcdef") == "ewma"
    assert store.engines("7d") == sorted(["ewma", key])
    assert store.engines("15d") == []
    assert store.read("7d", key).equals(whole.head(5))
    assert store.read("15d", "ewma").is_empty()


def test_compacting_leaves_one_file_and_the_same_fans(
    store: BacktestStore, warehouse: Warehouse, whole: pl.DataFrame
) -> None:
    frames = whole.partition_by("as_of", maintain_order=True)
    for frame in reversed(frames[:12]):
        store.add("7d", "ewma", frame)
    before = store.read("7d", "ewma")
    assert before.equals(pl.concat(reversed(frames[:12])))  # in the order of adding
    store.compact("7d", "ewma")
    store.compact("7d", "ewma")
    assert warehouse.partitions(f"{ROOT}/7d/ewma") == ["000001"]
    assert store.read("7d", "ewma").equals(before)
    store.add("7d", "ewma", frames[12])
    assert store.read("7d", "ewma").equals(pl.concat([before, frames[12]]))


def test_a_compaction_that_ended_half_way_shows_nothing_twice(
    store: BacktestStore, warehouse: Warehouse, whole: pl.DataFrame
) -> None:
    for frame in whole.partition_by("as_of", maintain_order=True):
        store.add("7d", "ewma", frame)
    warehouse.write(f"{ROOT}/7d/ewma", whole, "000001")  # the whole is written, the rest not yet removed
    assert store.read("7d", "ewma").equals(whole)
    store.compact("7d", "ewma")
    assert store.read("7d", "ewma").equals(whole)
    assert len(warehouse.partitions(f"{ROOT}/7d/ewma")) == 1


def test_what_does_not_belong_is_refused_and_changes_nothing(store: BacktestStore, whole: pl.DataFrame) -> None:
    store.add("7d", "ewma", whole)
    with pytest.raises(ValueError, match=r"fans of \['7d'\] added to those of 15d"):
        store.add("15d", "ewma", whole)
    with pytest.raises(ValueError, match="missing columns"):
        store.add("7d", "ewma", whole.drop("q50"))
    with pytest.raises(ValueError, match="no horizon '8d'"):
        store.read("8d", "ewma")
    with pytest.raises(WarehouseError, match="cannot name a table"):
        store.add("7d", "../ewma", whole)
    assert store.read("7d", "ewma").equals(whole)
    assert store.read("15d", "ewma").is_empty()


def test_a_damaged_file_is_an_error_and_no_loss_in_silence(
    store: BacktestStore, warehouse: Warehouse, whole: pl.DataFrame
) -> None:
    for frame in whole.partition_by("as_of", maintain_order=True)[:3]:
        store.add("7d", "ewma", frame)
    path = path_of(warehouse, f"{ROOT}/7d/ewma", "000002")
    path.write_bytes(b"garbage")
    with pytest.raises(WarehouseError, match=r"000002\.parquet is damaged"):
        store.read("7d", "ewma")
    with pytest.raises(WarehouseError, match="is damaged"):
        store.compact("7d", "ewma")
    assert len(warehouse.partitions(f"{ROOT}/7d/ewma")) == 3

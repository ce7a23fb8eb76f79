"""The whole spine on the generated market: what a bare clone without a network does."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from forex_assets.cli.runner import RunFailed, materialize_forecasts, materialize_market
from forex_assets.domain.horizon import HORIZONS
from forex_assets.domain.schemas import FORECAST_SCHEMA, QUANTILE_COLUMNS, SAMPLE_SOURCE
from forex_assets.resources.platform import Platform
from forex_assets.resources.settings import load_settings

AS_OF = date(2025, 6, 13)  # a Friday
TARGETS = {"7d": date(2025, 6, 19), "15d": date(2025, 6, 27), "30d": date(2025, 7, 11), "90d": date(2025, 9, 11)}
"""By hand: 20 June is a holiday in Chile, 28 June and 13 July fall on weekends, 11 September on a Thursday."""


def cli(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "forex_assets", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)


def platform() -> Platform:
    return Platform(load_settings())


@pytest.fixture
def filled(workspace: Path) -> Path:
    materialize_market(platform())
    materialize_forecasts(platform(), list(HORIZONS))
    return workspace


def test_all_four_fans_are_written_with_their_targets_and_say_that_they_are_sample_data(filled: Path) -> None:
    for horizon in HORIZONS:
        fan = pl.read_parquet(filled / "warehouse/sample/forecasts/latest" / f"{horizon}.parquet")
        assert dict(fan.schema) == FORECAST_SCHEMA
        assert set(fan["source"]) == {SAMPLE_SOURCE}
        assert set(fan["as_of"]) == {AS_OF}
        assert fan["target_date"][0] == fan["session"][-1] == TARGETS[horizon]
        assert fan["step"].to_list() == list(range(1, fan.height + 1))
        assert (fan.select(pl.concat_list(QUANTILE_COLUMNS).list.diff().list.min().min()).item() or 0) >= 0


def test_nothing_generated_lands_among_the_real_tables(filled: Path) -> None:
    tables = [p.relative_to(filled / "warehouse") for p in (filled / "warehouse").rglob("*.parquet")]
    assert tables
    assert {path.parts[0] for path in tables} == {"sample"}


def test_the_same_inputs_give_the_same_forecast_bit_for_bit(filled: Path) -> None:
    file = filled / "warehouse/sample/forecasts/latest/30d.parquet"
    first = pl.read_parquet(file).drop("engine_seconds")
    materialize_market(platform())
    materialize_forecasts(platform(), ["30d"])
    assert_frame_equal(pl.read_parquet(file).drop("engine_seconds"), first, check_exact=True)


def test_one_horizon_run_leaves_the_others_as_they_are(filled: Path) -> None:
    folder = filled / "warehouse/sample/forecasts/latest"
    before = {path.name: path.read_bytes() for path in folder.glob("*.parquet") if path.stem != "7d"}
    materialize_forecasts(platform(), ["7d"])
    assert {path.name: path.read_bytes() for path in folder.glob("*.parquet") if path.stem != "7d"} == before


def test_what_the_command_line_runs_is_in_the_instance_that_the_ui_shows(filled: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
        key = dg.AssetKey(["forecasts", "latest"])
        assert instance.get_materialized_partitions(key) == set(HORIZONS)
        event = instance.get_latest_materialization_event(dg.AssetKey(["market", "usdclp"]))
        assert event is not None
        metadata = event.asset_materialization.metadata
        assert SAMPLE_SOURCE in str(metadata["data"].value)
        assert "data:image/png;base64," in str(metadata["plot"].value)


def test_a_forecast_reads_nothing_later_than_the_clock(filled: Path, environment: Callable[..., None]) -> None:
    file = filled / "warehouse/sample/forecasts/latest/7d.parquet"
    environment(FOREX_AS_OF="2025-03-14")
    materialize_forecasts(platform(), ["7d"])  # on market tables that reach June
    early = pl.read_parquet(file).drop("engine_seconds")
    assert early["origin_session"][0] == date(2025, 3, 14)
    materialize_market(platform())  # on tables that end in March
    materialize_forecasts(platform(), ["7d"])
    late = pl.read_parquet(file).drop("engine_seconds")
    assert_frame_equal(late, early, check_exact=True)


def test_a_broken_config_fails_the_run_in_words(filled: Path) -> None:
    file = filled / "configs/chronos_7d.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"temperature": "hot"}))
    with pytest.raises(RunFailed, match=r"chronos_7d\.json.*temperature.*hot"):
        materialize_forecasts(platform(), ["7d"])


def test_the_command_line_prints_fans_for_people_and_for_programs(workspace: Path) -> None:
    shown = cli("forecast")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("USD/CLP ") == len(HORIZONS)
    assert SAMPLE_SOURCE in shown.stdout
    assert all(len(line) <= 80 for line in shown.stdout.splitlines() if "│" in line)
    for word in ("80 % band", "95 % band", "walk 95 %", "ewma", "FOREX_MODEL"):
        assert word in shown.stdout
    rows = json.loads(cli("forecast", "--horizon", "7d", "--stored", "--json").stdout)
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1]["target_date"] == str(TARGETS["7d"])
    status = json.loads(cli("status", "--json").stdout)
    assert status["is_sample"] is True
    assert [f["as_of"] for f in status["forecasts"]] == [str(AS_OF)] * 4
    assert len(status["runs"]) == 3
    doctor = cli("doctor", "--json")
    assert doctor.returncode == 0, doctor.stderr
    assert json.loads(doctor.stdout)["stale"] == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["forecast", "--horizon", "8d"], "7d, 15d, 30d, 90d, all"),
        (["forecast", "--as-of", "someday"], "FOREX_AS_OF=someday"),
        (["forecast", "--nonsense"], "nonsense"),
    ],
)
def test_bad_usage_exits_with_two_and_says_what_is_right(workspace: Path, args: list[str], words: str) -> None:
    done = cli(*args)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def dagster_materialize(select: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("dagster")), "asset", "materialize"]
    command += ["-m", "forex_assets.locations.forecasting", "--select", select, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, env=dict(os.environ))


def test_dagsters_own_command_materializes_one_partition_and_a_range(filled: Path) -> None:
    folder = filled / "warehouse/sample/forecasts/latest"
    for file in folder.glob("*.parquet"):
        file.unlink()
    one = dagster_materialize('key:"forecasts/latest"', "--partition", "15d")
    assert one.returncode == 0, one.stderr[-2000:]
    assert sorted(p.stem for p in folder.glob("*.parquet")) == ["15d"]
    several = dagster_materialize('key:"forecasts/latest"', "--partition-range", "7d...90d")
    assert several.returncode == 0, several.stderr[-2000:]
    assert sorted(p.stem for p in folder.glob("*.parquet")) == sorted(HORIZONS)

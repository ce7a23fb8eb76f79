"""A warehouse written by commit 2d6bb54 is read, verified and forecast from; see `fixtures/old_warehouse.py`."""

import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import Result
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.core.horizon import HORIZONS
from forex_assets_tests.fixtures.old_warehouse import ARCHIVE
from forex_assets_tests.stock import quicken_databases


@pytest.fixture
def old(tmp_path: Path, environment: Callable[..., None]) -> Path:
    quicken_databases()
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    environment(
        FOREX_WAREHOUSE=str(tmp_path / "warehouse"),
        FOREX_CONFIGS=str(tmp_path / "configs"),
        DAGSTER_HOME=str(tmp_path / "dagster"),
        FOREX_MARKET="sample",
        FOREX_MODEL="ewma",
        FOREX_AS_OF="2025-06-13",
    )
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "80"})


def answer(*words: str) -> Any:
    done = run(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def ledger_files(root: Path) -> dict[str, str]:
    folder = root / "warehouse/sample/forecasts/ledger"
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.rglob("*.parquet")}


def test_it_is_verified_forecast_from_and_scored_and_no_old_entry_changes(old: Path) -> None:
    entries = ledger_files(old)
    assert len(entries) == 9
    counts = {
        (record["horizon"], record["series"] == "observado"): record["entries"] for record in answer("ledger", "verify")
    }
    assert [counts[horizon, False] for horizon in HORIZONS] == [3, 2, 2, 2]
    assert [counts[horizon, True] for horizon in HORIZONS] == [0, 0, 0, 0]  # before there were fans for the fixing
    done = run("forecast", "--horizon", "all", "--stored")
    assert done.exit_code == 0, done.stderr
    after = ledger_files(old)
    assert entries.items() <= after.items()
    new = sorted(set(after) - set(entries))
    # Other code makes another version of a forecast that is known.
    folder = old / "warehouse/sample/forecasts/ledger"
    versions = [(name.split("/")[0], pl.read_parquet(folder / name)["version"][0]) for name in new]
    assert versions == [(name, 2) for name in sorted(HORIZONS)]
    verified = run("ledger", "verify")
    assert verified.exit_code == 0
    assert "7d: 4 entries, intact" in verified.stdout
    assert run("scorecard").exit_code == 0


def test_its_fans_equal_those_of_today_for_the_same_settings(old: Path) -> None:
    folder = old / "warehouse/sample/forecasts/latest"
    before = {name: pl.read_parquet(folder / f"{name}.parquet") for name in ("15d", "30d", "90d")}
    assert run("forecast", "--horizon", "all", "--stored").exit_code == 0
    for name, fan in before.items():
        columns = [column for column in fan.columns if column != "engine_seconds"]
        again = pl.read_parquet(folder / f"{name}.parquet")
        assert_frame_equal(again.select(columns), fan.select(columns), rel_tol=1e-12, abs_tol=0.0)  # rounding apart


def test_a_request_deployments_and_backups_of_before_count(old: Path) -> None:
    assert run("optimize", "decide", "--horizon", "15d").exit_code == 0
    decision = pl.read_parquet(old / "warehouse/sample/monitoring/trigger_decision/15d.parquet")
    manual = decision.filter(pl.col("rule") == "manual").row(0, named=True)
    assert (manual["value"], manual["counts"]) == (1.0, True)
    history = answer("history", "--horizon", "7d")
    assert "rollback" in json.dumps(history)
    assert "fixture" in json.dumps(history)
    back = run("rollback", "--horizon", "7d", "--reason", "test")
    assert back.exit_code == 1, "its one deployment was rolled back already"
    assert "no deployment on record is left to roll back" in " ".join(back.stdout.split())
    assert isinstance(back.exception, SystemExit)
    assert run("status").exit_code == 0
    assert run("report").exit_code == 0

"""Runs that were killed with whoever launched them: they are over, people are told, and nothing waits for them."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.core import names
from forex_assets.core.dagster.run_records import end_dead_runs, is_searching
from forex_assets.core.processes import PROCESS_TAG, process_name
from forex_assets.locations.forecasting import build
from forex_assets.operations.alerts.sensors import gather_sensor
from forex_assets_tests.operations.alerts.test_sensors import tick

FORECAST = """
import {how}
from forex_assets.forecasts import assets as forecasts
from forex_assets.cli import runner, main
from forex_assets.core.session import open_session
from forex_assets.core.settings import load_settings
forecasts._forecast = lambda *_: {act}
"""
SEARCH = """
import os, signal
from forex_assets.cli import runner
from forex_assets.core import names
from forex_assets.optimizer import assets as optimization
from forex_assets.core.session import open_session
from forex_assets.core.settings import load_settings
optimization.run_search = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
runner.run_job(open_session(), names.OPTIMIZE_JOB, "7d", {})
"""
KILLED = FORECAST.format(how="os, signal", act="os.kill(os.getpid(), signal.SIGKILL)")


def statuses(instance: dg.DagsterInstance, job: str | None = None) -> list[str]:
    return [run.status.value for run in instance.get_runs(dg.RunsFilter(job_name=job))]


@pytest.fixture
def prices(with_market: Path) -> Path:
    return with_market


def test_a_killed_search_holds_up_no_further_one(prices: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SEARCH], env=os.environ.copy())
    assert done.returncode == -signal.SIGKILL
    with dg.DagsterInstance.get() as instance:
        assert is_searching(instance, "7d"), "Dagster itself does not know"
        (words,) = end_dead_runs(instance, datetime.now(UTC))
        assert names.OPTIMIZE_JOB in words
        assert not is_searching(instance, "7d")
        assert end_dead_runs(instance, datetime.now(UTC)) == []


def test_a_killed_run_that_does_not_say_in_which_process_it_was_is_over_after_a_day(prices: Path) -> None:
    unnamed = SEARCH.replace(
        "optimization.run_search",
        'runner.signs_of_life = lambda: {".dagster/forex_process": ""}\noptimization.run_search',
    )
    assert subprocess.run([sys.executable, "-c", unnamed], env=os.environ.copy()).returncode == -signal.SIGKILL
    with dg.DagsterInstance.get() as instance:
        assert end_dead_runs(instance, datetime.now(UTC) + timedelta(hours=23)) == []
        assert len(end_dead_runs(instance, datetime.now(UTC) + timedelta(hours=25))) == 1


def test_a_killed_forecast_is_told_of_as_a_failure_and_frees_its_place(prices: Path) -> None:
    code = KILLED + 'runner.materialize_forecasts(open_session(), ["7d"])'
    assert subprocess.run([sys.executable, "-c", code], env=os.environ.copy()).returncode == -signal.SIGKILL
    with dg.DagsterInstance.get() as instance:
        assert statuses(instance).count("STARTED") == 1
        outcome = tick(instance, gather_sensor(lambda: datetime.now(UTC)))
        assert "1 new events" in str(outcome.skip_message)
        assert statuses(instance).count("STARTED") == 0
        assert statuses(instance).count("FAILURE") == 1


def test_a_terminal_that_is_closed_ends_a_run_as_a_failure(prices: Path) -> None:
    reached = prices / "reached"
    code = FORECAST.format(how="pathlib, sys, time", act=f"(pathlib.Path({str(reached)!r}).touch(), time.sleep(120))")
    code += 'sys.argv = ["forex-assets", "forecast", "--horizon", "7d", "--stored"]; main()'
    run = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ.copy(),
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # whoever runs this may have ignored it
    )
    with dg.DagsterInstance.get() as instance:
        until = time.monotonic() + 100
        # Not from STARTED on: a signal while Dagster sets its step up may be lost.
        while not reached.exists() and time.monotonic() < until:
            time.sleep(0.2)
        assert statuses(instance).count("STARTED") == 1
        run.send_signal(signal.SIGHUP)
        assert run.wait(60) == 1
        assert statuses(instance).count("STARTED") == 0
        assert statuses(instance).count("FAILURE") == 1


def test_a_run_that_is_alive_or_elsewhere_is_left_alone(prices: Path) -> None:
    job, started = build().resolve_job_def(names.TRACKING_JOB), dg.DagsterRunStatus.STARTED
    with dg.DagsterInstance.get() as instance:
        for name in (process_name(), "elsewhere 1 1.0"):
            instance.create_run_for_job(job, status=started, tags={PROCESS_TAG: name})
        instance.create_run_for_job(job, status=started)
        assert end_dead_runs(instance, datetime.now(UTC)) == []
        assert statuses(instance, names.TRACKING_JOB) == ["STARTED"] * 3


def test_where_no_horizon_can_be_forecast_none_is_said_to_be(prices: Path) -> None:
    for path in (prices / "configs").glob("chronos_*.json"):
        path.write_text("{bad")
    done = CliRunner().invoke(app, ["forecast", "--stored"])
    assert done.exit_code == 1
    assert "chronos_90d.json" in done.stderr.replace("\n", "")
    assert "were forecast" not in done.stderr


def test_one_horizons_bad_config_leaves_the_others_forecast_and_on_record(prices: Path) -> None:
    (prices / "configs/chronos_7d.json").write_text("{bad")
    done = CliRunner().invoke(app, ["forecast", "--stored", "--json"])
    assert done.exit_code == 1
    assert "chronos_7d.json" in done.stderr
    assert {row["horizon"] for row in json.loads(done.stdout)} == {"15d", "30d", "90d"}
    verified = json.loads(CliRunner().invoke(app, ["ledger", "verify", "--json"]).stdout)
    assert [row["entries"] for row in verified if row["series"] == "usdclp"] == [0, 1, 1, 1]
    explanations = json.loads(CliRunner().invoke(app, ["explain", "--json"]).stdout)
    assert ["chronos_7d.json" in str(explanation["config_fault"]) for explanation in explanations] == [
        True,
        False,
        False,
        False,
    ]
    for name in ("explain", "dashboard"):
        page = CliRunner().invoke(app, [name], env={"COLUMNS": "200"})
        assert page.exit_code == 0
        assert "no valid JSON" in page.stdout

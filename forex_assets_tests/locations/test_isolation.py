"""An optimizer that raises, is killed, or runs out of memory leaves forecasts loading, scheduling and being made."""

import os
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml

from forex_assets.cli.runner import materialize_forecasts
from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.session import open_session
from forex_assets.locations.forecasting import build

SEARCH = """
from forex_assets.cli.runner import run_assets
from forex_assets.core.dagster import keys
from forex_assets.core.session import open_session
from forex_assets.locations.optimization import build
run_assets(open_session(), [keys.CANDIDATE_CONFIG], ["7d"], build=build)
"""


def forecasts_go_on(root: Path) -> None:
    """The location loads, its schedule and its sensor answer, and a forecast is made."""
    definitions = build()
    schedule = definitions.resolve_schedule_def("refresh_market_on_weekdays")
    with dg.build_schedule_context(scheduled_execution_time=datetime(2025, 6, 13, 23, tzinfo=UTC)) as due:
        assert schedule.evaluate_tick(due).run_requests
    with dg.DagsterInstance.get() as instance:
        first = dg.evaluate_automation_conditions(definitions, instance)
        instance.report_runless_asset_event(dg.AssetMaterialization(keys.FEATURES))
        tick = dg.evaluate_automation_conditions(definitions, instance, cursor=first.cursor)
        asked = first.get_num_requested(keys.LATEST) + tick.get_num_requested(keys.LATEST)
        assert asked == len(HORIZONS), "by the first evaluation, or by the new features"
    materialize_forecasts(open_session(), ["7d"])
    assert (root / "warehouse/sample/forecasts/latest/7d.parquet").exists()


@pytest.fixture
def filled(with_market: Path) -> Path:
    os.environ.update({"FOREX_MODEL": "embedded"})
    return with_market


def search_under_way(root: Path) -> subprocess.Popen[bytes]:
    """A process whose search has kept a trial and goes on."""
    child = subprocess.Popen([sys.executable, "-c", SEARCH], stderr=subprocess.DEVNULL)
    try:
        while child.poll() is None and not kept_trials(root):
            time.sleep(0.1)
    except BaseException:  # the test's time is over
        child.kill()
        raise
    assert child.poll() is None, "the search was over before it could be met"
    return child


def kept_trials(root: Path) -> list[Path]:
    return list((root / "warehouse/sample/optimizer/trials").rglob("*.parquet"))


def test_a_search_that_is_killed_leaves_forecasts_going(filled: Path) -> None:
    child = search_under_way(filled)
    child.kill()
    child.wait()
    assert kept_trials(filled)
    forecasts_go_on(filled)


def test_a_search_that_runs_out_of_memory_leaves_forecasts_going(filled: Path) -> None:
    child = search_under_way(filled)
    held = int(Path(f"/proc/{child.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(child.pid, resource.RLIMIT_AS, (held, held))
    try:
        assert child.wait(timeout=60) != 0
    except subprocess.TimeoutExpired:  # a library that could not get memory may keep its lock: whoever waits ends it
        child.kill()
        child.wait()
    assert not open_session().tables.exists(names.CANDIDATE_CONFIG, "7d"), "it had memory enough"
    forecasts_go_on(filled)


LOADED = """
import sys, warnings
import dagster as dg
from dagster._core.definitions.timestamp import TimestampWithTimezone
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
warnings.simplefilter("ignore")
target = WorkspaceFileTarget([sys.argv[1]])
with dg.DagsterInstance.get() as instance, WorkspaceProcessContext(instance, target) as process:
    context = process.create_request_context()
    for entry in context.get_code_location_entries().values():
        error = entry.load_error
        print("LOCATION", entry.origin.location_name, "no optimizer today" in str(error) if error else "loaded")
    repository = context.get_code_location("forecasting").get_repositories()["__repository__"]
    print("JOBS", sorted(job.name for job in repository.get_all_jobs()))
    location, at = context.get_code_location("forecasting"), TimestampWithTimezone(1749855600.0, "America/Santiago")
    asked = location.get_schedule_execution_data(instance, repository.handle, "refresh_market_on_weekdays", at, None)
    print("TICK", len(asked.run_requests))
    print("SENSORS", sorted(each.name for each in repository.get_sensors()))
"""


def test_a_workspace_loads_forecasts_where_the_optimizer_raises_at_import(filled: Path) -> None:
    text = (Path(__file__).parents[2] / "workspace.yaml").read_text(encoding="utf-8")
    locations = yaml.safe_load(text)["load_from"]
    (filled / "broken_optimizer.py").write_text("raise MemoryError('no optimizer today')\n")
    locations[1]["python_module"] |= {"module_name": "broken_optimizer", "working_directory": str(filled)}
    file = filled / "workspace.yaml"
    file.write_text(yaml.safe_dump({"load_from": locations}))
    command = [sys.executable, "-c", LOADED, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    output = done.stdout
    assert done.returncode == 0, done.stderr
    assert "LOCATION forecasting loaded" in output
    assert "LOCATION optimization loaded" not in output
    assert f"'{names.FORECAST_JOB}'" in output
    assert "TICK 1" in output
    assert "'follow_new_inputs'" in output
    forecasts_go_on(filled)

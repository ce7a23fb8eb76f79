"""Dagster's own scheduler and sensor daemons on the optimization location, run by hand over three weeks' downtime."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time, instance_for_test
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.horizon import HORIZONS

LOG = logging.getLogger("test")
MONDAY = datetime(2025, 6, 9, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkspaceProcessContext]:
    """The location in a code server of its own; runs are queued and nobody takes them from the queue."""
    queued = {"run_coordinator": {"module": "dagster._core.run_coordinator", "class": "QueuedRunCoordinator"}}
    target = ModuleTarget(
        module_name="forex_assets.locations.optimization",
        attribute=None,
        working_directory=str(Path(__file__).parents[2]),
        location_name="optimization",
    )
    with (
        instance_for_test(overrides=queued, temp_dir=str(tmp_path_factory.mktemp("dagster"))) as instance,
        create_test_daemon_workspace_context(target, instance) as process_context,
    ):
        yield process_context


def schedule(context: WorkspaceProcessContext, at: datetime) -> None:
    """One round of the scheduler."""
    with freeze_time(at):
        for _ in launch_scheduled_runs(context, LOG, at, iteration_times={}):
            pass


def partitions(context: WorkspaceProcessContext, job: str) -> list[str]:
    return sorted(
        run.tags.get("dagster/partition", "") for run in context.instance.get_runs(dg.RunsFilter(job_name=job))
    )


def test_after_three_weeks_downtime_there_is_one_decision_a_horizon_and_not_twenty_one(
    context: WorkspaceProcessContext,
) -> None:
    schedule(context, MONDAY)
    assert partitions(context, names.DECISION_JOB) == []
    schedule(context, MONDAY + timedelta(days=21))
    assert partitions(context, names.DECISION_JOB) == sorted(HORIZONS)
    assert partitions(context, names.DRIFT_JOB) == [""]
    schedule(context, MONDAY + timedelta(days=21, minutes=1))
    assert partitions(context, names.DECISION_JOB) == sorted(HORIZONS)
    evening = datetime(2025, 7, 1, 0, 1, tzinfo=UTC)  # 20:01 of that Monday in Santiago
    schedule(context, evening)
    assert partitions(context, names.DECISION_JOB) == sorted([*HORIZONS, *HORIZONS])


def test_dagsters_own_daemon_launches_each_decision_once_even_where_its_cursor_is_lost(
    context: WorkspaceProcessContext,
) -> None:
    def tick(at: datetime) -> list[str]:
        with freeze_time(at):
            for _ in execute_sensor_iteration(context, LOG, threadpool_executor=None, submit_threadpool_executor=None):
                pass
        return partitions(context, names.OPTIMIZE_JOB)

    instance = context.instance
    for horizon in ("7d", "15d"):
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                keys.TRIGGER_DECISION, partition=horizon, metadata={"fires": True, "reasons": "age"}
            )
        )
    start = datetime.now(UTC)
    assert tick(start) == ["15d", "7d"]
    assert tick(start + timedelta(minutes=1)) == ["15d", "7d"]
    (run,) = instance.get_runs(dg.RunsFilter(tags={names.HORIZON_TAG: "7d"}))
    instance.report_run_failed(run)
    sensor = next(s for s in instance.all_instigator_state() if s.instigator_name == "optimize_on_trigger")
    instance.update_instigator_state(sensor.with_data(sensor.instigator_data._replace(cursor=None)))  # type: ignore[union-attr]
    assert tick(start + timedelta(minutes=2)) == ["15d", "7d"]

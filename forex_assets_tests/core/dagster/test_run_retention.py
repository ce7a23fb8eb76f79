"""Old runs go with all that they left; what the platform reads stays."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sql
from dagster._core.events import DagsterEvent, StepMaterializationData
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.runs.schema import RunTagsTable
from dagster._core.test_utils import create_run_for_test

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.run_retention import remove_old_runs

LATER = datetime.now(UTC) + timedelta(days=1)
"""A day from now: every run of these tests is old by then."""


@dg.asset(key=keys.LATEST, partitions_def=keys.HORIZON_PARTITIONS)
def fans(context: dg.AssetExecutionContext) -> None:
    context.log_event(dg.AssetObservation(keys.USDCLP))
    print("printed by the run")


@dg.asset_check(asset=fans)
def is_sound() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as dagster_instance:
        yield dagster_instance


def ran(instance: dg.DagsterInstance, horizon: str) -> str:
    """Runs the fans' asset with its check."""
    job = dg.Definitions([fans], asset_checks=[is_sound]).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, partition_key=horizon).run_id


def noted(
    instance: dg.DagsterInstance,
    key: dg.AssetKey,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS,
    **metadata: str,
) -> str:
    """Notes a run of the command line that materialized an asset."""
    run = create_run_for_test(instance, "__ASSET_JOB", status=status, asset_selection=frozenset({key}))
    event = dg.AssetMaterialization(key, partition="7d", metadata=metadata)
    data = StepMaterializationData(event)
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION.value
    instance.report_dagster_event(DagsterEvent(kind, "__ASSET_JOB", event_specific_data=data), run.run_id)
    return run.run_id


def runs_of(instance: dg.DagsterInstance, table: sql.Table) -> set[str]:
    """Run ids in a table of the records, read past Dagster's own methods."""
    storage = instance.run_storage if table is RunTagsTable else instance.event_log_storage
    connect = storage.connect if table is RunTagsTable else storage.index_connection  # type: ignore[attr-defined]
    with connect() as connection:
        return {row[0] for row in connection.execute(sql.select(table.c.run_id)).fetchall()}


def test_the_newest_run_of_each_partition_stays_and_older_ones_leave_nothing(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    old, other, newest = (ran(instance, horizon) for horizon in ("7d", "15d", "7d"))
    assert remove_old_runs(instance, datetime.now(UTC) - timedelta(days=1)) == []
    assert remove_old_runs(instance, LATER) == [old]
    assert {run.run_id for run in instance.get_runs()} == {other, newest}
    for table in (SqlEventLogStorageTable, AssetCheckExecutionsTable, RunTagsTable):
        assert runs_of(instance, table) == {other, newest}, table.name
    assert {path.name for path in tmp_path.rglob(f"*{old}*")} == set()
    assert list(tmp_path.rglob(f"*{newest}*"))  # of a run that stays, the log does too
    assert instance.get_materialized_partitions(keys.LATEST) == {"7d", "15d"}
    check = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(keys.LATEST, "is_sound"))
    assert check is not None
    assert check.run_id == newest
    assert remove_old_runs(instance, LATER) == []


def test_decisions_and_failed_runs_stay_at_any_age(instance: dg.DagsterInstance) -> None:
    kept = [noted(instance, keys.TRIGGER_DECISION) for _ in range(2)]
    kept += [noted(instance, keys.LATEST, dg.DagsterRunStatus.FAILURE) for _ in range(2)]
    assert remove_old_runs(instance, LATER) == []
    assert {run.run_id for run in instance.get_runs()} == set(kept)


def test_the_newest_head_of_each_warehouse_stays(instance: dg.DagsterInstance) -> None:
    first, other, newest = (
        noted(instance, keys.LEDGER, **{names.LEDGER_HEAD: "h", names.LEDGER_ROOT: root}) for root in ("/a", "/b", "/a")
    )
    assert remove_old_runs(instance, LATER) == [first]
    assert {run.run_id for run in instance.get_runs()} == {other, newest}


def test_the_oldest_go_first_and_the_rest_the_next_night(instance: dg.DagsterInstance) -> None:
    old = [noted(instance, keys.LATEST) for _ in range(4)]
    assert remove_old_runs(instance, LATER, limit=2) == old[:2]
    assert remove_old_runs(instance, LATER, limit=2) == old[2:3]


def test_a_removal_that_was_cut_off_is_finished_by_the_next(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, newest = (noted(instance, keys.LATEST) for _ in range(2))

    def killed(_: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(instance.run_storage, "delete_run", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_old_runs(instance, LATER)
    assert remove_old_runs(instance, LATER) == [old]
    assert runs_of(instance, SqlEventLogStorageTable) == {newest}

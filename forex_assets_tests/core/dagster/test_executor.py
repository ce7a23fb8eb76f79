"""Runs of both locations share one process unless their config asks for more."""

import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from forex_assets.core.dagster.executor import in_process_or_multiprocess
from forex_assets.locations import forecasting, optimization


@dg.asset
def process_id() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"pid": os.getpid()})


@dg.asset_check(asset=process_id)
def is_odd() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN)


defs = dg.Definitions(
    assets=[process_id],
    asset_checks=[is_odd],
    executor=in_process_or_multiprocess,
    jobs=[dg.define_asset_job("everything")],
)


def job() -> dg.JobDefinition:
    return defs.resolve_job_def("everything")


@pytest.mark.parametrize(
    ("config", "is_here"),
    [
        ({}, True),
        ({"execution": {"config": {"in_process": {}}}}, True),
        ({"execution": {"config": {"multiprocess": {"max_concurrent": 1}}}}, False),
    ],
)
def test_steps_run_in_the_runs_own_process_unless_told_otherwise(
    tmp_path: Path, config: dict[str, Any], is_here: bool
) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        with dg.execute_job(dg.reconstructable(job), instance, run_config=config) as result:
            assert result.success
            messages = [entry.user_message for entry in instance.all_logs(result.run_id)]
        assert "everything ended: 1 tables, 1 checks; not passed: process_id: is_odd" in messages
        event = instance.get_latest_materialization_event(dg.AssetKey("process_id"))
        assert event is not None
        assert event.asset_materialization is not None
        pid = event.asset_materialization.metadata["pid"].value
    assert (pid == os.getpid()) is is_here


@pytest.mark.parametrize("location", [forecasting, optimization])
def test_both_locations_run_in_one_process_by_default(location: Any) -> None:
    assert location.build().executor is in_process_or_multiprocess

"""Sensor `deploy_on_approval`: one deployment an approval, with retries."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.session import open_session
from forex_assets.deployment.sensors import deploy_sensor


@pytest.fixture
def instance() -> Any:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def noted(instance: dg.DagsterInstance, key: dg.AssetKey, horizon: str = "7d", **metadata: str | bool) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=horizon, metadata=metadata))


def tick(instance: dg.DagsterInstance, minutes: float = 0) -> list[dg.RunRequest]:
    sensor = deploy_sensor(lambda: datetime.now(UTC) + timedelta(minutes=minutes))

    @dg.job(name=names.DEPLOY_JOB, partitions_def=keys.HORIZON_PARTITIONS)
    def job() -> None: ...

    resources = {"session": SessionResource()}
    definitions = dg.Definitions(jobs=[job], sensors=[sensor], resources=resources)
    context = dg.build_sensor_context(instance, definitions=definitions, resources=resources)
    return list(sensor.evaluate_tick(context).run_requests or [])


def ran(instance: dg.DagsterInstance, request: dg.RunRequest, status: dg.DagsterRunStatus) -> None:
    @dg.job(name=names.DEPLOY_JOB, partitions_def=keys.HORIZON_PARTITIONS)
    def job() -> None: ...

    run = instance.create_run_for_job(job, tags=dict(request.tags), status=dg.DagsterRunStatus.STARTED)
    ends = {dg.DagsterRunStatus.FAILURE: instance.report_run_failed}
    if status in ends:
        ends[status](run)


def test_an_approval_is_launched_once_under_its_own_name(instance: dg.DagsterInstance) -> None:
    noted(instance, keys.VALIDATION_REPORT, verdict="approved", validation_id="v1")
    noted(instance, keys.VALIDATION_REPORT, "15d", verdict="inconclusive", validation_id="v2")
    (request,) = tick(instance)
    assert request.partition_key == "7d"
    assert request.tags[names.VALIDATION_TAG] == "v1"
    assert tick(instance)[0].run_key == request.run_key, "asked for twice it is launched once: the name is the same"
    noted(instance, keys.DEPLOYMENT, state="deployed", validation_id="v1")
    assert tick(instance) == []


def test_a_refusal_and_a_deployment_by_hand_settle_it_and_a_newer_report_begins_anew(
    instance: dg.DagsterInstance,
) -> None:
    noted(instance, keys.VALIDATION_REPORT, verdict="approved", validation_id="v1")
    noted(instance, keys.DEPLOYMENT, state="refused", validation_id="v1")
    assert tick(instance) == []
    noted(instance, keys.VALIDATION_REPORT, verdict="rejected", validation_id="v2")
    assert tick(instance) == []
    noted(instance, keys.VALIDATION_REPORT, verdict="approved", validation_id="v3")
    assert [request.tags[names.VALIDATION_TAG] for request in tick(instance)] == ["v3"]


def test_a_deployment_that_failed_is_tried_again_after_ten_and_twenty_minutes_and_then_no_more(
    instance: dg.DagsterInstance,
) -> None:
    noted(instance, keys.VALIDATION_REPORT, verdict="approved", validation_id="v1")
    run_keys = []
    for minutes in (0, 11, 32):
        (request,) = tick(instance, minutes)
        run_keys.append(request.run_key)
        ran(instance, request, dg.DagsterRunStatus.FAILURE)
        assert tick(instance, 1) == []
    assert len(set(run_keys)) == 3
    assert tick(instance, 600) == []


def test_while_one_is_under_way_none_is_launched(instance: dg.DagsterInstance) -> None:
    noted(instance, keys.VALIDATION_REPORT, verdict="approved", validation_id="v1")
    ran(instance, tick(instance)[0], dg.DagsterRunStatus.STARTED)
    assert tick(instance, 600) == []


def test_a_report_that_was_made_by_hand_or_on_another_market_deploys_nothing_and_hides_nothing(
    instance: dg.DagsterInstance, workspace: Path
) -> None:
    market = open_session().market
    other = "sample" if market == "live" else "live"
    noted(instance, keys.VALIDATION_REPORT, verdict="approved", validation_id="hand", is_by_hand=True)
    noted(instance, keys.VALIDATION_REPORT, verdict="approved", validation_id="else", market=other)
    noted(
        instance,
        keys.VALIDATION_REPORT,
        verdict="approved",
        validation_id="then",
        clock="2023-12-29T22:00:00+00:00",
    )
    assert tick(instance) == []
    noted(instance, keys.VALIDATION_REPORT, verdict="approved", validation_id="loop", market=market)
    noted(instance, keys.VALIDATION_REPORT, verdict="rejected", validation_id="hand2", is_by_hand=True)
    assert [request.tags[names.VALIDATION_TAG] for request in tick(instance)] == ["loop"]

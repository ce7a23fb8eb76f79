"""Sensor `deploy_on_approval`: one deployment an approval, with retries."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.session import open_session
from forex_assets.deployment.sensors import deploy_sensor


@dg.job(name=names.DEPLOY_JOB, partitions_def=keys.HORIZON_PARTITIONS)
def job() -> None: ...


class Daemon:
    """Ticks the sensor on an instance with reports and deployments of 7d."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance

    def note(self, key: dg.AssetKey, horizon: str = "7d", **metadata: str | bool) -> None:
        self.instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=horizon, metadata=metadata))

    def report(self, verdict: str, validation_id: str, **more: str | bool) -> None:
        self.note(keys.VALIDATION_REPORT, verdict=verdict, validation_id=validation_id, **more)

    def tick(self, minutes: float = 0) -> list[dg.RunRequest]:
        sensor = deploy_sensor(lambda: datetime.now(UTC) + timedelta(minutes=minutes))
        resources = {"session": SessionResource()}
        definitions = dg.Definitions(jobs=[job], sensors=[sensor], resources=resources)
        context = dg.build_sensor_context(self.instance, definitions=definitions, resources=resources)
        return list(sensor.evaluate_tick(context).run_requests or [])

    def start(self, request: dg.RunRequest) -> dg.DagsterRun:
        status = dg.DagsterRunStatus.STARTED
        return self.instance.create_run_for_job(job, tags=dict(request.tags), status=status)

    def launched(self) -> list[str]:
        return [request.tags[names.VALIDATION_TAG] for request in self.tick()]


@pytest.fixture
def daemon(workspace: Path) -> Iterator[Daemon]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(instance)


def test_an_approval_is_launched_once_under_its_own_name(daemon: Daemon) -> None:
    daemon.report("approved", "v1")
    daemon.note(keys.VALIDATION_REPORT, "15d", verdict="inconclusive", validation_id="v2")
    (request,) = daemon.tick()
    assert request.partition_key == "7d"
    assert request.tags[names.VALIDATION_TAG] == "v1"
    assert daemon.tick()[0].run_key == request.run_key, "Dagster launches a run key once"
    daemon.note(keys.DEPLOYMENT, state="deployed", validation_id="v1")
    assert daemon.tick() == []


def test_a_refusal_settles_a_report_and_a_newer_report_begins_anew(daemon: Daemon) -> None:
    daemon.report("approved", "v1")
    daemon.note(keys.DEPLOYMENT, state="refused", validation_id="v1")
    assert daemon.launched() == []
    daemon.report("rejected", "v2")
    assert daemon.launched() == []
    daemon.report("approved", "v3")
    assert daemon.launched() == ["v3"]


def test_a_failed_deployment_is_retried_after_ten_and_twenty_minutes_and_then_no_more(daemon: Daemon) -> None:
    daemon.report("approved", "v1")
    run_keys = set()
    for minutes in (0, 11, 32):
        (request,) = daemon.tick(minutes)
        run_keys.add(request.run_key)
        daemon.instance.report_run_failed(daemon.start(request))
        assert daemon.tick(1) == []
    assert len(run_keys) == 3
    assert daemon.tick(600) == []


def test_while_a_deployment_is_under_way_none_is_launched(daemon: Daemon) -> None:
    daemon.report("approved", "v1")
    daemon.start(daemon.tick()[0])
    assert daemon.tick(600) == []


def test_reports_by_hand_or_of_another_market_or_clock_deploy_nothing_and_hide_nothing(daemon: Daemon) -> None:
    market = open_session().market
    daemon.report("approved", "hand", is_by_hand=True)
    daemon.report("approved", "else", market="sample" if market == "live" else "live")
    daemon.report("approved", "then", clock="2023-12-29T22:00:00+00:00")
    assert daemon.launched() == []
    daemon.report("approved", "loop", market=market)
    daemon.report("rejected", "hand2", is_by_hand=True)
    assert daemon.launched() == ["loop"]

"""When it is decided: one decision a horizon an evening, and one after any downtime."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import freeze_time

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.horizon import HORIZONS
from forex_assets.locations import optimization_jobs as schedules
from forex_assets.locations.optimization_jobs import decide_on_weekdays, report_drift_on_weekdays

SANTIAGO = ZoneInfo("America/Santiago")


@dg.asset(key=keys.TRIGGER_DECISION, partitions_def=keys.HORIZON_PARTITIONS)
def decision() -> None: ...


@dg.asset(key=keys.DEGRADATION_REPORT, partitions_def=keys.HORIZON_PARTITIONS)
def degradation() -> None: ...


@dg.asset(key=keys.DRIFT_REPORT)
def drift() -> None: ...


DEFS = dg.Definitions(
    assets=[decision, degradation, drift],
    jobs=[schedules.decide_all_horizons, schedules.report_drift],
    schedules=[decide_on_weekdays, report_drift_on_weekdays],
)
REPOSITORY = DEFS.get_repository_def()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:  # a schedule opens its instance anew at each tick
        yield instance


def evening(hour: time) -> datetime:
    """That hour in Santiago of the last evening: what is written now falls in the day after its work was first due."""
    now = datetime.now(SANTIAGO)
    due = time(20) if hour in (time(20), time(22, 30)) else time(19, 50)
    day = now.date() if now.time() >= due else now.date() - timedelta(days=1)
    return datetime.combine(day, hour, SANTIAGO)


def ask(instance: dg.DagsterInstance, schedule: dg.ScheduleDefinition, at: datetime) -> list[str | None]:
    """Partitions asked for at a tick."""
    return [request.partition_key for request in requests(instance, schedule, at)]


def requests(instance: dg.DagsterInstance, schedule: dg.ScheduleDefinition, at: datetime) -> list[dg.RunRequest]:
    with dg.build_schedule_context(instance, scheduled_execution_time=at, repository_def=REPOSITORY) as context:
        return list(schedule.evaluate_tick(context).run_requests or [])


def made(instance: dg.DagsterInstance, horizon: str | None, *, job: str, status: str) -> dg.DagsterRun:
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("x"), "__repository__"), job)
    tags = {"dagster/partition": horizon} if horizon else {}
    return instance.create_run_for_job(
        DEFS.resolve_job_def(job), status=dg.DagsterRunStatus[status], tags=tags, remote_job_origin=origin
    )


def test_the_hours_are_weekday_evenings_in_santiago_and_the_schedules_run() -> None:
    assert decide_on_weekdays.cron_schedule == ["0 20 * * 1-5", "30 22 * * 1-5"]
    assert report_drift_on_weekdays.cron_schedule == ["50 19 * * 1-5", "20 22 * * 1-5"]
    for schedule in (decide_on_weekdays, report_drift_on_weekdays):
        assert schedule.execution_timezone == "America/Santiago"
        assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_every_horizon_is_asked_for_in_a_run_of_its_own(instance: dg.DagsterInstance) -> None:
    assert ask(instance, decide_on_weekdays, evening(time(20))) == list(HORIZONS)
    assert ask(instance, report_drift_on_weekdays, evening(time(19, 50))) == [None]


def test_run_keys_of_two_evenings_and_of_two_horizons_differ(instance: dg.DagsterInstance) -> None:
    keys = set()
    for day in range(2):
        at = evening(time(20)) - timedelta(days=day + 2)
        keys |= {request.run_key for request in requests(instance, decide_on_weekdays, at)}
    assert len(keys) == 8


def test_the_later_tick_asks_only_for_what_was_lost(instance: dg.DagsterInstance) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(keys.TRIGGER_DECISION, partition="7d"))
    made(instance, "15d", job=names.DECISION_JOB, status="QUEUED")
    made(instance, "30d", job=names.DECISION_JOB, status="FAILURE")
    assert ask(instance, decide_on_weekdays, evening(time(22, 30))) == ["30d", "90d"]
    made(instance, None, job=names.DRIFT_JOB, status="STARTED")
    assert ask(instance, report_drift_on_weekdays, evening(time(22, 20))) == []


def test_whichever_tick_is_first_after_a_downtime_the_other_asks_for_nothing(instance: dg.DagsterInstance) -> None:
    for horizon in ask(instance, decide_on_weekdays, evening(time(22, 30))):
        made(instance, horizon, job=names.DECISION_JOB, status="QUEUED")
    assert ask(instance, decide_on_weekdays, evening(time(20))) == []


def test_a_decision_of_another_evening_or_of_a_clock_that_was_ahead_is_not_this_evenings(
    instance: dg.DagsterInstance,
) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(keys.TRIGGER_DECISION, partition="7d"))
    for days in (-3, 3):
        assert "7d" in ask(instance, decide_on_weekdays, evening(time(20)) + timedelta(days=days))
    assert datetime.now(UTC) - evening(time(20)).astimezone(UTC) < timedelta(days=1, minutes=10)


@pytest.mark.parametrize(("hours", "counts"), [(-2, False), (1, True), (22, True), (25, False)])
def test_a_run_is_this_evenings_by_the_hour_in_santiago(instance: dg.DagsterInstance, hours: int, counts: bool) -> None:
    """Whatever hour it is now: two hours before the tick, or in the last three of its day, was once taken wrongly."""
    tick = datetime(2026, 11, 24, 20, tzinfo=SANTIAGO)
    with freeze_time(tick.astimezone(UTC) + timedelta(hours=hours)):
        made(instance, "15d", job=names.DECISION_JOB, status="QUEUED")
    assert ("15d" not in ask(instance, decide_on_weekdays, tick)) is counts


def test_a_decision_at_a_clock_set_by_hand_is_not_this_evenings(instance: dg.DagsterInstance) -> None:
    due = datetime.now(UTC) - timedelta(hours=1)
    asked = (instance, keys.TRIGGER_DECISION, names.DECISION_JOB, "7d", due)
    for metadata in ({"clock": "2023-12-29T22:00:00+00:00"}, {"clock": datetime.now(UTC).isoformat()}, {}):
        event = dg.AssetMaterialization(keys.TRIGGER_DECISION, partition="7d", metadata=metadata)
        instance.report_runless_asset_event(event)
        assert schedules._is_done(*asked) is (metadata.get("clock", "9") > "2024")

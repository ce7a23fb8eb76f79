"""When a run in progress counts as dead: by its process, its heartbeat, or the time that a start may take."""

import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test, instance_for_test
from dagster._daemon.types import DaemonHeartbeat

from forex_assets.core import names
from forex_assets.core.dagster import resources
from forex_assets.core.dagster.heartbeat import start_heartbeat
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.dagster.run_records import (
    PARTITION_TAG,
    end_dead_runs,
    is_searching,
    search_in_progress,
    take_over,
)
from forex_assets.core.processes import HEARTBEAT_TAG, PROCESS_TAG, process_name


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with instance_for_test(temp_dir=str(tmp_path)) as dagster_instance:
        yield dagster_instance


def search(instance: dg.DagsterInstance, status: str, **tags: str) -> str:
    tags = {PARTITION_TAG: "7d", **tags}
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("x"), "y"), names.OPTIMIZE_JOB)
    run = create_run_for_test(
        instance,
        job_name=names.OPTIMIZE_JOB,
        status=dg.DagsterRunStatus[status],
        tags=tags,
        remote_job_origin=origin,
    )
    return str(run.run_id)


def now() -> datetime:
    return datetime.now(UTC)


def test_a_run_that_does_not_start_within_twice_dagsters_limit_is_over(instance: dg.DagsterInstance) -> None:
    search(instance, "STARTING")
    limit = timedelta(seconds=instance.run_monitoring_start_timeout_seconds)
    assert end_dead_runs(instance, now() + limit) == []
    assert is_searching(instance, "7d")
    assert len(end_dead_runs(instance, now() + 3 * limit)) == 1
    assert not is_searching(instance, "7d")


def test_a_search_in_this_process_lives_however_far_the_clock_is_set_ahead(instance: dg.DagsterInstance) -> None:
    for status in ("STARTING", "STARTED", "QUEUED"):
        search(instance, status, **{PROCESS_TAG: process_name()})
    assert end_dead_runs(instance, now() + timedelta(days=4000)) == []


def test_a_queued_search_is_given_up_after_a_day_without_a_daemon(instance: dg.DagsterInstance) -> None:
    search(instance, "QUEUED")
    assert end_dead_runs(instance, now() + timedelta(hours=23)) == []
    instance.add_daemon_heartbeat(DaemonHeartbeat(now().timestamp(), "QUEUED_RUN_COORDINATOR", "x"))
    assert end_dead_runs(instance, now() + timedelta(days=3)) == [], "a daemon takes it when there is room"
    instance.add_daemon_heartbeat(DaemonHeartbeat(now().timestamp() - 900, "QUEUED_RUN_COORDINATOR", "x"))
    assert len(end_dead_runs(instance, now() + timedelta(hours=25))) == 1
    assert search_in_progress(instance, "7d") == ""


def test_who_searches_by_hand_takes_over_what_has_not_begun(instance: dg.DagsterInstance) -> None:
    queued, starting = search(instance, "QUEUED"), search(instance, "STARTING")
    other = search(instance, "QUEUED", **{PARTITION_TAG: "15d"})
    assert search_in_progress(instance, "7d")
    messages = take_over(instance, "7d")
    assert {words.split(",")[0] for words in messages} == {f"run {queued[:8]}", f"run {starting[:8]}"}
    ended = [instance.get_run_by_id(run_id) for run_id in (queued, starting)]
    assert [run and run.status for run in ended] == [dg.DagsterRunStatus.CANCELED] * 2
    assert search_in_progress(instance, "7d") == ""
    assert search_in_progress(instance, "15d"), f"{other[:8]} is of another horizon"
    assert take_over(instance, "7d") == []


def test_a_search_that_has_begun_is_not_taken_over(instance: dg.DagsterInstance) -> None:
    begun = search(instance, "STARTED")
    assert take_over(instance, "7d") == []
    assert search_in_progress(instance, "7d"), f"{begun[:8]} is under way"


def test_a_run_of_another_machine_lives_as_long_as_it_says_so(instance: dg.DagsterInstance) -> None:
    elsewhere = {PROCESS_TAG: "elsewhere 17 boot:4"}
    run_id = search(instance, "STARTED", **elsewhere, **{HEARTBEAT_TAG: now().isoformat()})
    assert end_dead_runs(instance, now() + timedelta(minutes=55)) == []
    before = tag(instance, run_id)
    start_heartbeat(instance, run_id, interval_s=0.01)
    while tag(instance, run_id) == before:
        time.sleep(0.01)
    assert len(end_dead_runs(instance, now() + timedelta(minutes=65))) == 1


def test_a_run_of_another_machine_that_was_killed_right_after_its_start_is_over_within_the_hour(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both machines have Dagster's records in common, and nothing else."""
    run_id = search(instance, "STARTED")
    monkeypatch.setattr(resources, "start_heartbeat", lambda *_: None)
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    SessionResource().setup_for_execution(SimpleNamespace(run=instance.get_run_by_id(run_id), instance=instance))  # type: ignore[arg-type]
    monkeypatch.undo()
    assert end_dead_runs(instance, now() + timedelta(minutes=55)) == []
    (words,) = end_dead_runs(instance, now() + timedelta(minutes=65))
    assert "its machine has not said for 1:00:00 that it lives" in words
    assert not is_searching(instance, "7d")


def tag(instance: dg.DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.tags[HEARTBEAT_TAG]


def test_a_heartbeat_outlives_records_that_are_away_and_ends_where_they_stay_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Away:
        asked = 0

        def get_run_by_id(self, run_id: str) -> None:
            self.asked += 1
            raise OSError("no such table: runs")

    away = Away()
    start_heartbeat(away, "away", interval_s=0.001)  # type: ignore[arg-type]
    (thread,) = [live_thread for live_thread in threading.enumerate() if live_thread.name == "heartbeat of away"]
    thread.join(30)
    assert not thread.is_alive()
    assert away.asked > 1
    assert "no such table" in caplog.text

"""`optimize_on_trigger` by real ticks on an ephemeral instance: each decision that fires is searched for once."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.retry_policy import MAX_ATTEMPTS, RETRY_AFTER
from forex_assets.optimizer.sensors import optimize_on_trigger, optimize_sensor

RUN_KEY = "dagster/run_key"


class SearchIsBroken(Exception):
    """What a failing search raises here."""


@dg.asset(key=keys.SEARCH_REQUEST, partitions_def=keys.HORIZON_PARTITIONS)
def search(context: dg.AssetExecutionContext) -> None:
    if context.run.tags.get("fail"):
        raise SearchIsBroken


DEFS = dg.Definitions(
    assets=[search, dg.AssetSpec(keys.TRIGGER_DECISION, partitions_def=keys.HORIZON_PARTITIONS)],
    jobs=[dg.define_asset_job(names.OPTIMIZE_JOB, selection=[keys.SEARCH_REQUEST])],
    sensors=[optimize_on_trigger],
    resources={"session": SessionResource()},
)
JOB = DEFS.resolve_job_def(names.OPTIMIZE_JOB)
ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("optimization"), "__repository__"), names.OPTIMIZE_JOB
)


class Clock:
    """Real time as the sensor sees it; can be put forward or back."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Daemon:
    """Keeps the cursor between ticks and launches a run key once, as Dagster's daemon does."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.clock = instance, Clock()
        self.sensor = optimize_sensor(self.clock)
        self.cursor: str | None = None
        self.words = ""
        self.events = count(1)

    def decide(self, horizon: str, *, fires: bool, reasons: str = "age") -> str:
        """A decision on record; its id, as tags name it."""
        metadata = {"fires": fires, "reasons": reasons if fires else "", "words": f"decision {next(self.events)}"}
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(keys.TRIGGER_DECISION, metadata=metadata, partition=horizon)
        )
        wanted = dg.AssetRecordsFilter(keys.TRIGGER_DECISION, asset_partitions=[horizon])
        record = self.instance.fetch_materializations(wanted, limit=1).records[0]
        return f"{record.storage_id}-{record.run_id[:8]}"

    def evaluate(self) -> list[dg.RunRequest]:
        """What the sensor asks for; the cursor is kept."""
        context = dg.build_sensor_context(
            self.instance, cursor=self.cursor, definitions=DEFS, resources={"session": SessionResource()}
        )
        result = self.sensor.evaluate_tick(context)
        self.cursor, self.words = result.cursor, result.skip_message or ""
        return list(result.run_requests or [])

    def new(self) -> list[dg.RunRequest]:
        """What the sensor asks for, less run keys that have a run."""
        return [request for request in self.evaluate() if not self.runs(**{RUN_KEY: str(request.run_key)})]

    def queue(self) -> list[dg.DagsterRun]:
        """One tick; its runs stay queued."""
        return [
            self.made(dg.DagsterRunStatus.QUEUED, {**request.tags, RUN_KEY: str(request.run_key)})
            for request in self.new()
        ]

    def made(self, status: dg.DagsterRunStatus, tags: dict[str, str]) -> dg.DagsterRun:
        """A run on record, in a state of one's choice."""
        return self.instance.create_run_for_job(JOB, status=status, tags=tags, remote_job_origin=ORIGIN)

    def run(self, *, fail: bool = False) -> list[dg.DagsterRun]:
        """One tick; its runs are executed here and now."""
        done = []
        for request in self.new():
            tags = {**request.tags, RUN_KEY: str(request.run_key)} | ({"fail": "yes"} if fail else {})
            result = JOB.execute_in_process(
                instance=self.instance, partition_key=request.partition_key, tags=tags, raise_on_error=False
            )
            assert result.success is not fail
            done.append(result.dagster_run)
        return done

    def runs(self, **tags: str) -> list[dg.DagsterRun]:
        return list(self.instance.get_runs(dg.RunsFilter(job_name=names.OPTIMIZE_JOB, tags=tags)))


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(instance)


def decisions(runs: list[dg.DagsterRun]) -> list[str]:
    return [run.tags[names.DECISION_TAG] for run in runs]


def test_a_decision_that_fires_is_launched_with_its_reasons_horizon_and_id(daemon: Daemon) -> None:
    daemon.decide("15d", fires=False)
    name = daemon.decide("7d", fires=True, reasons="age, manual")
    (request,) = daemon.evaluate()
    assert request.run_key == name
    assert request.partition_key == "7d"
    assert {k: v for k, v in request.tags.items() if k.startswith("forex/")} == {
        names.DECISION_TAG: name,
        names.REASON_TAG: "age, manual",
        names.HORIZON_TAG: "7d",
        names.ATTEMPT_TAG: "1",
    }


def test_two_ticks_in_a_row_launch_once(daemon: Daemon) -> None:
    for horizon in HORIZONS:
        daemon.decide(horizon, fires=True)
    assert len(daemon.queue()) == 4
    assert daemon.evaluate() == []
    assert len(daemon.runs()) == 4


def test_a_decision_that_was_searched_for_is_left_behind_and_a_later_one_is_not(daemon: Daemon) -> None:
    first = daemon.decide("7d", fires=True)
    daemon.run()
    assert daemon.evaluate() == []
    daemon.decide("7d", fires=False)
    assert daemon.evaluate() == []
    second = daemon.decide("7d", fires=True)
    daemon.run()
    assert daemon.evaluate() == []
    assert decisions(daemon.runs()) == [second, first]


@pytest.mark.parametrize("cursor", [None, "", "{", "[1]", '{"7d": "x"}', '{"7d": null}'])
def test_a_lost_cursor_launches_nothing_twice(daemon: Daemon, cursor: str | None) -> None:
    daemon.decide("7d", fires=True)
    daemon.run()
    daemon.cursor = cursor
    assert daemon.evaluate() == []
    assert len(daemon.runs()) == 1


def test_a_daemon_killed_before_it_noted_the_cursor_finds_the_run_that_it_made(daemon: Daemon) -> None:
    name = daemon.decide("7d", fires=True)
    before = daemon.cursor
    daemon.queue()
    daemon.cursor = before
    assert daemon.evaluate() == []
    assert decisions(daemon.runs()) == [name]


def test_a_daemon_killed_before_it_made_the_run_makes_it_at_the_next_tick(daemon: Daemon) -> None:
    name = daemon.decide("7d", fires=True)
    assert [request.run_key for request in daemon.evaluate()] == [name]  # the cursor is kept, the run never made
    assert [request.run_key for request in daemon.evaluate()] == [name]
    assert decisions(daemon.run()) == [name]
    assert daemon.evaluate() == []


def test_a_run_that_was_created_and_not_handed_over_is_asked_for_under_its_own_key(daemon: Daemon) -> None:
    name = daemon.decide("7d", fires=True)
    (request,) = daemon.evaluate()
    daemon.made(dg.DagsterRunStatus.NOT_STARTED, {**request.tags, RUN_KEY: name})
    assert [again.run_key for again in daemon.evaluate()] == [name]  # Dagster hands over the run that has this key


def test_a_clock_that_goes_back_neither_loses_nor_repeats_a_decision(daemon: Daemon) -> None:
    daemon.decide("7d", fires=True)
    daemon.run()
    daemon.clock.ahead = -timedelta(days=400)
    assert daemon.evaluate() == []
    later = daemon.decide("7d", fires=True)
    assert decisions(daemon.run()) == [later]
    daemon.cursor = None
    assert daemon.evaluate() == []


@pytest.mark.parametrize("status", ["QUEUED", "STARTING", "STARTED", "CANCELING"])
def test_a_decision_waits_for_the_search_under_way_and_is_not_lost(daemon: Daemon, status: str) -> None:
    by_hand = daemon.made(dg.DagsterRunStatus[status], {"dagster/partition": "7d"})
    name, other = daemon.decide("7d", fires=True), daemon.decide("15d", fires=True)
    assert decisions(daemon.queue()) == [other]
    daemon.decide("7d", fires=False)  # the next evening's, in the cooldown
    assert daemon.evaluate() == []
    assert "under way" in daemon.words
    daemon.instance.report_run_canceled(by_hand)
    assert decisions(daemon.queue()) == [name]


def test_of_decisions_that_waited_the_newest_is_searched_and_names_the_others(daemon: Daemon) -> None:
    first = daemon.decide("7d", fires=True)
    (running,) = daemon.queue()
    second = daemon.decide("7d", fires=True, reasons="manual")
    third = daemon.decide("7d", fires=True, reasons="drift")
    assert daemon.evaluate() == []
    daemon.instance.report_run_failed(running)
    (run,) = daemon.run()
    assert run.tags[names.DECISION_TAG] == third
    assert run.tags[names.SUPERSEDED_TAG] == second
    assert run.tags[names.REASON_TAG] == "drift, manual"
    daemon.clock.ahead = timedelta(days=2)
    for cursor in (daemon.cursor, None, daemon.cursor):
        daemon.cursor = cursor
        assert daemon.evaluate() == []
    assert decisions(daemon.runs()) == [third, first]


def test_two_decisions_for_one_horizon_before_a_tick_make_one_search(daemon: Daemon) -> None:
    first, second = daemon.decide("7d", fires=True), daemon.decide("7d", fires=True)
    (run,) = daemon.run()
    assert run.tags[names.DECISION_TAG] == second
    assert run.tags[names.SUPERSEDED_TAG] == first
    assert daemon.evaluate() == []


def test_a_failed_search_is_launched_again_under_other_keys_and_then_given_up(daemon: Daemon) -> None:
    name = daemon.decide("7d", fires=True)
    daemon.run(fail=True)
    assert daemon.evaluate() == []
    assert "again 10 minutes after" in daemon.words
    keys = []
    for _ in range(MAX_ATTEMPTS + 2):
        daemon.clock.ahead += RETRY_AFTER * MAX_ATTEMPTS
        keys += [run.tags[RUN_KEY] for run in daemon.run(fail=True)]
    assert keys == [f"{name}/2", f"{name}/3"]
    assert {run.tags[names.ATTEMPT_TAG] for run in daemon.runs()} == {"1", "2", "3"}
    daemon.cursor = None
    assert daemon.evaluate() == []
    assert "given up: search 3 of 3 failed" in daemon.words
    assert decisions(daemon.run()) == []


def test_a_second_launch_that_succeeds_is_the_last(daemon: Daemon) -> None:
    daemon.decide("7d", fires=True)
    daemon.run(fail=True)
    daemon.clock.ahead = RETRY_AFTER
    assert len(daemon.run()) == 1
    daemon.clock.ahead = timedelta(days=1)
    assert daemon.evaluate() == []


def test_a_search_that_a_person_canceled_is_not_launched_again(daemon: Daemon) -> None:
    daemon.decide("7d", fires=True)
    (run,) = daemon.queue()
    daemon.instance.report_run_canceled(run)
    daemon.clock.ahead = timedelta(days=1)
    assert daemon.evaluate() == []
    assert daemon.evaluate() == []
    assert "no decision to act on" in daemon.words


def test_one_horizons_failure_leaves_the_others_alone(daemon: Daemon) -> None:
    daemon.decide("7d", fires=True)
    daemon.run(fail=True)
    other = daemon.decide("90d", fires=True)
    assert decisions(daemon.run()) == [other]


def test_more_decisions_than_a_page_are_all_looked_at(daemon: Daemon) -> None:
    name = daemon.decide("30d", fires=True)
    for _ in range(60):
        daemon.decide("30d", fires=False)
    assert decisions(daemon.run()) == [name]
    daemon.evaluate()
    assert json.loads(daemon.cursor or "{}")["30d"] >= int(name.split("-")[0])


@pytest.mark.parametrize(
    "marks",
    [
        {"market": "live", "clock": "2025-06-13T23:00:00+00:00"},
        {"market": "sample", "clock": "2023-12-29T22:00:00+00:00"},
    ],
)
def test_a_decision_of_another_market_or_clock_launches_nothing(
    workspace: Path, daemon: Daemon, marks: dict[str, str]
) -> None:
    metadata = {"fires": True, "reasons": "age", "words": "w", **marks}
    event = dg.AssetMaterialization(keys.TRIGGER_DECISION, metadata=metadata, partition="7d")
    daemon.instance.report_runless_asset_event(event)
    assert daemon.evaluate() == []
    ours = {"market": "sample", "clock": "2025-06-13T23:00:00+00:00"}
    event = dg.AssetMaterialization(keys.TRIGGER_DECISION, metadata=metadata | ours, partition="7d")
    daemon.instance.report_runless_asset_event(event)
    assert len(daemon.evaluate()) == 1

"""Sensor `watch_deployments` by real ticks, and failed runs that count."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.session import open_session
from forex_assets.deployment.assets import failed_runs
from forex_assets.deployment.deploy import deployer_of
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.deployment.sensors import watch_sensor
from forex_assets.deployment.watch import FailedRuns

RUN_KEY = "dagster/run_key"
SINGLE = dg.BackfillPolicy.single_run()


class Broken(Exception):
    """Raised by failing assets."""


@dg.asset(key=keys.DEPLOYMENT_WATCH, partitions_def=keys.HORIZON_PARTITIONS)
def watch(context: dg.AssetExecutionContext) -> None:
    """An observation with the state of the run's tag, or a failure."""
    state = context.run.tags["state"]
    if state == "dies":
        raise Broken
    deployment = context.run.tags[names.DEPLOYMENT_TAG]
    context.add_output_metadata({names.STATE: state, names.DEPLOYMENT_ID: deployment})


@dg.asset(key=keys.LATEST, partitions_def=keys.HORIZON_PARTITIONS, backfill_policy=SINGLE)
def latest(context: dg.AssetExecutionContext) -> None:
    """A forecast that fails by its run's tag."""
    if context.run.tags.get("fails") == "unfit":
        raise dg.Failure("prices are unfit", metadata={names.UNFIT: True})
    if context.run.tags.get("fails") == "words":
        raise dg.Failure("the model is gone")
    if context.run.tags.get("fails") == "latest":
        raise Broken


@dg.asset(key=keys.LEDGER, deps=[latest], partitions_def=keys.HORIZON_PARTITIONS, backfill_policy=SINGLE)
def ledger(context: dg.AssetExecutionContext) -> None:
    """The ledger, which fails by its run's tag."""
    if context.run.tags.get("fails") == "ledger":
        raise Broken


DEFS = dg.Definitions(
    assets=[watch, latest, ledger],
    jobs=[
        dg.define_asset_job(names.WATCH_JOB, selection=[keys.DEPLOYMENT_WATCH]),
        dg.define_asset_job(names.FORECAST_JOB, selection=[keys.LATEST, keys.LEDGER]),
    ],
    resources={"session": SessionResource()},
)


class Daemon:
    """Launches each run key once, as Dagster's daemon does, in this process."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.session = instance, open_session()
        self.deployer = deployer_of(self.session)
        self.now = datetime.now(UTC)
        self.restart()

    def restart(self) -> None:
        """Starts a new process: only the disk remains."""
        self.sensor, self.cursor, self.words = watch_sensor(lambda: self.now), None, ""

    def deploy(self, horizon: str = "7d", length: int = 90) -> DeploymentRecord:
        config = self.session.configs.read(horizon)
        new = config.model_copy(update={"context_length": length})
        return self.deployer.deploy(new, expected=config.fingerprint, reason="better", by="loop", now=self.now)

    def evaluate(self) -> list[dg.RunRequest]:
        context = dg.build_sensor_context(
            self.instance, cursor=self.cursor, definitions=DEFS, resources={"session": SessionResource()}
        )
        result = self.sensor.evaluate_tick(context)
        self.cursor, self.words = result.cursor, result.skip_message or ""
        return list(result.run_requests or [])

    def tick(self, minutes: float = 0, state: str = "watching") -> list[str]:
        """Ticks some minutes later; run keys of the observations launched."""
        self.now += timedelta(minutes=minutes)
        return [self.launch(request, state) for request in self.evaluate() if not self.runs(str(request.run_key))]

    def launch(self, request: dg.RunRequest, state: str) -> str:
        tags = {**request.tags, RUN_KEY: str(request.run_key), "state": state}
        done = DEFS.resolve_job_def(names.WATCH_JOB).execute_in_process(
            instance=self.instance, partition_key=request.partition_key, tags=tags, raise_on_error=False
        )
        assert done.success is (state != "dies")
        return str(request.run_key)

    def runs(self, key: str) -> list[dg.DagsterRun]:
        return list(self.instance.get_runs(dg.RunsFilter(tags={RUN_KEY: key})))

    def forecast(self, fails: str, first: str = "7d", last: str = "7d") -> None:
        """Runs a failing forecast of a range of horizons."""
        tags = {"fails": fails, "dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        done = DEFS.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=[keys.LATEST, keys.LEDGER],
            tags=tags,
            raise_on_error=False,
        )
        assert not done.success


@pytest.fixture
def daemon(workspace: Path) -> Iterator[Daemon]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(instance)


def test_without_a_deployment_nothing_is_observed(daemon: Daemon) -> None:
    assert daemon.tick() == []
    assert "7d: nothing was deployed" in daemon.words


def test_a_deployment_is_observed_once_an_interval_however_often_the_sensor_ticks(daemon: Daemon) -> None:
    record = daemon.deploy()
    requests = daemon.evaluate()
    assert [(request.run_key, request.partition_key) for request in requests] == [(f"{record.id}/0", "7d")]
    assert requests[0].tags[names.DEPLOYMENT_TAG] == record.id
    assert daemon.tick() == [f"{record.id}/0"]
    assert daemon.tick() == daemon.tick(1) == daemon.tick(3.9) == []
    assert daemon.tick(0.1) == [f"{record.id}/1"]


def test_a_restarted_daemon_goes_on_without_repeating_missed_observations(daemon: Daemon) -> None:
    record = daemon.deploy()
    daemon.tick()
    daemon.restart()
    assert daemon.tick(1) == [], "this interval is observed already"
    daemon.restart()
    assert daemon.tick(21) == [f"{record.id}/4"], "the looks between are not record"


def test_a_daemon_down_for_the_whole_watch_closes_it_once_then_observes_daily(daemon: Daemon) -> None:
    record = daemon.deploy()
    daemon.now = record.at.replace(hour=15) + timedelta(days=1)
    (closing,) = daemon.tick(state="passed")
    assert closing.startswith(f"{record.id}/closing/")
    days = [daemon.tick(minutes, "passed") for minutes in (1, 60, 24 * 60, 5)]
    assert [len(keys) for keys in days] == [1, 0, 1, 0]
    assert days[0][0].startswith(f"{record.id}/probation/")
    assert daemon.tick(24 * 60, "proven") != []
    assert daemon.tick(24 * 60) == []


def test_an_observation_under_way_is_waited_for(daemon: Daemon) -> None:
    daemon.deploy()
    (request,) = daemon.evaluate()
    daemon.instance.create_run_for_job(
        DEFS.resolve_job_def(names.WATCH_JOB),
        status=dg.DagsterRunStatus.STARTED,
        tags={**request.tags, "dagster/partition": "7d"},
    )
    assert daemon.tick(10) == []
    assert "an observation is queued or under way" in daemon.words


def test_a_failed_closing_observation_is_repeated_in_the_next_interval(daemon: Daemon) -> None:
    daemon.deploy()
    daemon.tick()
    assert len(daemon.tick(61, "dies")) == 1
    assert daemon.tick(1) == []
    assert len(daemon.tick(5, "passed")) == 1


def test_observations_that_keep_failing_are_given_up(daemon: Daemon) -> None:
    daemon.deploy()
    launched = [len(daemon.tick(5, "dies")) for _ in range(10)]
    assert launched == [1] * 6 + [0] * 4
    assert "7d: nothing to watch; 6 watch runs failed" in daemon.words


def test_a_rollback_typed_by_hand_is_watched(daemon: Daemon) -> None:
    daemon.deploy()
    daemon.tick()
    daemon.now += timedelta(minutes=2)
    back = daemon.deployer.rollback("7d", reason="by hand", by="ana", now=daemon.now)
    assert daemon.tick() == [f"{back.id}/0"]


@pytest.mark.parametrize("state", ["replaced", "rolled back", "rollback proposed", "proven"])
def test_a_watch_in_a_final_state_is_over(daemon: Daemon, state: str) -> None:
    daemon.deploy()
    daemon.tick(state=state)
    assert daemon.tick(5) == daemon.tick(60) == daemon.tick(24 * 60) == []


def test_a_refused_deployment_leaves_the_watch_of_the_one_before(daemon: Daemon) -> None:
    record = daemon.deploy()
    daemon.now += timedelta(minutes=1)
    config = daemon.session.configs.read("7d").model_copy(update={"context_length": 200})
    refused = daemon.deployer.deploy(config, expected="another", reason="x", by="loop", now=daemon.now)
    assert refused.state == "refused"
    assert daemon.tick() == [f"{record.id}/0"]


def test_an_unreadable_record_leaves_the_other_horizons_watched(daemon: Daemon) -> None:
    daemon.deploy("15d")
    record = daemon.deploy("7d")
    (damaged,) = (Path(daemon.deployer.store.files.place()) / "15d").glob("*.json")
    damaged.write_text("{")
    assert daemon.tick() == [f"{record.id}/0"]


def test_failed_forecasts_count_where_the_settings_may_be_the_cause(daemon: Daemon) -> None:
    daemon.forecast("latest")
    daemon.now = datetime.now(UTC)
    record = daemon.deploy()
    assert failed_runs(daemon.instance, record) == FailedRuns()
    daemon.forecast("latest")
    daemon.forecast("words")
    assert failed_runs(daemon.instance, record) == FailedRuns(alone=2)
    for elsewhere in ("unfit", "ledger"):
        daemon.forecast(elsewhere)
    daemon.forecast("latest", "30d", "30d")
    assert failed_runs(daemon.instance, record) == FailedRuns(alone=2)
    daemon.forecast("latest", "7d", "90d")
    daemon.forecast("latest", "15d", "90d")
    assert failed_runs(daemon.instance, record) == FailedRuns(alone=2, shared=1)
    daemon.tick(state="dies")
    assert failed_runs(daemon.instance, record) == FailedRuns(alone=2, shared=1, watches=1)


def test_a_killed_forecast_counts_and_a_canceled_one_does_not(daemon: Daemon) -> None:
    record = daemon.deploy()
    job = DEFS.resolve_job_def(names.FORECAST_JOB)
    killed, canceled = (
        daemon.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": "7d"})
        for _ in range(2)
    )
    daemon.instance.report_run_failed(killed)
    daemon.instance.report_run_canceled(canceled)
    assert failed_runs(daemon.instance, record) == FailedRuns(alone=1)


def test_a_failed_forecast_typed_by_a_person_does_not_count(daemon: Daemon) -> None:
    record = daemon.deploy()
    job = DEFS.resolve_job_def(names.FORECAST_JOB)
    tags = {"dagster/partition": "7d", "source": "command line"}
    run = daemon.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
    daemon.instance.report_run_failed(run)
    assert failed_runs(daemon.instance, record) == FailedRuns()


def test_an_interrupted_deployment_is_observed(daemon: Daemon) -> None:
    record = daemon.deploy()
    daemon.tick(state="replaced")
    record = record.model_copy(update={"id": f"{record.id}-later", "at": daemon.now})
    daemon.deployer.store.begin(record)
    assert daemon.tick(5) == [f"{record.id}/recover/1"]

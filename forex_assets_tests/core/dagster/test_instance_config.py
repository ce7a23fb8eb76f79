"""The written `dagster.yaml`, judged by Dagster's own queue: who waits for whom, and where records and logs go."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from forex_assets.core.dagster.instance import prepare_instance
from forex_assets.core.dagster.instance_config import FILE, write_instance_config
from forex_assets.core.settings import load_settings
from forex_assets.locations import forecasting, optimization

LOCATIONS = {"forecasting": forecasting, "optimization": optimization}


@pytest.fixture
def instance(workspace: Path) -> Iterator[dg.DagsterInstance]:
    prepare_instance(load_settings())
    with dg.DagsterInstance.get() as opened:
        yield opened


def queue(instance: dg.DagsterInstance, *jobs: str) -> None:
    """Adds queued runs, each `location/job`, as the location's sensors and schedules ask for them."""
    for text in jobs:
        location, _, job = text.partition("/")
        repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__")
        definition = LOCATIONS[location].defs.resolve_job_def(job)
        instance.create_run_for_job(
            definition,
            status=dg.DagsterRunStatus.QUEUED,
            tags=definition.run_tags,
            remote_job_origin=RemoteJobOrigin(repository, job),
        )


def let_begin(instance: dg.DagsterInstance) -> list[str]:
    """Jobs of the runs that Dagster's daemon would launch now; they are in progress afterwards."""
    with QueuedRunCoordinatorDaemon(interval_seconds=1) as daemon:
        chosen = daemon._get_runs_to_dequeue(instance, instance.get_concurrency_config(), None)
    for run in chosen:
        instance.report_run_canceling(run)  # counts as in progress
    return sorted(run.job_name for run in chosen)


def end(instance: dg.DagsterInstance, job: str) -> None:
    (run,) = instance.get_runs(dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.CANCELING]))
    instance.report_run_canceled(run)


def test_searches_and_deployments_go_one_by_one_and_a_forecast_always_finds_room(instance: dg.DagsterInstance) -> None:
    queue(instance, *["optimization/optimize"] * 3)
    assert let_begin(instance) == ["optimize"], "one search at a time"
    queue(instance, "optimization/deploy", "optimization/watch_deployment")
    assert let_begin(instance) == ["deploy"], "past the waiting searches; one run at a time may change settings"
    queue(instance, "optimization/report_drift")
    assert let_begin(instance) == [], "the last place is not the optimizer's"
    queue(instance, "forecasting/forecast_all_horizons")
    assert let_begin(instance) == ["forecast_all_horizons"]
    end(instance, "deploy")
    assert let_begin(instance) == ["watch_deployment"]
    end(instance, "optimize")
    end(instance, "forecast_all_horizons")
    assert let_begin(instance) == ["report_drift"]
    end(instance, "watch_deployment")
    assert let_begin(instance) == ["optimize"]


def test_one_run_at_a_time_asks_yahoo_and_a_command_never_waits(instance: dg.DagsterInstance) -> None:
    queue(instance, *["forecasting/market_refresh"] * 2, "forecasting/origin_refresh")
    assert let_begin(instance) == ["market_refresh", "origin_refresh"], "the observado is not Yahoo's"

    @dg.asset(pool="yahoo")
    def prices() -> None: ...

    job = dg.Definitions([prices]).resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=instance).success
    assert let_begin(instance) == []
    end(instance, "market_refresh")
    assert let_begin(instance) == ["market_refresh"]


def test_the_file_follows_the_settings_until_a_person_makes_it_theirs(
    workspace: Path, environment: Callable[..., None]
) -> None:
    file = write_instance_config(load_settings()) / FILE
    assert "postgres" not in file.read_text()
    environment(
        DAGSTER_PG_URL="postgresql+psycopg2://dagster:secret@db.example/dagster", FOREX_STORE="s3://desk/usdclp"
    )
    write_instance_config(load_settings())
    assert "env: DAGSTER_PG_URL" in file.read_text()
    assert "bucket: desk\n    prefix: usdclp-logs\n" in file.read_text()
    assert "secret" not in file.read_text()
    file.write_text("telemetry: {enabled: false}\n")
    write_instance_config(load_settings())
    assert file.read_text() == "telemetry: {enabled: false}\n"
    write_instance_config(load_settings(), always=True)
    assert "pools:" in file.read_text()

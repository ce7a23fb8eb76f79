"""The loop closed, from a request to a rollback, on engines of known worth; and with a real model, by one command."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.core import names
from forex_assets.core.config_store import ConfigStore
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.engines import close_engines
from forex_assets.core.dagster.instance import prepare_instance
from forex_assets.core.session import Session, open_session
from forex_assets.core.settings import load_settings
from forex_assets.core.store.folder import Folder
from forex_assets.deployment.deployment_store import deployments_of
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.deployment.sensors import deploy_on_approval, watch_sensor
from forex_assets.locations import forecasting, optimization
from forex_assets.monitoring.request_store import requests_of
from forex_assets.optimizer.sensors import optimize_on_trigger
from forex_assets_tests.e2e.loop_worlds import BROKEN, resources, run

Change = Callable[..., None]

POLICY = """
search: {every: 1w, origins: 40, context_length: {7d: [90, 180, 270], 15d: [180], 30d: [180], 90d: [180]},
         num_samples: [200], temperature: [1.0]}
validation: {origins: 80, fewest: 40, timing_pairs: 3}
deployment: {allow_sample: true, probation_outcomes: 10, probation: automatic}
"""


def cli(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), env={"COLUMNS": "200"})


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *who, "-C", str(folder), *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def world(with_market: Path) -> Iterator[Path]:
    """The generated market, settings of known worth, a repository around the configs."""
    workspace = with_market
    (workspace / "configs/policy.yaml").write_text(POLICY, encoding="utf-8")
    (workspace / ".gitignore").write_text("/warehouse/\n/dagster/\n/configs/backups/\n/configs/.locks/\n")
    git(workspace, "init", "-q", "-b", "main")
    git(workspace, "add", "-A")
    git(workspace, "commit", "-q", "-m", "first")
    BROKEN.clear()
    os.environ["FOREX_MODEL"] = "auto"
    os.environ["HF_HUB_OFFLINE"] = "1"
    for horizon in ("7d", "15d", "30d", "90d"):
        path = workspace / f"configs/chronos_{horizon}.json"
        values = json.loads(path.read_text()) | {"model": "embedded", "representation": "returns"}
        path.write_text(json.dumps(values))
    git(workspace, "commit", "-q", "-am", "the embedded model's name: no hub is asked")
    yield workspace
    BROKEN.clear()


class Loop:
    """Both locations on engines of known worth, one instance, sensors ticked by hand."""

    def __init__(self, root: Path) -> None:
        prepare_instance(load_settings())
        self.root, self.instance = root, dg.DagsterInstance.get()
        self.optimizer = optimization.build(resources())
        self.forecaster = forecasting.build(resources())

    @property
    def session(self) -> Session:
        """A new session, as each tick has one."""
        return open_session()

    def tick(self, sensor: dg.SensorDefinition) -> list[str]:
        """One tick; what it asks for is run here. Run keys."""
        context = dg.build_sensor_context(
            self.instance,
            definitions=self.optimizer,
            resources={"session": resources()["session"], "engines": resources()["engines"]},
        )
        asked = sensor.evaluate_tick(context).run_requests or []
        for request in asked:
            job = str(request.job_name or sensor.job_name)
            tags = {**request.tags, "dagster/run_key": str(request.run_key)}
            run(self.optimizer, self.instance, job, str(request.partition_key), **tags)
        return [str(request.run_key) for request in asked]

    def live(self) -> int:
        return ConfigStore(Folder(self.root / "configs")).read("7d").context_length

    def observed(self) -> str | None:
        """The settings of 7d that Dagster was told of last."""
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(["config", "inference"]), asset_partitions=["7d"])
        event = self.instance.fetch_observations(wanted, limit=1).records[0].asset_observation
        return event and event.data_version

    def record(self) -> DeploymentRecord:
        deployment = deployments_of(self.session).latest("7d")
        assert deployment is not None
        return deployment

    def watch(self, after: timedelta) -> list[str]:
        """A tick of the watch's sensor at an instant after the newest deployment."""
        return self.tick(watch_sensor(lambda: self.record().at + after))

    def state(self) -> str:
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=keys.DEPLOYMENT_WATCH, asset_partitions=["7d"]), limit=1
        ).records
        event = records[0].asset_materialization
        assert event is not None
        return str(event.metadata[names.STATE].value)


def test_from_a_request_to_a_deployment_and_when_it_fails_back_again(world: Path) -> None:
    loop = Loop(world)
    before = (world / "configs/chronos_7d.json").read_bytes()
    requests_of(loop.session).add("7d", reason="try", asked_by="ana", asked_at=loop.session.now)
    assert run(loop.optimizer, loop.instance, names.DECISION_JOB, "7d")
    assert len(loop.tick(optimize_on_trigger)) == 1
    assert loop.live() == 180, "a verdict alone changes nothing"
    assert len(loop.tick(deploy_on_approval)) == 1
    assert loop.tick(deploy_on_approval) == []
    assert loop.live() == 90
    record = loop.record()
    assert loop.observed() == record.to_fingerprint, "the deployment tells Dagster itself"
    assert (record.state, record.git, record.by) == ("deployed", "committed", "loop")
    assert git(world, "log", "-1", "--format=%s").startswith("Deploy 7d")
    assert git(world, "status", "--porcelain") == ""
    assert (world / "configs/backups" / str(record.backup)).read_bytes() == before
    assert loop.watch(timedelta(minutes=1)) == [f"{record.id}/0"]
    assert loop.state() == "watching"

    BROKEN.add(90)
    assert not run(loop.forecaster, loop.instance, names.FORECAST_JOB, "7d")
    loop.watch(timedelta(minutes=6))
    assert loop.state() == "watching", "one failed run and one failed trial are two"
    loop.watch(timedelta(minutes=11))
    assert loop.state() == "rolled back"
    assert loop.live() == 180
    back = loop.record()
    assert (back.kind, back.by, back.undoes) == ("rollback", "watch", record.id)
    assert (world / "configs/chronos_7d.json").read_bytes() == before
    assert loop.observed() == back.to_fingerprint, "and so does a rollback"
    assert git(world, "log", "-1", "--format=%s").startswith("Rollback 7d")
    assert run(loop.forecaster, loop.instance, names.FORECAST_JOB, "7d")

    BROKEN.clear()
    cli_rows = json.loads(cli("history", "--horizon", "7d", "--json").stdout)
    assert [(row["what"], row["outcome"]) for row in cli_rows][:3] == [
        ("rollback", "deployed"), ("deploy", "deployed"), ("validation", "approved")
    ]  # fmt: skip
    assert run(loop.optimizer, loop.instance, names.DEPLOY_JOB, "7d")
    assert loop.live() == 180
    assert "quarantine" in deployments_of(loop.session).records("7d")[0].reason


def test_worse_outcomes_bring_the_settings_before_back(world: Path, environment: Change) -> None:
    loop = Loop(world)
    config = loop.session.configs.read("7d").model_copy(update={"context_length": 270})
    from forex_assets.deployment.deploy import deployer_of

    live = loop.session.configs.fingerprint("7d")
    then = datetime(2025, 1, 3, 22, 0, tzinfo=UTC)
    record = deployer_of(loop.session).deploy(config, expected=live, reason="by hand", by="ana", now=then)
    assert record.state == "deployed"
    assert loop.watch(timedelta(days=1)) == [f"{record.id}/closing/288"]
    assert loop.state() == "passed"
    for week in range(11):
        environment(FOREX_AS_OF=(date(2025, 1, 10) + timedelta(days=7 * week)).isoformat())
        assert run(loop.forecaster, loop.instance, names.FORECAST_JOB, "7d")
    environment(FOREX_AS_OF="2025-04-04")
    loop.watch(timedelta(days=91))
    assert loop.state() == "rolled back"
    assert loop.live() == 180
    assert loop.record().by == "probation"
    assert "significantly worse: CRPS" in loop.record().reason


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.timeout(300)
def test_a_real_model_is_searched_validated_and_kept_or_replaced_by_one_command(
    world: Path, environment: Change
) -> None:
    """The embedded model on few origins: whatever the verdict, all parts say what they saw; dry, nothing is written."""
    small = POLICY.replace("origins: 40,", "origins: 20,").replace("[90, 180, 270]", "[60, 180]")
    small = small.replace("origins: 80, fewest: 40", "origins: 40, fewest: 20").replace(
        "num_samples: [200]", "num_samples: [50, 200]"
    )
    (world / "configs/policy.yaml").write_text(small, encoding="utf-8")
    cli("status", "--json")  # Dagster's own files are there from here on
    close_engines()
    before = tree(world)
    rehearsed = cli("run", "--horizon", "7d", "--dry-run", "--json")
    assert rehearsed.exit_code == 0, rehearsed.output
    close_engines()
    assert tree(world) == before
    (outcome,) = json.loads(rehearsed.stdout)
    assert outcome["decision"]["fires"] is True
    assert len(outcome["search"]["rows"]) == 4
    verdict = outcome["validation"]["verdict"]
    assert verdict in ("approved", "rejected", "inconclusive")

    done = cli("run", "--horizon", "7d", "--json")
    assert done.exit_code == 0, done.output
    (again,) = json.loads(done.stdout)
    assert again["validation"]["verdict"] == verdict, "a dry run foretells the run"
    assert [row["candidate"] for row in again["search"]["rows"]] == [
        row["candidate"] for row in outcome["search"]["rows"]
    ]
    is_live = ConfigStore(Folder(world / "configs")).read("7d")
    assert (is_live.context_length == 180 and is_live.num_samples == 200) is (verdict != "approved")
    explained = cli("explain", "--horizon", "7d").stdout
    for words in ("Decision of", "Search of", "Validation of 7d", "improvement", "coverage", "SAMPLE DATA"):
        assert words in explained
    second = json.loads(cli("run", "--horizon", "7d", "--json").stdout)
    assert second[0]["decision"]["fires"] is False
    assert "no search; the current settings stay" in cli("run", "--horizon", "7d").stdout


def test_what_cannot_be_done_is_said_with_an_exit_code(world: Path) -> None:
    assert cli("rollback", "--horizon", "all").exit_code == 2
    nothing = cli("rollback", "--horizon", "7d")
    assert nothing.exit_code == 1
    assert "no deployment on record" in nothing.stdout
    early = cli("validate", "--horizon", "7d")
    assert early.exit_code == 1
    assert "search" in early.output
    assert cli("run", "--horizon", "8d").exit_code == 2

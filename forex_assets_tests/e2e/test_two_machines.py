"""Two machines share an object store and Postgres, and no disk: the loop closes from the prices to a rollback.

Each has a host name, a home, a temporary folder and a warehouse of its own; writes outside of them are noted, and
refused where the kernel can. Forecasts are made on one, searches and deployments on the other; each is killed once.
MLflow is a server of its own, which is not there at first.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forex_assets.core.settings import PROJECT
from forex_assets.core.store.copying import copy_store
from forex_assets.core.store.folder import Folder
from forex_assets.core.store.opening import open_store
from forex_assets_tests.core.dagster.postgres_server import NO_SERVER, postgres_server, run_tool, wheel
from forex_assets_tests.e2e.confinement import can_confine
from forex_assets_tests.e2e.test_closed_loop import POLICY
from forex_assets_tests.operations.tracking.mlflow_server import MlflowServer


class Machine:
    """A process group with an environment of its own."""

    def __init__(self, root: Path, store: str, postgres: str, mlflow: str) -> None:
        for folder in ("home", "tmp", "work"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        keys = ("PATH", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
        self.environment = {key: os.environ[key] for key in keys} | {
            "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1",
            "HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), "DAGSTER_HOME": str(root / "dagster"),
            "FOREX_WAREHOUSE": str(root / "warehouse"), "FOREX_CONFIGS": str(root / "configs"), "FOREX_STORE": store,
            "DAGSTER_PG_URL": postgres, "MLFLOW_TRACKING_URI": mlflow, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "120",  # a slow machine is no missing server
            "FOREX_MARKET": "sample", "FOREX_AS_OF": "2025-06-13",
        }  # fmt: skip
        self.root = root
        self.start()

    def start(self) -> None:
        self.log = (self.root / "log").open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "forex_assets_tests.e2e.machine"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
            cwd=self.root / "work", env=self.environment, start_new_session=True,
        )  # fmt: skip

    def tell(self, *words: str) -> Any:
        """The answer to a command."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"{words}: the machine died; {(self.root / 'log').read_text()[-3000:]}"
        return json.loads(line)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.log.close()

    def crash_and_start(self) -> None:
        self.kill()
        self.start()


@pytest.fixture
def postgres() -> Iterator[str]:
    if wheel() is None:
        pytest.skip(NO_SERVER)
    with postgres_server() as address:
        yield address


@pytest.fixture
def mlflow(tmp_path: Path) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path / "mlflow")
    yield server
    server.kill()


def check_tracking(mlflow: MlflowServer, before: str, after: str) -> None:
    """Both machines' events are on the server, each once and whole; the aliases are the rollback's."""
    runs_by_experiment = dict[str, list[dict[str, Any]]]()
    for experiment in mlflow.api("experiments/search", {"max_results": 100})["experiments"]:
        runs = mlflow.api("runs/search", {"experiment_ids": [experiment["experiment_id"]]}).get("runs", [])
        runs_by_experiment |= {experiment["name"].removeprefix("usdclp-sample/"): runs} if runs else {}
    assert {name: len(runs) for name, runs in runs_by_experiment.items()} == {
        "forecast/7d": 3, "search/7d": 1 + 3, "validation/7d": 1, "deployment/7d": 2
    }, "a search has a run a candidate"  # fmt: skip
    assert {run["info"]["status"] for runs in runs_by_experiment.values() for run in runs} == {"FINISHED"}
    where = runs_by_experiment["forecast/7d"][0]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert mlflow.get(f"/api/2.0/mlflow-artifacts/artifacts/{where}/plot.png").startswith(b"\x89PNG")
    aliases = mlflow.api("registered-models/get", name="usdclp-sample-7d")["registered_model"]["aliases"]
    versions = {alias["alias"]: alias["version"] for alias in aliases}
    prints = {
        alias: str(mlflow.api("model-versions/get", name="usdclp-sample-7d", version=version))
        for alias, version in versions.items()
    }
    assert before in prints["champion"]
    assert after in prints["previous"]


def rows(address: str, query: str) -> list[str]:
    return run_tool("psql", "-At", "-c", query, address.replace("+psycopg2", "")).splitlines()


def check_dump(address: str, file: Path) -> None:
    """A dump of Dagster's records, restored into another database, has them all."""
    plain, restored = address.replace("+psycopg2", ""), address.replace("/postgres", "/restored")
    run_tool("pg_dump", "-Fc", "-f", str(file), plain)
    rows(address, "create database restored")
    run_tool("pg_restore", "-d", restored.replace("+psycopg2", ""), str(file))
    for table in ("runs", "event_logs", "asset_keys"):
        query = f"select count(*) from {table}"
        assert rows(restored, query) == rows(address, query) != ["0"], table


@pytest.mark.timeout(900)
def test_the_loop_closes_over_two_machines_that_share_no_disk(
    tmp_path: Path, s3_address: str, postgres: str, mlflow: MlflowServer
) -> None:
    shutil.copytree(PROJECT / "configs", tmp_path / "first")
    (tmp_path / "first/policy.yaml").write_text(POLICY, encoding="utf-8")
    for path in (tmp_path / "first").glob("chronos_*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"model": "embedded", "representation": "returns"}))
    copy_store(Folder(tmp_path / "first"), open_store(f"{s3_address}/configs"))
    forecaster, optimizer = machines = [
        Machine(tmp_path / name, s3_address, postgres, mlflow.url) for name in ("forecaster", "optimizer")
    ]
    try:
        assert [machine.tell("host") for machine in machines] == ["forecaster", "optimizer"]
        forecaster.tell("market")
        before = forecaster.tell("live")
        assert forecaster.tell("job", "forecasting", "forecast_all_horizons")
        assert forecaster.tell("observe") > 0
        assert forecaster.tell("fan") == {"config": before, "issued": 1, "misfit": ""}

        forecaster.tell("ask")  # a person at the forecasting machine asks for a search
        assert optimizer.tell("job", "optimization", "decide_all_horizons")
        optimizer.crash_and_start()
        assert optimizer.tell("tick", "optimize") == 1
        assert optimizer.tell("tick", "deploy") == 1
        after = optimizer.tell("live")
        assert after != before

        assert forecaster.tell("observed") == after, "the other machine's deployment is in the common records"
        forecaster.crash_and_start()
        assert forecaster.tell("tick", "record") == 1
        assert forecaster.tell("waits"), "without MLflow nothing is held up, and nothing is recorded"
        mlflow.start()
        assert forecaster.tell("job", "forecasting", "forecast_all_horizons")
        assert forecaster.tell("fan") == {"config": after, "issued": 2, "misfit": ""}

        assert optimizer.tell("roll_back") == "deployed"
        assert forecaster.tell("live") == before
        assert forecaster.tell("observe") == 1, "a rollback without a run is seen"
        assert forecaster.tell("job", "forecasting", "forecast_all_horizons")
        # The earlier settings say again what they said: the newest entry is theirs.
        assert forecaster.tell("fan") == {"config": before, "issued": 2, "misfit": ""}

        mlflow.wait()
        assert forecaster.tell("tick", "record") == 1
        assert not forecaster.tell("waits")
        assert [machine.tell("elsewhere") for machine in machines] == [[], []]
        assert forecaster.tell("stray", str(tmp_path / "stray")) == ("refused" if can_confine() else "written")
        assert forecaster.tell("elsewhere") == [f"open {tmp_path}/stray"], "a write elsewhere is noticed"
    finally:
        for machine in machines:
            machine.kill()
    for machine in machines:
        assert not list(machine.root.glob("**/*.parquet")), "tables stay in the store"
        assert not list(machine.root.glob("configs/*")), "and so do settings"
        assert not list(machine.root.glob("**/*.db")), "Dagster's records in Postgres, MLflow's on its server"
    check_tracking(mlflow, before, after)
    jobs = dict(line.split("|") for line in rows(postgres, "select run_id, pipeline_name from runs"))
    logged = {jobs[key.split("/")[1]] for key in open_store(f"{s3_address}-logs").list()}
    assert logged >= {"track_runs", "optimize", "deploy"}, "each machine's; a forecast prints nothing"
    check_dump(postgres, tmp_path / "dump")

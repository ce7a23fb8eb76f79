"""From Dagster's records to MLflow: each event once, failures as failures; a store that is gone holds nothing up."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import dagster as dg
from click.testing import Result
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.cli.runner import RunFailed, materialize_forecasts, materialize_market, run_assets
from forex_assets.defs import contracts
from forex_assets.defs.tracking import record_runs
from forex_assets.locations import forecasting, optimization
from forex_assets.resources.platform import Platform, PlatformResource
from forex_assets.resources.settings import load_settings


def cli(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), env={"COLUMNS": "200"})


def tick(instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    context = dg.build_sensor_context(
        instance, definitions=forecasting.build(), resources={"platform": PlatformResource()}
    )
    return list(record_runs.evaluate_tick(context).run_requests or [])


def track(instance: dg.DagsterInstance) -> bool:
    job = forecasting.build().resolve_job_def(contracts.TRACKING_JOB)
    return bool(job.execute_in_process(instance=instance).success)


def test_what_ran_is_recorded_once_and_can_be_compared(workspace: Path, environment: Callable[..., None]) -> None:
    platform = Platform(load_settings())
    materialize_market(platform)
    materialize_forecasts(platform, ["7d"])
    run_assets(platform, [contracts.CANDIDATE_CONFIG], ["7d"], build=optimization.build)
    config = workspace / "configs/chronos_15d.json"
    whole = config.read_text()
    config.write_text("{")
    try:
        materialize_forecasts(platform, ["15d"])
    except RunFailed:
        config.write_text(whole)
    environment(MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    with dg.DagsterInstance.get() as instance:
        assert track(instance), "a store that is gone is a green run that says so"
        del os.environ["MLFLOW_TRACKING_URI"]
        assert len(tick(instance)) == 1
        assert track(instance)
        assert track(instance)
        assert tick(instance) == []
    found = json.loads(cli("runs", "--json").stdout)
    assert sorted((each["experiment"], each["status"]) for each in found) == [
        ("usdclp-sample/forecast/15d", "FAILED"),
        ("usdclp-sample/forecast/7d", "FINISHED"),
        ("usdclp-sample/search/7d", "FINISHED"),
    ]
    forecast = next(each for each in found if each["experiment"] == "usdclp-sample/forecast/7d")
    latest = Platform(load_settings()).warehouse.read("forecasts/latest", "7d")
    assert latest is not None
    assert forecast["metrics"]["median_at_target"] == latest["q50"][-1]
    assert forecast["tags"]["data_fingerprint"] == latest["data_fingerprint"][0]
    assert forecast["tags"]["dagster_run"]
    names = [each["run"][:10] for each in found if each["status"] == "FINISHED"]
    compared = json.loads(cli("compare", *names, "--json").stdout)
    assert {row["name"] for row in compared["rows"]} >= {"median_at_target", "loss"}
    (best,) = json.loads(cli("best", "--metric", "loss", "--json").stdout)
    assert best["experiment"] == "usdclp-sample/search/7d"
    assert {row["experiment"] for row in json.loads(cli("stats", "--json").stdout)} >= {"usdclp-sample/search/7d"}
    assert json.loads(cli("tracking", "repair", "--json").stdout) == {"sent": 0, "closed": 0, "error": None}
    assert json.loads(cli("tracking", "prune", "--json").stdout) == {"deleted": 0}
    assert cli("compare", "nosuchrun", "x").exit_code == 1
    assert cli("best", "--metric", "nosuch").exit_code == 1

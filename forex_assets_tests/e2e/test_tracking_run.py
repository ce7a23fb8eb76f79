"""From Dagster's records to MLflow: each event once, failures as failures; a store that is gone holds nothing up."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.cli.runner import RunFailed, materialize_forecasts, run_assets
from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.instance import prepare_instance
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.session import Session, open_session
from forex_assets.core.settings import load_settings
from forex_assets.deployment.deploy import deployer_of
from forex_assets.locations import forecasting, optimization
from forex_assets.operations.tracking import sensors
from forex_assets.operations.tracking.resources import tracker_of
from forex_assets.operations.tracking.sensors import record_runs


def cli(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), env={"COLUMNS": "200"})


class Daemon:
    """Evaluates the sensor tick by tick, its cursor and run keys kept, and executes what it requests."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.cursor, self.keys = instance, None, set[str]()
        self.results = list[dg.ExecuteInProcessResult]()

    def tick(self) -> list[str]:
        """Executes the requested runs; their run keys."""
        context = dg.build_sensor_context(
            self.instance, cursor=self.cursor, definitions=forecasting.build(), resources={"session": SessionResource()}
        )
        data = record_runs.evaluate_tick(context)
        self.cursor = data.cursor
        requests = [request for request in data.run_requests or [] if request.run_key not in self.keys]
        for request in requests:
            self.keys.add(str(request.run_key))
            self.results.append(track(self.instance, request.tags))
        return [str(request.run_key) for request in requests]


def track(instance: dg.DagsterInstance, tags: Mapping[str, str] | None = None) -> dg.ExecuteInProcessResult:
    job = forecasting.build().resolve_job_def(names.TRACKING_JOB)
    return job.execute_in_process(instance=instance, tags=dict(tags or {}))


def values(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    (output,) = (event.step_output_data for event in result.all_events if event.is_successful_output)
    return {name: value.value for name, value in output.metadata.items()}


def test_what_ran_is_recorded_once_and_can_be_compared(
    with_market: Path, environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session()
    materialize_forecasts(session, ["7d"])
    run_assets(session, [keys.CANDIDATE_CONFIG], ["7d"], build=optimization.build)
    config = with_market / "configs/chronos_15d.json"
    whole = config.read_text()
    config.write_text("{")
    try:
        materialize_forecasts(session, ["15d"])
    except RunFailed:
        config.write_text(whole)
    environment(MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    with dg.DagsterInstance.get() as instance:
        daemon = Daemon(instance)
        assert len(daemon.tick()) == 1
        (gone,) = daemon.results
        assert gone.success, "a store that is gone is a green run that says so"
        assert "127.0.0.1:9" in str(values(gone)["waits_for"])
        del os.environ["MLFLOW_TRACKING_URI"]
        assert daemon.tick() == [], "the next is not launched at once"
        monkeypatch.setattr(sensors, "RELAUNCH", timedelta(0))
        assert daemon.tick() == [f"batch/after/{gone.run_id}"]
        assert values(daemon.results[-1]) == {"sent": 3, "waits_for": ""}
        assert daemon.tick() == []
    records = json.loads(cli("runs", "--json").stdout)
    assert sorted((record["experiment"], record["status"]) for record in records) == [
        ("usdclp-sample/forecast/15d", "FAILED"),
        ("usdclp-sample/forecast/7d", "FINISHED"),
        ("usdclp-sample/search/7d", "FINISHED"),
    ]
    folder = Path(load_settings().warehouse) / "mlflow/artifacts/usdclp-sample"
    assert {path.name for path in (folder / "search/7d").rglob("*.*")} == {"candidates.csv", "plot.png", "words.txt"}
    forecast = next(record for record in records if record["experiment"] == "usdclp-sample/forecast/7d")
    latest = open_session().tables.read("forecasts/latest", "7d")
    assert latest is not None
    assert forecast["metrics"]["median_at_target"] == latest["q50"][-1]
    assert forecast["tags"]["data_fingerprint"] == latest["data_fingerprint"][0]
    assert forecast["tags"]["dagster_run"]
    names = [record["run"][:10] for record in records if record["status"] == "FINISHED"]
    compared = json.loads(cli("compare", *names, "--json").stdout)
    assert {row["name"] for row in compared["rows"]} >= {"median_at_target", "loss"}
    (best,) = json.loads(cli("best", "--metric", "loss", "--json").stdout)
    assert best["experiment"] == "usdclp-sample/search/7d"
    assert {row["experiment"] for row in json.loads(cli("stats", "--json").stdout)} >= {"usdclp-sample/search/7d"}
    assert json.loads(cli("tracking", "repair", "--json").stdout) == {"sent": 0, "closed": 0, "error": None}
    assert json.loads(cli("tracking", "prune", "--json").stdout) == {"deleted": 0}
    assert cli("compare", "nosuchrun", "[/x]").exit_code == 2
    for arguments in ("runs --horizon 8d", "stats --kind nope", "best --metric loss --kind [/x]"):
        done = cli(*arguments.split())
        assert done.exit_code == 2
        assert arguments.split()[-1] in done.output


def sent(session: Session) -> int:
    """Number of events recorded by a batch."""
    with dg.DagsterInstance.get() as instance:
        metadata = values(track(instance))
    assert metadata["waits_for"] == ""
    return int(str(metadata["sent"]))


def files(session: Session, kind: str, name: str) -> list[Path]:
    """Artifacts of that name, oldest first."""
    folder = session.settings.warehouse / f"mlflow/artifacts/usdclp-sample/{kind}/7d"
    return sorted(folder.rglob(name), key=lambda path: path.stat().st_mtime_ns)


def test_a_fan_that_was_replaced_meanwhile_is_recorded_whole_with_its_picture(three_evenings: Path) -> None:
    entries = [pl.read_parquet(path) for path in sorted((three_evenings / "forecasts/ledger/7d").glob("*.parquet"))]
    expected = [(str(entry["as_of"][0]), entry["q50"].to_list()) for entry in entries]
    session = open_session()
    assert sent(session) == 3
    fans = [pl.read_csv(path) for path in files(session, "forecast", "fan.csv")]
    assert [(fan["as_of"][0], fan["q50"].to_list()) for fan in fans] == expected
    pictures = {path.read_bytes() for path in files(session, "forecast", "plot.png")}
    assert len(pictures) == 3
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)


def report_forecasts(instance: dg.DagsterInstance, numbers: Sequence[int]) -> None:
    for number in numbers:
        metadata = {names.MARKET: "sample", "median_at_target": float(number)}
        instance.report_runless_asset_event(dg.AssetMaterialization(keys.LATEST, partition="7d", metadata=metadata))


def recorded_medians() -> list[float]:
    records = json.loads(cli("runs", "--limit", "100", "--json").stdout)
    return sorted(record["metrics"]["median_at_target"] for record in records)


def test_each_event_has_a_run_of_its_own_and_many_share_one(workspace: Path) -> None:
    prepare_instance(open_session().settings)
    with dg.DagsterInstance.get() as instance:
        daemon = Daemon(instance)
        assert daemon.tick() == []
        report_forecasts(instance, [0])
        assert len(daemon.tick()) == 1
        report_forecasts(instance, [1, 2])
        run_keys = daemon.tick()
        assert [key.rpartition("/")[0] for key in run_keys] == ["forecast/7d"] * 2
        assert recorded_medians() == [0.0, 1.0, 2.0]
        assert {event.event_type for event in daemon.results[-1].all_events if event.is_hook_event} == {
            dg.DagsterEventType.HOOK_COMPLETED
        }
        again = track(instance, daemon.results[-1].dagster_run.tags)
        assert values(again) == {"sent": 0, "waits_for": ""}, "a re-executed run finds its record"
        report_forecasts(instance, range(3, 71))
        (batch,) = daemon.tick()
        assert batch.startswith("batch/")
        assert recorded_medians() == [float(number) for number in range(71)]
        daemon.cursor = None
        daemon.keys.clear()
        daemon.tick()
        assert recorded_medians() == [float(number) for number in range(71)], "a lost cursor doubles nothing"


def test_a_recording_run_that_was_killed_is_made_up_for(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_instance(open_session().settings)
    with dg.DagsterInstance.get() as instance:
        daemon = Daemon(instance)
        report_forecasts(instance, [0])
        daemon.tick()
        report_forecasts(instance, [1])
        with monkeypatch.context() as patch:
            patch.setattr(f"{__name__}.track", lambda instance, tags: None)
            daemon.tick()  # launched, and never executed
        run = dg.DagsterRun(job_name=names.TRACKING_JOB, tags={names.EVENT_TAG: "forecast/7d/x"})
        instance.add_run(run)
        instance.report_run_failed(run, "its process was killed")
        report_forecasts(instance, [2])
        daemon.tick()
        assert recorded_medians() == [0.0, 2.0]
        monkeypatch.setattr(sensors, "RELAUNCH", timedelta(0))
        assert daemon.tick() == [f"batch/after/{run.run_id}"]
        assert recorded_medians() == [0.0, 1.0, 2.0]
        assert daemon.tick() == []


def test_a_long_outage_loses_nothing_and_what_is_known_is_not_sent_again(workspace: Path) -> None:
    session = open_session()
    prepare_instance(session.settings)
    with dg.DagsterInstance.get() as instance:
        report_forecasts(instance, [0])
        assert sent(session) == 1
        report_forecasts(instance, range(1, 71))
    assert sent(session) == 70
    assert sent(session) == 0
    assert recorded_medians() == [float(number) for number in range(71)]


def test_a_rollback_at_the_command_line_is_recorded_and_moves_the_aliases(with_market: Path) -> None:
    session = open_session()
    old = session.configs.read("7d")
    new = old.model_copy(update={"context_length": 90})
    model, now = "usdclp-sample-7d", datetime.now(UTC)
    deployer = deployer_of(session)
    deployer.deploy(new, expected=old.fingerprint, reason="better", by="loop", now=now)
    assert sent(session) == 1
    tracker = tracker_of(session)
    assert tracker.aliases(model) == {"champion": new.fingerprint, "previous": old.fingerprint}
    assert cli("rollback", "--horizon", "7d").exit_code == 0
    assert cli("rollback", "--horizon", "7d", "--to", "nosuch").exit_code == 2
    assert sent(session) >= 1
    assert sent(session) == 0
    assert tracker.aliases(model) == {"champion": old.fingerprint, "previous": new.fingerprint}
    kept = {path.parent.name: json.loads(path.read_text()) for path in files(session, "deployment", "config.json")}
    registered = {name.removeprefix("config-"): config for name, config in kept.items() if name.startswith("config-")}
    read = {name: InferenceConfig.model_validate(config).fingerprint for name, config in registered.items()}
    assert read == {name: name for name in (old.fingerprint, new.fingerprint)}


def test_another_store_gets_everything_again_and_none_anything_twice(
    with_market: Path, environment: Callable[..., None]
) -> None:
    session = open_session()
    materialize_forecasts(session, ["7d"])
    (with_market / "configs/chronos_15d.json").write_text("{")
    with pytest.raises(RunFailed):
        materialize_forecasts(session, ["15d"])
    assert sent(session) == 2
    environment(MLFLOW_TRACKING_URI=f"sqlite:///{with_market / 'another.db'}")
    session = open_session()
    assert json.loads(cli("runs", "--json").stdout) == []
    assert json.loads(cli("tracking", "repair", "--json").stdout) == {"sent": 2, "closed": 0, "error": None}
    assert json.loads(cli("tracking", "repair", "--json").stdout) == {"sent": 0, "closed": 0, "error": None}
    assert tracker_of(session).prune(7, datetime.now(UTC) + timedelta(days=30)) == 2
    assert sent(session) == 0, "what was pruned does not come back"
    assert json.loads(cli("tracking", "repair", "--json").stdout)["sent"] == 0
    assert json.loads(cli("runs", "--json").stdout) == []


def test_a_password_in_the_address_is_never_said(workspace: Path, environment: Callable[..., None]) -> None:
    environment(MLFLOW_TRACKING_URI="http://ana:s3cretpw@127.0.0.1:9/x")
    done = cli("runs")
    assert done.exit_code == 1
    assert "127.0.0.1:9" in done.output
    assert "s3cretpw" not in done.output
    environment(MLFLOW_TRACKING_URI="nosuchdb+nosuchdriver://ana:s3cretpw@127.0.0.1/x")
    odd = cli("runs")
    assert odd.exit_code == 1
    assert "s3cretpw" not in odd.output

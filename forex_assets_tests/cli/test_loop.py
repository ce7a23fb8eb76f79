"""`run` and `explain`: what a daemon launched meanwhile is not done again, and a refusal is seen."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from forex_assets.cli import app, explanation, loop, render_loop, runner
from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.instance import prepare_instance
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.session import Session, open_session
from forex_assets.deployment.deploy import deployer_of
from forex_assets_tests.optimizer.test_optimize_sensor import Daemon


def test_a_search_that_the_sensor_launched_meanwhile_is_not_run_again(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session()
    prepare_instance(session.settings)
    searched = list[str]()
    with dg.DagsterInstance.get() as instance:
        daemon = Daemon(instance)

        def decided(_: Session, horizons: list[str]) -> None:
            for horizon in horizons:
                daemon.decide(horizon, fires=True)

        def launch(*horizons: str) -> None:
            for request in [run_request for run_request in daemon.evaluate() if run_request.partition_key in horizons]:
                tags = {**request.tags, "dagster/partition": str(request.partition_key)}
                daemon.made(dg.DagsterRunStatus.STARTED, tags)

        def job(_: Session, name: str, horizon: str, tags: dict[str, str], config: object) -> None:
            assert (name, tags[names.HORIZON_TAG]) == (names.OPTIMIZE_JOB, horizon)
            searched.append(horizon)
            if horizon == "7d":
                launch("15d", "90d")
            metadata = {"verdict": "inconclusive"}
            event = dg.AssetMaterialization(keys.VALIDATION_REPORT, partition=horizon, metadata=metadata)
            instance.report_runless_asset_event(event)

        monkeypatch.setattr(runner, "materialize_decisions", decided)
        monkeypatch.setattr(runner, "run_job", job)
        failures, _ = loop._run(session, list(HORIZONS), is_forced=False)
    assert searched == ["7d", "30d"]
    assert set(failures) == {"15d", "90d"}
    assert all("under way" in words for words in failures.values())


def test_a_search_that_a_stopped_daemon_left_in_the_queue_is_taken_over(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session()
    prepare_instance(session.settings)
    searched = list[str]()
    with dg.DagsterInstance.get() as instance:
        daemon = Daemon(instance)
        daemon.made(dg.DagsterRunStatus.QUEUED, {"dagster/partition": "7d"})
        daemon.made(dg.DagsterRunStatus.STARTED, {"dagster/partition": "15d"})

        def job(_: Session, name: str, horizon: str, tags: dict[str, str], config: object) -> None:
            searched.append(horizon)
            event = dg.AssetMaterialization(keys.VALIDATION_REPORT, partition=horizon)
            instance.report_runless_asset_event(event)

        monkeypatch.setattr(
            runner, "materialize_decisions", lambda _, names: [daemon.decide(name, fires=True) for name in names]
        )
        monkeypatch.setattr(runner, "run_job", job)
        failures, _ = loop._run(session, ["7d", "15d"], is_forced=True)
        statuses = {run.tags["dagster/partition"]: run.status for run in instance.get_runs()}
    assert searched == ["7d"]
    assert list(failures) == ["15d"]
    assert statuses == {"7d": dg.DagsterRunStatus.CANCELED, "15d": dg.DagsterRunStatus.STARTED}


def test_a_refusal_is_told_with_its_reason_although_something_was_deployed_before(workspace: Path) -> None:
    session, now = open_session(), datetime.now(UTC)
    live, deployer = session.configs.read("7d"), deployer_of(session)
    good, bad = (live.model_copy(update={"context_length": length}) for length in (90, 270))
    deployer.deploy(good, expected=live.fingerprint, reason="better", by="loop", now=now, validation_id="v1")
    deployer.quarantine("7d", bad.fingerprint, "failed before", now)
    deployer.deploy(bad, expected=good.fingerprint, reason="better", by="loop", now=now, validation_id="v2")
    (record,) = explanation.explanations(session, ["7d"])
    assert record["deployment"]["state"] == "refused"
    run = record | {
        "is_searched": True,
        "failure": None,
        "decision": {"fires": True, "at": "2026-01-01", "words": "asked for"},
        "validation": {"verdict": "approved", "at": "2026-01-02", "words": "", "rows": [{"validation_id": "v2"}]},
    }
    assert render_loop._outcome(run) == "approved, refused"
    assert "failed before" in render_loop._reasons(run)[-1]


def test_the_current_settings_and_the_chosen_are_always_shown() -> None:
    rows = [{"rank": rank, "is_incumbent": rank == 20, "is_chosen": rank == 27} for rank in range(1, 28)]
    assert [row["rank"] for row in render_loop.shown_candidates(rows)] == [1, 2, 3, 4, 5, 6, 7, 8, 20, 27]


def test_a_damaged_record_is_named_and_the_others_are_shown(workspace: Path) -> None:
    session, now = open_session(), datetime.now(UTC)
    live, deployer = session.configs.read("7d"), deployer_of(session)
    for length in (90, 180):
        before, live = live, live.model_copy(update={"context_length": length})
        deployer.deploy(
            live, expected=before.fingerprint, reason=f"try {length}", by="loop", now=now, validation_id="v"
        )
    first, second = sorted((session.settings.warehouse / "optimizer/deployments/7d").glob("*.json"))
    first.write_text("{")
    done = CliRunner().invoke(app, ["history"], env={"COLUMNS": "200"})
    assert done.exit_code == 1
    assert "try 180" in done.output
    assert first.name in done.output.replace("\n", "")
    assert second.name not in done.output

"""MLflow runs are recorded once, with the right status; the registry knows current and previous settings."""

import logging
import multiprocessing
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from forex_assets.core.plots import markdown_image
from forex_assets.operations.tracking.connection import DeletedExperimentError, TrackingError
from forex_assets.operations.tracking.mlflow_store import RECORD_ID, Tracker
from forex_assets.operations.tracking.resources import MlflowRuns
from forex_assets.operations.tracking.run_record import RunRecord, finite, pictures_of, search_details

NOW = datetime(2025, 6, 13, 23, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables, made once: that takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    Tracker(folder).runs()
    return folder


@pytest.fixture
def tracker(empty_store: Path, tmp_path: Path) -> Tracker:
    folder = tmp_path / "mlflow"
    folder.mkdir()
    with (
        closing(sqlite3.connect(empty_store / "mlflow.db")) as there,
        closing(sqlite3.connect(folder / "mlflow.db")) as target,
    ):
        there.backup(target)
    return Tracker(folder)


def opener() -> MlflowRuns:
    """dagster-mlflow's resource, outside a Dagster run."""
    return MlflowRuns(logging.getLogger("test"), None)


def send(tracker: Tracker, kept: RunRecord) -> str:
    return tracker.send(kept, opener().active_run)


def record(name: str = "search/7d/1", **more: object) -> RunRecord:
    fields: dict[str, object] = {
        "id": name,
        "kind": "search",
        "horizon": "7d",
        "started_at": NOW,
        "ended_at": NOW + timedelta(minutes=3),
        "params": {"context_length": "180"},
        "metrics": {"loss": 5.25, "gain": 0.03},
        "tags": {"search_id": "abc"},
        "artifacts": {"words.txt": "found ñ"},
    }
    return RunRecord.model_validate(fields | more)


def children(count: int) -> tuple[RunRecord, ...]:
    return tuple(record(f"search/7d/1/{i}", metrics={"loss": float(i)}) for i in range(count))


def test_a_record_is_a_run_with_all_that_it_holds(tracker: Tracker) -> None:
    send(tracker, record(children=children(27)))
    (run,) = tracker.runs()
    assert (run.experiment, run.status, run.started_at) == ("usdclp/search/7d", "FINISHED", NOW)
    assert run.params == {"context_length": "180"}
    assert run.metrics == {"loss": 5.25, "gain": 0.03}
    assert run.tags["search_id"] == "abc"
    assert run.tags[RECORD_ID] == "search/7d/1"
    words = (tracker.folder / "artifacts").rglob("words.txt")
    assert [path.read_text() for path in words if run.run_id in path.parts] == ["found ñ"]
    with closing(sqlite3.connect(tracker.folder / "mlflow.db")) as db:
        counted = db.execute("select count(*) from tags where key = 'mlflow.parentRunId' and value = ?", (run.run_id,))
        assert counted.fetchone() == (27,)
        assert db.execute("select count(*) from runs where status = 'RUNNING'").fetchone() == (0,)


def test_sent_twice_it_is_kept_once_and_a_failure_is_a_failure(tracker: Tracker) -> None:
    assert send(tracker, record()) == send(tracker, record())
    send(tracker, record("failed/1", status="FAILED"))
    assert [run.status for run in tracker.runs()].count("FAILED") == 1
    assert len(tracker.runs()) == 2


def test_what_a_killed_sender_began_is_made_anew(tracker: Tracker) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=tracker.uri)
    experiment = client.create_experiment("usdclp/search/7d", artifact_location=str(tracker.folder / "a"))
    client.create_run(experiment, tags={RECORD_ID: "search/7d/1"})
    send(tracker, record())
    assert [(run.status, run.metrics["loss"]) for run in tracker.runs()] == [("FINISHED", 5.25)]


def test_a_recording_that_fails_is_failed_and_the_next_in_the_process_has_a_run_of_its_own(tracker: Tracker) -> None:
    def broken(run_id: str) -> None:
        raise OSError("the registry is gone")

    with pytest.raises(TrackingError, match="the registry is gone"):
        tracker.send(record("first"), opener().active_run, broken)
    assert [run.status for run in tracker.runs()] == ["FAILED"]
    send(tracker, record("second", metrics={"loss": 1.0}))
    assert sorted((run.tags[RECORD_ID], run.status) for run in tracker.runs()) == [
        ("first", "FAILED"),
        ("second", "FINISHED"),
    ]
    assert tracker.recorded() == {"second"}, "a half-made record does not count"
    send(tracker, record("first"))
    assert {(run.tags[RECORD_ID], run.status) for run in tracker.runs()} == {
        ("first", "FINISHED"),
        ("second", "FINISHED"),
    }


def test_a_run_that_somebody_left_active_gets_nothing_of_the_next_record(tracker: Tracker) -> None:
    import mlflow

    tracker.runs()
    variables = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID")
    before = [os.environ.pop(name, None) for name in variables]
    mlflow.set_tracking_uri(tracker.uri)
    mlflow.set_experiment("usdclp/left")
    left = mlflow.start_run().info.run_id
    for name in variables:
        os.environ.pop(name, None)
    send(tracker, record())
    assert [os.environ.get(name) for name in variables] == [None] * 3, "settings read later would take them for theirs"
    os.environ.update({name: value for name, value in zip(variables, before, strict=True) if value is not None})
    assert mlflow.active_run() is None
    runs = {run.run_id: run for run in tracker.runs()}
    assert (runs[left].status, runs[left].metrics) == ("FAILED", {})
    assert len(runs) == 2


ENDS_WITHIN_A_RECORD = """
import atexit, os, sys
from pathlib import Path
from forex_assets_tests.operations.tracking.test_mlflow_store import Tracker, opener, record

def leave(run_id):
    atexit._run_exitfuncs()
    os._exit(3)

Tracker(Path(sys.argv[1])).send(record(), opener().active_run, leave)
"""


def test_no_exit_handler_marks_an_unfinished_record_finished(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", ENDS_WITHIN_A_RECORD, str(tmp_path)]
    assert subprocess.run(command, check=False, timeout=120).returncode == 3
    tracker = Tracker(tmp_path)
    assert [run.status for run in tracker.runs()] == ["RUNNING"]
    assert tracker.recorded() == set()


def test_a_deleted_experiment_is_named_with_its_remedy_and_others_go_on(tracker: Tracker) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=tracker.uri)
    send(tracker, record("one"))
    (experiment,) = client.search_experiments(filter_string="name = 'usdclp/search/7d'")
    client.delete_experiment(experiment.experiment_id)
    with pytest.raises(DeletedExperimentError, match=rf"usdclp/search/7d was deleted.*restore --experiment-id "
                       rf"{experiment.experiment_id}"):  # fmt: skip
        send(tracker, record("two"))
    send(tracker, record("three", horizon="15d"))
    client.restore_experiment(experiment.experiment_id)
    send(tracker, record("two"))
    assert tracker.recorded() == {"one", "two", "three"}


def test_a_moved_warehouse_records_to_its_new_place_and_finds_its_old_files(tracker: Tracker, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    old = send(tracker, record("old"))
    tracker.deployed("usdclp-7d", "a", '{"a": 1}', old)
    place = tmp_path / "elsewhere, with a space" / "mlflow"
    place.parent.mkdir()
    tracker.folder.rename(place)
    moved = Tracker(place)
    new = send(moved, record("new"))
    assert not tracker.folder.exists(), "nothing is written to the earlier place"
    client = MlflowClient(tracking_uri=moved.uri, registry_uri=moved.uri)
    for run_id in (old, new):
        folder = Path(unquote(urlsplit(client.get_run(run_id).info.artifact_uri).path))
        assert folder.is_relative_to(place)
        assert (folder / "words.txt").read_text() == "found ñ"
    source = client.get_model_version_by_alias("usdclp-7d", "champion").source
    assert (Path(unquote(urlsplit(source).path)) / "config.json").read_text() == '{"a": 1}'


def test_a_record_of_an_earlier_version_is_not_written_again(tracker: Tracker) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=tracker.uri)
    experiment = client.create_experiment("usdclp/search/7d", artifact_location=str(tracker.folder / "a"))
    earlier = client.create_run(experiment, tags={"forex.record_id": "search/7d/1"}).info.run_id
    client.set_terminated(earlier, "FINISHED")
    assert tracker.recorded() == {"search/7d/1"}
    assert send(tracker, record()) == earlier


def test_what_was_left_running_is_closed_by_repair(tracker: Tracker) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=tracker.uri)
    client.create_run(client.create_experiment("usdclp/search/7d", artifact_location=str(tracker.folder / "a")))
    assert tracker.repair() == 1
    assert [run.status for run in tracker.runs()] == ["FAILED"]
    assert tracker.repair() == 0


def test_the_registry_knows_what_is_live_was_before_and_was_found(tracker: Tracker) -> None:
    run, model = send(tracker, record()), "usdclp-7d"
    assert tracker.aliases(model) == {}
    tracker.deployed(model, "a", "{}", run)
    assert tracker.aliases(model) == {"champion": "a"}
    tracker.challenged(model, "b", '{"b": 1}', run)
    assert tracker.aliases(model) == {"champion": "a", "challenger": "b"}
    tracker.deployed(model, "b", '{"b": 1}', run)
    assert tracker.aliases(model) == {"champion": "b", "previous": "a"}
    tracker.deployed(model, "b", '{"b": 1}', run)
    assert tracker.aliases(model) == {"champion": "b", "previous": "a"}, "said again, nothing moves"
    tracker.deployed(model, "a", "{}", run)
    assert tracker.aliases(model) == {"champion": "a", "previous": "b"}, "a rollback moves them"


def test_old_runs_go_and_those_that_an_alias_rests_on_stay(tracker: Tracker) -> None:
    old, live = send(tracker, record("old", children=children(2))), send(tracker, record("live"))
    send(tracker, record("new", ended_at=NOW + timedelta(days=399)))
    tracker.deployed("usdclp-7d", "a", "{}", live)
    assert tracker.prune(365, NOW + timedelta(days=400)) == 3
    assert old not in {run.run_id for run in tracker.runs()}
    assert {run.tags[RECORD_ID] for run in tracker.runs()} == {"live", "new"}


def test_what_could_not_be_sent_to_a_store_that_is_held_or_full_is_sent_once_it_can_be(tracker: Tracker) -> None:
    send(tracker, record("first"))
    with closing(sqlite3.connect(tracker.folder / "mlflow.db", isolation_level=None)) as held:
        held.execute("begin exclusive")
        with pytest.raises(TrackingError, match=r"locked.*unrecorded events wait"):
            send(tracker, record("second"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(TrackingError, match="unrecorded events wait"):
            send(tracker, record("second"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    send(tracker, record("second"))
    assert sorted(run.tags[RECORD_ID] for run in tracker.runs()) == ["first", "second"]
    assert {run.status for run in tracker.runs()} == {"FINISHED"}


def test_a_server_that_is_silent_is_given_up(tmp_path: Path, environment: Callable[..., None]) -> None:
    environment(MLFLOW_HTTP_REQUEST_TIMEOUT="1", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TrackingError, match="unrecorded events wait"):
            send(Tracker(tmp_path, address), record())


def test_what_is_no_database_is_said_with_a_remedy(tracker: Tracker) -> None:
    send(tracker, record())
    (tracker.folder / "mlflow.db").write_bytes(b"no database" * 500)
    with pytest.raises(TrackingError, match=r"move .*mlflow.db away to begin anew; unrecorded events wait"):
        send(Tracker(tracker.folder), record("2"))
    (tracker.folder / "mlflow.db").unlink()
    (tracker.folder / "mlflow.db").mkdir()
    with pytest.raises(TrackingError, match=r"mlflow.db is no file"):
        send(Tracker(tracker.folder), record("2"))


def test_a_server_that_is_not_there_is_found_out(tmp_path: Path, environment: object) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(TrackingError, match=f"127.0.0.1:{port}"):
        send(Tracker(tmp_path, f"http://127.0.0.1:{port}"), record())


def send_one(folder: Path, number: int) -> None:
    send(Tracker(folder), record(f"{number}"))


def test_three_processes_that_create_the_store_at_once_all_come_through(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    every = [spawn.Process(target=send_one, args=(tmp_path / "mlflow", number)) for number in range(3)]
    for process in every:
        process.start()
    for process in every:
        process.join()
    assert [child.exitcode for child in every] == [0, 0, 0]
    assert len(Tracker(tmp_path / "mlflow").runs()) == 3


def test_the_generated_market_is_kept_apart() -> None:
    assert record(is_sample=True).experiment == "usdclp-sample/search/7d"


def test_figures_that_a_tracker_cannot_hold_are_left_out() -> None:
    assert finite({"a": 1, "b": None, "c": float("nan"), "d": float("inf"), "e": -0.5}) == {"a": 1.0, "e": -0.5}


@pytest.mark.parametrize("alt", ["a fan", "USD/CLP [7d], issued …", "", "two\nlines"])
def test_pictures_are_found_in_metadata_and_nothing_else_is_taken_for_one(alt: str) -> None:
    png = bytes(range(256))
    metadata = {"plot": markdown_image(png, alt), "words": "![x](y)", "n": 3, "data": "**SAMPLE**"}
    assert pictures_of(metadata) == {"plot.png": png}


def test_a_search_is_one_run_with_one_in_it_for_each_candidate() -> None:
    rows = [
        {"candidate": "a", "context_length": 90, "num_samples": 50, "temperature": 1.0, "loss": 2.0, "gain": 0.1},
        {"candidate": "b", "context_length": 180, "num_samples": None, "temperature": None, "loss": None, "gain": 0.0},
    ]
    more = search_details(rows, "a", record())
    assert more["params"] == {"context_length": "90", "num_samples": "50", "temperature": "1.0"}
    assert more["metrics"] == {"loss": 2.0, "gain": 0.1}
    first, second = more["children"]
    assert (first.id, second.id) == ("search/7d/1/a", "search/7d/1/b")
    assert (first.tags["is_chosen"], second.tags["is_chosen"]) == ("True", "False")
    assert second.metrics == {"gain": 0.0}
    assert more["artifacts"]["candidates.csv"].splitlines()[0].startswith("candidate,context_length")

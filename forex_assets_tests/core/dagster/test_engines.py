"""Dagster's databases are opened once a process, and never a file that is gone."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy
from sqlalchemy import event

from forex_assets.core.dagster.engines import MOST

opened: list[str] = []
"""One entry for each connection that SQLAlchemy opened during a test."""

RUNS = """
import sys
import dagster as dg
from forex_assets.core.dagster.engines import share_engines

@dg.asset
def a(): ...

share_engines()
with dg.DagsterInstance.get() as instance:
    for _ in range(int(sys.argv[1])):
        assert dg.materialize([a], instance=instance).success
"""


def events(home: Path) -> dict[str, int]:
    """Rows of each run's own database, read without Dagster; keyed by run."""
    counts = {}
    for file in (home / "history/runs").glob("*.db"):
        if file.stem != "index":
            with sqlite3.connect(file) as connection:
                counts[file.stem] = connection.execute("select count(*) from event_logs").fetchone()[0]
            connection.close()
    return counts


@pytest.fixture
def home(workspace: Path) -> Path:
    folder = workspace / "dagster"
    folder.mkdir()
    return folder


def materialized(instance: dg.DagsterInstance) -> int:
    @dg.asset
    def b() -> None: ...

    before = len(opened)
    assert dg.materialize([b], instance=instance).success
    return len(opened) - before


@pytest.fixture(autouse=True)
def _counted() -> Iterator[None]:
    def note(connection: object, record: object) -> None:
        opened.append("")

    event.listen(sqlalchemy.Engine, "connect", note)
    yield
    event.remove(sqlalchemy.Engine, "connect", note)


def test_a_run_opens_each_database_once_and_records_it_whole(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        materialized(instance)
        assert materialized(instance) <= 4, "its own database; Dagster by itself opens about one for each event"
    assert len(events(home)) == 2


def test_what_a_process_leaves_is_whole_and_its_logs_are_written_back(home: Path) -> None:
    runs = MOST + 3
    subprocess.run([sys.executable, "-c", RUNS, str(runs)], check=True, env={**os.environ, "DAGSTER_HOME": str(home)})
    counts = events(home)
    assert len(counts) == runs
    assert len(set(counts.values())) == 1
    assert min(counts.values()) > 5
    assert not list(home.rglob("*.db-wal"))


def test_a_database_that_was_replaced_is_opened_anew(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        materialized(instance)
    shutil.copytree(home, home.parent / "kept")
    with dg.DagsterInstance.get() as instance:
        materialized(instance)
        assert instance.get_runs_count() == 2
    shutil.rmtree(home)
    (home.parent / "kept").rename(home)
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs_count() == 1
        materialized(instance)
        assert instance.get_runs_count() == 2


def test_another_process_sees_what_is_written_and_the_other_way(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        materialized(instance)
        subprocess.run([sys.executable, "-c", RUNS, "1"], check=True, env={**os.environ, "DAGSTER_HOME": str(home)})
        assert instance.get_runs_count() == 2
        materialized(instance)
        assert instance.get_runs_count() == 3

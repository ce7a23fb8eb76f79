"""Folders that many tests start from, made once a session and copied; and less waiting for Dagster's databases."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import filelock
import sqlalchemy
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage import sql
from sqlalchemy import event

from forex_assets.core.dagster.engines import close_engines, share_engines

PARTS = ("warehouse", "dagster")
"""Folders of a workspace that are kept: tables, and Dagster's records of how they were made."""


def fill_from(stock: Path, workspace: Path, make: Callable[[], None]) -> None:
    """Fills a workspace by a copy; the first caller makes what is copied.

    Args:
        stock: folder of this content; processes of one session share it.
        workspace: has neither of `PARTS` yet.
        make: fills the workspace by running assets.
    """
    with filelock.FileLock(stock.with_suffix(".lock")):
        if not stock.exists():
            make()
            close_engines()
            draft = stock.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            for part in PARTS:
                shutil.copytree(workspace / part, draft / part)
            draft.rename(stock)
            return
    for part in PARTS:
        shutil.copytree(stock / part, workspace / part)


@cache
def quicken_databases() -> None:
    """Makes SQLite and Dagster's storages wait less; what they store is the same.

    Commits do not wait for the disk: only a power cut could lose them. All tests share engines, as commands do, and
    read Alembic's list of schema versions once, not for each instance.
    """
    event.listen(sqlalchemy.Engine, "connect", _without_sync)
    share_engines()
    sql.ScriptDirectory = SimpleNamespace(from_config=_versions)  # type: ignore[misc, assignment]


def _versions(config: Config) -> ScriptDirectory:
    return _versions_at(str(config.get_main_option("script_location")))


@cache
def _versions_at(folder: str) -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", folder)
    return ScriptDirectory.from_config(config)


def _without_sync(connection: Any, record: object) -> None:
    if type(connection).__module__ == "sqlite3":
        connection.execute("PRAGMA synchronous=OFF")

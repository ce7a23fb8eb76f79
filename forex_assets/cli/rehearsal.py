"""Dry run: the real commands on a copy that is deleted."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from forex_assets.core.session import Session, open_session
from forex_assets.core.store.copying import copy_store
from forex_assets.core.store.folder import Folder

LEFT_OUT: Final = ("backups", "mlflow", "outbox", ".locks")
"""Folders of the warehouse that the loop writes only."""

RECORDS: Final = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
"""Dagster's sqlite files with decisions and searches."""

ELSEWHERE: Final = (
    *("MLFLOW_TRACKING_URI", "FOREX_WEBHOOK_URL", "FOREX_ALERT_URLS", "FOREX_SMTP_HOST", "DAGSTER_HOME"),
    "DAGSTER_PG_URL",
)
"""Settings that lead out of the copy, hidden meanwhile."""


@contextmanager
def rehearsal(session: Session) -> Iterator[Session]:
    """Yields a session on a copy of warehouse, configs and records.

    Commits, mails and records made there are deleted with the folder. Only Dagster's sqlite files are copied: with
    another storage every horizon looks as if it had never been optimized.
    """
    settings, home = session.settings, session.settings.dagster_home
    before = {name: os.environ.get(name) for name in ELSEWHERE}
    os.environ |= dict.fromkeys(ELSEWHERE, "")  # an empty value hides what `.env` holds, too
    try:
        with TemporaryDirectory(prefix="forex-assets-dry-run-", ignore_cleanup_errors=True) as folder:
            warehouse, configs = Path(folder) / "warehouse", Path(folder) / "configs"
            if settings.has_remote_store:
                copy_store(session.store, Folder(warehouse))
                copy_store(session.config_files, Folder(configs))
            else:
                source = Path(settings.store_address)
                if source.is_dir():
                    _copy_tables(source, warehouse, home)
                shutil.copytree(settings.configs, configs, copy_function=_copy_present)
            _copy_records(home, warehouse / "dagster")
            os.environ["DAGSTER_HOME"] = str(warehouse / "dagster")
            yield open_session(as_of=settings.as_of, warehouse=warehouse, configs=configs)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _copy_tables(source: Path, target: Path, home: Path) -> None:
    """Copies tables and records, without write-only folders."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        is_top = Path(folder) == source
        return {name for name in names if (is_top and name in LEFT_OUT) or Path(folder, name) == home}

    shutil.copytree(source, target, ignore=left_out, copy_function=_copy_present)


def _copy_present(source: str, target: str) -> None:
    """Copies a file, unless it is gone since its folder was listed.

    Drafts and lock files of other processes come and go.
    """
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)


def _copy_records(source: Path, target: Path) -> None:
    """Copies Dagster's sqlite files by sqlite's own backup."""
    for name in RECORDS:
        if not (source / name).is_file():
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if not (source / f"{name}-wal").exists():  # not open: opening it would leave files next to it
            shutil.copyfile(source / name, target / name)
        else:
            with (
                closing(sqlite3.connect(f"file:{source / name}?mode=ro", uri=True)) as there,
                closing(sqlite3.connect(target / name)) as copy,
            ):
                there.backup(copy)

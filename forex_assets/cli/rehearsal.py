"""A dry run: the real commands on a copy of everything, thrown away afterwards, so that nothing at all is written."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from forex_assets.core.session import Session, open_session

LEFT_OUT: Final = ("backups", "mlflow", "outbox", ".locks")
"""Folders of the warehouse that a loop writes to and does not read from."""

RECORDS: Final = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
"""Dagster's sqlite files that hold what was decided and searched; the log of each past run is left where it is."""

ELSEWHERE: Final = ("MLFLOW_TRACKING_URI", "FOREX_WEBHOOK_URL", "FOREX_ALERT_URLS", "FOREX_SMTP_HOST", "DAGSTER_HOME")
"""Names that lead out of the copy; hidden for as long as the rehearsal lasts."""


@contextmanager
def rehearsal(session: Session) -> Iterator[Session]:
    """The platform on a copy of warehouse, configs and Dagster's records, in a temporary folder.

    What is committed, sent or recorded there goes with the folder. Records that Dagster keeps elsewhere than in sqlite
    under its home are not known to a rehearsal: every horizon then looks as if it had never been optimized.

    Yields:
        The same settings but for those folders.
    """
    settings, home = session.settings, session.settings.dagster_home
    hidden = {name: os.environ.pop(name) for name in ELSEWHERE if name in os.environ}
    try:
        with TemporaryDirectory(prefix="forex-assets-dry-run-", ignore_cleanup_errors=True) as folder:
            warehouse, configs = Path(folder) / "warehouse", Path(folder) / "configs"
            if settings.warehouse.is_dir():
                _copy_tables(settings.warehouse, warehouse, home)
            shutil.copytree(settings.configs, configs)
            _copy_records(home, warehouse / "dagster")
            os.environ["DAGSTER_HOME"] = str(warehouse / "dagster")
            yield open_session(as_of=settings.as_of, warehouse=warehouse, configs=configs)
    finally:
        os.environ.pop("DAGSTER_HOME", None)
        os.environ.update(hidden)


def _copy_tables(source: Path, target: Path, home: Path) -> None:
    """Every table and record; not what is only written to, and not Dagster's home, wherever in it that lies."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        is_top = Path(folder) == source
        return {name for name in names if (is_top and name in LEFT_OUT) or Path(folder, name) == home}

    shutil.copytree(source, target, ignore=left_out)


def _copy_records(source: Path, target: Path) -> None:
    """Dagster's records, those in use by sqlite's own means: a plain copy of them may be torn."""
    for name in RECORDS:
        if not (source / name).is_file():
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if not (source / f"{name}-wal").exists():  # nobody has it open; to open it would leave files beside it
            shutil.copyfile(source / name, target / name)
        else:
            with (
                closing(sqlite3.connect(f"file:{source / name}?mode=ro", uri=True)) as there,
                closing(sqlite3.connect(target / name)) as here,
            ):
                there.backup(here)

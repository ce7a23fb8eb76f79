"""Connection to the MLflow store: address, lock, errors, moved folders."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import filelock

from forex_assets.market.sources.fetching import redact

LIMITS: Final = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Default environment of MLflow: fails in seconds, prints nothing."""

ADDRESSES: Final = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Columns of MLflow's database that hold absolute artifact addresses."""


class TrackingError(Exception):
    """MLflow cannot be read or written."""


class DeletedExperimentError(TrackingError):
    """An experiment was deleted in MLflow; others can be used."""


class Connection:
    """Connects to an MLflow store.

    Args:
        folder: database, lock and artifacts; created at the first use.
        uri: another store, such as a tracking server's address; None for sqlite in `folder`.
    """

    def __init__(self, folder: Path, uri: str | None = None) -> None:
        self.folder = folder
        self.uri = uri or f"sqlite:///{folder / 'mlflow.db'}"

    @property
    def where(self) -> str:
        """Address of the store, without user and password."""
        parts = urlsplit(self.uri)
        return self.uri.replace(f"{parts.netloc.rpartition('@')[0]}@", "") if "@" in parts.netloc else self.uri

    @property
    def database(self) -> Path | None:
        """File of a sqlite store; None for a server."""
        return Path(self.uri.removeprefix("sqlite:///")) if self.uri.startswith("sqlite:///") else None

    @property
    def artifacts(self) -> Path:
        """Folder of a sqlite store's artifacts."""
        return self.folder.resolve() / "artifacts"

    @cached_property
    def _lock(self) -> filelock.FileLock:
        """Allows one user at a time on this machine.

        Concurrent creation of the tables fails.
        """
        return filelock.FileLock(self.folder / ".mlflow.lock", timeout=60)

    @contextmanager
    def client(self) -> Iterator[Any]:
        """Opens MLflow's client; may be nested.

        Raises:
            TrackingError: the store cannot be used now.
        """
        os.environ.update({name: os.environ.get(name, value) for name, value in LIMITS.items()})
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self._check_database()
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._lock:
                self._follow_moved_folder()
                yield MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        except filelock.Timeout:
            raise TrackingError(f"{self.folder} is in use by another process; unrecorded events wait") from None
        except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0][:300]
            words = redact(first.replace(self.uri, self.where), urlsplit(self.uri).password)
            remedy = f"; move {self.database} away to begin anew" if "not a database" in first else ""
            raise TrackingError(
                f"MLflow at {self.where} cannot be used: {words}{remedy}; unrecorded events wait"
            ) from error

    def _check_database(self) -> None:
        """Refuses an unusable database file; MLflow would retry for minutes.

        Raises:
            OSError: it is a folder, or cannot be written.
        """
        path = self.database
        if path is not None and path.exists() and not (path.is_file() and os.access(path, os.R_OK | os.W_OK)):
            raise OSError(f"{path} is no file that can be read and written")

    def _follow_moved_folder(self) -> None:
        """Repairs artifact addresses after the warehouse was moved.

        MLflow stores them as absolute. Only the database in `folder` is changed, and only addresses of this layout.
        """
        path = self.database
        if path is None or path.parent.resolve() != self.folder.resolve() or not path.is_file():
            return
        with closing(sqlite3.connect(path, timeout=5)) as database, database:
            if not database.execute("select 1 from sqlite_master where name = 'model_versions'").fetchone():
                return
            address = self.artifacts.as_uri()
            known = database.execute("select name, artifact_location from experiments").fetchall()
            roots = {
                at.removesuffix(f"/{name}") for name, at in known if at and at.endswith(f"/mlflow/artifacts/{name}")
            }
            for old in roots - {address}:
                for table, column in ADDRESSES:
                    database.execute(
                        f"update {table} set {column} = ? || substr({column}, ?) where substr({column}, 1, ?) = ?",
                        (address, len(old) + 1, len(old) + 1, f"{old}/"),
                    )

"""MLflow store: runs, nested runs and the registry of configs.

By the client and never by an active run: mlflow's own bookkeeping of the run "under way" is by process, marks failed
runs finished at exit, and lets a second run of one process log into the first.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import filelock

from forex_assets.market.sources.fetching import redact
from forex_assets.operations.tracking.run_record import RunRecord, older

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD_ID: Final = "forex.record_id"
FINGERPRINT: Final = "forex.fingerprint"
PARENT: Final = "mlflow.parentRunId"
LIMITS: Final = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Time-outs and retries of MLflow's client.

An unreachable server is noticed in seconds and tried again later.
"""

PAGE: Final = 1000
ALL: Final = 3
"""mlflow's `ViewType.ALL`: runs that were deleted as well."""


class TrackingError(Exception):
    """MLflow cannot be read or written; nothing is lost by it."""


@dataclass(frozen=True)
class Tracked:
    """A run as the tracker has it.

    Attributes:
        run_id: mlflow's.
        experiment: name.
        status: mlflow's.
        started_at: real time.
        params: settings.
        metrics: figures.
        tags: without mlflow's own.
    """

    run_id: str
    experiment: str
    status: str
    started_at: datetime
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


class Tracker:
    """An MLflow store.

    Args:
        folder: of the database and the artifacts; made at the first use.
        uri: another store, such as a tracking server's address; None for sqlite in `folder`.
    """

    def __init__(self, folder: Path, uri: str | None = None) -> None:
        self.folder = folder
        self.uri = uri or f"sqlite:///{folder / 'mlflow.db'}"

    @property
    def where(self) -> str:
        """The store's address, without who logs in and how."""
        parts = urlsplit(self.uri)
        return self.uri.replace(f"{parts.netloc.rpartition('@')[0]}@", "") if "@" in parts.netloc else self.uri

    @property
    def database(self) -> Path | None:
        """The file of a sqlite store; None where it is a server's."""
        return Path(self.uri.removeprefix("sqlite:///")) if self.uri.startswith("sqlite:///") else None

    def identity(self) -> str:
        """Identity of the store, which another store in its place lacks.

        Of a file it is when its first experiment was made, read without MLflow; empty where there is none to read.
        """
        if self.database is None:
            return hashlib.sha256(self.where.encode()).hexdigest()[:16]
        if not self.database.is_file():
            return ""
        try:
            with closing(sqlite3.connect(f"{self.database.resolve().as_uri()}?mode=ro", uri=True, timeout=1)) as db:
                (found,) = db.execute("select creation_time from experiments where experiment_id = 0").fetchone()
                return str(found)
        except (sqlite3.Error, TypeError):
            return ""

    def recorded(self) -> set[str]:
        """Ids of every record that was kept, those that were pruned too.

        Raises:
            TrackingError: the store cannot be used now.
        """
        with self._client() as client:
            every = [each.experiment_id for each in _paged(client.search_experiments)]
            runs = _paged(partial(client.search_runs, every, run_view_type=ALL)) if every else []
            return {run.data.tags[RECORD_ID] for run in runs if _is_whole(run) and RECORD_ID in run.data.tags}

    def send(self, record: RunRecord) -> str:
        """Keep a record, once, whoever sends it again; its run's id.

        Raises:
            TrackingError: the store cannot be used now.
        """
        with self._client() as client:
            experiment = self._experiment(client, record.experiment)
            wanted = f"tags.`{RECORD_ID}` = '{record.id}'"
            known = client.search_runs([experiment], wanted, run_view_type=ALL, max_results=PAGE)
            if whole := [run for run in known if _is_whole(run)]:
                return str(whole[0].info.run_id)
            for run in known:  # a sender that was killed half-way: what it began is made anew
                if run.info.lifecycle_stage == "active":
                    self._delete(client, experiment, run.info.run_id)
            return self._create(client, experiment, record, None)

    def _create(self, client: Any, experiment: str, record: RunRecord, parent: str | None) -> str:
        from mlflow.entities import Metric, Param, RunTag

        tags = {RECORD_ID: record.id, **record.tags} | ({PARENT: parent} if parent else {})
        began, ended = (round(moment.timestamp() * 1000) for moment in (record.started_at, record.ended_at))
        name = f"{record.kind} {record.horizon} {record.started_at:%Y-%m-%d %H:%M}"
        run = client.create_run(experiment, start_time=began, tags=tags, run_name=name).info
        client.log_batch(
            run.run_id,
            metrics=[Metric(key, value, ended, 0) for key, value in record.metrics.items()],
            params=[Param(key, value[:500]) for key, value in record.params.items()],
            tags=[RunTag("forex.kind", record.kind), RunTag("forex.horizon", record.horizon)],
        )
        _log_files(client, run.run_id, record.artifacts)
        for child in record.children:
            self._create(client, experiment, child, run.run_id)
        client.set_terminated(run.run_id, record.status, ended)  # last: until then a run is not taken for whole
        return str(run.run_id)

    def _delete(self, client: Any, experiment: str, run_id: str) -> None:
        for child in client.search_runs([experiment], f"tags.`{PARENT}` = '{run_id}'", max_results=PAGE):
            client.delete_run(child.info.run_id)
        client.delete_run(run_id)

    def deployed(self, model: str, fingerprint: str, config: str, run_id: str) -> None:
        """Registers current settings: alias `champion`, the one before `previous`.

        Args:
            model: `usdclp-7d`.
            fingerprint: of the settings; the same settings again are the same version.
            config: the settings, JSON.
            run_id: of the deployment's run.

        Raises:
            TrackingError: the store cannot be used now.
        """
        with self._client() as client:
            version = self._version(client, model, fingerprint, config, run_id)
            aliases = {name: str(number) for name, number in client.get_registered_model(model).aliases.items()}
            before = aliases.get("champion")
            if before == version:
                return
            if before is not None:
                client.set_registered_model_alias(model, "previous", before)
            client.set_registered_model_alias(model, "champion", version)
            if aliases.get("challenger") == version:
                client.delete_registered_model_alias(model, "challenger")

    def challenged(self, model: str, fingerprint: str, config: str, run_id: str) -> None:
        """Settings that a search has found: a version with the alias `challenger`.

        Raises:
            TrackingError: the store cannot be used now.
        """
        with self._client() as client:
            version = self._version(client, model, fingerprint, config, run_id)
            client.set_registered_model_alias(model, "challenger", version)

    def aliases(self, model: str) -> dict[str, str]:
        """Fingerprint by alias.

        Raises:
            TrackingError: the store cannot be used now.
        """
        with self._client() as client:
            if not client.search_registered_models(f"name = '{model}'"):
                return {}
            named = dict(client.get_registered_model(model).aliases)
            return {alias: client.get_model_version(model, number).tags[FINGERPRINT] for alias, number in named.items()}

    def _version(self, client: Any, model: str, fingerprint: str, config: str, run_id: str) -> str:
        if not client.search_registered_models(f"name = '{model}'"):
            client.create_registered_model(model, description="Inference settings that were found or live; no weights.")
        for each in client.search_model_versions(f"name = '{model}'"):
            if each.tags.get(FINGERPRINT) == fingerprint:
                return str(each.version)
        folder = f"config-{fingerprint}"  # of its own: a run may be the first that knows of two
        client.log_text(run_id, config, f"{folder}/config.json")
        source = f"{client.get_run(run_id).info.artifact_uri}/{folder}"
        tags = {FINGERPRINT: fingerprint}
        made = client.create_model_version(model, source, run_id, tags=tags, await_creation_for=0)
        return str(made.version)

    def runs(self, prefix: str = "usdclp/", limit: int = PAGE) -> list[Tracked]:
        """Runs of experiments whose name begins so, newest first, without nested ones.

        Raises:
            TrackingError: the store cannot be used now.
        """
        with self._client() as client:
            names = {each.experiment_id: each.name for each in _paged(client.search_experiments)}
            wanted = [number for number, name in names.items() if name.startswith(prefix)]
            if not wanted:
                return []
            found = _paged(partial(client.search_runs, wanted, order_by=["attributes.start_time DESC"]))
            return list(islice((_tracked(run, names) for run in found if PARENT not in run.data.tags), limit))

    def repair(self) -> int:
        """Closes runs left RUNNING; returns their number.

        Raises:
            TrackingError: the store cannot be used now.
        """
        with self._client() as client:
            every = [each.experiment_id for each in _paged(client.search_experiments)]
            wanted = "attributes.status = 'RUNNING'"
            left = list(_paged(partial(client.search_runs, every, wanted))) if every else []
            for run in left:
                client.set_terminated(run.info.run_id, "FAILED")
            return len(left)

    def prune(self, days: int, now: datetime) -> int:
        """Deletes old runs without an alias; returns their number.

        Raises:
            TrackingError: the store cannot be used now.
        """
        with self._client() as client:
            kept = set()
            for model in client.search_registered_models():
                for number in dict(model.aliases).values():
                    kept.add(client.get_model_version(model.name, number).run_id)
            count = 0
            for experiment in _paged(client.search_experiments):
                for run in list(_paged(partial(client.search_runs, [experiment.experiment_id]))):
                    ended = datetime.fromtimestamp((run.info.end_time or run.info.start_time) / 1000, UTC)
                    top = run.data.tags.get(PARENT, run.info.run_id)
                    if older(ended, days, now) and top not in kept:
                        client.delete_run(run.info.run_id)
                        count += 1
            return count

    def _experiment(self, client: Any, name: str) -> str:
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        own = self.database is not None  # a server has an artifact store of its own
        where = (self.folder / "artifacts" / name).resolve().as_uri() if own else None
        return str(client.create_experiment(name, artifact_location=where))

    @contextmanager
    def _client(self) -> "Iterator[Any]":
        """One client at a time on this machine.

        Several that create the store at once fail.
        """
        os.environ.update({name: os.environ.get(name, value) for name, value in LIMITS.items()})
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self._see_to_database()
            self.folder.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.folder / ".mlflow.lock", timeout=60):
                yield MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        except filelock.Timeout:
            raise TrackingError(f"{self.folder} is in use by another process; what is to be recorded waits") from None
        except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0][:300]
            words = redact(first.replace(self.uri, self.where), urlsplit(self.uri).password)
            remedy = f"; move {self.database} away to begin anew" if "not a database" in first else ""
            raise TrackingError(
                f"MLflow at {self.where} cannot be used: {words}{remedy}; what is to be recorded waits"
            ) from error

    def _see_to_database(self) -> None:
        """Refuses an unwritable database at once.

        MLflow would try for minutes.

        Raises:
            OSError: it is a folder, or nobody may write to it.
        """
        path = self.database
        if path is not None and path.exists() and not (path.is_file() and os.access(path, os.R_OK | os.W_OK)):
            raise OSError(f"{path} is no file that can be read and written")


def _is_whole(run: Any) -> bool:
    """Whether it was sent to its end."""
    return bool(run.info.status != "RUNNING")


def _paged(search: Callable[..., Any]) -> "Iterator[Any]":
    """Everything that a search finds, a page at a time."""
    token = None
    while True:
        found = search(max_results=PAGE, page_token=token)
        yield from found
        token = found.token
        if not token:
            return


def _log_files(client: Any, run_id: str, files: Mapping[str, str | bytes]) -> None:
    if not files:
        return
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content.encode() if isinstance(content, str) else content)
        client.log_artifacts(run_id, folder)


def _tracked(run: Any, names: Mapping[str, str]) -> Tracked:
    tags = {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")}
    began = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    return Tracked(
        run.info.run_id,
        names[run.info.experiment_id],
        run.info.status,
        began,
        dict(run.data.params),
        dict(run.data.metrics),
        tags,
    )

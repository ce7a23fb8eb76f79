"""Records in MLflow: runs and nested runs, each written once."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from forex_assets.operations.tracking.connection import DeletedExperimentError
from forex_assets.operations.tracking.registry import ConfigRegistry
from forex_assets.operations.tracking.run_record import RunRecord, older

RECORD_ID: Final = "forex.record_id"
PARENT: Final = "mlflow.parentRunId"
STATE: Final = "forex.state"
"""Tag of a run: `partial`, then `complete`.

Records of earlier versions have none.
"""

PAGE: Final = 1000
ALL: Final = 3
"""MLflow's `ViewType.ALL`: deleted runs too."""

ActiveRun = Callable[[str, str, str, str], AbstractContextManager[Any]]
"""Makes a run active; gives dagster-mlflow's resource.

Takes the experiment's name, run id, address of the store, final status.
"""


@dataclass(frozen=True)
class Tracked:
    """A recorded run.

    Attributes:
        run_id: MLflow's id.
        experiment: name.
        status: MLflow's status.
        started_at: real time.
        params: settings.
        metrics: figures.
        tags: without MLflow's internal ones.
    """

    run_id: str
    experiment: str
    status: str
    started_at: datetime
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


class Tracker(ConfigRegistry):
    """Reads and writes runs and registered configs, and prunes them.

    Methods raise TrackingError where the store cannot be used now.
    """

    def recorded(self, record_id: str | None = None) -> set[str]:
        """Returns ids of complete records, pruned ones included.

        Args:
            record_id: asks for one; None for all.
        """
        wanted = f"tags.`{RECORD_ID}` = '{record_id}'" if record_id else ""
        with self.client() as client:
            every = [experiment.experiment_id for experiment in _paged(client.search_experiments)]
            runs = _paged(partial(client.search_runs, every, wanted, run_view_type=ALL)) if every else []
            return {run.data.tags[RECORD_ID] for run in runs if _is_whole(run) and RECORD_ID in run.data.tags}

    def is_empty(self) -> bool:
        """Tells whether nothing was ever recorded."""
        with self.client() as client:
            return not client.search_experiments(filter_string="name LIKE 'usdclp%'", view_type=ALL, max_results=1)

    def send(
        self, record: RunRecord, active_run: ActiveRun, register: Callable[[str], None] = lambda run_id: None
    ) -> str:
        """Records a run once, however often it is sent.

        Args:
            active_run: opens dagster-mlflow's resource.
            register: called with the run id before the record counts as complete.

        Returns:
            The run id.

        Raises:
            DeletedExperimentError: the experiment was deleted; others can be used.
        """
        with self.client() as client:
            experiment = self._experiment(client, record.experiment)
            wanted = f"tags.`{RECORD_ID}` = '{record.id}'"
            known = client.search_runs([experiment], wanted, run_view_type=ALL, max_results=PAGE)
            if whole := [run for run in known if _is_whole(run)]:
                return str(whole[0].info.run_id)
            for run in known:  # An earlier recording was killed: its run is recorded anew.
                if run.info.lifecycle_stage == "active":
                    self._delete(client, experiment, run.info.run_id)
            run_id = _begin(client, experiment, record, {STATE: "partial"})
            with active_run(record.experiment, run_id, self.uri, record.status) as mlflow:
                ended = _milliseconds(record.ended_at)
                mlflow.log_params({name: value[:500] for name, value in record.params.items()})
                mlflow.log_metrics(record.metrics, timestamp=ended)
                _log_files(mlflow, record.artifacts)
                for child in record.children:
                    _nested(client, experiment, child, run_id)
                register(run_id)
                mlflow.set_tag(STATE, "complete")
            client.set_terminated(run_id, record.status, ended)  # The event's end, not the recording's.
            return run_id

    def _delete(self, client: Any, experiment: str, run_id: str) -> None:
        for child in client.search_runs([experiment], f"tags.`{PARENT}` = '{run_id}'", max_results=PAGE):
            client.delete_run(child.info.run_id)
        client.delete_run(run_id)

    def runs(self, prefix: str = "usdclp/", limit: int = PAGE) -> list[Tracked]:
        """Returns runs by experiment prefix, newest first, without nested ones."""
        with self.client() as client:
            names = {experiment.experiment_id: experiment.name for experiment in _paged(client.search_experiments)}
            wanted = [number for number, name in names.items() if name.startswith(prefix)]
            if not wanted:
                return []
            runs = _paged(partial(client.search_runs, wanted, order_by=["attributes.start_time DESC"]))
            return list(islice((_tracked(run, names) for run in runs if PARENT not in run.data.tags), limit))

    def repair(self) -> int:
        """Closes runs left RUNNING as FAILED; returns their number."""
        with self.client() as client:
            every = [experiment.experiment_id for experiment in _paged(client.search_experiments)]
            wanted = "attributes.status = 'RUNNING'"
            left = list(_paged(partial(client.search_runs, every, wanted))) if every else []
            for run in left:
                client.set_terminated(run.info.run_id, "FAILED")
            return len(left)

    def prune(self, days: int, now: datetime) -> int:
        """Deletes old runs, except those behind an alias; returns their number."""
        with self.client() as client:
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
        """Returns an experiment's id; creates it if missing.

        Raises:
            DeletedExperimentError: somebody deleted it; the message says how to restore it.
        """
        known = client.get_experiment_by_name(name)
        if known is not None and known.lifecycle_stage != "active":
            raise DeletedExperimentError(
                f"MLflow experiment {name} was deleted, so its runs wait; others are recorded. Next: "
                f"MLFLOW_TRACKING_URI={self.where} mlflow experiments restore --experiment-id {known.experiment_id}, "
                "then forex-assets tracking repair"
            )
        if known is not None:
            return str(known.experiment_id)
        # A server has an artifact store of its own.
        location = (self.artifacts / name).as_uri() if self.database is not None else None
        return str(client.create_experiment(name, artifact_location=location))


def _begin(client: Any, experiment: str, record: RunRecord, tags: Mapping[str, str]) -> str:
    """Creates a run with the record's start and tags; it stays RUNNING."""
    name = f"{record.kind} {record.horizon} {record.started_at:%Y-%m-%d %H:%M}"
    tags = {
        RECORD_ID: record.id, **record.tags, "forex.kind": record.kind, "forex.horizon": record.horizon, **tags
    }  # fmt: skip
    began = _milliseconds(record.started_at)
    return str(client.create_run(experiment, start_time=began, tags=tags, run_name=name).info.run_id)


def _nested(client: Any, experiment: str, record: RunRecord, parent: str) -> None:
    """Records a run within a run, such as a search's candidate.

    By the client: dagster-mlflow has one active run for a search.
    """
    from mlflow.entities import Metric, Param

    run_id, ended = _begin(client, experiment, record, {PARENT: parent}), _milliseconds(record.ended_at)
    client.log_batch(
        run_id,
        metrics=[Metric(key, value, ended, 0) for key, value in record.metrics.items()],
        params=[Param(key, value[:500]) for key, value in record.params.items()],
    )
    client.set_terminated(run_id, record.status, ended)


def _milliseconds(moment: datetime) -> int:
    """Converts to MLflow's clock: ms since 1970, UTC."""
    return round(moment.timestamp() * 1000)


def _is_whole(run: Any) -> bool:
    """Tells whether a run was recorded completely."""
    return bool(run.info.status != "RUNNING" and run.data.tags.get(STATE) != "partial")


def _paged(search: Callable[..., Any]) -> Iterator[Any]:
    """Yields all results of a paged search."""
    token = None
    while True:
        page = search(max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _log_files(mlflow: Any, files: Mapping[str, str | bytes]) -> None:
    """Stores files as artifacts of the active run."""
    if not files:
        return
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content.encode() if isinstance(content, str) else content)
        mlflow.log_artifacts(folder)


def _tracked(run: Any, names: Mapping[str, str]) -> Tracked:
    tags = {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")}
    began = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    info, data = run.info, run.data
    return Tracked(
        info.run_id, names[info.experiment_id], info.status, began, dict(data.params), dict(data.metrics), tags
    )

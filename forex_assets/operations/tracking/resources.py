"""The tracker, and dagster-mlflow's resource for one record at a time."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, Final

import dagster as dg

from forex_assets.core import names
from forex_assets.core.session import Session
from forex_assets.operations.tracking.mlflow_store import Tracker

FOLDER: Final = "mlflow"
GLOBALS: Final = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID")
"""Environment that MLflow changes, restored after each record."""


def tracker_of(session: Session) -> Tracker:
    """Returns the tracker of a session's warehouse."""
    return Tracker(session.settings.warehouse / FOLDER, session.settings.mlflow_tracking_uri)


class MlflowRuns:
    """Opens dagster-mlflow's resource for one record at a time.

    dagster-mlflow alone lets the run after a failed one log into it, and MLflow's exit handler marks failed runs
    FINISHED. Each record therefore ends whatever run is active, and the exit handler is removed.

    Args:
        log: Dagster's.
        run: the recording run.
    """

    def __init__(self, log: Any, run: dg.DagsterRun | None) -> None:
        self._log, self._run = log, run or dg.DagsterRun(names.TRACKING_JOB)

    @contextmanager
    def active_run(self, experiment: str, run_id: str, uri: str, status: str) -> Iterator[Any]:
        """Makes an MLflow run active.

        It ends with `status`, or FAILED on an error.
        """
        import mlflow
        from dagster_mlflow import mlflow_tracking
        from mlflow.tracking import fluent

        before = {name: os.environ.pop(name, None) for name in GLOBALS}
        with suppress(Exception):  # The earlier run's store may be gone; the run is inactive all the same.
            mlflow.end_run("FAILED")
        atexit.unregister(fluent._safe_end_run)
        config = {
            "experiment_name": experiment, "mlflow_tracking_uri": uri, "mlflow_run_id": run_id, "env": {},
            "extra_tags": {},
        }  # fmt: skip
        context = SimpleNamespace(
            log=self._log,
            run_id=self._run.run_id,
            dagster_run=self._run,
            resource_config=config,
        )
        try:
            resource_fn: Any = mlflow_tracking.resource_fn
            active = next(resource_fn(context))
            try:
                yield active
            except BaseException:
                active.cleanup_on_error()
                raise
            active.end_run(status)
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                os.environ.update({name: value} if value is not None else {})

    def end_run(self, status: str = "FINISHED") -> None:
        """Ends the active MLflow run, if any; called by dagster-mlflow's hook."""
        import mlflow

        mlflow.end_run(status)


@dg.resource(description="MLflow by dagster-mlflow, one run a record; mlflow is imported when a record is written.")
def mlflow_runs(context: dg.InitResourceContext) -> MlflowRuns:
    """Returns the opener of MLflow runs."""
    return MlflowRuns(context.log, context.run)

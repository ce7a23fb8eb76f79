"""Runs assets in this process, recorded in the UI's instance."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg

from forex_assets.accuracy.start_level import StartLevel
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.engines import share_engines
from forex_assets.core.dagster.instance import prepare_instance
from forex_assets.core.dagster.io_manager import WarehouseIO
from forex_assets.core.dagster.keys import table_key
from forex_assets.core.dagster.resources import SessionResource, session_of_command
from forex_assets.core.dagster.run_records import end_dead_runs, forecasts_of
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.processes import signs_of_life
from forex_assets.core.session import Session
from forex_assets.market.resources import MarketSources

Build = Callable[[Mapping[str, Any]], dg.Definitions]
"""Makes a location's definitions, resources replaced by name."""

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Run config that silences the console; the UI keeps the log."""

BY_COMMAND_LINE = {"source": "command line"}


class RunFailed(Exception):
    """A run failed; the message is the failed step's own.

    Attributes:
        horizons: those whose fans it made all the same.
    """

    def __init__(self, message: str, horizons: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.horizons = list(horizons)


def materialize_market(
    session: Session, *, with_drivers: bool = False, accepts_revision: bool = False
) -> list[dict[str, Any]]:
    """Brings in prices, revisions and features.

    Args:
        session: settings.
        with_drivers: also what only what-if questions need; a forecast does not wait for it.
        accepts_revision: whether most stored closes may change in one fetch.

    Returns:
        One record a table, in the order of the graph: its name, and its materialization's metadata.
    """
    drivers = [keys.DRIVERS] if with_drivers else []
    wanted = [keys.COPPER, keys.USDCLP, keys.OBSERVADO, keys.COPPER_LME, *drivers]
    wanted += [keys.QUOTES, keys.ORIGIN, keys.REVISIONS, keys.FEATURES]
    resources = {"sources": MarketSources(accepts_revision=True)} if accepts_revision else {}
    events = run_assets(session, wanted, resources=resources).get_asset_materialization_events()
    metadata = {
        event.asset_key: event.step_materialization_data.materialization.metadata for event in events if event.asset_key
    }
    return [{"asset": table_key(key), **_plain(metadata[key])} for key in wanted if key in metadata]


def materialize_forecasts(session: Session, horizons: list[str]) -> None:
    """Forecasts horizons in one run; records and scores them."""
    followers = [keys.LEDGER, keys.REALIZED]
    fixing = [keys.OBSERVADO_FORECAST, keys.OBSERVADO_LEDGER, keys.OBSERVADO_REALIZED]
    try:
        run_assets(session, [keys.LATEST, *followers, *fixing], horizons)
    except RunFailed as error:  # one horizon's fault must not keep the others out of the ledger
        for name in error.horizons:
            run_assets(session, [*followers, *fixing], [name])
        raise


def materialize_shadow_forecasts(session: Session, horizons: list[str]) -> str:
    """Forecasts challengers on trial; returns faults in words.

    Nothing in the optimization location may fail a forecast, so every error is returned, an import's included. The
    location, a second of imports, loads only where a challenger is on trial.
    """
    try:
        from forex_assets.optimizer.shadow_store import ShadowStore

        store, faults = ShadowStore(session.tables), []
        for name in (partition for partition in horizons if store.exists(partition)):
            from forex_assets.locations.optimization import build

            try:
                run_assets(session, [keys.SHADOW_FORECAST], [name], build=build)
            except RunFailed as error:
                faults.append(str(error))
        return "; ".join(faults)
    except Exception as error:  # noqa: BLE001 - returned as words
        return f"challengers on trial did not forecast: {error}"


def materialize_backtest(session: Session, horizons: list[str], settings: dict[str, Any] | None = None) -> None:
    """Scores past dates, and the effect of copper.

    Args:
        session: settings.
        horizons: one of them or all.
        settings: config of the asset: `engine`, `first`, `last`, `every`.
    """
    config = {"ops": {"__".join(keys.BACKTEST.path): {"config": settings or {}}}}
    run_assets(session, [keys.BACKTEST, keys.COPPER_EFFECT, keys.OBSERVADO_BACKTEST], horizons, config)


def materialize_scorecard(session: Session) -> None:
    """Scores everything realized."""
    run_assets(session, [keys.SCORECARD, keys.OBSERVADO_SCORECARD])


def materialize_decisions(session: Session, horizons: list[str]) -> None:
    """Makes the drift report and the decisions."""
    from forex_assets.locations.optimization import build

    run_assets(session, [keys.DRIFT_REPORT], build=build)
    run_assets(session, [keys.DEGRADATION_REPORT, keys.TRIGGER_DECISION], horizons, build=build)


def run_assets(
    session: Session,
    keys: list[dg.AssetKey],
    horizons: list[str] | None = None,
    config: dict[str, Any] | None = None,
    build: Build | None = None,
    resources: Mapping[str, Any] | None = None,
) -> dg.ExecuteInProcessResult:
    """Runs assets in this process on the command's session.

    Args:
        session: settings.
        keys: which assets.
        horizons: partitions, one or all; None for unpartitioned assets.
        config: run config beside the logger's.
        build: location of the assets; by default that of forecasts.
        resources: by name, in place of the location's.
    """
    if build is None:
        from forex_assets.locations import forecasting

        build = forecasting.build
    tags = {}
    if horizons is not None:
        if len(horizons) not in (1, len(HORIZONS)):
            raise ValueError(f"one horizon or all of them, not {horizons}")
        tags = {
            "dagster/asset_partition_range_start": horizons[0],
            "dagster/asset_partition_range_end": horizons[-1],
        }
    job = _definitions(session, build, resources).resolve_implicit_global_asset_job_def()
    instance = _instance(prepare_instance(session.settings))
    return _execute(session, job, instance, tags, asset_selection=keys, run_config=QUIET | (config or {}))


def search_config(level: StartLevel | None, *assets: dg.AssetKey) -> dict[str, Any]:
    """Run config for the starting level of past fans.

    Args:
        level: the policy's if None.
        assets: search or validation.
    """
    config = {"config": {} if level is None else {"origin": level}}
    return {"ops": {"__".join(key.path): config for key in assets}}


def run_job(
    session: Session, name: str, horizon: str, tags: Mapping[str, str], config: dict[str, Any] | None = None
) -> None:
    """Runs an optimization job for one horizon in this process.

    Args:
        session: settings.
        name: of the job.
        horizon: its partition.
        tags: the sensor's, which name the decision or report that is answered.
        config: run config beside the logger's.
    """
    from forex_assets.locations.optimization import build

    job = _definitions(session, build).resolve_job_def(name)
    instance = _instance(prepare_instance(session.settings))
    _execute(session, job, instance, tags, partition_key=horizon, run_config=QUIET | (config or {}))


def record_in_mlflow(session: Session, instance: dg.DagsterInstance) -> tuple[int, str]:
    """Records every event that MLflow lacks, in one run.

    Returns:
        Number of new records, and why others wait; empty if none does.
    """
    from forex_assets.operations.tracking.jobs import track_runs
    from forex_assets.operations.tracking.resources import mlflow_runs

    resources = {"session": SessionResource(), "mlflow": mlflow_runs}
    result = _execute(session, track_runs, instance, {}, resources=resources)
    (output,) = (event.step_output_data for event in result.all_events if event.is_successful_output)
    values = {name: value.value for name, value in output.metadata.items()}
    return int(str(values["sent"])), str(values["waits_for"])


def _execute(
    session: Session, job: dg.JobDefinition, instance: dg.DagsterInstance, tags: Mapping[str, str], **options: Any
) -> dg.ExecuteInProcessResult:
    """Runs a job in this process.

    Raises:
        RunFailed: a step failed, or a check that blocks what is downstream.
    """
    with session_of_command(session):
        end_dead_runs(instance, datetime.now(UTC))
        result = job.execute_in_process(
            instance=instance,
            tags={**BY_COMMAND_LINE, **signs_of_life(), **tags},
            raise_on_error=False,
            **{"run_config": QUIET, **options},
        )
        horizons = [] if result.success else sorted(forecasts_of(instance, result.run_id), key=HORIZONS.index)
    _raise_where_failed(result, horizons)
    return result


def _definitions(session: Session, build: Build, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """A location on the session's clock and folders."""
    settings = session.settings
    overrides = {"warehouse": str(settings.warehouse), "configs": str(settings.configs)}
    overrides |= {"store": settings.store} if settings.store else {}
    overrides |= {"as_of": settings.as_of} if settings.as_of else {}
    return _location(build, tuple(overrides.items())) if not resources else _built(build, overrides, resources)


@lru_cache(maxsize=2)
def _location(build: Build, overrides: tuple[tuple[str, str], ...]) -> dg.Definitions:
    """A location as the command's earlier runs had it."""
    return _built(build, dict(overrides), {})


def _built(build: Build, overrides: dict[str, str], resources: Mapping[str, Any]) -> dg.Definitions:
    resource = SessionResource(overrides=overrides)
    return build({"session": resource, "io_manager": WarehouseIO(session=resource), **resources})


@lru_cache(maxsize=1)
def _instance(home: Path) -> dg.DagsterInstance:
    """Dagster's records in a folder, opened once by a command's runs."""
    share_engines()
    return dg.DagsterInstance.from_config(str(home))


def _raise_where_failed(result: dg.ExecuteInProcessResult, horizons: Sequence[str]) -> None:
    """Raises the first failure in words."""
    where = f"(run {result.run_id[:8]}; details in the UI: make ui)"
    for check in result.get_asset_check_evaluations():
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
            name = f"{table_key(check.asset_key)}: check {check.check_name}"
            raise RunFailed(f"{name} failed: {check.description} {where}")
    if not result.success:
        for event in result.all_events:
            data = event.event_specific_data
            if getattr(data, "error", None) is not None:  # a step's failure, or that of a resource before any step
                step = (event.step_key or "run").replace("__", "/")
                raise RunFailed(f"{step}: {_reason(data)} {where}", horizons)
        raise RunFailed(f"no step says why {where}", horizons)


def _reason(data: Any) -> str:
    """The failure's own words, without Dagster's wrapping."""
    failure = getattr(data, "user_failure_data", None)
    if failure and failure.description:
        return str(failure.description)
    chain = []
    error = data.error
    while error is not None:
        chain.append(error.message.strip())
        error = error.cause
    ours = [message for message in chain if message.startswith("forex_assets.")]
    # Our own message gives the remedy; its cause is a library's.
    return re.sub(r"^[\w.]+: ", "", (ours or chain[-1:] or ["unknown"])[0])


def _plain(metadata: Any) -> dict[str, Any]:
    """Metadata as JSON values, without plots and paths."""
    fields = {}
    for name, value in metadata.items():
        if isinstance(value, dg.TableMetadataValue):
            fields[name] = [dict(record.data) for record in value.records]
        elif name not in {"plot", "path"}:
            fields[name.removeprefix("dagster/")] = value.value
    return fields

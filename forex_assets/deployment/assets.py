"""Assets for deployments and their watch. A refusal ends in SUCCESS."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.config_observations import report_changed_configs
from forex_assets.core.dagster.metadata import clock_metadata, column_schema, frame_metadata, small_table
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.dagster.run_records import PARTITION_TAG, forecasts_of
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import empty
from forex_assets.core.session import Session
from forex_assets.deployment.deploy import deploy_validated, deployer_of, real_now
from forex_assets.deployment.event_records import deployment_values
from forex_assets.deployment.record import DEPLOYMENT_SCHEMA, DeploymentRecord, records_table
from forex_assets.deployment.watch import WATCH_SCHEMA, FailedRuns
from forex_assets.deployment.watch_run import WatchObservation, observe
from forex_assets.forecasts.resources import ForecastEngines

NOTHING = "nothing was deployed"


@dg.asset(
    key=keys.DEPLOYMENT,
    deps=[keys.VALIDATION_REPORT],
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=names.DEPLOY_POOL,
    group_name="deployment",
    kinds={"json", "git"},
    owners=names.OWNERS,
    metadata=column_schema(DEPLOYMENT_SCHEMA),
    description="Deploys an approved challenger: backup, draft, replacement, git commit, or no change at all. Refuses "
    "settings that are not approved, were validated against others than the current ones, or are in quarantine. The "
    "forecasts read the config file: that closes the loop.",
)
def deployment(
    context: dg.AssetExecutionContext, session: SessionResource, engines: ForecastEngines
) -> dict[str, pl.DataFrame]:
    """Records of the horizons, newest first."""
    run = session.session()
    deployer, tables = deployer_of(run), {}
    deployer.recover()
    for horizon in context.partition_keys:
        report = _report(run, horizon, context.run.tags)
        record = deploy_validated(run, engines.of(run), horizon, report)
        deployer.prune(real_now())
        context.log.info(f"{horizon}: {record.state}: {record.reason}")
        report_changed_configs(context.instance, run.configs, [horizon])
        tables[horizon] = records_table(deployer.records(horizon))
        context.add_asset_metadata(deployment_metadata(run, record, tables[horizon]), keys.DEPLOYMENT, horizon)
        if record.state == "failed":
            raise dg.Failure(f"{horizon}: {record.reason}; the earlier settings stay", allow_retries=False)
    return tables


def _report(session: Session, horizon: str, tags: Mapping[str, str]) -> pl.DataFrame:
    """The report that the run deploys.

    Raises:
        dg.Failure: there is none, or a newer one has replaced it.
    """
    table = session.tables.read(names.VALIDATION_REPORT, horizon)
    if table is None or table.is_empty():
        raise dg.Failure(f"{horizon}: nothing was validated yet; forex-assets run", allow_retries=False)
    wanted, stored = tags.get(names.VALIDATION_TAG), table["validation_id"][0]
    if wanted not in (None, stored):
        raise dg.Failure(
            f"{horizon}: report {wanted} was approved, but {stored} has replaced it; the newer one decides",
            allow_retries=False,
        )
    return table


def deployment_metadata(session: Session, record: DeploymentRecord, table: pl.DataFrame) -> dict[str, object]:
    """Metadata of a deployment, for the watch, alerts and people."""
    history = small_table(table.head(10).select("at", "kind", "state", "by", "to_fingerprint", "reason"))
    return frame_metadata(table, **deployment_values(record), history=history, **clock_metadata(session))


@dg.asset(
    key=keys.DEPLOYMENT_WATCH,
    deps=[keys.DEPLOYMENT],
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=names.DEPLOY_POOL,
    group_name="deployment",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(WATCH_SCHEMA),
    description="Observes the newest deployment: a probe beside the settings before, and failed forecast runs. Rolls "
    "back at three failures; reviews outcomes once there are enough.",
)
def deployment_watch(
    context: dg.AssetExecutionContext, session: SessionResource, engines: ForecastEngines
) -> dict[str, pl.DataFrame]:
    """One row an observation."""
    run, tables = session.session(), {}

    def count(record: DeploymentRecord) -> FailedRuns:
        return failed_runs(context.instance, record)

    for horizon in context.partition_keys:
        observation = observe(run, engines.of(run), horizon, count, real_now())
        report_changed_configs(context.instance, run.configs, [horizon])
        tables[horizon] = empty(WATCH_SCHEMA) if observation is None else observation.table
        values = _watch_values(observation)
        context.log.info(f"{horizon}: {values[names.WORDS]}")
        metadata = frame_metadata(tables[horizon], **values, **clock_metadata(run))
        context.add_asset_metadata(metadata, keys.DEPLOYMENT_WATCH, horizon)
    return tables


def _watch_values(observation: WatchObservation | None) -> dict[str, Any]:
    """Metadata of an observation; None stands for no deployment."""
    if observation is None:
        return {
            names.STATE: NOTHING,
            names.WORDS: NOTHING,
            names.DEPLOYMENT_ID: "none",
            names.WATCH_UNTIL: "",
            names.FAILURES: 0,
            "rollback": "none",
        }
    record = observation.record
    return {
        names.STATE: observation.state,
        names.WORDS: observation.words,
        names.DEPLOYMENT_ID: record.id,
        names.WATCH_UNTIL: record.watch_until.isoformat() if record.watch_until else "",
        names.FAILURES: observation.failures,
        "rollback": observation.rollback.id if observation.rollback else "none",
    }


def failed_runs(instance: dg.DagsterInstance, record: DeploymentRecord) -> FailedRuns:
    """Counts failed runs since a deployment that may be the settings' fault."""
    wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], created_after=record.at)
    partitions = [
        _partitions_of(run)
        for run in instance.get_runs(wanted)
        if _is_unattended_forecast(run) and _is_fault_of_settings(instance, run.run_id)
    ]
    sizes = [len(horizons) for horizons in partitions if record.horizon in horizons]
    alone = sizes.count(1)
    return FailedRuns(alone=alone, shared=len(sizes) - alone, watches=failed_watches(instance, record))


def failed_watches(instance: dg.DagsterInstance, record: DeploymentRecord) -> int:
    """Number of failed watch runs of a deployment."""
    wanted = dg.RunsFilter(
        job_name=names.WATCH_JOB,
        statuses=[dg.DagsterRunStatus.FAILURE],
        tags={names.DEPLOYMENT_TAG: record.id},
    )
    return instance.get_runs_count(wanted)


def _is_unattended_forecast(run: dg.DagsterRun) -> bool:
    """Whether a run makes `forecasts/latest` and no person typed it.

    A person sees the failure, and their environment may name another model.
    """
    if run.tags.get("source") == "command line":
        return False
    chosen = run.asset_selection
    return keys.LATEST in chosen if chosen else run.job_name == names.FORECAST_JOB


def _partitions_of(run: dg.DagsterRun) -> tuple[str, ...]:
    """Horizons of a run's partition or partition range; may be empty."""
    first = run.tags.get("dagster/asset_partition_range_start", run.tags.get(PARTITION_TAG))
    last = run.tags.get("dagster/asset_partition_range_end", first)
    if first not in HORIZONS or last not in HORIZONS:
        return ()
    return HORIZONS[HORIZONS.index(first) : HORIZONS.index(last) + 1]


def _is_fault_of_settings(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a run was killed, or its forecast failed on fit prices.

    Unfit prices, a locked ledger or a failed score are no reason to change settings.
    """
    failures = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    if not failures:
        return not forecasts_of(instance, run_id)
    for failure in failures:
        event = failure.event_log_entry.dagster_event
        if event and event.step_key == "__".join(keys.LATEST.path):
            data = event.step_failure_data.user_failure_data
            return data is None or names.UNFIT not in data.metadata
    return False

"""Watching what went live: the look as an asset, and the sensor that starts looks while they are due."""

from collections.abc import Callable
from datetime import datetime

import dagster as dg
import polars as pl

from forex_assets.defs import contracts
from forex_assets.defs.metadata import clock_metadata, column_schema, frame_metadata
from forex_assets.defs.records import IN_PROGRESS, PARTITION_TAG, records
from forex_assets.domain.calendar import SANTIAGO
from forex_assets.domain.deployment.record import DeploymentRecord
from forex_assets.domain.deployment.watch import WATCH_SCHEMA, due_look
from forex_assets.domain.horizon import HORIZONS
from forex_assets.domain.schemas import empty
from forex_assets.resources.deploying import deployer_of, real_now
from forex_assets.resources.platform import Platform, PlatformResource
from forex_assets.resources.watching import Look, look

NOTHING = "nothing was deployed"


@dg.asset(
    key=contracts.DEPLOYMENT_WATCH,
    deps=[contracts.DEPLOYMENT],
    partitions_def=contracts.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="optimizer",
    kinds={"polars", "parquet"},
    owners=contracts.OWNERS,
    metadata=column_schema(WATCH_SCHEMA),
    description="Looks at the newest deployment: a trial forecast beside that of the settings before, and forecasts "
    "that failed. At three failures the settings before come back; later, outcomes are judged.",
)
def deployment_watch(context: dg.AssetExecutionContext, platform: PlatformResource) -> dict[str, pl.DataFrame]:
    """One row a look."""
    ready, tables = platform.platform(), {}
    for horizon in context.partition_keys:
        record, now = deployer_of(ready).latest(horizon), real_now()
        failed = failed_forecasts(context.instance, horizon, record.at) if record else 0
        seen = look(ready, horizon, failed, now)
        tables[horizon] = empty(WATCH_SCHEMA) if seen is None else seen.table
        context.log.info(f"{horizon}: {seen.words if seen else NOTHING}")
        shown = _shown(ready, record, seen)
        context.add_asset_metadata(frame_metadata(tables[horizon], **shown), contracts.DEPLOYMENT_WATCH, horizon)
    return tables


def _shown(ready: Platform, record: DeploymentRecord | None, seen: Look | None) -> dict[str, object]:
    until = record.watch_until.isoformat() if record and record.watch_until else ""
    return {
        contracts.STATE: seen.state if seen else NOTHING,
        contracts.WORDS: seen.words if seen else NOTHING,
        contracts.DEPLOYMENT_ID: record.id if record else "none",
        contracts.WATCH_UNTIL: until,
        contracts.FAILURES: _failures(seen),
        "rollback": seen.rollback.id if seen and seen.rollback else "none",
        **clock_metadata(ready),
    }


def _failures(seen: Look | None) -> int:
    """Trials and runs that failed so far."""
    if seen is None or seen.table.is_empty():
        return 0
    last = seen.table.row(-1, named=True)
    return int(last["failed_probes"] + last["failed_runs"])


def failed_forecasts(instance: dg.DagsterInstance, horizon: str, since: datetime) -> int:
    """Forecast runs of a horizon that failed since an instant, whoever launched them."""
    wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], created_after=since)
    return sum(_is_forecast_of(found.dagster_run, horizon) for found in instance.get_run_records(wanted))


def _is_forecast_of(run: dg.DagsterRun, horizon: str) -> bool:
    """Whether a run makes `forecasts/latest` of a horizon: its partition, or a range that holds it."""
    chosen = run.asset_selection
    if contracts.LATEST not in chosen if chosen else run.job_name != contracts.FORECAST_JOB:
        return False
    first = run.tags.get("dagster/asset_partition_range_start", run.tags.get(PARTITION_TAG))
    last = run.tags.get("dagster/asset_partition_range_end", first)
    names = list(HORIZONS)
    if first not in names or last not in names:
        return False
    return names.index(str(first)) <= names.index(horizon) <= names.index(str(last))


watch_deployment = dg.define_asset_job(
    contracts.WATCH_JOB,
    selection=dg.AssetSelection.assets(contracts.DEPLOYMENT_WATCH),
    description="One look at what went live.",
)


def watch_sensor(clock: Callable[[], datetime] = real_now) -> dg.SensorDefinition:
    """`watch_deployments`; `clock` says which look is due."""

    @dg.sensor(
        name="watch_deployments",
        job_name=contracts.WATCH_JOB,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches a look at each new deployment every five minutes for an hour, one that closes the watch, "
        "and one a day until outcomes have decided.",
    )
    def watch_deployments(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult:
        """Deadlines are in the deployments' records, which are small files: those typed by hand are watched too."""
        ready, now = platform.platform(), clock()
        requests, said = list[dg.RunRequest](), list[str]()
        for horizon in HORIZONS:
            record = deployer_of(ready).latest(horizon)
            state = _last_state(context.instance, horizon, record)
            today = now.astimezone(SANTIAGO).date().isoformat()
            due = due_look(record, state, now, today, ready.policy.deployment)
            if due is None or _is_looking(context.instance, horizon):
                said.append(f"{horizon}: {state or 'nothing to watch'}")
                continue
            said.append(f"{horizon}: {due.words}")
            tags = {contracts.DEPLOYMENT_TAG: record.id if record else "", contracts.HORIZON_TAG: horizon}
            requests.append(dg.RunRequest(run_key=due.key, partition_key=horizon, tags=tags))
        if requests:
            return dg.SensorResult(run_requests=requests)
        return dg.SensorResult(skip_reason="; ".join(said))

    return watch_deployments


def _last_state(instance: dg.DagsterInstance, horizon: str, record: DeploymentRecord | None) -> str | None:
    """What the last look at this deployment came to."""
    last = next(records(instance, contracts.DEPLOYMENT_WATCH, horizon, page=1), None)
    if record is None or last is None or last.metadata.get(contracts.DEPLOYMENT_ID) != record.id:
        return None
    return str(last.metadata.get(contracts.STATE))


def _is_looking(instance: dg.DagsterInstance, horizon: str) -> bool:
    wanted = dg.RunsFilter(job_name=contracts.WATCH_JOB, statuses=IN_PROGRESS, tags={PARTITION_TAG: horizon})
    return bool(instance.get_run_records(wanted, limit=1))


watch_deployments = watch_sensor()

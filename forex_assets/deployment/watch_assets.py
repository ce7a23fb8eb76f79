"""Watching what went live: the look as an asset, and the sensor that starts looks while they are due."""

from collections.abc import Callable
from datetime import datetime

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.metadata import clock_metadata, column_schema, frame_metadata
from forex_assets.core.dagster.run_records import IN_PROGRESS, PARTITION_TAG, records
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import empty
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.deployment.deploy import deployer_of, real_now
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.deployment.watch import WATCH_SCHEMA, FailedRuns, due_look, slot_of
from forex_assets.deployment.watch_run import Look, look
from forex_assets.platform import Platform, PlatformResource

NOTHING = "nothing was deployed"
PRIORITY = "10"
"""Of a look in Dagster's queue: a search takes many minutes, and a broken config does not wait for it."""


@dg.asset(
    key=keys.DEPLOYMENT_WATCH,
    deps=[keys.DEPLOYMENT],
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="optimizer",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(WATCH_SCHEMA),
    description="Looks at the newest deployment: a trial forecast beside that of the settings before, and forecasts "
    "that failed. At three failures the settings before come back; later, outcomes are judged.",
)
def deployment_watch(context: dg.AssetExecutionContext, platform: PlatformResource) -> dict[str, pl.DataFrame]:
    """One row a look."""
    ready, tables = platform.platform(), {}
    for horizon in context.partition_keys:
        now = real_now()
        deployer_of(ready).recover(now)
        record = deployer_of(ready).latest(horizon)
        failed = failed_runs(context.instance, horizon, record) if record else FailedRuns()
        seen = look(ready, horizon, failed, now)
        tables[horizon] = empty(WATCH_SCHEMA) if seen is None else seen.table
        context.log.info(f"{horizon}: {seen.words if seen else NOTHING}")
        shown = _shown(ready, record, seen)
        context.add_asset_metadata(frame_metadata(tables[horizon], **shown), keys.DEPLOYMENT_WATCH, horizon)
    return tables


def _shown(ready: Platform, record: DeploymentRecord | None, seen: Look | None) -> dict[str, object]:
    until = record.watch_until.isoformat() if record and record.watch_until else ""
    return {
        names.STATE: seen.state if seen else NOTHING,
        names.WORDS: seen.words if seen else NOTHING,
        names.DEPLOYMENT_ID: record.id if record else "none",
        names.WATCH_UNTIL: until,
        names.FAILURES: _failures(seen),
        "rollback": seen.rollback.id if seen and seen.rollback else "none",
        **clock_metadata(ready.session),
    }


def _failures(seen: Look | None) -> int:
    """Trials and runs that failed so far."""
    if seen is None or seen.table.is_empty():
        return 0
    last = seen.table.row(-1, named=True)
    return int(last["failed_probes"] + last["failed_runs"])


def failed_runs(instance: dg.DagsterInstance, horizon: str, record: DeploymentRecord) -> FailedRuns:
    """Runs since a deployment that failed, whoever launched them."""
    wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], created_after=record.at)
    partitions = [
        _partitions_of(found.dagster_run)
        for found in instance.get_run_records(wanted)
        if _is_forecast(found.dagster_run)
        and not _is_typed(found.dagster_run)
        and _is_fault_of_settings(instance, found.dagster_run.run_id)
        and not _is_typed(found.dagster_run)
        and _is_fault_of_settings(instance, found.dagster_run.run_id)
    ]
    own = [names for names in partitions if horizon in names]
    alone = sum(len(names) == 1 for names in own)
    return FailedRuns(alone=alone, shared=len(own) - alone, looks=died_looks(instance, record))


def died_looks(instance: dg.DagsterInstance, record: DeploymentRecord) -> int:
    """Looks at a deployment whose run failed: what they would have seen is not known, that they died is."""
    wanted = dg.RunsFilter(
        job_name=names.WATCH_JOB,
        statuses=[dg.DagsterRunStatus.FAILURE],
        tags={names.DEPLOYMENT_TAG: record.id},
    )
    return len(instance.get_run_records(wanted))


def _is_typed(run: dg.DagsterRun) -> bool:
    """Whether a person typed it, who sees its failure, and whose environment may name another model."""
    return run.tags.get("source") == "command line"


def _is_forecast(run: dg.DagsterRun) -> bool:
    """Whether a run makes `forecasts/latest`."""
    chosen = run.asset_selection
    return keys.LATEST in chosen if chosen else run.job_name == names.FORECAST_JOB


def _partitions_of(run: dg.DagsterRun) -> tuple[str, ...]:
    """Horizons of a run: its partition, or those of its range; none where it has neither."""
    first = run.tags.get("dagster/asset_partition_range_start", run.tags.get(PARTITION_TAG))
    last = run.tags.get("dagster/asset_partition_range_end", first)
    if first not in HORIZONS or last not in HORIZONS:
        return ()
    return HORIZONS[HORIZONS.index(first) : HORIZONS.index(last) + 1]


def _is_fault_of_settings(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a failed forecast may be the settings': it died, or the forecast itself failed on prices that are fit.

    Prices that are unfit, a locked ledger or a score that cannot be made are no reason to change settings.
    """
    failures = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    if not failures:
        made = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
        return all(each.asset_key != keys.LATEST for each in made)
    for each in failures:
        event = each.event_log_entry.dagster_event
        said = event.step_failure_data.user_failure_data if event else None
        if event and event.step_key == "__".join(keys.LATEST.path):
            return said is None or names.UNFIT not in said.metadata
    return False


watch_deployment = dg.define_asset_job(
    names.WATCH_JOB,
    selection=dg.AssetSelection.assets(keys.DEPLOYMENT_WATCH),
    description="One look at what went live.",
)


def watch_sensor(clock: Callable[[], datetime] = real_now) -> dg.SensorDefinition:
    """`watch_deployments`; `clock` says which look is due."""

    @dg.sensor(
        name="watch_deployments",
        job_name=names.WATCH_JOB,
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
            try:
                request, words = _of_horizon(context.instance, ready, horizon, now)
            except WarehouseError as error:  # one horizon's record that cannot be read leaves the others watched
                context.log.error(f"{horizon}: {error}")
                request, words = None, str(error)
            requests += [request] if request else []
            said.append(f"{horizon}: {words}")
        if requests:
            return dg.SensorResult(run_requests=requests)
        return dg.SensorResult(skip_reason="; ".join(said))

    return watch_deployments


def _of_horizon(
    instance: dg.DagsterInstance, ready: Platform, horizon: str, now: datetime
) -> tuple[dg.RunRequest | None, str]:
    """The look to launch at a horizon's deployment, if one is due; and why, for people."""
    journal = ready.deployments.journal(horizon)
    if journal is not None:  # under way, or ended half-way: the look closes it
        key = f"{journal.record.id}/recover/{slot_of(journal.record, now, ready.policy.deployment)}"
        tags = {names.DEPLOYMENT_TAG: journal.record.id, names.HORIZON_TAG: horizon}
        words = f"deployment {journal.record.id} was ended half-way"
        return dg.RunRequest(run_key=key, partition_key=horizon, tags=tags), words
    record = deployer_of(ready).latest(horizon)
    if record is None:
        return None, NOTHING
    state, died = _last_state(instance, horizon, record), died_looks(instance, record)
    today = now.astimezone(SANTIAGO).date().isoformat()
    due = due_look(record, state, now, today, ready.policy.deployment, died)
    if due is None:
        return None, (state or "nothing to watch") + (f"; {died} looks died, see their runs" if died else "")
    if _is_looking(instance, horizon):
        return None, "a look is queued or under way"
    tags = {names.DEPLOYMENT_TAG: record.id, names.HORIZON_TAG: horizon, "dagster/priority": PRIORITY}
    return dg.RunRequest(run_key=due.key, partition_key=horizon, tags=tags), due.words


def _last_state(instance: dg.DagsterInstance, horizon: str, record: DeploymentRecord) -> str | None:
    """What the last look at this deployment came to."""
    last = next(records(instance, keys.DEPLOYMENT_WATCH, horizon, page=1), None)
    if last is None or last.metadata.get(names.DEPLOYMENT_ID) != record.id:
        return None
    return str(last.metadata.get(names.STATE))


def _is_looking(instance: dg.DagsterInstance, horizon: str) -> bool:
    wanted = dg.RunsFilter(job_name=names.WATCH_JOB, statuses=IN_PROGRESS, tags={PARTITION_TAG: horizon})
    return bool(instance.get_run_records(wanted, limit=1))


watch_deployments = watch_sensor()

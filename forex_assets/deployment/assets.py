"""What is approved goes live: the deployment as an asset, and the sensor that starts it. A refusal is a green run."""

from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import Final

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.keys import table_key
from forex_assets.core.dagster.metadata import clock_metadata, column_schema, frame_metadata, small_table
from forex_assets.core.dagster.run_records import EventRecord, attempts_for, is_ours, records
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.retry_policy import next_step
from forex_assets.deployment.deploy import deploy_validated, deployer_of, real_now
from forex_assets.deployment.event_records import deployment_values
from forex_assets.deployment.record import DEPLOYMENT_SCHEMA, DeploymentRecord, records_table
from forex_assets.platform import Platform, PlatformResource

REPORTS: Final = 50
"""Newest reports that are looked through for the loop's last."""


@dg.asset(
    key=keys.DEPLOYMENT,
    deps=[keys.VALIDATION_REPORT],
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="optimizer",
    kinds={"json", "git"},
    owners=names.OWNERS,
    metadata=column_schema(DEPLOYMENT_SCHEMA),
    description="Brings an approved challenger live: backup, draft, replacement, commit, or nothing; refuses what was "
    "not approved, was validated against something else, or is in quarantine. The loop closes through the file.",
)
def deployment(context: dg.AssetExecutionContext, platform: PlatformResource) -> dict[str, pl.DataFrame]:
    """Every record of the horizon, newest first."""
    ready, tables = platform.platform(), {}
    deployer_of(ready).recover(real_now())
    for horizon in context.partition_keys:
        record = deploy_validated(ready, horizon, _report(ready, horizon, context.run.tags))
        deployer_of(ready).prune(real_now())
        context.log.info(f"{horizon}: {record.state}: {record.reason}")
        tables[horizon] = records_table(deployer_of(ready).records(horizon))
        context.add_asset_metadata(deployment_metadata(ready, record, tables[horizon]), keys.DEPLOYMENT, horizon)
        if record.state == "failed":
            raise dg.Failure(f"{horizon}: {record.reason}; what was live is live", allow_retries=False)
    return tables


def _report(ready: Platform, horizon: str, tags: dict[str, str]) -> pl.DataFrame:
    """The report that the run is about.

    Raises:
        dg.Failure: there is none, or another one stands there now.
    """
    table = ready.warehouse.read(table_key(keys.VALIDATION_REPORT), horizon)
    if table is None or table.is_empty():
        raise dg.Failure(f"{horizon}: nothing was validated yet; forex-assets run", allow_retries=False)
    wanted, found = tags.get(names.VALIDATION_TAG), table["validation_id"][0]
    if wanted not in (None, found):
        raise dg.Failure(
            f"{horizon}: report {wanted} was approved, but {found} stands there now; the newer one decides",
            allow_retries=False,
        )
    return table


def deployment_metadata(ready: Platform, record: DeploymentRecord, table: pl.DataFrame) -> dict[str, object]:
    """What the watch, the mail and people read of a deployment or rollback."""
    history = small_table(table.head(10).select("at", "kind", "state", "by", "to_fingerprint", "reason"))
    return frame_metadata(table, **deployment_values(record), history=history, **clock_metadata(ready.session))


deploy = dg.define_asset_job(
    names.DEPLOY_JOB,
    selection=dg.AssetSelection.assets(keys.DEPLOYMENT),
    description="Brings what was approved live.",
)


def deploy_sensor(clock: Callable[[], datetime] = real_now) -> dg.SensorDefinition:
    """`deploy_on_approval`; `clock` says when a failed deployment has waited long enough."""

    @dg.sensor(
        name="deploy_on_approval",
        job_name=names.DEPLOY_JOB,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches the deployment of each approved validation once; a failed one again after 10 and 20 "
        "minutes, then no more. One that is asked for again is nothing but a look at what is live.",
    )
    def deploy_on_approval(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult:
        """One run a report and attempt, under its own name: Dagster launches no name twice.

        Only reports of the loop count: one that was made by hand, once more, is one more chance for luck.
        """
        ready = platform.platform()
        requests, said = list[dg.RunRequest](), list[str]()
        for horizon in HORIZONS:
            reports = islice(records(context.instance, keys.VALIDATION_REPORT, horizon, page=10), REPORTS)
            newest = next((each for each in reports if _is_of_the_loop(each) and is_ours(each, ready.session)), None)
            verdict = str(newest.metadata.get(names.VERDICT)) if newest else "none yet"
            if newest is None or verdict != "approved" or _is_deployed(context.instance, horizon, newest):
                said.append(f"{horizon}: {verdict}")
                continue
            name = str(newest.metadata.get(names.VALIDATION_ID))
            attempts = attempts_for(context.instance, name, names.DEPLOY_JOB, names.VALIDATION_TAG)
            step = next_step(attempts, clock(), "deployment", f"forex-assets run --horizon {horizon} --force")
            said.append(f"{horizon}: {step.words}")
            if step.launch is not None:
                requests.append(_request(horizon, newest, name, step.launch))
        if requests:
            return dg.SensorResult(run_requests=requests)
        return dg.SensorResult(skip_reason="; ".join(said))

    return deploy_on_approval


def _is_of_the_loop(report: EventRecord) -> bool:
    return report.metadata.get(names.IS_BY_HAND) is not True


def _request(horizon: str, report: EventRecord, name: str, attempt: int) -> dg.RunRequest:
    tags = {
        names.VALIDATION_TAG: name,
        names.HORIZON_TAG: horizon,
        names.ATTEMPT_TAG: str(attempt),
    }
    run_key = report.id if attempt == 1 else f"{report.id}/{attempt}"
    return dg.RunRequest(run_key=run_key, partition_key=horizon, tags=tags)


def _is_deployed(instance: dg.DagsterInstance, horizon: str, report: EventRecord) -> bool:
    """Whether a deployment, by whomever, has answered this report already."""
    last = next(records(instance, keys.DEPLOYMENT, horizon, page=1), None)
    wanted = report.metadata.get(names.VALIDATION_ID)
    return last is not None and last.metadata.get(names.VALIDATION_ID) == wanted


deploy_on_approval = deploy_sensor()

"""Sensors that launch deployments, and observations while they are due."""

from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import Final

import dagster as dg

from forex_assets.core import names
from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.dagster.run_records import (
    IN_PROGRESS,
    PARTITION_TAG,
    EventRecord,
    attempts_for,
    is_ours,
    records,
)
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.retry_policy import next_step
from forex_assets.core.session import Session
from forex_assets.deployment.assets import NOTHING, failed_watches
from forex_assets.deployment.deploy import real_now
from forex_assets.deployment.deployment_store import deployments_of
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.deployment.watch import GIVEN_UP_AFTER, due_observation, slot_of

REPORTS: Final = 50
"""Newest reports searched for the loop's last one."""

PRIORITY: Final = "10"
"""Dagster's queue priority of an observation.

A bad config must not wait for a long search.
"""


def deploy_sensor(clock: Callable[[], datetime] = real_now) -> dg.SensorDefinition:
    """The sensor `deploy_on_approval`.

    Args:
        clock: real time; says when a failed deployment is retried.
    """

    @dg.sensor(
        name="deploy_on_approval",
        job_name=names.DEPLOY_JOB,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches the deployment of each approved validation once, and retries a failed one after 10 and "
        "20 minutes. A repeated deployment changes nothing.",
    )
    def deploy_on_approval(context: dg.SensorEvaluationContext, session: SessionResource) -> dg.SensorResult:
        """One run key a report and attempt: Dagster launches no key twice."""
        view = session.session()
        requests, words = list[dg.RunRequest](), list[str]()
        for horizon in HORIZONS:
            try:
                request, state = _deployment_to_launch(context.instance, view, horizon, clock())
            except Exception as error:  # an unreadable record of one horizon leaves the others deployed
                context.log.exception(f"{horizon}: {error}")
                request, state = None, f"{type(error).__name__}: {error}"
            requests += [request] if request else []
            words.append(f"{horizon}: {state}")
        if requests:
            return dg.SensorResult(run_requests=requests)
        return dg.SensorResult(skip_reason="; ".join(words))

    return deploy_on_approval


def _deployment_to_launch(
    instance: dg.DagsterInstance, session: Session, horizon: str, now: datetime
) -> tuple[dg.RunRequest | None, str]:
    """The deployment to launch, None for none; and why, for people.

    Reports made by hand do not count: each repetition is one more chance of a false approval.
    """
    reports = islice(records(instance, keys.VALIDATION_REPORT, horizon, page=10), REPORTS)
    loop = (report for report in reports if report.metadata.get(names.IS_BY_HAND) is not True)
    newest = next((report for report in loop if is_ours(report, session)), None)
    if newest is None:
        return None, "none yet"
    verdict, validation_id = str(newest.metadata.get(names.VERDICT)), str(newest.metadata.get(names.VALIDATION_ID))
    if verdict != "approved" or _is_deployed(instance, horizon, newest):
        return None, verdict
    attempts = attempts_for(instance, validation_id, names.DEPLOY_JOB, names.VALIDATION_TAG)
    step = next_step(attempts, now, "deployment", f"forex-assets run --horizon {horizon} --force")
    if step.launch is None:
        return None, step.words
    run_key = newest.id if step.launch == 1 else f"{newest.id}/{step.launch}"
    tags = {names.VALIDATION_TAG: validation_id, names.HORIZON_TAG: horizon, names.ATTEMPT_TAG: str(step.launch)}
    return dg.RunRequest(run_key=run_key, partition_key=horizon, tags=tags), step.words


def _is_deployed(instance: dg.DagsterInstance, horizon: str, report: EventRecord) -> bool:
    """Whether the last deployment rests on this report."""
    last = next(records(instance, keys.DEPLOYMENT, horizon, page=1), None)
    wanted = report.metadata.get(names.VALIDATION_ID)
    return last is not None and last.metadata.get(names.VALIDATION_ID) == wanted


def watch_sensor(clock: Callable[[], datetime] = real_now) -> dg.SensorDefinition:
    """The sensor `watch_deployments`.

    Args:
        clock: real time; says which observation is due.
    """

    @dg.sensor(
        name="watch_deployments",
        job_name=names.WATCH_JOB,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches an observation of each new deployment every five minutes for an hour, one that closes "
        "the watch, and one a day until outcomes decide.",
    )
    def watch_deployments(context: dg.SensorEvaluationContext, session: SessionResource) -> dg.SensorResult:
        """Reads the store, so that deployments typed by hand are watched too."""
        view, now = session.session(), clock()
        requests, words = list[dg.RunRequest](), list[str]()
        for horizon in HORIZONS:
            try:
                request, reason = _observation_to_launch(context.instance, view, horizon, now)
            except Exception as error:  # an unreadable record of one horizon leaves the others watched
                context.log.exception(f"{horizon}: {error}")
                request, reason = None, str(error)
            requests += [request] if request else []
            words.append(f"{horizon}: {reason}")
        if requests:
            return dg.SensorResult(run_requests=requests)
        return dg.SensorResult(skip_reason="; ".join(words))

    return watch_deployments


def _observation_to_launch(
    instance: dg.DagsterInstance, session: Session, horizon: str, now: datetime
) -> tuple[dg.RunRequest | None, str]:
    """The observation to launch, None for none; and why, for people."""
    store, policy = deployments_of(session), session.policy.deployment
    journal = store.journal(horizon)
    if journal is not None:  # under way or interrupted: the observation closes it
        record = journal.record
        tags = {names.DEPLOYMENT_TAG: record.id, names.HORIZON_TAG: horizon}
        run_key = f"{record.id}/recover/{slot_of(record, now, policy)}"
        request = dg.RunRequest(run_key=run_key, partition_key=horizon, tags=tags)
        return request, f"deployment {record.id} was interrupted"
    newest = store.latest(horizon)
    if newest is None:
        return None, NOTHING
    state, failed = _last_state(instance, newest), failed_watches(instance, newest)
    due = due_observation(newest, state, now, now.astimezone(SANTIAGO).date().isoformat(), policy, failed)
    if due is None:
        failures = ""
        if failed:
            given_up = f"; the watch is given up: forex-assets rollback --horizon {horizon}, or keep the settings"
            is_given_up = failed >= GIVEN_UP_AFTER * policy.max_failures
            failures = f"; {failed} watch runs failed, see them in the UI" + (given_up if is_given_up else "")
        return None, (state or "nothing to watch") + failures
    if _is_observing(instance, horizon):
        return None, "an observation is queued or under way"
    tags = {names.DEPLOYMENT_TAG: newest.id, names.HORIZON_TAG: horizon, "dagster/priority": PRIORITY}
    return dg.RunRequest(run_key=due.key, partition_key=horizon, tags=tags), due.words


def _last_state(instance: dg.DagsterInstance, record: DeploymentRecord) -> str | None:
    """State after the last observation of a deployment, if any."""
    last = next(records(instance, keys.DEPLOYMENT_WATCH, record.horizon, page=1), None)
    if last is None or last.metadata.get(names.DEPLOYMENT_ID) != record.id:
        return None
    return str(last.metadata.get(names.STATE))


def _is_observing(instance: dg.DagsterInstance, horizon: str) -> bool:
    wanted = dg.RunsFilter(job_name=names.WATCH_JOB, statuses=IN_PROGRESS, tags={PARTITION_TAG: horizon})
    return instance.get_runs_count(wanted) > 0


deploy_on_approval = deploy_sensor()
watch_deployments = watch_sensor()

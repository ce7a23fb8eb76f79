"""Observes a deployment: probes it, counts failures, reviews outcomes, and rolls back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from pydantic import AwareDatetime, BaseModel

from forex_assets.core import names
from forex_assets.core.calendar import santiago_time
from forex_assets.core.schemas import conform, empty
from forex_assets.core.session import Session
from forex_assets.deployment.deploy import deployer_of
from forex_assets.deployment.deployment_store import deployments_of
from forex_assets.deployment.outcome_review import Outcome
from forex_assets.deployment.outcome_review_run import outcome_of
from forex_assets.deployment.plan import OUTCOME_REVIEW, WATCH
from forex_assets.deployment.post_deploy_probe import ProbeResult, probe
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.deployment.watch import FINAL, WATCH_SCHEMA, FailedRuns, state_of
from forex_assets.forecasts.engines import Engines


@dataclass(frozen=True, eq=False)
class WatchObservation:
    """Result of one observation of a deployment.

    Attributes:
        record: the deployment.
        table: `WATCH_SCHEMA`, this observation last.
        rollback: record of the rollback or its refusal; None where none was tried.
    """

    record: DeploymentRecord
    table: pl.DataFrame
    state: str
    words: str
    rollback: DeploymentRecord | None = None

    @property
    def failures(self) -> int:
        """Failed probes and runs so far."""
        return int(self.table["failed_probes"][-1] + self.table["failed_runs"][-1])


class WatchState(BaseModel):
    """State of a watch, for people.

    Attributes:
        until: end of the watch.
        state: see `WatchStateName`; `not looked at` before the first observation.
        observations: how many there are.
        failures: failed probes and runs.
    """

    deployment_id: str
    until: AwareDatetime
    state: str
    observations: int
    failures: int
    words: str


def watch_state(session: Session, horizon: str) -> WatchState | None:
    """The watch of a horizon's newest deployment; None where there is none."""
    record = deployments_of(session).latest(horizon)
    if record is None or record.state != "deployed" or record.watch_until is None:
        return None
    table = _observations(session, record)
    state, failures = "not looked at", 0
    until = f"{santiago_time(record.watch_until)} in Santiago"
    words = f"until {until}, not observed yet: `make ui` runs the watch"
    if not table.is_empty():
        last = table.row(-1, named=True)
        state, failures = last["state"], last["failed_probes"] + last["failed_runs"]
        words = f"{state} after {table.height} observations: {last['words']}"
    return WatchState(
        deployment_id=record.id,
        until=record.watch_until,
        state=state,
        observations=table.height,
        failures=failures,
        words=words,
    )


def observe(
    session: Session,
    engines: Engines,
    horizon: str,
    failed_runs: Callable[[DeploymentRecord], FailedRuns],
    now: datetime,
) -> WatchObservation | None:
    """Observes a horizon's newest deployment and takes the action that follows.

    During the watch and once at its end: a probe; at too many failures the settings are quarantined and those before
    come back. Afterwards: a review of outcomes. A deployment in a final state is not observed again.

    Args:
        failed_runs: counts failed runs since a deployment.

    Returns:
        None where there is no deployment to observe.
    """
    deployer = deployer_of(session)
    deployer.recover()  # an interrupted deployment is closed first: it may be the newest
    record = deployer.latest(horizon)
    if record is None or record.state != "deployed":
        return None
    past = _observations(session, record)
    last_state = None if past.is_empty() else past["state"][-1]
    if last_state in FINAL:
        return WatchObservation(record, past, last_state, past["words"][-1])
    if last_state == "passed":
        return _review(session, engines, record, past, now)
    return _watch(session, engines, record, past, failed_runs(record), now)


def _watch(
    session: Session,
    engines: Engines,
    record: DeploymentRecord,
    past: pl.DataFrame,
    failed: FailedRuns,
    now: datetime,
) -> WatchObservation:
    """An observation during the watch, or the one that ends it."""
    policy = session.policy.deployment
    probes = int(past["failed_probes"][-1]) if past.height else 0
    # No probe where failures are enough already: the last watch runs may have failed on it.
    is_enough = probes + failed.against(None) >= policy.max_failures
    result = ProbeResult(None, "no probe") if is_enough else probe(session, engines, record)
    probes, runs = probes + (result.is_ok is False), failed.against(result.is_ok)
    current = deployer_of(session).current(record.horizon)
    state: str = state_of(record, current, probes + runs, result.is_ok, now, policy)
    words, rollback = result.words + _run_words(failed, result.is_ok), None
    if state == "failed":
        words = f"{probes + runs} failures since deployment {record.id}: {words}"
        rollback, state, words = _roll_back(session, record, words, WATCH, now)
    row = {
        "deployment_id": record.id,
        "at": now,
        "is_ok": result.is_ok,
        "failed_probes": probes,
        "failed_runs": runs,
        "state": state,
        "words": words,
    }
    return WatchObservation(record, pl.concat([past, pl.DataFrame([row], schema=WATCH_SCHEMA)]), state, words, rollback)


def _run_words(failed: FailedRuns, is_ok: bool | None) -> str:
    """Failed runs in words; empty where none failed."""
    parts = [f"{failed.alone} forecast runs failed"] if failed.alone else []
    if failed.watches:
        parts.append(f"{failed.watches} watch runs failed: out of memory, or see their runs in the UI")
    if failed.shared:
        counts = "" if is_ok is False else ", not counted: any of the horizons may be the cause"
        parts.append(f"{failed.shared} forecast runs of several horizons failed{counts}")
    return "".join(f"; {part}" for part in parts)


def _roll_back(
    session: Session, record: DeploymentRecord, reason: str, by: str, now: datetime
) -> tuple[DeploymentRecord, str, str]:
    """Quarantines settings and restores those before; record, state and words.

    In this order: after a crash in between the next observation goes on. The other way round it would observe the
    rollback, and never quarantine these settings.
    """
    deployer = deployer_of(session)
    if deployer.current(record.horizon) == record.to_fingerprint:  # a file that a person has broken is no reason
        deployer.quarantine(record.horizon, record.to_fingerprint, reason, now)
    rollback = deployer.rollback(record.horizon, reason=reason, by=by, now=now, failed=record.to_fingerprint)
    if rollback.state == "deployed":
        return rollback, "rolled back", f"{reason}; rolled back to {rollback.to_fingerprint}"
    return rollback, "rollback refused", f"{reason}; not rolled back: {rollback.reason}"


def _review(
    session: Session, engines: Engines, record: DeploymentRecord, past: pl.DataFrame, now: datetime
) -> WatchObservation:
    """Reviews outcomes after the watch, once there are enough."""
    current = deployer_of(session).current(record.horizon)
    rollback = None
    if current not in (None, record.to_fingerprint):
        state, words = "replaced", f"the current settings are {current}, written by others"
    else:
        rollback, state, words = _on_outcome(session, record, outcome_of(session, engines, record), now)
    row = dict(zip(WATCH_SCHEMA, past.row(-1), strict=True)) | {"at": now, "state": state, "words": words}
    return WatchObservation(record, pl.concat([past, pl.DataFrame([row], schema=WATCH_SCHEMA)]), state, words, rollback)


def _on_outcome(
    session: Session, record: DeploymentRecord, outcome: Outcome, now: datetime
) -> tuple[DeploymentRecord | None, str, str]:
    """Rollback, state and words by the policy."""
    match outcome.verdict, session.policy.deployment.probation:
        case "worse", "automatic":
            return _roll_back(session, record, outcome.words, OUTCOME_REVIEW, now)
        case "worse", "propose":
            command = f"forex-assets rollback --horizon {record.horizon}"
            return None, "rollback proposed", f"{outcome.words}; to roll back: {command}"
        case "worse", _:
            return None, "worse, kept", outcome.words
        case "proven", _:
            return None, "proven", outcome.words
    return None, "passed", outcome.words


def _observations(session: Session, record: DeploymentRecord) -> pl.DataFrame:
    """Past observations of a deployment, oldest first."""
    table = session.tables.read(names.DEPLOYMENT_WATCH, record.horizon)
    if table is None:
        return empty(WATCH_SCHEMA)
    return conform(table, WATCH_SCHEMA, names.DEPLOYMENT_WATCH).filter(pl.col("deployment_id") == record.id)

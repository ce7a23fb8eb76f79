"""Looking at what went live: a trial forecast beside the one of the settings before, and what is done on failures."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl
from pydantic import AwareDatetime, BaseModel

from forex_assets.core.config_store import ConfigError
from forex_assets.core.schemas import conform, empty
from forex_assets.deployment.deploy import deployer_of
from forex_assets.deployment.outcome_review import Outcome
from forex_assets.deployment.outcome_review_run import outcome_of
from forex_assets.deployment.post_deploy_probe import Trial, probe
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.deployment.watch import FINAL, WATCH_SCHEMA, FailedRuns, state_of
from forex_assets.platform import Platform

TABLE = "optimizer/deployment_watch"


@dataclass(frozen=True, eq=False)
class Look:
    """What one look at a deployment came to.

    Attributes:
        table: `WATCH_SCHEMA`, this look last.
        state: see `WatchStateName`.
        words: for people.
        rollback: the record where settings were taken back, or were to be.
    """

    table: pl.DataFrame
    state: str
    words: str
    rollback: DeploymentRecord | None = None


class WatchState(BaseModel):
    """A watch as it stands, for people.

    Attributes:
        deployment_id: of what.
        until: end of the watch.
        state: see `WatchStateName`; `not looked at` before the first look.
        looks: so far.
        failures: probes and runs that failed.
        words: all that in a sentence.
    """

    deployment_id: str
    until: AwareDatetime
    state: str
    looks: int
    failures: int
    words: str


def watch_state(platform: Platform, horizon: str) -> WatchState | None:
    """The watch of a horizon's newest deployment; None where nothing was deployed."""
    record = platform.deployments.latest(horizon)
    if record is None or record.state != "deployed" or record.watch_until is None:
        return None
    table = _looks(platform, record)
    if table.is_empty():
        words = f"until {record.watch_until:%Y-%m-%d %H:%M} UTC, not looked at yet: looks are made where `make ui` runs"
        return WatchState(
            deployment_id=record.id, until=record.watch_until, state="not looked at", looks=0, failures=0, words=words
        )
    last = table.row(-1, named=True)
    return WatchState(
        deployment_id=record.id,
        until=record.watch_until,
        state=last["state"],
        looks=table.height,
        failures=last["failed_probes"] + last["failed_runs"],
        words=f"{last['state']} after {table.height} looks: {last['words']}",
    )


def look(platform: Platform, horizon: str, failed: FailedRuns, now: datetime) -> Look | None:
    """Look at a horizon's newest deployment, and do what has to be done.

    While it is watched, and once at its end: a trial forecast; at too many failures the settings before come back and
    these go into quarantine. Afterwards: outcomes. A deployment that is done with is not looked at again.

    Args:
        platform: settings, prices, policy.
        horizon: such as `7d`.
        failed: runs since the deployment that failed.
        now: real time, with a time zone.

    Returns:
        None where there is no deployment to look at.

    Raises:
        WarehouseError: a record cannot be read, or another deployer holds the lock for too long.
    """
    deployer_of(platform).recover(now)  # what was ended half-way is what is to be looked at
    record = deployer_of(platform).latest(horizon)
    if record is None or record.state != "deployed":
        return None
    before = _looks(platform, record)
    if not before.is_empty() and before["state"][-1] in FINAL:
        return Look(before, before["state"][-1], before["words"][-1])
    if not before.is_empty() and before["state"][-1] == "passed":
        return _probation(platform, record, before, now)
    return _watch(platform, record, before, failed, now)


def _watch(
    platform: Platform, record: DeploymentRecord, before: pl.DataFrame, failed: FailedRuns, now: datetime
) -> Look:
    """One look while the deployment is watched, or the one that ends the watch."""
    policy = platform.policy.deployment
    past = int(before["failed_probes"][-1]) if before.height else 0
    # Where it is enough already there is no trial: the last ones may have died of it.
    is_enough = past + failed.against(None) >= policy.max_failures
    trial = Trial(None, "no trial") if is_enough else probe(platform, record)
    probes, runs = past + (trial.is_ok is False), failed.against(trial.is_ok)
    state = state_of(record, _live(platform, record.horizon), probes + runs, trial.is_ok, now, policy)
    words, rollback = trial.words + _of_runs(failed, trial), None
    shown: str = state
    if state == "failed":
        reason = f"{probes + runs} failures since deployment {record.id}: {words}"
        rollback = take_back(platform, record, reason, "watch", now)
        shown, words = _taken_back(rollback), _after(rollback, reason)
    row = {
        "deployment_id": record.id,
        "at": now,
        "is_ok": trial.is_ok,
        "failed_probes": probes,
        "failed_runs": runs,
        "state": shown,
        "words": words,
    }
    return Look(pl.concat([before, pl.DataFrame([row], schema=WATCH_SCHEMA)]), shown, words, rollback)


def _of_runs(failed: FailedRuns, trial: Trial) -> str:
    """Runs that failed, in words; empty where none did."""
    said = [f"{failed.alone} forecast runs failed"] if failed.alone else []
    if failed.looks:
        said.append(f"{failed.looks} looks died: out of memory, or see their runs in the UI")
    if failed.shared:
        counts = "" if trial.is_ok is False else ", not counted: any of the horizons may be the cause"
        said.append(f"{failed.shared} forecast runs of several horizons failed{counts}")
    return "".join(f"; {each}" for each in said)


def take_back(platform: Platform, record: DeploymentRecord, reason: str, by: str, now: datetime) -> DeploymentRecord:
    """Keep settings from going live again, and bring those before them back.

    In this order: where it is ended in between the next look goes on; the other way round it would look at the rollback
    and never come back to these.
    """
    deployer = deployer_of(platform)
    if _live(platform, record.horizon) == record.to_fingerprint:  # a file that somebody has broken says nothing of them
        deployer.quarantine(record.horizon, record.to_fingerprint, reason, now)
    return deployer.rollback(record.horizon, reason=reason, by=by, now=now, failed=record.to_fingerprint)


def _probation(platform: Platform, record: DeploymentRecord, before: pl.DataFrame, now: datetime) -> Look:
    """What outcomes say, once there are enough."""
    live = _live(platform, record.horizon)
    if live not in (None, record.to_fingerprint):
        state, words, rollback = "replaced", f"{live} is live, written by others", None
    else:
        state, words, rollback = _on_outcome(platform, record, outcome_of(platform, record), now)
    row = dict(zip(WATCH_SCHEMA, before.row(-1), strict=True)) | {"at": now, "state": state, "words": words}
    return Look(pl.concat([before, pl.DataFrame([row], schema=WATCH_SCHEMA)]), state, words, rollback)


def _on_outcome(
    platform: Platform, record: DeploymentRecord, outcome: Outcome, now: datetime
) -> tuple[str, str, DeploymentRecord | None]:
    """State, words, and the rollback that the policy asks for."""
    match outcome.verdict, platform.policy.deployment.probation:
        case "worse", "automatic":
            rollback = take_back(platform, record, outcome.words, "probation", now)
            return _taken_back(rollback), _after(rollback, outcome.words), rollback
        case "worse", "propose":
            words = f"{outcome.words}; to go back: forex-assets rollback --horizon {record.horizon}"
            return "rollback proposed", words, None
        case "worse", _:
            return "worse, kept", outcome.words, None
        case "proven", _:
            return "proven", outcome.words, None
    return "passed", outcome.words, None


def _taken_back(rollback: DeploymentRecord) -> str:
    return "rolled back" if rollback.state == "deployed" else "rollback refused"


def _after(rollback: DeploymentRecord, reason: str) -> str:
    if rollback.state == "deployed":
        return f"{reason}; {rollback.to_fingerprint} is live again"
    return f"{reason}; not taken back: {rollback.reason}"


def _looks(platform: Platform, record: DeploymentRecord) -> pl.DataFrame:
    """Looks at this deployment so far."""
    table = platform.warehouse.read(TABLE, record.horizon)
    looks = empty(WATCH_SCHEMA) if table is None else conform(table, WATCH_SCHEMA, TABLE)
    return looks.filter(pl.col("deployment_id") == record.id)


def _live(platform: Platform, horizon: str) -> str | None:
    try:
        return platform.configs.fingerprint(horizon)
    except ConfigError:
        return None

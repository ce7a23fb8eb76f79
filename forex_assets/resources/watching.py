"""Looking at what went live: a trial forecast beside the one of the settings before, and what is done on failures."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from pydantic import AwareDatetime, BaseModel

from forex_assets.adapters.config_backups import BackupError
from forex_assets.adapters.config_store import ConfigError
from forex_assets.adapters.ledger_store import LedgerStore
from forex_assets.domain.calendar import SANTIAGO
from forex_assets.domain.deployment.probation import Outcome, judge_outcomes
from forex_assets.domain.deployment.record import DeploymentRecord
from forex_assets.domain.deployment.watch import FINAL, WATCH_SCHEMA, fan_faults, state_of
from forex_assets.domain.forecast.baselines import origin_volatility
from forex_assets.domain.forecast.config import InferenceConfig
from forex_assets.domain.forecast.engine import EngineError, Origin
from forex_assets.domain.forecast.fan import Fan
from forex_assets.domain.forecast.forecast import usable
from forex_assets.domain.horizon import target_of
from forex_assets.domain.market.prices import USDCLP
from forex_assets.domain.schemas import REALIZED_SCHEMA, conform, empty
from forex_assets.resources.backtesting import inputs_of
from forex_assets.resources.deploying import deployer_of
from forex_assets.resources.platform import Platform
from forex_assets.resources.trials import trial_rows

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
    record = deployer_of(platform).latest(horizon)
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


def look(platform: Platform, horizon: str, failed_runs: int, now: datetime) -> Look | None:
    """Look at a horizon's newest deployment, and do what has to be done.

    While it is watched, and once at its end: a trial forecast; at too many failures the settings before come back and
    these go into quarantine. Afterwards: outcomes. A deployment that is done with is not looked at again.

    Args:
        platform: settings, prices, policy.
        horizon: such as `7d`.
        failed_runs: forecast runs of the horizon that failed since the deployment.
        now: real time, with a time zone.

    Returns:
        None where there is no deployment to look at.

    Raises:
        WarehouseError: a record cannot be read, or another deployer holds the lock for too long.
    """
    record = deployer_of(platform).latest(horizon)
    if record is None or record.state != "deployed":
        return None
    before = _looks(platform, record)
    if not before.is_empty() and before["state"][-1] in FINAL:
        return Look(before, before["state"][-1], before["words"][-1])
    if not before.is_empty() and before["state"][-1] == "passed":
        return _probation(platform, record, before, now)
    fault = probe(platform, record)
    failed = (before["failed_probes"][-1] if before.height else 0) + bool(fault)
    state = state_of(record, _live(platform, horizon), failed + failed_runs, now, platform.policy.deployment)
    words = fault or "a trial forecast came out well"
    if failed_runs:
        words += f"; {failed_runs} forecast runs failed"
    rollback = None
    if state == "failed":
        reason = f"{failed + failed_runs} failures since deployment {record.id}: {words}"
        rollback = take_back(platform, record, reason, "watch", now)
        words = _after(rollback, reason)
    shown = state if rollback is None else "rolled back" if rollback.state == "deployed" else "rollback refused"
    row = {
        "deployment_id": record.id,
        "at": now,
        "is_ok": not fault,
        "failed_probes": failed,
        "failed_runs": failed_runs,
        "state": shown,
        "words": words,
    }
    return Look(pl.concat([before, pl.DataFrame([row], schema=WATCH_SCHEMA)]), shown, words, rollback)


def take_back(platform: Platform, record: DeploymentRecord, reason: str, by: str, now: datetime) -> DeploymentRecord:
    """Bring the settings before back, and keep these from going live again."""
    deployer = deployer_of(platform)
    back = deployer.rollback(record.horizon, reason=reason, by=by, now=now)
    if back.state == "deployed":
        deployer.quarantine(record.horizon, record.to_fingerprint, reason, now)
    return back


def probe(platform: Platform, record: DeploymentRecord) -> str:
    """What is wrong with a trial forecast by the live settings; empty where nothing is. Nothing is kept of it."""
    try:
        config = platform.configs.read(record.horizon)
        fan, last, ewma_sd = _trial(platform, config)
    except (ConfigError, EngineError, ValueError) as error:
        return str(error)
    return "; ".join(fan_faults(fan, last, ewma_sd, _champion_fan(platform, record)))


def _trial(platform: Platform, config: InferenceConfig) -> tuple[Fan, float, float]:
    """The model's own fan from the stored prices; the last price; its volatility."""
    rows = usable(inputs_of(platform)[0])
    values = rows[USDCLP.value].to_numpy().astype(np.float64)
    target = target_of(config.horizon, platform.settings.as_of_date, rows["session"][-1], platform.calendar(USDCLP))
    found, used = platform.model_for(config)
    fan = platform.engine(found).forecast(
        [Origin(values, target.steps, {})], used.model_copy(update={"uses_copper": False})
    )[0]
    return fan, float(values[-1]), origin_volatility(values)


def _champion_fan(platform: Platform, record: DeploymentRecord) -> Fan | None:
    """The fan of the settings before; None where there are none that can be run: they are then no yardstick."""
    config = config_before(platform, record)
    if config is None:
        return None
    try:
        return _trial(platform, config)[0]
    except (EngineError, ValueError):
        return None


def config_before(platform: Platform, record: DeploymentRecord) -> InferenceConfig | None:
    """The settings that a deployment replaced; None where it replaced none, or their backup cannot be used."""
    if record.backup is None:
        return None
    try:
        content = deployer_of(platform).backups.content(record.horizon, record.backup)
        return InferenceConfig.model_validate_json(content, strict=True)
    except (BackupError, ValueError):
        return None


def _probation(platform: Platform, record: DeploymentRecord, before: pl.DataFrame, now: datetime) -> Look:
    """What outcomes say, once there are enough."""
    outcome, policy = _outcome(platform, record), platform.policy.deployment
    state, rollback, words = "passed", None, outcome.words
    if outcome.verdict == "proven":
        state = "proven"
    elif outcome.verdict == "worse" and policy.probation == "automatic":
        rollback = take_back(platform, record, outcome.words, "probation", now)
        state, words = ("rolled back" if rollback.state == "deployed" else "rollback refused"), _after(rollback, words)
    elif outcome.verdict == "worse":
        is_proposed = policy.probation == "propose"
        state = "rollback proposed" if is_proposed else "worse, kept"
        words += f"; to go back: forex-assets rollback --horizon {record.horizon}" if is_proposed else ""
    row = dict(zip(WATCH_SCHEMA, before.row(-1), strict=True)) | {"at": now, "state": state, "words": words}
    return Look(pl.concat([before, pl.DataFrame([row], schema=WATCH_SCHEMA)]), state, words, rollback)


def _outcome(platform: Platform, record: DeploymentRecord) -> Outcome:
    """Both settings on the dates on which the live ones have issued forecasts since."""
    old = config_before(platform, record)
    live = platform.configs.read(record.horizon)
    found, used = platform.model_for(live)
    if old is None:
        return Outcome("proven", "there were no settings before to compare with")
    ledger = LedgerStore(platform.warehouse).read(record.horizon)
    since = record.at.astimezone(SANTIAGO).date()
    own = ledger.filter((pl.col("config_fingerprint") == used.fingerprint) & ~pl.col("is_shadow"))
    days = own.filter(pl.col("as_of") >= since)["as_of"].unique().sort().to_list()
    if not days:
        return judge_outcomes(empty(REALIZED_SCHEMA), empty(REALIZED_SCHEMA), platform.policy.deployment)
    other = platform.model_for(old)[1]
    configs = {record.horizon: [used, other]}
    rows = trial_rows(platform, platform.engine(found), configs, {record.horizon: days})[record.horizon]
    mine, theirs = (rows.filter(pl.col("config_fingerprint") == each.fingerprint) for each in (used, other))
    return judge_outcomes(mine, theirs, platform.policy.deployment)


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

"""Which settings may go live, and bringing them there: the rules between a validation and the deployer."""

from datetime import UTC, datetime

import polars as pl

from forex_assets.core.config_store import ConfigError
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.deployment.deployer import Deployer
from forex_assets.deployment.deployment_store import new_id
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.optimizer.shadow_store import ShadowStore
from forex_assets.platform import Platform


def deployer_of(platform: Platform) -> Deployer:
    """The deployer of the platform's configs."""
    return Deployer(platform.settings.configs, platform.deployments, platform.policy.deployment)


def real_now() -> datetime:
    """The real time: a clock set by hand says what is forecast, not when a file was replaced."""
    return datetime.now(UTC)


def deploy_validated(
    platform: Platform, horizon: str, validation: pl.DataFrame, *, by: str = "loop"
) -> DeploymentRecord:
    """Bring a validated challenger live, where every rule allows it.

    Args:
        platform: settings, policy, configs.
        horizon: such as `7d`.
        validation: `VALIDATION_SCHEMA` of the report.
        by: who.

    Returns:
        The record: what is not allowed is `refused`, with the rule and the remedy.

    Raises:
        WarehouseError: another deployer holds the lock for too long, or a record cannot be read.
    """
    deployer, now = deployer_of(platform), real_now()
    row = validation.row(0, named=True)
    config = InferenceConfig.model_validate_json(row["challenger_config"])
    if why := _forbidden(platform, horizon, config, row["verdict"]):
        made = _refused(deployer, horizon, config, why, row["validation_id"], by, now)
    else:
        made = deployer.deploy(
            config,
            expected=_expected(platform, horizon, row["champion"]),
            reason=str(row["words"] or f"approved by {row['validation_id']}"),
            by=by,
            now=now,
            validation_id=row["validation_id"],
        )
    trials = ShadowStore(platform.warehouse)
    trial = trials.read(horizon) if made.state == "refused" else None
    if trial is not None and trial.config.fingerprint == config.fingerprint:
        trials.remove(horizon)  # an approved one would be every later validation's verdict
    return made


def roll_back(platform: Platform, horizon: str, *, reason: str, by: str, to: str | None = None) -> DeploymentRecord:
    """Bring a backup live; see `Deployer.rollback`."""
    return deployer_of(platform).rollback(horizon, reason=reason, by=by, now=real_now(), to=to)


def _forbidden(platform: Platform, horizon: str, config: InferenceConfig, verdict: str) -> str:
    """Why a challenger must not go live; empty where it may."""
    if verdict != "approved":
        return f"the verdict is {verdict}; only an approved challenger goes live"
    if platform.reading_branch == "sample" and not platform.policy.deployment.allow_sample:
        return (
            "validated on the generated market, which says nothing about the peso; "
            "set deployment.allow_sample in configs/policy.yaml to try the loop out"
        )
    if platform.reading_branch == "live" and platform.settings.as_of is not None:
        return (
            f"validated at FOREX_AS_OF={platform.settings.as_of_date}, a clock set by hand, which says nothing of what "
            "is best today; unset it, or try the loop out with --dry-run"
        )
    try:
        live = platform.configs.read(horizon)
    except ConfigError:
        return ""  # none yet, or none that can be read: the deployer compares it with what was validated against
    found, used = platform.model_for(live)
    if found.stands_in or used.fingerprint != live.fingerprint:
        return (
            f"validated with {used.model}, which stands in for {live.model}: what suits the one says nothing of the "
            f'other. Write "model": "{used.model}", "representation": "{used.representation}" in '
            f"configs/chronos_{horizon}.json to have it tuned, or bring the configured model in"
        )
    if config.model != live.model:
        return f"validated with {config.model}, but configs/chronos_{horizon}.json names {live.model}; search anew"
    return ""


def _expected(platform: Platform, horizon: str, champion: str) -> str | None:
    """What must be live: the champion; nothing where the challenger was validated against the walk."""
    return champion if platform.configs.path(horizon).exists() else None


def _refused(
    deployer: Deployer,
    horizon: str,
    config: InferenceConfig,
    why: str,
    validation_id: str,
    by: str,
    now: datetime,
) -> DeploymentRecord:
    """The record of what is not even tried."""
    try:
        live = deployer.configs.fingerprint(horizon)
    except ConfigError:
        live = None
    newest = next(iter(deployer.records(horizon)), None)
    record = DeploymentRecord(
        id=new_id(now, newest.id if newest else None),
        horizon=horizon,
        kind="deploy",
        state="refused",
        at=now,
        by=by,
        reason=why,
        from_fingerprint=live,
        to_fingerprint=config.fingerprint,
        validation_id=validation_id,
    )
    deployer.store.add(record)
    return record

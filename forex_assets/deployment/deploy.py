"""Decides which validated settings may be deployed, and deploys them."""

from datetime import UTC, datetime

import polars as pl

from forex_assets.core.config_store import ConfigError
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.session import Session
from forex_assets.deployment.deployer import Deployer
from forex_assets.deployment.deployment_store import deployments_of
from forex_assets.deployment.git import GitExport
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.forecasts.engines import Engines
from forex_assets.optimizer.shadow_store import ShadowStore


def deployer_of(session: Session) -> Deployer:
    """The deployer of the session's configs."""
    commit = GitExport(session.settings.configs, is_copy=session.settings.has_remote_store)
    return Deployer(session.config_files, deployments_of(session), session.policy.deployment, commit=commit)


def real_now() -> datetime:
    """Real time, UTC.

    A clock set by hand (FOREX_AS_OF) does not say when a file was replaced.
    """
    return datetime.now(UTC)


def deploy_validated(
    session: Session, engines: Engines, horizon: str, validation: pl.DataFrame, *, by: str = "loop"
) -> DeploymentRecord:
    """Deploys a validated challenger, where every rule allows it.

    Args:
        validation: `VALIDATION_SCHEMA` of the report, one row.

    Returns:
        The record: a forbidden one is `refused`, with the rule and the remedy.
    """
    deployer, now = deployer_of(session), real_now()
    row = validation.row(0, named=True)
    config = InferenceConfig.model_validate_json(row["challenger_config"])
    if why := _forbidden(session, engines, horizon, config, row["verdict"]):
        record = deployer.refuse(config, why, by=by, now=now, validation_id=row["validation_id"])
    else:
        record = deployer.deploy(
            config,
            # Without current settings the challenger was validated against the no-change benchmark.
            expected=row["champion"] if session.configs.exists(horizon) else None,
            reason=str(row["words"] or f"approved by {row['validation_id']}"),
            by=by,
            now=now,
            validation_id=row["validation_id"],
        )
    if record.state == "refused":
        shadows = ShadowStore(session.tables)
        shadow = shadows.read(horizon)
        if shadow is not None and shadow.config.fingerprint == config.fingerprint:
            shadows.remove(horizon)  # an approved one would decide every later validation
    return record


def roll_back(
    session: Session, horizon: str, *, reason: str, by: str, to: str | None = None, last_good: bool = False
) -> DeploymentRecord:
    """Deploys a backup; see `Deployer.rollback`."""
    deployer = deployer_of(session)
    return deployer.rollback(horizon, reason=reason, by=by, now=real_now(), to=to, last_good=last_good)


def _forbidden(session: Session, engines: Engines, horizon: str, config: InferenceConfig, verdict: str) -> str:
    """Why a challenger must not be deployed; empty where it may."""
    if verdict != "approved":
        return f"the verdict is {verdict}; only an approved challenger is deployed"
    if session.market == "sample" and not session.policy.deployment.allow_sample:
        return (
            "validated on generated prices, which say nothing about the peso; "
            "set deployment.allow_sample in configs/policy.yaml to try the loop out"
        )
    if session.market == "live" and session.settings.as_of is not None:
        return (
            f"validated at FOREX_AS_OF={session.today}, a clock set by hand, which says nothing about today; unset it, "
            "or try the loop out with --dry-run"
        )
    try:
        current = session.configs.read(horizon)
    except ConfigError:
        return ""  # missing or unreadable: the deployer compares it with the settings validated against
    model, used = engines.resolve(current)
    if model.stands_in or used.fingerprint != current.fingerprint:
        return (
            f"validated with {used.model}, the fallback for {current.model}, which may need other settings. Make the "
            f'configured model available, or write "model": "{used.model}", "representation": "{used.representation}" '
            f"in configs/chronos_{horizon}.json"
        )
    if config.model != current.model:
        return (
            f"validated with {config.model}, but configs/chronos_{horizon}.json names {current.model}; "
            f"forex-assets run --horizon {horizon} --force"
        )
    return ""

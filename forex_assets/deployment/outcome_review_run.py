"""Collects the outcomes of new and earlier settings for their review."""

import polars as pl

from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.session import Session
from forex_assets.deployment.deploy import deployer_of
from forex_assets.deployment.outcome_review import Outcome, review_outcomes
from forex_assets.deployment.post_deploy_probe import settings_before
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.forecasts.engines import Engines
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.optimizer.candidate_backtest_run import trial_rows


def outcome_of(session: Session, engines: Engines, record: DeploymentRecord) -> Outcome:
    """Compares both settings on the dates of the new ones' forecasts."""
    before, policy = settings_before(session, record), session.policy.deployment
    if before is None:
        return Outcome("proven", "there were no settings before to compare with")
    if why := deployer_of(session).is_quarantined(record.horizon, before.fingerprint):
        return Outcome("proven", f"the settings before are in quarantine, so there is no version to go back to: {why}")
    current, used = engines.resolve(session.configs.read(record.horizon))
    ledger = LedgerStore(session.tables).read(record.horizon)
    issued = ledger.filter(
        pl.col("config_fingerprint") == used.fingerprint,
        ~pl.col("is_shadow"),
        pl.col("as_of") >= record.at.astimezone(SANTIAGO).date(),
    )
    days = issued["as_of"].unique().sort().to_list()
    if len(days) < policy.probation_outcomes:
        needed = policy.probation_outcomes
        return Outcome("waiting", f"{len(days)} forecasts since the deployment; judged after {needed} outcomes")
    new, old = (
        trial_rows(session, engines.engine(model), {record.horizon: [config]}, {record.horizon: days})[record.horizon]
        for model, config in ((current, used), engines.resolve(before))
    )
    return review_outcomes(new, old, policy)

"""Outcomes since a deployment: the live settings and those before, on the dates on which forecasts were issued."""

import polars as pl

from forex_assets.core.calendar import SANTIAGO
from forex_assets.deployment.deploy import deployer_of
from forex_assets.deployment.outcome_review import Outcome, judge_outcomes
from forex_assets.deployment.post_deploy_probe import config_before
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.optimizer.candidate_backtest_run import trial_rows
from forex_assets.platform import Platform


def outcome_of(platform: Platform, record: DeploymentRecord) -> Outcome:
    """Both settings on the dates on which the live ones have issued forecasts since, each as it would have done."""
    old, policy = config_before(platform, record), platform.policy.deployment
    if old is None:
        return Outcome("proven", "there were no settings before to compare with")
    if why := deployer_of(platform).is_quarantined(record.horizon, old.fingerprint):
        return Outcome("proven", f"the settings before are in quarantine, and nothing to go back to: {why}")
    found, used = platform.model_for(platform.configs.read(record.horizon))
    ledger = LedgerStore(platform.warehouse).read(record.horizon)
    since = record.at.astimezone(SANTIAGO).date()
    own = ledger.filter((pl.col("config_fingerprint") == used.fingerprint) & ~pl.col("is_shadow"))
    days = own.filter(pl.col("as_of") >= since)["as_of"].unique().sort().to_list()
    if len(days) < policy.probation_outcomes:
        return Outcome(
            "waiting", f"{len(days)} forecasts since the deployment; judged once {policy.probation_outcomes} came true"
        )
    mine, theirs = (
        trial_rows(platform, platform.engine(model), {record.horizon: [config]}, {record.horizon: days})[record.horizon]
        for model, config in ((found, used), platform.model_for(old))
    )
    return judge_outcomes(mine, theirs, policy)

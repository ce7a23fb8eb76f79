"""Outcomes since a deployment: the live settings and those before, on the dates on which forecasts were issued."""

import polars as pl

from forex_assets.adapters.ledger_store import LedgerStore
from forex_assets.domain.calendar import SANTIAGO
from forex_assets.domain.deployment.probation import Outcome, judge_outcomes
from forex_assets.domain.deployment.record import DeploymentRecord
from forex_assets.resources.deploying import deployer_of
from forex_assets.resources.live_trial import config_before
from forex_assets.resources.platform import Platform
from forex_assets.resources.trials import trial_rows


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

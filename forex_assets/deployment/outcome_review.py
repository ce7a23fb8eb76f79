"""Compares outcomes since a deployment with those of the settings before."""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from forex_assets.accuracy.compare import skill
from forex_assets.accuracy.scorecard import overlap_of
from forex_assets.core.policy import DeploymentPolicy


@dataclass(frozen=True)
class Outcome:
    """Verdict on the outcomes of new settings.

    Attributes:
        verdict: `waiting` for outcomes, `worse`, or `proven`: not significantly worse.
        words: with every figure.
    """

    verdict: Literal["waiting", "worse", "proven"]
    words: str


def review_outcomes(new: pl.DataFrame, before: pl.DataFrame, policy: DeploymentPolicy) -> Outcome:
    """Compares two settings by CRPS on the same dates.

    Args:
        new: `REALIZED_SCHEMA`, one row a forecast by the new settings.
        before: forecasts by the settings before.
    """
    paired = new.select("as_of", "crps").join(
        before.select("as_of", before_crps="crps"), on="as_of", how="inner", maintain_order="left"
    )
    if paired.height < policy.probation_outcomes:
        words = f"{paired.height} of {policy.probation_outcomes} outcomes since the deployment; too few to judge"
        return Outcome("waiting", words)
    overlap = overlap_of(new.join(paired.select("as_of"), on="as_of", how="semi"))
    gain = skill(paired["crps"].to_numpy(), paired["before_crps"].to_numpy(), overlap=overlap)
    if gain.value is None or gain.high is None or gain.low is None:
        return Outcome("waiting", f"{paired.height} outcomes: too few independent ones to judge")
    figures = (
        f"CRPS {100 * gain.value:+.1f} % [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}] against the settings before, "
        f"on {paired.height} outcomes ({gain.n_effective:.0f} independent)"
    )
    if gain.high < 0:
        return Outcome("worse", f"significantly worse: {figures}")
    return Outcome("proven", f"not significantly worse: {figures}")

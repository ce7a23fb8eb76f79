"""What came true since settings went live: whether the settings before would have done significantly better."""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from forex_assets.accuracy.compare import skill
from forex_assets.accuracy.scorecard import overlap_of
from forex_assets.core.policy import DeploymentPolicy


@dataclass(frozen=True)
class Outcome:
    """How live settings compare with those before.

    Attributes:
        verdict: `waiting` for outcomes, `worse`, or `proven`: not significantly worse.
        words: with every figure.
    """

    verdict: Literal["waiting", "worse", "proven"]
    words: str


def judge_outcomes(live: pl.DataFrame, before: pl.DataFrame, policy: DeploymentPolicy) -> Outcome:
    """Compare two settings on the same dates by CRPS.

    Args:
        live: `REALIZED_SCHEMA`, one row a forecast, of the settings that are live.
        before: the same dates with the settings before.
        policy: how many outcomes are needed.
    """
    paired = live.select("as_of", "crps").join(
        before.select("as_of", before_crps="crps"), on="as_of", how="inner", maintain_order="left"
    )
    if paired.height < policy.probation_outcomes:
        words = f"{paired.height} of {policy.probation_outcomes} outcomes since the deployment; nothing is judged yet"
        return Outcome("waiting", words)
    overlap = overlap_of(live.join(paired.select("as_of"), on="as_of", how="semi"))
    found = skill(paired["crps"].to_numpy(), paired["before_crps"].to_numpy(), overlap=overlap)
    if found.value is None or found.high is None or found.low is None:
        return Outcome("waiting", f"{paired.height} outcomes hold too few independent ones to judge by")
    figures = (
        f"CRPS {100 * found.value:+.1f} % [{100 * found.low:+.1f}, {100 * found.high:+.1f}] against those before, on "
        f"{paired.height} outcomes ({found.n_effective:.0f} independent)"
    )
    if found.high < 0:
        return Outcome("worse", f"significantly worse: {figures}")
    return Outcome("proven", f"not significantly worse: {figures}")

"""First criterion: a relevant and significant improvement."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from forex_assets.accuracy.compare import Skill
from forex_assets.accuracy.verdict import smallest_gain
from forex_assets.core.fan import Array
from forex_assets.core.policy import Policy, ValidationPolicy
from forex_assets.optimizer.block_permutation import block_length, boundary_factor, p_values
from forex_assets.optimizer.criterion import Calibrated, Judged, better, percent
from forex_assets.optimizer.paired_losses import CHALLENGER, CHAMPION, Evidence, gain, student

POWER: Final = 0.8
"""Power at which a gain counts as detectable (80 %)."""


@dataclass(frozen=True)
class Measure:
    """One way to be better.

    Attributes:
        name: in words.
        skill: share by which the challenger's is lower, with its interval.
        limit: least share that counts.
        p_value: of "no better", adjusted for the other measures that could be chosen.
    """

    name: str
    skill: Skill
    limit: float
    p_value: float


def losses_of(evidence: Evidence, objective: str) -> dict[str, Array]:
    """Losses compared under the search's objective, each of shape (2, n)."""
    if objective == "crps":
        return {"CRPS": evidence.crps}
    return {"RMSE": evidence.squares, "MAPE": evidence.percentages}


def limits_of(rules: ValidationPolicy) -> dict[str, float]:
    """Least gain that counts, by the name of its measure."""
    return {"CRPS": rules.crps_gain, "RMSE": rules.rmse_gain, "MAPE": rules.mape_gain}


def measures_of(evidence: Evidence, policy: Policy) -> list[Measure]:
    """The measures that count under the objective, the most convincing first."""
    losses, limits = losses_of(evidence, policy.search.objective), limits_of(policy.validation)
    differences = np.stack([loss[CHAMPION] - loss[CHALLENGER] for loss in losses.values()], axis=1)
    chances = p_values(differences, evidence.overlap)
    unsorted = [
        Measure(name, _gain(evidence, name, loss), limits[name], float(p))
        for (name, loss), p in zip(losses.items(), chances, strict=True)
    ]
    return sorted(unsorted, key=lambda measure: not _is_passed(measure, policy.validation.significance))


def improvement(evidence: Evidence, policy: Policy) -> Judged:
    """Judges whether the improvement is relevant and significant.

    Published: RMSE at least 5 % lower, or MAPE at least 3 %. Calibrated: a gain in the objective (CRPS; or RMSE or MAPE
    by the published limits) of at least its limit, that the exchange of labels shows to be more than chance. It has
    failed where the interval lies wholly below the limit.
    """
    rules, n = policy.validation, evidence.n
    published = [_gain(evidence, "RMSE", evidence.squares), _gain(evidence, "MAPE", evidence.percentages)]
    limits = (rules.rmse_gain, rules.mape_gain)
    literal = any(s.value is not None and s.value >= limit for s, limit in zip(published, limits, strict=True))
    measures = measures_of(evidence, policy)
    best = measures[0]
    verdict: Calibrated = "inconclusive"
    if _is_passed(best, rules.significance):
        verdict = "passed"
    elif all(m.skill.high is not None and m.skill.high < m.limit for m in measures):
        verdict = "failed"
    reported = {"RMSE": published[0], "MAPE": published[1], **{m.name: m.skill for m in measures}}
    figures = ", ".join(f"{name} {better(skill)}" for name, skill in reported.items())
    needed = " or ".join(f"{m.name} {percent(m.limit)} and p ≤ {rules.significance:g}" for m in measures)
    words = (
        f"{figures}; p {best.p_value:.3f} of {best.name} by exchanging labels in blocks of "
        f"{min(n, block_length(evidence.overlap))} of {n} origins; wanted {needed}; published rule: RMSE "
        f"{percent(limits[0])} or MAPE {percent(limits[1])}"
    )
    skill = best.skill
    return Judged("improvement", skill.value, best.limit, skill.low, skill.high, literal, verdict, words)


def detectable_gain(evidence: Evidence, policy: Policy) -> float | None:
    """Smallest gain detected with 80 % power.

    None if the sample is too small for any.

    (z_{1-α} f + z_.8) standard errors, one-sided, f being `boundary_factor`. The standard error is the larger of two:
    that of `paired_losses.gain`, and that of `accuracy.verdict.smallest_gain`.
    """
    skill = measures_of(evidence, policy)[0].skill
    if skill.low is None or skill.high is None:
        return None
    normal = NormalDist()
    reach = normal.inv_cdf(1 - policy.validation.significance) * boundary_factor(evidence.overlap)
    reach += normal.inv_cdf(POWER)
    error = math.log((1 - skill.low) / (1 - skill.high)) / 2 / student(skill.n_effective)
    least = smallest_gain(reach, skill.n_effective)
    return None if least is None else max(1 - math.exp(-error * reach), least)


def _gain(evidence: Evidence, name: str, loss: Array) -> Skill:
    return gain(loss[CHALLENGER], loss[CHAMPION], evidence.overlap, root=name == "RMSE")


def _is_passed(measure: Measure, significance: float) -> bool:
    value = measure.skill.value
    return value is not None and value >= measure.limit and measure.p_value <= significance

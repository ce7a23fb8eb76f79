"""Probability that a challenger no better would be approved.

By either rule, on the same origins, by exchange of labels.

The two forecasts' labels are exchanged in blocks, a few thousand times; of each exchange the whole rule is asked. What
the exchange cannot know is taken over from what was found: how wide the interval of a ratio is, and how many hits and
errors are independent.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forex_assets.accuracy.compare import effective_size
from forex_assets.core.fan import Array
from forex_assets.core.policy import Policy, ValidationPolicy
from forex_assets.optimizer.block_permutation import block_sums, boundary_factor, exchanges, rank_from_above
from forex_assets.optimizer.criteria import bias_reach, median_place
from forex_assets.optimizer.improvement import limits_of, losses_of
from forex_assets.optimizer.paired_losses import CHALLENGER, CHAMPION, TAIL, Evidence, gain

SEED: Final = 1


@dataclass(frozen=True)
class FalsePass:
    """Share of exchanges that are approved.

    Attributes:
        calibrated: by the calibrated rule.
        literal: by the published one.
    """

    calibrated: float
    literal: float

    def after(self, earlier: float) -> "FalsePass":
        """Chance of passing an independent earlier test as well."""
        return FalsePass(earlier * self.calibrated, earlier * self.literal)


@dataclass(frozen=True, eq=False)
class _Replicates:
    """Both sides' figures in each exchange.

    Arrays of shape (2, exchanges): champion, challenger.
    """

    square: Array
    percentage: Array
    crps: Array
    error: Array
    hit: Array

    @property
    def sd(self) -> Array:
        """Standard deviation of the errors."""
        return np.asarray(np.sqrt(np.maximum(self.square - self.error**2, 0.0)))


def false_pass(evidence: Evidence, policy: Policy, *, is_first: bool = False) -> FalsePass:
    """P(approved) of a challenger that is no better.

    Args:
        evidence: both on the same origins, one at least.
        policy: limits, and which loss the search went by.
        is_first: the champion is the walk, and time counts for nothing.
    """
    rules = policy.validation
    signs = exchanges(len(block_sums(evidence.realized, evidence.overlap)))
    replicates = _replicates(evidence, signs)
    ratios = _time_ratios(evidence.seconds, len(signs))
    literal = _literal(replicates, rules)
    calibrated = _improves(evidence, replicates, signs, policy) & ~_fails(evidence, replicates, rules)
    if ratios is not None and not is_first:
        literal &= np.median(ratios, axis=1) <= 1 + rules.time_increase
        calibrated &= ~_is_slower(ratios, rules)
    return FalsePass(float(calibrated.mean()), float(literal.mean()))


def _replicates(evidence: Evidence, signs: Array) -> _Replicates:
    """Means of both sides in each exchange; swapped blocks change sides."""
    kept = (signs + 1) / 2
    sides = []
    for values in (evidence.squares, evidence.percentages, evidence.crps, evidence.errors, evidence.hits):
        sums = np.stack([block_sums(side, evidence.overlap) for side in values])
        total = sums.sum(axis=0).sum()
        challenger = kept @ (sums[CHALLENGER] - sums[CHAMPION]) + sums[CHAMPION].sum()
        sides.append(np.stack([total - challenger, challenger]) / evidence.n)
    return _Replicates(*sides)


def _literal(replicates: _Replicates, rules: ValidationPolicy) -> NDArray[np.bool_]:
    """The published criteria but time, word for word."""
    rmse = 1 - np.sqrt(_ratio(replicates.square))
    mape = 1 - _ratio(replicates.percentage)
    return np.asarray(
        ((rmse >= rules.rmse_gain) | (mape >= rules.mape_gain))
        & (_ratio(replicates.sd) <= 1 + rules.sd_increase)
        & (replicates.hit[CHALLENGER] >= rules.coverage)
        & (np.abs(replicates.error[CHALLENGER]) < rules.bias_clp)
    )


def _improves(evidence: Evidence, replicates: _Replicates, signs: Array, policy: Policy) -> NDArray[np.bool_]:
    """The calibrated first criterion: each exchange ranked among all of them."""
    losses, limits = losses_of(evidence, policy.search.objective), limits_of(policy.validation)
    means = {"CRPS": replicates.crps, "RMSE": replicates.square, "MAPE": replicates.percentage}
    differences = np.stack([loss[CHAMPION] - loss[CHALLENGER] for loss in losses.values()], axis=1)
    sums = signs @ block_sums(differences, evidence.overlap)
    chances = rank_from_above(sums, sums, boundary_factor(evidence.overlap))
    passed = np.zeros(len(signs), dtype=np.bool_)
    for place, name in enumerate(losses):
        ratio = _ratio(means[name])
        sides = 1 - (np.sqrt(ratio) if name == "RMSE" else ratio)
        passed |= (sides >= limits[name]) & (chances[:, place] <= policy.validation.significance)
    return passed


def _fails(evidence: Evidence, replicates: _Replicates, rules: ValidationPolicy) -> NDArray[np.bool_]:
    """Whether scatter, coverage or bias are surely beyond their limits."""
    from scipy.special import betaincinv  # here, since every code server would pay for it at the top

    centred = evidence.errors - evidence.errors.mean(axis=1, keepdims=True)
    skill = gain(centred[CHALLENGER] ** 2, centred[CHAMPION] ** 2, evidence.overlap, root=True)
    failed = np.zeros(replicates.hit.shape[1], dtype=np.bool_)
    if skill.high is not None and skill.value is not None:
        least = (1 - skill.high) / (1 - skill.value)  # from the ratio to the lower end of its interval
        failed |= _ratio(replicates.sd) * least > 1 + rules.sd_increase
    n_effective = effective_size(evidence.hits[CHALLENGER].astype(np.float64), evidence.overlap)
    held = replicates.hit[CHALLENGER] * n_effective
    missed = np.maximum(n_effective - held, 1e-9)
    failed |= betaincinv(held + 1, missed, 1 - TAIL) < rules.coverage
    reach = bias_reach(evidence.errors[CHALLENGER], evidence.overlap)
    if reach is not None:
        failed |= np.abs(replicates.error[CHALLENGER]) >= max(rules.bias_clp, reach)
    return failed


def _time_ratios(seconds: Array, repetitions: int) -> Array | None:
    """Time ratios with labels exchanged at random.

    Shape (repetitions, pairs); None without timings.
    """
    if not seconds.shape[1]:
        return None
    signs = np.random.default_rng(SEED).choice((-1.0, 1.0), (repetitions, seconds.shape[1]))
    return np.asarray(np.exp(signs * np.log(seconds[CHALLENGER] / seconds[CHAMPION])))


def _is_slower(ratios: Array, rules: ValidationPolicy) -> NDArray[np.bool_]:
    """Whether the interval of the median ratio lies above the limit."""
    place = median_place(ratios.shape[1])
    if not place:
        return np.zeros(len(ratios), dtype=np.bool_)
    return np.asarray(np.sort(ratios, axis=1)[:, place - 1] > 1 + rules.time_increase)


def _ratio(sides: Array) -> Array:
    """Challenger's over champion's; 1 where the champion's is nothing."""
    champion = sides[CHAMPION]
    return np.asarray(np.where(champion > 0, sides[CHALLENGER] / np.where(champion > 0, champion, 1.0), 1.0))

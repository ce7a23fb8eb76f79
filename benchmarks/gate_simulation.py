"""False approvals and power of the validation rules, simulated.

The published rule as published, the published rule on separate dates, and search and validation as the platform has
them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from forex_assets.core.fan import Array
from forex_assets.core.policy import Policy
from forex_assets.optimizer.criteria import judge
from forex_assets.optimizer.search import Losses, no_better, pick
from forex_assets.optimizer.validation import calibrated_verdict, literal_verdict
from simulated_markets import SPACING, STEPS, many_worlds

PUBLISHED_ORIGINS: Final = 42
"""Origins of the published loops, for search and validation alike."""

PAIRS: Final = 15
ALONE: Final = 0.05
"""Level of a validation that alone keeps chance at bay, for comparison."""

TIME_NOISE: Final = 0.1
"""Standard deviation of the log of one timing."""


@dataclass(frozen=True)
class Gate:
    """Outcomes of simulated searches.

    Attributes:
        horizon: such as `7d`.
        gain: true one of every candidate.
        n: searches.
        proposed: share whose search sends a candidate to validation.
        calibrated: share approved by the calibrated rule, on later origins.
        literal: by the published rule on the same, best of 27 whatever its lead.
        untested: by the calibrated rule at `ALONE` likewise: no test in the search.
        published: by the published rule where it picked: best of 27 on 42 origins, judged on them.
        estimated: median gain in RMSE that the best shows there.
        improved: share that meets "RMSE ≥ 5 % or MAPE ≥ 3 %" there.
        delivered: median gain in RMSE, on as many other origins as a validation has, of what was picked there.
    """

    horizon: str
    gain: float
    n: int
    proposed: float
    calibrated: float
    literal: float
    untested: float
    published: float
    estimated: float
    improved: float
    delivered: float


def gate(horizon: str, gain: float, policy: Policy, *, n: int, seed: int = 0) -> Gate:
    """Simulates search and validation on generated markets.

    The search is that of `optimizer.search`, each candidate with settings of its own. All engines take equally long.

    Args:
        horizon: such as `7d`.
        gain: true one of every candidate.
        policy: origins, limits, objective.
        n: searches.
        seed: of the markets.
    """
    judged, searched = policy.validation.origins, policy.search.origins
    apart = math.ceil(STEPS[horizon] / SPACING)
    alone = policy.model_copy(update={"validation": policy.validation.model_copy(update={"significance": ALONE})})
    rng, rows = np.random.default_rng(seed + 1), list[tuple[float, ...]]()
    for worlds in many_worlds(n, searched + apart + judged, STEPS[horizon], seed, gain=gain):
        loss = worlds.crps if policy.search.objective == "crps" else worlds.errors**2
        recent = np.sqrt((worlds.errors[:, :, -PUBLISHED_ORIGINS:] ** 2).mean(axis=2))
        best = 1 + recent[:, 1:].argmin(axis=1)
        before = np.sqrt((worlds.errors[:, :, :judged] ** 2).mean(axis=2))
        for world in range(len(loss)):
            seconds = np.exp(TIME_NOISE * rng.standard_normal((2, PAIRS)))
            current = Losses(loss[world, 0, :searched], worlds.overlap)
            others = list(loss[world, 1:, :searched])
            means = [float(losses.mean()) for losses in others]
            picked = pick(no_better(current, others), means, policy.search.significance)
            chosen = None if picked is None else judge(worlds.pair(world, 1 + picked, judged, seconds), policy)
            lowest = judge(worlds.pair(world, 1 + int(np.argmin(means)), judged, seconds), alone)
            same = judge(worlds.pair(world, best[world], PUBLISHED_ORIGINS, seconds), _with_any_number(policy))
            rows.append(
                (
                    chosen is not None,
                    chosen is not None and calibrated_verdict(chosen) == "approved",
                    literal_verdict(lowest) == "approved",
                    calibrated_verdict(lowest) == "approved",
                    literal_verdict(same) == "approved",
                    1 - recent[world, best[world]] / recent[world, 0],
                    same[0].literal is True,
                    1 - before[world, best[world]] / before[world, 0],
                )
            )
    results = np.array(rows, dtype=np.float64)
    means, medians = results.mean(axis=0), np.median(results, axis=0)
    figures = [*means[:5], medians[5], means[6], medians[7]]
    return Gate(horizon, gain, n, *(float(figure) for figure in figures))


Test = Callable[[Array, Array, float], float]
"""Maps champion's and challenger's losses, and overlap, to a p-value."""


def share_rejected(test: Test, n: int, overlap: int, level: float, *, count: int, seed: int = 0, **more: Any) -> float:
    """Rejection rate of a test for two equally good forecasts.

    Args:
        test: the test.
        n: origins.
        overlap: forecasts that run at once.
        level: at which it rejects.
        count: markets.
        seed: of them.
        more: for `worlds_of`, such as widths.
    """
    rejections = [
        test(losses[0], losses[1], worlds.overlap) <= level
        for worlds in many_worlds(count, n, SPACING * overlap, seed, candidates=1, **more)
        for losses in worlds.crps
    ]
    return float(np.mean(rejections))


def _with_any_number(policy: Policy) -> Policy:
    """Policy without a minimum number of origins."""
    return policy.model_copy(update={"validation": policy.validation.model_copy(update={"fewest": 2})})

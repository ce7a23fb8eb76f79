"""What a gate lets through by chance, and how often it finds what is there, on generated markets.

The published rule where the published loops apply it, the same on origins of its own, and the calibrated one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from forex_assets.core.fan import Array
from forex_assets.core.policy import Policy
from forex_assets.optimizer.criteria import judge
from forex_assets.optimizer.validation import calibrated_verdict, literal_verdict
from simulated_markets import SPACING, STEPS, many_worlds

PUBLISHED_ORIGINS: Final = 42
"""Origins on which the published loops pick and validate, both on the same."""

PAIRS: Final = 15
TIME_NOISE: Final = 0.1
"""Standard deviation of the log of one timing; all engines take equally long."""


@dataclass(frozen=True)
class Gate:
    """What became of the challengers of as many searches.

    Attributes:
        horizon: such as `7d`.
        gain: true one of every candidate.
        n: searches.
        calibrated: share approved by the calibrated rule, on origins of their own.
        literal: by the published rule on the same.
        published: by the published rule where it picked: best of 27 on 42 origins, judged on them.
        shown: median gain in RMSE that the best shows there.
        improved: share that meets "RMSE ≥ 5 % or MAPE ≥ 3 %" there.
        delivered: median gain in RMSE, on as many other origins as a validation has, of what was picked there.
    """

    horizon: str
    gain: float
    n: int
    calibrated: float
    literal: float
    published: float
    shown: float
    improved: float
    delivered: float


def gate(horizon: str, gain: float, policy: Policy, *, n: int, seed: int = 0) -> Gate:
    """The whole pipeline on generated markets: the search picks on its origins, validation judges on later ones.

    The search here picks the lowest mean loss whatever its lead; the real one leaves ties to what is live and so asks
    for less. All engines take equally long.

    Args:
        horizon: such as `7d`.
        gain: true one of every candidate.
        policy: origins, limits, objective.
        n: searches.
        seed: of the markets.
    """
    judged, searched = policy.validation.origins, policy.search.origins
    apart = math.ceil(STEPS[horizon] / SPACING)
    rng, found = np.random.default_rng(seed + 1), list[tuple[float, ...]]()
    for worlds in many_worlds(n, searched + apart + judged, STEPS[horizon], seed, gain=gain):
        loss = worlds.crps if policy.search.objective == "crps" else worlds.errors**2
        picked = 1 + loss[:, 1:, :searched].mean(axis=2).argmin(axis=1)
        recent = np.sqrt((worlds.errors[:, :, -PUBLISHED_ORIGINS:] ** 2).mean(axis=2))
        best = 1 + recent[:, 1:].argmin(axis=1)
        before = np.sqrt((worlds.errors[:, :, :judged] ** 2).mean(axis=2))
        for world in range(len(picked)):
            seconds = np.exp(TIME_NOISE * rng.standard_normal((2, PAIRS)))
            own = judge(worlds.pair(world, picked[world], judged, seconds), policy)
            same = judge(worlds.pair(world, best[world], PUBLISHED_ORIGINS, seconds), _with_any_number(policy))
            found.append(
                (
                    calibrated_verdict(own) == "approved",
                    literal_verdict(own) == "approved",
                    literal_verdict(same) == "approved",
                    1 - recent[world, best[world]] / recent[world, 0],
                    same[0].literal is True,
                    1 - before[world, best[world]] / before[world, 0],
                )
            )
    made = np.array(found, dtype=np.float64)
    means, medians = made.mean(axis=0), np.median(made, axis=0)
    figures = [*means[:3], medians[3], means[4], medians[5]]
    return Gate(horizon, gain, n, *(float(figure) for figure in figures))


Test = Callable[[Array, Array, float], float]
"""P-value of "no better" from champion's and challenger's losses, shape (n,), and the overlap."""


def share_rejected(test: Test, n: int, overlap: int, level: float, *, count: int, seed: int = 0, **more: Any) -> float:
    """How often a test finds the better of two forecasts that have the same expected CRPS.

    Args:
        test: the test.
        n: origins.
        overlap: forecasts that run at once.
        level: at which it rejects.
        count: markets.
        seed: of them.
        more: for `worlds_of`, such as widths.
    """
    found = [
        test(losses[0], losses[1], worlds.overlap) <= level
        for worlds in many_worlds(count, n, SPACING * overlap, seed, candidates=1, **more)
        for losses in worlds.crps
    ]
    return float(np.mean(found))


def _with_any_number(policy: Policy) -> Policy:
    """The policy without a least number of origins, which the published rule does not have."""
    return policy.model_copy(update={"validation": policy.validation.model_copy(update={"fewest": 2})})

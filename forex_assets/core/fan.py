"""Forecast fan: mean and quantiles of the price at each step."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forex_assets.core.schemas import QUANTILE_LEVELS

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fan:
    """Mean and quantiles of the price, CLP per USD.

    Attributes:
        mean: shape (steps,).
        quantiles: shape (steps, 9), levels ascending as in `QUANTILE_LEVELS`, never crossing.
    """

    mean: Array
    quantiles: Array

    def __post_init__(self) -> None:
        steps = self.mean.shape[0]
        if self.quantiles.shape != (steps, len(QUANTILE_LEVELS)):
            raise ValueError(f"quantiles of shape {self.quantiles.shape} for {steps} steps")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.quantiles).all()):
            raise ValueError("a fan holds a value that is not finite")
        if (np.diff(self.quantiles, axis=1) < 0).any():
            raise ValueError("quantiles cross")

    @property
    def median(self) -> Array:
        """Point forecast, shape (steps,); robust to a heavy tail."""
        return self.quantiles[:, QUANTILE_LEVELS.index(0.50)]

    def scaled(self, factor: float) -> "Fan":
        """Returns the fan of a starting price that many times higher.

        Returns, and so the width in per cent, stay as they are.
        """
        return Fan(self.mean * factor, self.quantiles * factor)


def completion(scores: Array, levels: Sequence[float] = QUANTILE_LEVELS) -> Array:
    """Computes weights that read a fan's log prices at any normal scores.

    Between two levels log price is linear in the normal score of the level: exact for a log-normal. Outside them a
    normal tail follows: median + (outermost - median) · z / z_outermost.

    Args:
        scores: where to read, shape (m,).
        levels: ascending, with .5 inside.

    Returns:
        Shape (m, levels); each row sums to one. Log prices at `scores` are the product with those at `levels`.
    """
    scores, z, median = np.asarray(scores, dtype=np.float64), normal_scores(levels), list(levels).index(0.5)
    weights = np.stack([np.interp(scores, z, unit) for unit in np.eye(len(z))], axis=1)
    for is_beyond, end in ((scores < z[0], 0), (scores > z[-1], len(z) - 1)):
        weights[is_beyond] = 0.0
        weights[is_beyond, end] = scores[is_beyond] / z[end]
        weights[is_beyond, median] += 1.0 - scores[is_beyond] / z[end]
    return weights


def normal_scores(levels: Sequence[float]) -> Array:
    """Returns the normal scores z of levels Φ(z), shape (levels,)."""
    return np.array([NormalDist().inv_cdf(level) for level in levels])


QUANTILE_SCORES: Final = normal_scores(QUANTILE_LEVELS)
"""Normal scores of `QUANTILE_LEVELS`."""

_MEAN_MATRIX: Final = completion(normal_scores([(i + 0.5) / 200 for i in range(200)]))


def mean_of(quantiles: Array) -> Array:
    """Computes the mean of the distribution through a fan's quantiles.

    Args:
        quantiles: positive, shape (steps, 9).

    Returns:
        Shape (steps,), by the midpoints of 200 equally likely parts.
    """
    return np.asarray(np.exp(np.log(quantiles) @ _MEAN_MATRIX.T).mean(axis=1))

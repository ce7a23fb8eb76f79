"""Forecast fan: mean and quantiles of the price at each step."""

from dataclasses import dataclass

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


def fan_of_paths(paths: Array) -> Fan:
    """Makes a fan of sampled price paths.

    Quantiles interpolate order statistics linearly in log price, so paths that mirror each other about the last price
    have it as their median.

    Args:
        paths: shape (samples, steps), positive.
    """
    return Fan(paths.mean(axis=0), np.exp(np.quantile(np.log(paths), QUANTILE_LEVELS, axis=0).T))

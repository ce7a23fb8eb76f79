"""Forecast scores: numpy in, numpy out.

Realized prices have shape (n,), fan quantiles (n, 9) at `QUANTILE_LEVELS`; both in CLP per USD, as every score but
`mape`, `pit` and `normal_score`. Smaller losses are better. No score is NaN: prices that are not positive and finite,
and quantiles that cross, raise.

Between its nine levels a fan is a distribution: log price linear in the normal score of the level, outside them a
normal tail about the median, as in `fan.completion`; exact for a log-normal fan. It is linear in the
nine log quantiles, so a fixed matrix evaluates any number of fans at any levels.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forex_assets.core.fan import QUANTILE_SCORES, Array, completion, normal_scores
from forex_assets.core.schemas import QUANTILE_LEVELS

CRPS_LEVELS: Final = 99
"""Midpoint levels of the CRPS integral; within .1 % for a log-normal."""

CHUNK: Final = 4096
"""Fans scored at once; bounds memory and fits the processor cache."""

_MEDIAN: Final = QUANTILE_LEVELS.index(0.50)
_LAST: Final = len(QUANTILE_LEVELS) - 1


_TAUS: Final = (np.arange(CRPS_LEVELS) + 0.5) / CRPS_LEVELS
_CRPS_MATRIX: Final = completion(normal_scores(_TAUS.tolist())).T


def pinball(y: Array, quantiles: Array, levels: Sequence[float] = QUANTILE_LEVELS) -> Array:
    """Computes the quantile (pinball) loss at each level (Koenker, 1978).

    τ·(y - q) if y lies above the quantile, else (1 - τ)·(q - y).

    Args:
        y: realized prices, shape (n,).
        quantiles: shape (n, L), columns as `levels`.
        levels: strictly between 0 and 1, shape (L,).

    Returns:
        CLP per USD, shape (n, L), 0 or more.

    Raises:
        ValueError: shapes do not fit.
    """
    y, quantiles = np.asarray(y, dtype=np.float64), np.asarray(quantiles, dtype=np.float64)
    if quantiles.shape != (len(y), len(levels)):
        raise ValueError(f"quantiles of shape {quantiles.shape} for {len(y)} prices and {len(levels)} levels")
    tau, over = np.asarray(levels, dtype=np.float64), y[:, None] - quantiles
    return np.asarray(np.maximum(tau * over, (tau - 1) * over))


def interval_score(y: Array, low: Array, high: Array, alpha: float) -> Array:
    """Computes the interval score (Gneiting & Raftery, 2007, eq. 43).

    The width, plus 2/α times the distance of a price outside.

    Args:
        y: realized prices, shape (n,).
        low: α/2 quantile, shape (n,).
        high: 1 - α/2 quantile, shape (n,).
        alpha: chance of a miss: .05 for the 95 % interval.

    Raises:
        ValueError: α is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; it is the chance of missing, .05 for the 95 % interval")
    missed = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    return np.asarray(high - low + 2 / alpha * missed)


def covered(y: Array, low: Array, high: Array) -> NDArray[np.bool_]:
    """Tells whether realized prices lie in an interval, bounds included."""
    return np.asarray((low <= y) & (y <= high))


def crps(y: Array, quantiles: Array) -> Array:
    """Computes the continuous ranked probability score of fans.

    CRPS = 2 ∫ pinball_τ dτ (Laio & Tamea, 2007), over 99 equally likely levels. A fan without width scores |y - q|.
    Computed relative to the median, so that it is exact there.

    Args:
        y: realized prices, shape (n,).
        quantiles: at `QUANTILE_LEVELS`, shape (n, 9), ascending along the levels.

    Returns:
        CLP per USD, shape (n,), 0 or more.

    Raises:
        ValueError: shapes do not fit, a price is not positive and finite, quantiles cross.
    """
    y, quantiles = _checked(y, quantiles)
    losses = np.empty(len(y))
    for start in range(0, len(y), CHUNK):
        chunk = slice(start, start + CHUNK)
        median = quantiles[chunk, _MEDIAN, None]
        over = y[chunk, None] - median * np.exp(np.log(quantiles[chunk] / median) @ _CRPS_MATRIX)
        # max(τ·d, (τ - 1)·d) = τ·d - min(d, 0): one product with the levels, one sum.
        losses[chunk] = over @ _TAUS - np.minimum(over, 0.0, out=over).sum(axis=1)
    return np.asarray(np.maximum(2 / CRPS_LEVELS * losses, 0.0))


def pit(y: Array, quantiles: Array) -> Array:
    """Computes the probability integral transform, shape (n,), 0 to 1.

    Uniform if fans are right. Where quantiles coincide the distribution jumps and the middle of the jump is returned: a
    fan without width gives 0 below its price, .5 at it, 1 above. Args and errors as `crps`.
    """
    low, high = _score_bounds(*_checked(y, quantiles))
    return _middle_level(low, high)


def normal_score(y: Array, quantiles: Array) -> Array:
    """Computes realized prices in standard deviations of the fan, shape (n,).

    z with Φ(z) = pit, not clipped in the tails; for a log-normal fan (log y - μ) / σ. -inf or inf beyond a side without
    width. Args and errors as `crps`.
    """
    from scipy.special import ndtri  # scipy at the top would slow every code server's start

    low, high = _score_bounds(*_checked(y, quantiles))
    is_jump = low < high
    return np.where(is_jump, ndtri(np.where(is_jump, _middle_level(low, high), 0.5)), low)


def rmse(errors: Array) -> float:
    """Root mean squared error; errors of shape (n,), n ≥ 1."""
    return float(np.sqrt(_mean(np.square(errors))))


def mae(errors: Array) -> float:
    """Mean absolute error; errors of shape (n,), n ≥ 1."""
    return _mean(np.abs(errors))


def mape(errors: Array, y: Array) -> float:
    """Mean absolute error in per cent; shapes (n,), n ≥ 1."""
    return 100 * _mean(np.abs(errors) / np.abs(y))


def bias(errors: Array) -> float:
    """Mean of realized less forecast; above 0 if forecasts are too low."""
    return _mean(errors)


def sharpness(low: Array, high: Array) -> float:
    """Mean width of intervals; small is good only with correct coverage."""
    return _mean(np.asarray(high) - np.asarray(low))


def _mean(values: Array) -> float:
    """Returns the mean; raises without values."""
    if len(values) == 0:
        raise ValueError("a mean of no scores; score at least one realized forecast")
    return float(np.mean(values))


def _checked(y: Array, quantiles: Array) -> tuple[Array, Array]:
    """Returns both as float64; checks shapes, signs and order."""
    y, quantiles = np.asarray(y, dtype=np.float64), np.asarray(quantiles, dtype=np.float64)
    if y.ndim != 1 or quantiles.shape != (len(y), len(QUANTILE_LEVELS)):
        raise ValueError(f"prices of shape {y.shape} and quantiles of shape {quantiles.shape}; wanted (n,) and (n, 9)")
    for what, values in (("a price that came true", y), ("a quantile", quantiles)):
        is_price = (values > 0) & (values < np.inf)
        if not is_price.all():
            raise ValueError(f"{what} is {values[~is_price][0]}; a score needs positive, finite prices")
    if (np.diff(quantiles, axis=1) < 0).any():
        row = int(np.argmax((np.diff(quantiles, axis=1) < 0).any(axis=1)))
        raise ValueError(f"quantiles cross in row {row}: {quantiles[row].tolist()}")
    return y, quantiles


def _score_bounds(y: Array, quantiles: Array) -> tuple[Array, Array]:
    """Returns normal scores just below and above realized prices.

    They differ only where a price lies on a jump of the distribution.
    """
    rows = np.arange(len(y))
    first, after = (quantiles < y[:, None]).sum(axis=1), (quantiles <= y[:, None]).sum(axis=1)
    median = quantiles[:, _MEDIAN]
    logs, log_y = np.log(quantiles / median[:, None]), np.log(y / median)

    right = np.clip(first, 1, _LAST)
    width = logs[rows, right] - logs[rows, right - 1]
    share = np.clip((log_y - logs[rows, right - 1]) / np.where(width > 0, width, 1.0), 0.0, 1.0)
    inside = QUANTILE_SCORES[right - 1] + share * (QUANTILE_SCORES[right] - QUANTILE_SCORES[right - 1])
    side = np.where(first == 0, 0, _LAST)
    reach = logs[rows, side]
    endless = np.where(first == 0, -np.inf, np.inf)
    beyond = np.where(reach != 0, QUANTILE_SCORES[side] * log_y / np.where(reach != 0, reach, 1.0), endless)
    between = np.where((first == 0) | (first > _LAST), beyond, inside)

    # On one quantile the score is that level's; on several that coincide, anything from the first to the last; and on
    # all of one side, down to nothing or up to one.
    at_first, at_last = np.minimum(first, _LAST), np.clip(after - 1, 0, _LAST)
    lowest = np.where((first == 0) & (logs[:, 0] == 0), -np.inf, QUANTILE_SCORES[at_first])
    highest = np.where((after > _LAST) & (logs[:, _LAST] == 0), np.inf, QUANTILE_SCORES[at_last])
    is_on = after > first
    return np.where(is_on, lowest, between), np.where(is_on, highest, between)


def _middle_level(low: Array, high: Array) -> Array:
    """Returns the middle level between two normal scores."""
    from scipy.special import ndtr

    return np.asarray((ndtr(low) + ndtr(high)) / 2)

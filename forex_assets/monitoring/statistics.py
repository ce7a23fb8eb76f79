"""Statistics that compare the latest values of a series with those before: of one pair of windows or of many at once.

All take windows along the last axis, so that the same few lines serve a day and the years before it. What is unusual is
not decided here (`history`), nor what to do about it (`drift`).
"""

import math
from typing import Final

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

from forex_assets.core.fan import Array

EMPTY_BIN: Final = 0.5
"""Values that an empty bin of the PSI counts as: with none the logarithm has no end, with less it has no sense."""

MAX_LOG_RATIO: Final = 20.0
"""Variances whose logs are further apart are taken to be this far apart: beside a series that stands still, any is."""

FAST: Final = 0.80
SLOW: Final = 0.99
"""Decays of the two volatilities: memory of 5 sessions and of 100."""


def window_pairs(values: Array, recent: int, reference: int) -> tuple[Array, Array]:
    """The last `recent` values up to each place, and the `reference` ones before those.

    Args:
        values: oldest first, shape (n,).
        recent: length of the later window.
        reference: length of the earlier one; they do not overlap.

    Returns:
        Views of shapes (n - recent - reference + 1, recent) and (…, reference): the first pair ends with value number
        recent + reference. No pairs where the series is shorter.
    """
    width = recent + reference
    if len(values) < width:
        return np.empty((0, recent)), np.empty((0, reference))
    both = sliding_window_view(values, width)
    return both[:, reference:], both[:, :reference]


def ks_distance(x: Array, y: Array) -> Array:
    """Largest distance of two empirical distribution functions (Smirnov, 1939), 0 to 1.

    Args:
        x: windows along the last axis, shape (…, n).
        y: shape (…, m).

    Returns:
        Shape (…).
    """
    pooled = np.concatenate([x, y], axis=-1)
    order = np.argsort(pooled, axis=-1, kind="stable")
    ordered = np.take_along_axis(pooled, order, axis=-1)
    n, m = x.shape[-1], y.shape[-1]
    # In whole numbers, so that equal distances of equal samples are equal to the last bit.
    steps = np.cumsum(np.where(order < n, m, -n), axis=-1)
    is_last_of_ties = np.ones(ordered.shape, dtype=bool)
    is_last_of_ties[..., :-1] = ordered[..., 1:] > ordered[..., :-1]
    return np.asarray(np.where(is_last_of_ties, np.abs(steps), 0).max(axis=-1) / (n * m))


def ks(x: Array, y: Array) -> tuple[float, float]:
    """Two-sample Kolmogorov–Smirnov test of one pair of windows: distance and p, two-sided.

    p is exact (`scipy.stats.ks_2samp`), and right only where values do not depend on one another: returns whose
    volatility clusters fall below .05 in 8 % of cases, not in 5 %.

    Args:
        x: shape (n,), at least one value.
        y: shape (m,), likewise.
    """
    from scipy.stats import ks_2samp  # here, since every code server would pay for it at the top

    return float(ks_distance(x, y)), float(ks_2samp(x, y, method="exact").pvalue)


def psi(recent: Array, reference: Array, bins: int = 5, floor: float = EMPTY_BIN) -> Array:
    """Population stability index, Σ (p - q) ln (p / q) over the reference's quantile bins; 0 or more.

    An edge is a value of the reference and belongs to the bin below it, so that only the order of values counts. With n
    and m values and nothing changed, its mean is about (bins - 1) (1/n + 1/m) and a little more: .20 for 5 bins,
    30 and 90 values, which is the published threshold.

    Args:
        recent: windows along the last axis, shape (…, n).
        reference: shape (…, m).
        bins: how many; values that are all equal make fewer.
        floor: values that an empty bin counts as; where both windows leave it empty, it says nothing.

    Returns:
        Shape (…).
    """
    ordered = np.sort(reference, axis=-1)
    n, m = recent.shape[-1], reference.shape[-1]
    edges = ordered[..., [math.ceil(m * k / bins) - 1 for k in range(1, bins)]]
    p, q = _shares(recent, edges), _shares(reference, edges)
    is_empty = (p == 0) & (q == 0)
    p, q = np.maximum(p, floor) / n, np.maximum(q, floor) / m
    return np.asarray(np.where(is_empty, 0.0, (p - q) * np.log(p / q)).sum(axis=-1))


def _shares(values: Array, edges: Array) -> Array:
    """How many values each bin holds, shape (…, bins)."""
    above = (values[..., None] > edges[..., None, :]).sum(axis=-2)
    size = np.broadcast_to(values.shape[-1], (*above.shape[:-1], 1))
    none = np.zeros_like(size)
    return np.asarray(-np.diff(np.concatenate([size, above, none], axis=-1), axis=-1), dtype=np.float64)


def log_variance_ratio(recent: Array, reference: Array) -> Array:
    """ln of the recent mean square over the reference's variance, both about the reference's mean.

    About that mean, because five values cannot show their own and a shift of theirs is news too.

    Args:
        recent: windows along the last axis, shape (…, n).
        reference: shape (…, m).

    Returns:
        Shape (…), within ± 20; 0 where both stand still.
    """
    mean = reference.mean(axis=-1, keepdims=True)
    return _log_ratio(((recent - mean) ** 2).mean(axis=-1), ((reference - mean) ** 2).mean(axis=-1))


def ewma_log_variance_ratio(returns: Array, fast: float = FAST, slow: float = SLOW) -> Array:
    """ln of the fast EWMA of squared returns over the slow one, at each return.

    Weights add to 1 from the first value on, so that nothing has to be assumed before it.

    Args:
        returns: about 0, oldest first, shape (n,).
        fast: decay, such as .80.
        slow: decay, such as .99.

    Returns:
        Shape (n,), within ± 20; the first is 0, both being made of one value.
    """
    squares = pl.Series(returns**2)
    quick, steady = (squares.ewm_mean(alpha=1 - decay, adjust=True).to_numpy() for decay in (fast, slow))
    return _log_ratio(quick, steady)


def _log_ratio(above: Array, below: Array) -> Array:
    """ln(above / below) within ± 20, for numbers of which either may be 0; 0 where both are."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(above) - np.log(below)
    return np.asarray(np.clip(np.where(np.isnan(logs), 0.0, logs), -MAX_LOG_RATIO, MAX_LOG_RATIO))


def correlation(x: Array, y: Array) -> Array:
    """Pearson's correlation of windows along the last axis, shape (…); NaN where either stands still."""
    a, b = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    is_still = (np.ptp(x, axis=-1) == 0) | (np.ptp(y, axis=-1) == 0)
    scale = np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    return np.asarray(np.where(is_still, np.nan, (a * b).sum(axis=-1) / np.where(is_still, 1.0, scale)))


MAX_CORRELATION: Final = 1 - 1e-12
"""Fisher's transform of ± 1 has no value; this one's is 14."""


def correlation_shift(r1: Array, r2: Array) -> Array:
    """Difference of two correlations on Fisher's scale, atanh r1 - atanh r2 (Cohen's q); NaN where either is."""
    first, second = (np.arctanh(np.clip(r, -MAX_CORRELATION, MAX_CORRELATION)) for r in (r1, r2))
    return np.asarray(first - second)


def fisher_z(r1: Array | float, n1: int, r2: Array | float, n2: int) -> tuple[Array, Array]:
    """Whether two correlations of separate samples differ (Fisher, 1921): z and its p, two-sided.

    Args:
        r1: of the first sample, any shape.
        n1: pairs in it, at least 4.
        r2: of the second.
        n2: pairs in it, at least 4.

    Returns:
        Of the shape of `r1` and `r2`; NaN where either is.

    Raises:
        ValueError: fewer than 4 pairs.
    """
    from scipy.special import ndtr

    if min(n1, n2) < 4:
        raise ValueError(f"correlations of {n1} and {n2} pairs cannot be compared; each needs at least 4")
    z = correlation_shift(np.asarray(r1), np.asarray(r2)) / math.sqrt(1 / (n1 - 3) + 1 / (n2 - 3))
    return z, np.asarray(2 * ndtr(-np.abs(z)))


def lead_lag_excess(x: Array, y: Array) -> Array:
    """How much more two series move together a session apart than on the same one: max |r±1| - |r0|.

    Below 0 where they are dated alike; towards 1 where one of them is dated a session off.

    Args:
        x: windows along the last axis, shape (…, n), n at least 4.
        y: same shape.

    Returns:
        Shape (…); NaN where either stands still.
    """
    before, after = correlation(x[..., :-1], y[..., 1:]), correlation(x[..., 1:], y[..., :-1])
    return np.asarray(np.maximum(np.abs(before), np.abs(after)) - np.abs(correlation(x, y)))

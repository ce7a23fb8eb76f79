"""Statistics that compare recent with reference windows.

All take windows along the last axis: one pair, or many at once. `ranked_history` ranks the values, `drift` judges them.
"""

import math
from typing import Final

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

from forex_assets.core.fan import Array

EMPTY_BIN: Final = 0.5
"""Pseudo-count for empty PSI bins (avoids log 0)."""

MAX_LOG_RATIO: Final = 20.0
"""Limit of log variance ratios; a constant window has infinite ones."""

FAST: Final = 0.80
SLOW: Final = 0.99
"""EWMA decays: memory of 5 and of 100 sessions."""


def window_pairs(values: Array, recent: int, reference: int) -> tuple[Array, Array]:
    """Recent and reference windows that end at each value.

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
    """Kolmogorov–Smirnov distance (Smirnov, 1939), 0 to 1.

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
    # Whole numbers, so that equal distances compare as equal.
    steps = np.cumsum(np.where(order < n, m, -n), axis=-1)
    is_last_of_ties = np.ones(ordered.shape, dtype=bool)
    is_last_of_ties[..., :-1] = ordered[..., 1:] > ordered[..., :-1]
    return np.asarray(np.where(is_last_of_ties, np.abs(steps), 0).max(axis=-1) / (n * m))


def ks(x: Array, y: Array) -> tuple[float, float]:
    """Two-sample Kolmogorov–Smirnov test: distance and p, two-sided.

    p is exact (`scipy.stats.ks_2samp`), and right only where values do not depend on one another: returns whose
    volatility clusters fall below .05 in 8 % of cases, not in 5 %.

    Args:
        x: shape (n,), at least one value.
        y: shape (m,), likewise.
    """
    from scipy.stats import ks_2samp

    return float(ks_distance(x, y)), float(ks_2samp(x, y, method="exact").pvalue)


def psi(recent: Array, reference: Array, bins: int = 5, floor: float = EMPTY_BIN) -> Array:
    """Population stability index (PSI), 0 or more.

    Σ (p - q) ln (p / q) over the reference's quantile bins. An edge belongs to the bin below, so that only ranks count.
    With n and m values and nothing changed, its mean is about (bins - 1) (1/n + 1/m) and a little more: .20 for 5 bins,
    30 and 90 values, which is the published threshold.

    Args:
        recent: windows along the last axis, shape (…, n).
        reference: shape (…, m).
        bins: how many; values that are all equal make fewer.
        floor: pseudo-count of an empty bin; a bin empty in both windows adds 0.

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
    """Counts of values by bin, shape (…, bins)."""
    above = (values[..., None] > edges[..., None, :]).sum(axis=-2)
    size = np.broadcast_to(values.shape[-1], (*above.shape[:-1], 1))
    none = np.zeros_like(size)
    return np.asarray(-np.diff(np.concatenate([size, above, none], axis=-1), axis=-1), dtype=np.float64)


def log_variance_ratio(recent: Array, reference: Array) -> Array:
    """Log variance ratio of recent over reference.

    Both about the reference's mean: five values cannot estimate a mean, and a shift should count.

    Args:
        recent: windows along the last axis, shape (…, n).
        reference: shape (…, m).

    Returns:
        Shape (…), within ± 20; 0 if both are constant.
    """
    mean = reference.mean(axis=-1, keepdims=True)
    return _log_ratio(((recent - mean) ** 2).mean(axis=-1), ((reference - mean) ** 2).mean(axis=-1))


def ewma_log_variance_ratio(returns: Array, fast: float = FAST, slow: float = SLOW) -> Array:
    """Log ratio of fast to slow EWMA of squared returns.

    Weights add to 1 from the first value on.

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
    """ln(above / below) within ± 20; 0 if both are 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(above) - np.log(below)
    return np.asarray(np.clip(np.where(np.isnan(logs), 0.0, logs), -MAX_LOG_RATIO, MAX_LOG_RATIO))


def correlation(x: Array, y: Array) -> Array:
    """Pearson's correlation of windows; NaN if either is constant."""
    a, b = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    is_still = (np.ptp(x, axis=-1) == 0) | (np.ptp(y, axis=-1) == 0)
    scale = np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    return np.asarray(np.where(is_still, np.nan, (a * b).sum(axis=-1) / np.where(is_still, 1.0, scale)))


MAX_CORRELATION: Final = 1 - 1e-12
"""Limit of correlations, since Fisher's z of ± 1 is infinite."""


def correlation_shift(r1: Array, r2: Array) -> Array:
    """Cohen's q of two correlations: atanh r1 - atanh r2."""
    first, second = (np.arctanh(np.clip(r, -MAX_CORRELATION, MAX_CORRELATION)) for r in (r1, r2))
    return np.asarray(first - second)


def fisher_z(r1: Array | float, n1: int, r2: Array | float, n2: int) -> tuple[Array, Array]:
    """Fisher's test of two correlations (1921): z and p, two-sided.

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
    """Lead-lag excess of two series: max |r±1| - |r0|.

    Below 0 if both are dated alike; towards 1 if one is dated a session off.

    Args:
        x: windows along the last axis, shape (…, n), n at least 4.
        y: same shape.

    Returns:
        Shape (…); NaN if either is constant.
    """
    before, after = correlation(x[..., :-1], y[..., 1:]), correlation(x[..., 1:], y[..., :-1])
    return np.asarray(np.maximum(np.abs(before), np.abs(after)) - np.abs(correlation(x, y)))


def finite(value: float | None) -> float | None:
    """Turns NaN into None, for tables and words."""
    return None if value is None or math.isnan(value) else float(value)

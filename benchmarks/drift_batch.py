"""Drift verdicts for many days and markets at once.

Statistics, ranking, shares and cuts are those of `monitoring.drift`.
"""

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forex_assets.core.fan import Array
from forex_assets.core.policy import DriftPolicy, Policy
from forex_assets.monitoring.drift import FIRST, OTHERS_SHARE
from forex_assets.monitoring.ranked_history import Name, judge
from forex_assets.monitoring.series import COPPER_RETURN, PESO_RETURN
from forex_assets.monitoring.severity import SEVERITIES, severity_of
from forex_assets.monitoring.statistic_series import (
    CORRELATION,
    KS,
    LEAD_LAG,
    PAIR,
    PSI,
    VARIANCE,
    VARIANCE_RECENT,
    VARIANCE_REFERENCE,
)
from forex_assets.monitoring.statistics import (
    correlation,
    correlation_shift,
    ks_distance,
    lead_lag_excess,
    log_variance_ratio,
    psi,
)

Columns = dict[Name, Array]
"""Effect sizes by series and statistic; last axis: looks."""


def windowed(series: Mapping[str, Array], policy: DriftPolicy, looks: int) -> Columns:
    """Effect sizes of all windowed statistics at the last sessions.

    Equal to `statistic_series`, without the EWMA.

    Args:
        series: copper's and the peso's returns and errors by name, each of shape (…, sessions).
        policy: windows and bins.
        looks: number of looks; the first has full windows.

    Returns:
        Arrays of shape (…, looks).
    """
    columns: Columns = {}
    n, m = policy.recent_sessions, policy.reference_sessions
    for name, values in series.items():
        recent, reference = _pairs(values, n, m, looks)
        columns[name, KS] = ks_distance(recent, reference)
        columns[name, PSI] = psi(recent, reference, policy.psi_bins)
        columns[name, VARIANCE] = log_variance_ratio(*_pairs(values, VARIANCE_RECENT, VARIANCE_REFERENCE, looks))
    (x, x_then), (y, y_then) = (_pairs(series[name], n, m, looks) for name in (COPPER_RETURN, PESO_RETURN))
    columns[PAIR, CORRELATION] = np.abs(correlation_shift(correlation(x, y), correlation(x_then, y_then)))
    columns[PAIR, LEAD_LAG] = lead_lag_excess(x, y)
    return columns


def _pairs(values: Array, recent: int, reference: int, looks: int) -> tuple[Array, Array]:
    """Window pairs of the last looks, along the last axis."""
    both = sliding_window_view(values[..., -(recent + reference + looks - 1) :], recent + reference, axis=-1)
    return both[..., reference:], both[..., :reference]


@lru_cache
def critical_distance(policy: DriftPolicy) -> float:
    """Smallest KS distance with a p-value below the published one."""
    n, m = policy.recent_sessions, policy.reference_sessions
    low, high = 0, n * m
    while high - low > 1:
        k = (low + high) // 2
        low, high = (low, k) if _chance_of(k, n, m) < policy.p_value else (k, high)
    return high / (n * m)


def _chance_of(k: int, n: int, m: int) -> float:
    """Exact p-value of a KS distance of k / (n m).

    1 less the share of lattice paths that stay within; a path steps right for each value of the first sample and up for
    each of the second, in their order.
    """
    row = [int(n * j < k) for j in range(m + 1)]
    for i in range(1, n + 1):
        below, row = row, [0] * (m + 1)
        for j in range(m + 1):
            if abs(i * m - j * n) < k:
                row[j] = below[j] + (row[j - 1] if j else 0)
    return 1 - row[m] / math.comb(n + m, n)


def is_literal_drift(columns: Mapping[Name, Array], policy: DriftPolicy) -> Array:
    """Whether the published rule fires at each look."""
    # Distances are whole numbers over n m: the margin is for rounding alone.
    least = {KS: critical_distance(policy) - 1e-9, PSI: policy.psi}
    return np.asarray(
        np.any([effects > least[name[1]] for name, effects in columns.items() if name[1] in least], axis=0)
    )


def is_calibrated_drift(columns: Mapping[Name, Array], policy: Policy, fresh: int) -> bool:
    """Whether the calibrated rule fires by one of the last looks.

    Args:
        columns: effects, each of `history_sessions` + `looks` looks, oldest first.
        policy: budget, looks, and the severity to act from.
        fresh: number of last looks that count.
    """
    shares = {name: OTHERS_SHARE for name in columns if name not in FIRST}
    looks = policy.drift.looks
    judged = judge(columns, shares, looks, policy.budget_per_14_days)
    significant = [name for name, scores in judged.scores.items() if scores.max() > judged.limit]
    peaks = {name: columns[name][int(judged.scores[name].argmax()) - looks] for name in significant}
    worst = max((SEVERITIES.index(severity_of(name[1], float(peak))) for name, peak in peaks.items()), default=0)
    is_fresh = any(judged.scores[name][-fresh:].max() > judged.limit for name in significant)
    return is_fresh and worst >= SEVERITIES.index(policy.drift.act_from)

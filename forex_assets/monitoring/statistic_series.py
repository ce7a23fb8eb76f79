"""Statistics of each watched series, session by session, with effect sizes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from forex_assets.core.fan import Array
from forex_assets.core.policy import DriftPolicy
from forex_assets.monitoring.series import COPPER_RETURN, PESO_RETURN, Sessions, joint_returns, known_values
from forex_assets.monitoring.statistics import (
    correlation,
    correlation_shift,
    ewma_log_variance_ratio,
    fisher_z,
    ks,
    ks_distance,
    lead_lag_excess,
    log_variance_ratio,
    psi,
    window_pairs,
)

PAIR: Final = "copper_and_peso"

KS: Final = "ks"
PSI: Final = "psi"
VARIANCE: Final = "log_variance_ratio"
EWMA: Final = "ewma_log_variance_ratio"
CORRELATION: Final = "correlation_fisher_z"
LEAD_LAG: Final = "lead_lag_excess"

VARIANCE_RECENT: Final = 5
VARIANCE_REFERENCE: Final = 120
WARM_UP: Final = VARIANCE_RECENT + VARIANCE_REFERENCE
"""Sessions before the first variance ratio."""


@dataclass(frozen=True, eq=False)
class StatisticSeries:
    """One statistic of one series, by session.

    Attributes:
        series: name.
        statistic: name.
        sessions: days with a value, ascending, shape (n,).
        values: the statistic, shape (n,); NaN in a window without any move.
        effects: effect size for ranking, shape (n,): the value itself; for z the difference of correlations.
        p_value: of the last value by the statistic's test; None without test or value.
    """

    series: str
    statistic: str
    sessions: Sessions
    values: Array
    effects: Array
    p_value: float | None = None

    @property
    def name(self) -> tuple[str, str]:
        """Series and statistic."""
        return self.series, self.statistic


def statistic_series(series: Mapping[str, pl.DataFrame], policy: DriftPolicy, today: date) -> list[StatisticSeries]:
    """Computes all statistics of all series up to `today`.

    With copper and peso, those of the pair too.

    A session's statistics use no later session.

    Args:
        series: name to `SERIES_SCHEMA`, one row a session, oldest first.
        policy: windows and bins.
        today: later sessions are left out.

    Raises:
        ValueError: a series that is not stationary, not in order, or holds something that is no number.
    """
    known = {name: known_values(name, frame, today) for name, frame in series.items()}
    computed = [
        statistic for name, (days, values) in known.items() for statistic in _of_series(name, days, values, policy)
    ]
    if COPPER_RETURN in known and PESO_RETURN in known:
        computed += _of_pair(known[COPPER_RETURN], known[PESO_RETURN], policy)
    return computed


def _of_series(name: str, days: Sessions, values: Array, policy: DriftPolicy) -> list[StatisticSeries]:
    """KS and PSI of recent against reference windows, and two variance ratios."""
    recent, reference = window_pairs(values, policy.recent_sessions, policy.reference_sessions)
    p = ks(recent[-1], reference[-1])[1] if len(recent) else None
    ratio = log_variance_ratio(*window_pairs(values, VARIANCE_RECENT, VARIANCE_REFERENCE))
    measured = {
        KS: (ks_distance(recent, reference), p),
        PSI: (psi(recent, reference, policy.psi_bins), None),
        VARIANCE: (ratio, None),
        EWMA: (ewma_log_variance_ratio(values)[WARM_UP - 1 :], None),
    }
    return [
        StatisticSeries(name, statistic, days[len(days) - len(values) :], values, values, p_value)
        for statistic, (values, p_value) in measured.items()
    ]


def _of_pair(
    copper: tuple[Sessions, Array], peso: tuple[Sessions, Array], policy: DriftPolicy
) -> list[StatisticSeries]:
    """Correlation shift and lead-lag excess of copper and peso."""
    days, x, y = joint_returns(copper, peso)
    n, m = policy.recent_sessions, policy.reference_sessions
    (x_now, x_then), (y_now, y_then) = window_pairs(x, n, m), window_pairs(y, n, m)
    now, then = correlation(x_now, y_now), correlation(x_then, y_then)
    z, p = fisher_z(now, n, then, m)
    has_p = len(p) > 0 and np.isfinite(p[-1])
    off, at = lead_lag_excess(x_now, y_now), days[len(days) - len(z) :]
    return [
        StatisticSeries(
            PAIR, CORRELATION, at, z, np.abs(correlation_shift(now, then)), float(p[-1]) if has_p else None
        ),
        StatisticSeries(PAIR, LEAD_LAG, at, off, off),
    ]

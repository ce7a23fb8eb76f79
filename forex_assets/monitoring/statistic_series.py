"""What is watched: each statistic of each series, session by session, with its effect size. Deciding is `drift`'s."""

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
"""Sessions before the variance ratios have a value; the EWMA's weights are as good as settled by then."""


@dataclass(frozen=True, eq=False)
class Track:
    """One statistic of one series through time.

    Attributes:
        series: name.
        statistic: name.
        sessions: days with a value, ascending, shape (n,).
        values: the statistic, shape (n,); NaN where a window that stands still leaves none.
        effects: its effect size, by which it is ranked: the distance itself, or for z the difference of correlations.
        p_value: of the last value, by the statistic's own test; None where it has none, or no value.
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


def tracks(series: Mapping[str, pl.DataFrame], policy: DriftPolicy, today: date) -> list[Track]:
    """Every statistic of every series up to `today`, and those of copper and peso together where both are given.

    A session's statistics rest on that session and earlier ones alone.

    Args:
        series: name to `SERIES_SCHEMA`, one row a session, oldest first.
        policy: windows and bins.
        today: later sessions are left out.

    Raises:
        ValueError: a series that is not stationary, not in order, or holds something that is no number.
    """
    known = {name: known_values(name, frame, today) for name, frame in series.items()}
    found = [track for name, (days, values) in known.items() for track in _of_series(name, days, values, policy)]
    if COPPER_RETURN in known and PESO_RETURN in known:
        found += _of_pair(known[COPPER_RETURN], known[PESO_RETURN], policy)
    return found


def _of_series(name: str, days: Sessions, values: Array, policy: DriftPolicy) -> list[Track]:
    """KS and PSI of `recent` against `reference`, and the two variance ratios."""
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
        Track(name, statistic, days[len(days) - len(found) :], found, found, p_value)
        for statistic, (found, p_value) in measured.items()
    ]


def _of_pair(copper: tuple[Sessions, Array], peso: tuple[Sessions, Array], policy: DriftPolicy) -> list[Track]:
    """Fisher's z of the correlation, recent against reference, and how far the pair is off by a session."""
    days, x, y = joint_returns(copper, peso)
    n, m = policy.recent_sessions, policy.reference_sessions
    (x_now, x_then), (y_now, y_then) = window_pairs(x, n, m), window_pairs(y, n, m)
    now, then = correlation(x_now, y_now), correlation(x_then, y_then)
    z, p = fisher_z(now, n, then, m)
    has_p = len(p) > 0 and np.isfinite(p[-1])
    off, at = lead_lag_excess(x_now, y_now), days[len(days) - len(z) :]
    return [
        Track(PAIR, CORRELATION, at, z, np.abs(correlation_shift(now, then)), float(p[-1]) if has_p else None),
        Track(PAIR, LEAD_LAG, at, off, off),
    ]

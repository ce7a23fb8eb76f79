"""Ranks ratios of recent window to baseline among past ratios.

The limit keeps false alarms within the budget. Arrays in, arrays out.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forex_assets.core.fan import Array
from forex_assets.core.policy import DECISION_DAYS

LEAST_RATIO: Final = 1.01
"""Smallest ratio increase that counts as degradation.

Ratios of a model that is nearly the walk differ from 1 by rounding only, and one of them is always the highest.
"""

Days = NDArray[np.int64]


@dataclass(frozen=True)
class Ranked:
    """Today's ratios and their limits, shape (measures,).

    Attributes:
        ratios: today's, NaN if undefined.
        limits: an alarm is above; NaN if the past is too short.
        percentiles: share of past ratios below today's; NaN without ratio or past.
        n_history: past looks.
        days_history: calendar days that they span.
        days_needed: smallest span for a limit at the budget.
    """

    ratios: Array
    limits: Array
    percentiles: Array
    n_history: int
    days_history: int
    days_needed: int


def window_sums(days: Days, values: Array, looks: Days, after: int, through: int) -> Array:
    """Sums of `values` in a window before each look.

    Days with look + after < day ≤ look + through.

    Args:
        days: ascending, shape (n,).
        values: shape (k, n).
        looks: shape (m,).
        after: days relative to the look, not in the window.
        through: days relative to the look, in the window.

    Returns:
        Shape (k, m), 0 over an empty window. Running totals: exact for zeros, else within 1e-12 of the total.
    """
    totals = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    first, last = (np.searchsorted(days, looks + edge, side="right") for edge in (after, through))
    return np.asarray(totals[:, last] - totals[:, first])


def rank_today(ratios: Array, days: Days, today: Array, *, budget: float, recent_days: int) -> Ranked:
    """Ranks today's ratios, with limits from past fortnights.

    The standing of a look is the highest rank of its measures, a fortnight's the highest of its looks. The limit is the
    (1 - budget)(1 + 1/N) quantile of the past fortnights' standings, as in split conformal prediction: one quantile for
    all measures. N is the number of fortnights without common prices, 14 + `recent_days` apart.

    Args:
        ratios: of past looks, oldest first, shape (measures, n); NaN if undefined.
        days: of the looks, ascending, shape (n,).
        today: ratios of today, shape (measures,).
        budget: chance of an alarm in a fortnight with nothing wrong, between 0 and 1.
        recent_days: calendar days of the window whose sums are the ratios' numerators.

    Returns:
        Limits are never below `LEAST_RATIO`. A budget b needs (1 - b) / b such fortnights of past.
    """
    n, span = len(days), int(days[-1] - days[0]) + 1 if len(days) else 0
    block_days = DECISION_DAYS + recent_days
    days_needed = math.ceil((1 - budget) / budget * block_days)
    unknown = np.full(len(today), np.nan)
    if span < days_needed:
        return Ranked(today, unknown, unknown, n, span, days_needed)
    past = np.sort(_floored(ratios), axis=1)
    standings = np.max([np.searchsorted(p, x) for p, x in zip(past, _floored(ratios), strict=True)], axis=0)
    level = min((1 - budget) * (1 + block_days / span), 1.0)
    place = int(np.quantile(_fortnight_maxima(standings, days), level, method="inverted_cdf"))
    below = np.array([np.searchsorted(p, x) for p, x in zip(past, _floored(today), strict=True)]) / n
    percentiles = np.where(np.isnan(today), np.nan, below)
    return Ranked(today, past[:, place], percentiles, n, span, days_needed)


def _floored(ratios: Array) -> Array:
    """Raises ratios, NaN included, to `LEAST_RATIO` at least."""
    return np.maximum(np.where(np.isnan(ratios), LEAST_RATIO, ratios), LEAST_RATIO)


def _fortnight_maxima(standings: NDArray[np.int64], days: Days) -> NDArray[np.int64]:
    """Highest standing of the last 14 days, at every look."""
    highest = standings.copy()
    for back in range(1, min(DECISION_DAYS, len(days))):
        is_near = days[back:] - days[:-back] < DECISION_DAYS
        highest[back:] = np.where(is_near, np.maximum(highest[back:], standings[:-back]), highest[back:])
    return highest

"""Chance that a daily close touches a level.

Reflection principle of the driftless random walk, with Broadie, Glasserman & Kou's (1997) correction for closes seen
once a day.
"""

from statistics import NormalDist
from typing import Final

import numpy as np

from forex_assets.desk.law import PriceLaw

DAILY_CLOSES: Final = 0.5826
"""Standard deviations by which daily closes miss a continuous path: -ζ(½)/√(2π)."""

_NORMAL = NormalDist()


def touch_probability(price: float, level: float, sd: float, sessions: int) -> float:
    """Returns the chance that a close reaches a level.

    2Φ(-(|ln L/S| + .5826σ) / (σ√h)), at most 1. A level above the price is reached from below, one below it from above.

    Args:
        price: last price S, CLP per USD.
        level: L, CLP per USD.
        sd: σ, of the log return per session; above 0.
        sessions: h, closes ahead, at least 1.
    """
    distance = abs(np.log(level / price)) + DAILY_CLOSES * sd
    return min(1.0, 2.0 * _NORMAL.cdf(-distance / (sd * sessions**0.5)))


def touch_by(law: PriceLaw, price: float, level: float, sd: float, sessions: int) -> float:
    """Returns the touch chance, never below that of ending beyond.

    Args:
        law: distribution of the last close.
    """
    above = law.probability_above(level)
    beyond = above if level >= price else 1.0 - above
    return max(touch_probability(price, level, sd, sessions), beyond)


def highest_close(price: float, sd: float, sessions: int, probability: float) -> float:
    """Returns a quantile of the highest close within some sessions.

    The level whose touch chance is 1 - probability; not below the price.
    """
    score = _NORMAL.inv_cdf((1.0 + probability) / 2.0)
    return price * float(np.exp(max(0.0, sd * (score * sessions**0.5 - DAILY_CLOSES))))


def lowest_close(price: float, sd: float, sessions: int, probability: float) -> float:
    """Returns a quantile of the lowest close within some sessions.

    The mirror of `highest_close` about the price, in logs.
    """
    return price**2 / highest_close(price, sd, sessions, 1.0 - probability)

"""No-change benchmarks: driftless log-normal random walks, with EWMA or constant volatility.

No published model regularly beats the walk's point forecast of USD/CLP; volatility sets the width of the fan.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from forex_assets.core.fan import QUANTILE_SCORES, Array, Fan
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.forecasts.engine import EngineError, Origin

DECAY: Final = 0.97
"""Weight of the previous variance: half-life 23 sessions."""

SEED_RETURNS: Final = 20
LOOKBACK: Final = 500
"""Sessions of EWMA volatility; older weights are below one in a million."""

CONSTANT_LOOKBACK: Final = 1260
"""Sessions of constant volatility: five years."""


def ewma_volatility(prices: Array, decay: float = DECAY) -> float:
    """EWMA standard deviation of the log return per session.

    The recursion (RiskMetrics, 1996), on returns r_1 … r_n of the prices:
    v_m = mean of r_1² … r_m², m = min(20, n); v_t = decay · v_{t-1} + (1 - decay) · r_t² for t = m+1 … n; sd = √v_n.
    The mean return is taken as zero: over a day it is far below its standard error.

    Args:
        prices: shape (n + 1,), any unit, oldest first; all are used.
        decay: weight of the previous variance, from 0 to 1.

    Returns:
        The sd; 0 if the price never moved.

    Raises:
        ValueError: fewer than two prices, or one not positive and finite.
    """
    prices = np.asarray(prices, dtype=np.float64)
    if prices.ndim != 1 or len(prices) < 2:
        raise ValueError(f"a volatility needs at least two prices, there are {prices.size}")
    if not (np.isfinite(prices).all() and (prices > 0).all()):
        raise ValueError("a price is not a positive, finite number")
    squares = np.diff(np.log(prices)) ** 2
    seeded = min(SEED_RETURNS, len(squares))
    variance = float(squares[:seeded].mean())
    for square in squares[seeded:]:
        variance = decay * variance + (1.0 - decay) * float(square)
    return float(np.sqrt(variance))


def random_walk(last: float, volatility: float, steps: int) -> Fan:
    """Fan of a driftless log-normal walk.

    log S_k ~ N(log S, k · volatility²). The median is the last price; the mean S · exp(k · volatility² / 2) is above
    it, as for any log-normal.

    Args:
        last: last known price, CLP per USD.
        volatility: sd of the log return per session.
        steps: sessions ahead.
    """
    ahead = np.arange(1, steps + 1, dtype=np.float64)
    quantiles = last * np.exp(np.outer(np.sqrt(ahead) * volatility, QUANTILE_SCORES))
    return Fan(last * np.exp(ahead * volatility**2 / 2), quantiles)


def origin_volatility(prices: Array) -> float:
    """EWMA(.97) volatility of an origin's last 500 sessions.

    Raises:
        EngineError: too few prices, or one that is not positive and finite.
    """
    try:
        return ewma_volatility(prices[-LOOKBACK:])
    except ValueError as error:
        raise EngineError(f"origin of {len(prices)} prices: {error}") from error


def constant_volatility(prices: Array) -> float:
    """Root mean square log return per session over the last 1,260 sessions.

    Args:
        prices: CLP per USD, shape (n,), oldest first.

    Raises:
        EngineError: fewer than two prices, or one that is not positive and finite.
    """
    recent = np.asarray(prices[-CONSTANT_LOOKBACK - 1 :], dtype=np.float64)
    if len(recent) < 2 or not (np.isfinite(recent).all() and (recent > 0).all()):
        raise EngineError(f"origin of {len(recent)} prices: a volatility needs two, all of them positive and finite")
    return float(np.sqrt(np.mean(np.diff(np.log(recent)) ** 2)))


@dataclass(frozen=True)
class RandomWalkEngine:
    """Engine: random walk with constant volatility; reads no setting or covariate."""

    name: str = "random-walk"
    model: str = "random-walk"

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        """One walk an origin.

        Raises:
            EngineError: an origin has too few prices or impossible ones.
        """
        return [random_walk(float(o.prices[-1]), constant_volatility(o.prices), o.steps) for o in origins]


@dataclass(frozen=True)
class EwmaEngine:
    """Engine: random walk with EWMA(.97) volatility; reads no setting or covariate."""

    name: str = "ewma"
    model: str = "ewma"

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        """One walk an origin.

        Raises:
            EngineError: an origin has too few prices or impossible ones.
        """
        volatilities = [origin_volatility(origin.prices) for origin in origins]
        return [random_walk(float(o.prices[-1]), sd, o.steps) for o, sd in zip(origins, volatilities, strict=True)]

"""No-change benchmarks: driftless log-normal random walks, with EWMA or constant volatility.

No published model regularly beats the walk's point forecast of USD/CLP; volatility sets the width of the fan.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from forex_assets.core.fan import QUANTILE_SCORES, Array, Fan
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.volatility import ewma_volatility
from forex_assets.forecasts.engine import EngineError, Origin

LOOKBACK: Final = 500
"""Sessions of EWMA volatility; older weights are below one in a million."""

CONSTANT_LOOKBACK: Final = 1260
"""Sessions of constant volatility: five years."""


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

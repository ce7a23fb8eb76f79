"""AutoARIMA, AutoETS and AutoTheta from `statsforecast`, on log price.

Without a season, fitted to 100 · (log price - its mean over the 500 sessions). On bare log prices AutoTheta's optimizer
stops at its start (smoothing .525 on eleven of twelve random walks, an interval 40 % too narrow at 65 sessions).
Approximate: the log price is normal, its volatility constant, parameters are certain. Medians and quantiles are exp()
of those of the log price, which is exact; means are log-normal, exp(m + s² / 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from forex_assets.accuracy.peers.history import PERCENT, in_percent, one_by_one, recent_logs
from forex_assets.core.fan import QUANTILE_SCORES, Array, Fan
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.forecasts.engine import Origin

_WIDTHS: Final = (95, 90, 80, 50)
"""Central intervals in percent; their ends and the median are `QUANTILE_LEVELS`."""

THETA_PATHS: Final = 10_000
"""Paths for the sd of a theta forecast: error .7 %."""


@dataclass(frozen=True)
class AutoArimaEngine:
    """Engine: ARIMA by stepwise AICc search (Hyndman and Khandakar, 2008)."""

    name: str = "autoarima"
    model: str = "autoarima"

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        """One ARIMA an origin.

        Raises:
            EngineError: a fit failed, or its optimizer ran out of iterations.
        """
        return one_by_one(self.name, origins, _arima_fan)


@dataclass(frozen=True)
class AutoEtsEngine:
    """Engine: exponential smoothing, trend or none by AICc (Hyndman et al., 2008).

    Errors are additive: multiplicative ones need a natural zero, which a log price lacks.
    """

    name: str = "autoets"
    model: str = "autoets"

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        """One ETS an origin.

        Raises:
            EngineError: an origin cannot be fitted.
        """
        return one_by_one(self.name, origins, _ets_fan)


@dataclass(frozen=True)
class AutoThetaEngine:
    """Engine: best of four theta models (Fiorucci et al., 2016).

    A theta forecast is linear in normal errors, so its distribution is normal around the point forecast; the sd is
    measured on 10,000 fixed simulated paths.
    """

    name: str = "autotheta"
    model: str = "autotheta"

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        """One theta model an origin.

        Raises:
            EngineError: an origin cannot be fitted.
        """
        return one_by_one(self.name, origins, _theta_fan)


def _arima_fan(origin: Origin) -> Fan:
    from statsforecast.models import AutoARIMA

    values, centre = _percent(origin.prices)
    fitted = AutoARIMA(season_length=1).fit(values)
    # scipy's 1 is "out of iterations". 2, "precision loss", also occurs at an optimum, as with a drift alone.
    if fitted.model_["code"] == 1:
        raise ValueError(f"ARIMA{fitted.model_['arma']} did not converge")
    return _fan_of_intervals(fitted.predict(h=origin.steps, level=list(_WIDTHS)), centre)


def _ets_fan(origin: Origin) -> Fan:
    from statsforecast.models import AutoETS

    values, centre = _percent(origin.prices)
    fitted = AutoETS(season_length=1, model="AZN").fit(values)
    return _fan_of_intervals(fitted.predict(h=origin.steps, level=list(_WIDTHS)), centre)


def _theta_fan(origin: Origin) -> Fan:
    from statsforecast.models import AutoTheta

    values, centre = _percent(origin.prices)
    fitted = AutoTheta(season_length=1).fit(values)
    # A seed would reseed numpy's global generator; without one it starts from seed 0.
    paths = np.asarray(fitted.simulate(h=origin.steps, n_paths=THETA_PATHS), dtype=np.float64)
    point = np.asarray(fitted.predict(h=origin.steps)["mean"], dtype=np.float64)
    return _normal_fan(centre + point / PERCENT, paths.std(axis=0) / PERCENT)


def _percent(prices: Array) -> tuple[Array, float]:
    """Values to fit, in percent, and the mean log price subtracted."""
    logs = recent_logs(prices)
    centre = float(logs.mean())
    return in_percent(logs - centre), centre


def _fan_of_intervals(answer: dict[str, Any], centre: float) -> Fan:
    """Fan of normal central intervals in percent around `centre`.

    The point forecast is the median; the mean is log-normal, exp(m + s² / 2), with s from the 95 % interval.
    """
    columns = [f"lo-{w}" for w in _WIDTHS] + ["mean"] + [f"hi-{w}" for w in reversed(_WIDTHS)]
    logs = centre + np.stack([np.asarray(answer[name], dtype=np.float64) for name in columns], axis=1) / PERCENT
    spread = (logs[:, -1] - logs[:, 0]) / (QUANTILE_SCORES[-1] - QUANTILE_SCORES[0])
    return Fan(np.exp(logs[:, len(_WIDTHS)] + spread**2 / 2), np.exp(logs))


def _normal_fan(median: Array, spread: Array) -> Fan:
    """Fan of a normal log price, by median and sd."""
    return Fan(np.exp(median + spread**2 / 2), np.exp(median[:, None] + np.outer(spread, QUANTILE_SCORES)))

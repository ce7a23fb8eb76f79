"""GARCH(1,1) with Student-t shocks, fitted by the `arch` library.

Without drift, on log returns. Approximate: quantiles of 10,000 simulated paths (error 1 % of the width at the 95 %
band), without the uncertainty of the four parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from forex_assets.accuracy.peers.history import PERCENT, in_percent, one_by_one, recent_logs
from forex_assets.core.fan import Array, Fan
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import QUANTILE_LEVELS
from forex_assets.forecasts.engine import Origin
from forex_assets.forecasts.representation import fan_of_quantiles

PATHS: Final = 10_000
SEED: Final = 20145
"""Seed of the paths, equal for all origins."""


@dataclass(frozen=True)
class GarchParameters:
    """Fitted parameters of a GARCH(1,1)-t.

    v_t = omega + alpha · r²_{t-1} + beta · v_{t-1}, returns in percent, shocks t(nu) scaled to variance 1.

    Attributes:
        next_variance: v of the first session ahead.
    """

    omega: float
    alpha: float
    beta: float
    nu: float
    next_variance: float


@dataclass(frozen=True)
class GarchEngine:
    """Engine: GARCH(1,1)-t with zero mean (Bollerslev, 1987).

    The median is the last price at every step. The mean is that of the distribution through the nine quantiles, with
    normal tails: the exponential of a Student-t has no mean.
    """

    name: str = "garch"
    model: str = "garch"

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        """One GARCH an origin.

        Raises:
            EngineError: a fit failed or did not converge.
        """
        return one_by_one(self.name, origins, _garch_fan)


def _garch_fan(origin: Origin) -> Fan:
    returns = in_percent(np.diff(recent_logs(origin.prices)))
    moves = simulated_quantiles(fit_garch(returns), origin.steps) / PERCENT
    return fan_of_quantiles(float(origin.prices[-1]) * np.exp(moves), QUANTILE_LEVELS)


def fit_garch(returns: Array) -> GarchParameters:
    """Fits by maximum likelihood.

    Args:
        returns: log returns in percent, oldest first, shape (n,).

    Raises:
        ValueError: the optimizer converged from no starting point.
    """
    from arch.univariate import GARCH, StudentsT, ZeroMean

    model = ZeroMean(returns, volatility=GARCH(p=1, o=0, q=1), distribution=StudentsT(), rescale=False)
    fitted = _converged(model, float(np.var(returns)))
    omega, alpha, beta, nu = (float(value) for value in fitted.params)
    variance = float(fitted.conditional_volatility[-1]) ** 2
    return GarchParameters(omega, alpha, beta, nu, omega + alpha * float(returns[-1]) ** 2 + beta * variance)


def _converged(model: Any, variance: float) -> Any:
    """The fit from the library's starting point, else a typical one."""
    typical = np.array([0.05 * variance, 0.05, 0.90, 6.0])
    for start in (None, typical):
        fitted = model.fit(disp="off", show_warning=False, starting_values=start)
        if fitted.convergence_flag == 0:
            return fitted
    raise ValueError(f"GARCH(1,1) did not converge: {fitted.optimization_result.message}")


def simulated_quantiles(fit: GarchParameters, steps: int) -> Array:
    """Quantiles of the cumulated log return in percent, shape (steps, 9).

    Shocks have no skew and the variance depends on squares, so a path and its mirror image are equally likely: the
    quantile at level 1/2 + p of the move is that at level 2p of its size. The quantiles are exactly symmetric.
    """
    shocks = _shocks(fit.nu, steps)
    variance = np.full(PATHS, fit.next_variance)
    move = np.zeros(PATHS)
    upper = np.array(QUANTILE_LEVELS[len(QUANTILE_LEVELS) // 2 :])
    sizes = np.empty((steps, len(upper)))
    for step in range(steps):
        change = np.sqrt(variance) * shocks[step]
        move += change
        sizes[step] = np.quantile(np.abs(move), 2 * upper - 1)
        variance = fit.omega + fit.alpha * change**2 + fit.beta * variance
    # Level 0 of the size is its smallest value; the median of a symmetric distribution is exactly 0.
    sizes[:, 0] = 0.0
    return np.concatenate([-sizes[:, :0:-1], sizes], axis=1)


def _shocks(nu: float, steps: int) -> Array:
    """Student-t shocks of variance 1, shape (steps, paths).

    Bailey's (1994) polar method: two uniforms make one shock, smoothly in `nu`. numpy's sampler rejects, so the last
    bit of `nu` would change every later draw. The first steps do not depend on the number of steps.
    """
    uniforms = np.random.default_rng(SEED).random((steps, 2, PATHS))
    # 1 - u, since u can be 0 but not 1. The root includes the scale √((nu - 2) / nu) for variance 1.
    radius = np.sqrt((nu - 2) * np.expm1(-2 / nu * np.log1p(-uniforms[:, 0])))
    return np.asarray(radius * np.cos(2 * np.pi * uniforms[:, 1]))

"""Generated markets, and faults to inject into them.

Returns are GARCH, copper and peso correlated as in the real history; forecasts are those of an EWMA walk.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from forex_assets.core.fan import Array
from forex_assets.core.volatility import DECAY
from forex_assets.market.prices import POUNDS_PER_TONNE
from forex_assets.monitoring.realized_sums import MOST_SCORE, SUMS
from generated_returns import garch

CORRELATION: Final = -0.33
"""Correlation of daily returns of copper and the peso."""

PESO_SD, COPPER_SD = 0.0065, 0.015
"""Standard deviations of daily log returns."""

STEPS: Final = 5
"""Sessions that a 7-day forecast spans."""


@dataclass(frozen=True, eq=False)
class Market:
    """Daily log returns and forecast biases, shape (n, sessions), oldest first.

    Attributes:
        peso: returns.
        copper: returns, correlated with the peso's.
        spare: copper's returns without correlation: same volatility, other shocks.
        bias: shift of the forecasts' medians by session, in their standard deviations.
    """

    peso: Array
    copper: Array
    spare: Array
    bias: Array

    def rows(self, cut: Callable[[Array], Array]) -> "Market":
        """Cuts all arrays alike."""
        return Market(cut(self.peso), cut(self.copper), cut(self.spare), cut(self.bias))


def simulated_market(count: int, sessions: int, seed: int) -> Market:
    """Generates markets without faults.

    GARCH(1,1), α .06, β .92, t(6) shocks.
    """
    rng = np.random.default_rng(seed)
    series = garch(3 * count, sessions, rng)
    shocks = (series.returns / np.sqrt(series.variances)).reshape(3, count, sessions)
    peso, copper_sd = series.returns[:count], np.sqrt(series.variances[count : 2 * count])
    joint = CORRELATION * shocks[0] + math.sqrt(1 - CORRELATION**2) * shocks[1]
    return Market(
        peso=PESO_SD * peso,
        copper=COPPER_SD * copper_sd * joint,
        spare=COPPER_SD * copper_sd * shocks[2],
        bias=np.zeros_like(peso),
    )


@dataclass(frozen=True)
class Fault:
    """A fault that begins at one session and lasts.

    Attributes:
        name: in tables.
        volatility: factor of the peso's returns.
        jump: added to the peso's return of the first session, in mean daily standard deviations.
        bias: growth of the forecasts' bias by session, in their standard deviations.
        is_stale: the peso's feed repeats its last price.
        copper_factor: copper's price is multiplied by it, as by a change of unit.
        is_decoupled: copper no longer moves with the peso.
        is_late: copper's prices are dated one session late, as by another provider.
    """

    name: str
    volatility: float = 1.0
    jump: float = 0.0
    bias: float = 0.0
    is_stale: bool = False
    copper_factor: float = 1.0
    is_decoupled: bool = False
    is_late: bool = False


NOTHING: Final = Fault("nothing")
DOUBLED, TRIPLED = Fault("volatility x2", volatility=2.0), Fault("volatility x3", volatility=3.0)
FAULTS: Final = (
    NOTHING,
    Fault("volatility x1.5", volatility=1.5),
    DOUBLED,
    TRIPLED,
    Fault("level jump", jump=6.0),
    Fault("bias drift", bias=0.2),
    Fault("stale feed", is_stale=True),
    Fault("unit change", copper_factor=POUNDS_PER_TONNE),
    Fault("decoupled copper", is_decoupled=True),
    Fault("provider swap", is_late=True),
)
"""Injected faults; the first is none, for false alarms.

A jump of 6 is 4 %; a bias of .2 adds up to 1 sd in a week.
"""


def inject(market: Market, fault: Fault, sessions: int) -> Market:
    """Injects a fault into the last sessions.

    Raises:
        ValueError: no session before the fault.
    """
    first = market.peso.shape[-1] - sessions
    if sessions < 1 or first < 1:
        raise ValueError(f"a fault of {sessions} sessions needs a market longer than that, and one session at least")
    peso, copper, bias = market.peso.copy(), market.copper.copy(), market.bias.copy()
    peso[..., first:] *= 0.0 if fault.is_stale else fault.volatility
    peso[..., first] += fault.jump * PESO_SD
    bias[..., first:] += fault.bias * np.arange(1, sessions + 1)
    if fault.is_decoupled:
        copper[..., first:] = market.spare[..., first:]
    if fault.is_late:
        copper[..., first:] = market.copper[..., first - 1 : -1]
    copper[..., first] += math.log(fault.copper_factor)
    return replace(market, peso=peso, copper=copper, bias=bias)


def ewma_variances(returns: Array, start: Array | float = PESO_SD**2) -> Array:
    """EWMA variance of the next return, known after each return.

    Args:
        returns: shape (…, sessions).
        start: the variance known before the first return, shape (…).
    """
    variances, now = np.empty_like(returns), np.asarray(start, dtype=np.float64)
    for t in range(returns.shape[-1]):
        now = DECAY * now + (1 - DECAY) * returns[..., t] ** 2
        variances[..., t] = now
    return variances


def next_errors(market: Market, variances: Array) -> Array:
    """Standardized errors of one-session forecasts; NaN at the first session."""
    errors = np.full_like(market.peso, np.nan)
    errors[..., 1:] = market.peso[..., 1:] / np.sqrt(variances[..., :-1]) - market.bias[..., 1:]
    return errors


def week_sums(market: Market, variances: Array) -> Array:
    """Daily sums of 7-day forecasts, as in `realized_sums`.

    By session of the price, shape (…, len(SUMS), sessions - STEPS).

    In log returns where the platform has CLP: every measure is a ratio, in which the price level cancels. The first
    column belongs to session number STEPS, counted from 0. Sums that no rule reads are 0.
    """
    returns, bias = market.peso, market.bias[..., STEPS:]
    totals = np.cumsum(returns, axis=-1)
    moved = totals[..., STEPS:] - totals[..., :-STEPS]
    sd = np.sqrt(STEPS * variances[..., :-STEPS])
    error = moved - bias * sd
    one = np.ones_like(moved)
    known = {
        "days": one,
        "errors": one,
        "square": error**2,
        "walk_square": moved**2,
        "model_crps": normal_crps(error, sd),
        "walk_crps": normal_crps(moved, sd),
        "score_square": np.clip(error / sd, -MOST_SCORE, MOST_SCORE) ** 2,
    }
    return np.stack([known.get(name, np.zeros_like(one)) for name in SUMS], axis=-2)


def normal_crps(error: Array, sd: Array) -> Array:
    """CRPS of a normal fan (Gneiting and Raftery, 2007)."""
    from scipy.special import ndtr

    z = error / sd
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return np.asarray(sd * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / math.sqrt(math.pi)))

"""Generated return series to train and test models.

Families, shares and ranges follow what daily exchange-rate returns are known to do: volatility that clusters and comes
back, tails heavier than the normal's, jumps, regimes, feeds that stand still. Each series has its own parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from forex_assets.core.fan import Array

BURN_IN: Final = 200
"""Burn-in steps, so that a series starts in its stationary distribution."""

Generator = np.random.Generator


def generated_returns(count: int, length: int, rng: Generator) -> Array:
    """Log returns of series with random parameters, shape (count, length).

    GARCH and GJR with t(4–10) shocks 45 %, stochastic volatility 25 %, regime switching 20 %, iid t 10 %; jumps in a
    quarter, AR(1) within ±.1 in half, small drifts in a third, stale zeros in 15 %; half of them upside down.
    """
    shares = rng.choice(len(_FAMILIES), size=count, p=[share for share, _ in _FAMILIES])
    returns = np.empty((count, length + BURN_IN))
    for index, (_, family) in enumerate(_FAMILIES):
        rows = np.flatnonzero(shares == index)
        if rows.size:
            returns[rows] = family(rows.size, length + BURN_IN, rng)
    returns = returns[:, BURN_IN:]
    return _soiled(returns / returns.std(axis=1, keepdims=True), rng)


@dataclass(frozen=True)
class Garch:
    """GARCH(1,1) series with known variances.

    Attributes:
        returns: shape (count, length).
        variances: of each return, given the ones before it; same shape.
        freedom: of the t shocks.
    """

    returns: Array
    variances: Array
    freedom: float


def garch(
    count: int, length: int, rng: Generator, alpha: float = 0.06, beta: float = 0.92, freedom: float = 6
) -> Garch:
    """Generates GARCH(1,1) series (Bollerslev, 1986).

    v_t = (1 - α - β) + α r_{t-1}² + β v_{t-1}.
    """
    ones = np.ones(count)
    returns, variances = _garch(ones * alpha, ones * 0, ones * beta, _t_shocks(ones * freedom, length + BURN_IN, rng))
    return Garch(returns[:, BURN_IN:], variances[:, BURN_IN:], freedom)


def _t_shocks(freedom: Array, length: int, rng: Generator) -> Array:
    """t shocks of variance one, a row for each degree of freedom."""
    t = rng.standard_t(freedom[:, None], size=(freedom.size, length))
    return np.asarray(t * np.sqrt((freedom - 2) / freedom)[:, None])


def _garch(alpha: Array, gamma: Array, beta: Array, shocks: Array) -> tuple[Array, Array]:
    """GJR-GARCH(1,1) of mean variance one (Glosten et al., 1993)."""
    omega = np.maximum(1.0 - alpha - gamma / 2 - beta, 1e-4)
    variance = np.ones(shocks.shape[0])
    returns, variances = np.empty_like(shocks), np.empty_like(shocks)
    for t in range(shocks.shape[1]):
        variances[:, t] = variance
        returns[:, t] = np.sqrt(variance) * shocks[:, t]
        leverage = alpha + gamma * (shocks[:, t] < 0)
        variance = omega + leverage * returns[:, t] ** 2 + beta * variance
    return returns, variances


def _garch_family(count: int, length: int, rng: Generator) -> Array:
    """GARCH and GJR series with persistence from .9 to .998."""
    persistence = 1.0 - 10 ** rng.uniform(-2.7, -1.0, count)
    alpha = rng.uniform(0.02, 0.12, count)
    gamma = np.where(rng.random(count) < 0.5, rng.uniform(0.0, 0.1, count), 0.0)
    beta = np.maximum(persistence - alpha - gamma / 2, 0.0)
    return _garch(alpha, gamma, beta, _t_shocks(rng.uniform(4, 10, count), length, rng))[0]


def _stochastic_volatility(count: int, length: int, rng: Generator) -> Array:
    """Log-variance is an AR(1) of its own (Taylor, 1986)."""
    rho = 1.0 - 10 ** rng.uniform(-2.5, -1.0, count)
    spread = rng.uniform(0.3, 1.1, count)
    news = rng.standard_normal((count, length)) * (spread * np.sqrt(1 - rho**2))[:, None]
    level = rng.standard_normal(count) * spread
    logs = np.empty((count, length))
    for t in range(length):
        level = rho * level + news[:, t]
        logs[:, t] = level
    return np.exp(logs / 2) * _t_shocks(rng.uniform(5, 30, count), length, rng)


def _regimes(count: int, length: int, rng: Generator) -> Array:
    """Regime-switching series with two volatilities (Hamilton, 1989).

    One is 1.3 to 4 times the other; each lasts 15 to 250 sessions on average.
    """
    ratio = rng.uniform(1.3, 4.0, count)
    leave = 1.0 / rng.uniform(15, 250, (2, count))
    state = rng.integers(0, 2, count)
    draws = rng.random((count, length))
    scale = np.empty((count, length))
    for t in range(length):
        state = np.where(draws[:, t] < leave[state, np.arange(count)], 1 - state, state)
        scale[:, t] = np.where(state == 1, ratio, 1.0)
    return scale * _t_shocks(rng.uniform(5, 30, count), length, rng)


def _independent(count: int, length: int, rng: Generator) -> Array:
    """No memory at all."""
    return _t_shocks(rng.uniform(4, 30, count), length, rng)


_FAMILIES: Final[tuple[tuple[float, Callable[[int, int, Generator], Array]], ...]] = (
    (0.45, _garch_family),
    (0.25, _stochastic_volatility),
    (0.20, _regimes),
    (0.10, _independent),
)


def _soiled(returns: Array, rng: Generator) -> Array:
    """Adds jumps, autocorrelation, drift and stale days; flips half."""
    count, length = len(returns), int(returns.shape[1])
    chance: Array = np.where(rng.random(count) < 0.25, 10.0 ** rng.uniform(-3.0, -2.0, count), 0.0)
    jumps = rng.standard_normal((count, length)) * rng.uniform(2, 5, count)[:, None]
    returns = returns + np.where(rng.random(returns.shape) < chance[:, None], jumps, 0.0)
    memory = np.where(rng.random(count) < 0.5, rng.uniform(-0.1, 0.1, count), 0.0)
    returns[:, 1:] += memory[:, None] * returns[:, :-1]
    drift = np.where(rng.random(count) < 1 / 3, rng.normal(0, 0.03, count), 0.0)
    returns += drift[:, None]
    stale = np.where(rng.random(count) < 0.15, rng.uniform(0, 0.1, count), 0.0)
    returns[rng.random((count, length)) < stale[:, None]] = 0.0
    return np.asarray(returns * rng.choice((-1.0, 1.0), count)[:, None])

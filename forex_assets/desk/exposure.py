"""Pesos of dollar flows: median, percentiles, breaches of a budget.

A dollar received is a positive flow of pesos, one paid a negative one: the 5th percentile is the bad side of both. One
joint distribution covers all dates: each date has its fan's distribution, and the dates depend on each other as a
random walk does, Cov of logs σ² min(h_i, h_j).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forex_assets.core.fan import Array
from forex_assets.desk.flows import Flow
from forex_assets.desk.outlook import DayLaw

DRAWS: Final = 20_000
"""Joint outcomes drawn."""

SEED: Final = 20_260_331


@dataclass(frozen=True)
class Pesos:
    """Distribution of an amount of pesos.

    Attributes:
        p05: 5th percentile, the bad side.
        median: CLP.
        p95: 95th percentile.
        budget: pesos at the budget rate; None without one.
        breach: chance of fewer pesos than at the budget rate.
        breach_size: mean shortfall in those outcomes, CLP; 0 without any.
    """

    p05: float
    median: float
    p95: float
    budget: float | None = None
    breach: float | None = None
    breach_size: float | None = None

    @property
    def at_risk(self) -> float:
        """Cash-flow-at-risk: median less 5th percentile, CLP."""
        return self.median - self.p05


@dataclass(frozen=True, eq=False)
class JointPrices:
    """Joint outcomes of the price on several dates.

    Attributes:
        days: column of each date.
        prices: CLP per USD, shape (draws, dates).
    """

    days: Mapping[date, int]
    prices: Array


def joint_prices(laws: Sequence[DayLaw]) -> JointPrices:
    """Draws joint outcomes of several dates, always the same ones.

    Args:
        laws: one a date, any order.
    """
    sessions = np.array(sorted({law.sessions for law in laws}), dtype=np.float64)
    correlation = np.sqrt(np.minimum.outer(sessions, sessions) / np.maximum.outer(sessions, sessions))
    values, vectors = np.linalg.eigh(correlation)
    order = np.argsort(values)[::-1]
    factors = vectors[:, order] * np.sqrt(np.maximum(values[order], 0.0))
    scores = _stratified(len(sessions)) @ factors.T
    place = {int(count): column for column, count in enumerate(sessions)}
    columns = [law.law.prices(scores[:, place[law.sessions]]) for law in laws]
    return JointPrices({law.asked: k for k, law in enumerate(laws)}, np.stack(columns, axis=1))


def _stratified(count: int) -> Array:
    """Normal draws, evenly spread along the first factor.

    With one date the first factor is all there is, and quantiles are exact to the spacing.
    """
    from scipy.special import ndtri  # scipy at the top would slow every code server's start

    generator = np.random.default_rng(SEED)
    draws = generator.standard_normal((DRAWS, count))
    draws[:, 0] = ndtri((np.arange(DRAWS) + 0.5) / DRAWS)
    return np.asarray(draws)


def pesos_of(
    flows: Sequence[Flow],
    joint: JointPrices,
    forwards: Mapping[date, float] | None,
    *,
    budget_rate: float | None = None,
    hedged: float | None = None,
) -> Pesos:
    """Returns the distribution of the flows' pesos in total.

    Args:
        flows: at least one.
        joint: outcomes on their dates.
        forwards: rate by date, for hedges without a rate of their own; None if no rate is known.
        budget_rate: CLP per USD.
        hedged: share of every flow hedged at the forward, instead of the flow's own.
    """
    total = np.zeros(len(joint.prices))
    for flow in flows:
        share = flow.hedged if hedged is None else hedged
        rate = flow.hedge_rate if hedged is None else None
        if share and rate is None:
            if forwards is None:
                raise ValueError("a hedge needs a forward rate")
            rate = forwards[flow.day]
        spot = joint.prices[:, joint.days[flow.day]]
        total += flow.sign * flow.amount * ((1 - share) * spot + share * (rate or 0.0))
    budget = None if budget_rate is None else budget_rate * sum(flow.sign * flow.amount for flow in flows)
    return _summary(total, budget)


def _summary(total: Array, budget: float | None) -> Pesos:
    p05, median, p95 = (float(value) for value in np.quantile(total, (0.05, 0.5, 0.95)))
    if budget is None:
        return Pesos(p05, median, p95)
    is_short: NDArray[np.bool_] = total < budget - 1e-6 * max(1.0, abs(budget)) * 1e-3
    size = float(np.mean(budget - total[is_short])) if is_short.any() else 0.0
    return Pesos(p05, median, p95, budget, float(np.mean(is_short)), size)

"""Ranks days in their history, to keep alarms within a budget.

No distribution is assumed: volatility clusters and windows overlap, so the tables of KS and PSI do not apply. The
history is five years of the same statistics.

Today is part of the pool that it is ranked in, as are the days before it, whose windows it shares. Without a change,
today is as likely as any other day to be among the most unusual. A change that has lasted for days occupies some of
those places already: this lowers power slightly and never raises the false-alarm rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forex_assets.core.fan import Array

TAIL: Final = 0.10
"""Upper share of the pool with an exponential tail."""


def tail_scores(values: Array) -> Array:
    """Rarity of each value in its column: -log10 of the chance.

    The chance is the share of the pool that is at least as large; 2 is one in 100. Above the 90 % point it is an
    exponential tail through the mean excess (peaks over a threshold, Pickands 1975), because ranks end: with fourteen
    columns and ten looks, more than 5 % of the days hold the largest value of some column, all of one rank, and no day
    could exceed a limit.

    Args:
        values: one row a look, one column a statistic, shape (n, k); NaN without a value, which scores 0.

    Returns:
        Shape (n, k), 0 or more, ascending with the value in each column. A constant column scores 0.
    """
    return np.stack([_scores(column) for column in values.T], axis=1) if values.shape[1] else np.zeros(values.shape)


def _scores(values: Array) -> Array:
    """`tail_scores` of one column."""
    scores = np.zeros(len(values))
    is_known = ~np.isnan(values)
    pool = np.sort(values[is_known])
    if not len(pool):
        return scores
    known = values[is_known]
    scores[is_known] = -np.log10((len(pool) - np.searchsorted(pool, known, side="left")) / len(pool))
    threshold = pool[-max(1, round(TAIL * len(pool)))]
    excess = pool[pool > threshold] - threshold
    if len(excess):
        beyond = -np.log10(len(excess) / len(pool)) + (values - threshold) / excess.mean() * np.log10(np.e)
        scores = np.where(values > threshold, beyond, scores)
    return scores


def joint_scores(scores: Array, looks: int) -> Array:
    """Largest score of the last looks, shape (n - looks + 1,).

    Args:
        scores: shape (n, k), k at least 1, oldest first.
        looks: how many, at most n.
    """
    return np.asarray(sliding_window_view(scores.max(axis=1), looks).max(axis=-1))


def limit_of(joint: Array, budget: float) -> float:
    """Limit of the joint score, exceeded by the budgeted share.

    A score equal to the limit does not fire.

    Args:
        joint: the pool, any order, shape (n,).
        budget: share of the pool, so that budget · n is 1 or more.

    Raises:
        ValueError: too few scores for so small a budget.
    """
    most = int(budget * len(joint))
    if most < 1:
        raise ValueError(f"{len(joint)} joint scores cannot show a share of {budget:g}; it takes {1 / budget:.0f}")
    return float(np.sort(joint)[-most - 1]) if most < len(joint) else float("-inf")


def share_at_least(pool: Array, value: float) -> float:
    """Share of the pool that is at least as large."""
    return float((pool >= value).mean())


Name = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Judged:
    """Judgement of one day.

    Attributes:
        scores: weighted scores of each column at the last looks, shape (looks,).
        joint: the largest of them; NaN, as the next two, without columns.
        limit: significant above.
        share: share of the history with a joint score as large.
    """

    scores: Mapping[Name, Array]
    joint: float
    limit: float
    share: float


def judge(columns: Mapping[Name, Array], shares: Mapping[Name, float], looks: int, budget: float) -> Judged:
    """Judges the last looks against the history.

    Args:
        columns: name to values, larger is more unusual, shape (n,) each, oldest look first.
        shares: relative chance by column, 1 by default; a column with .1 must be ten times as rare.
        looks: number of looks judged at once.
        budget: share of the history that may lie above the limit.
    """
    if not columns:
        return Judged({}, float("nan"), float("nan"), float("nan"))
    weights = np.log10([shares.get(name, 1.0) for name in columns])
    scores = tail_scores(np.stack(list(columns.values()), axis=1)) + weights
    joint = joint_scores(scores, looks)
    return Judged(
        scores=dict(zip(columns, scores[-looks:].T, strict=True)),
        joint=float(joint[-1]),
        limit=limit_of(joint, budget),
        share=share_at_least(joint, float(joint[-1])),
    )

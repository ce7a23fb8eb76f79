"""How unusual a day is, measured on its own past: the calibration that keeps alarms within a budget.

No law of the statistics is assumed. Volatility clusters and windows overlap, which is why the tables of KS and of the
PSI are wrong here; what such statistics did in the last five years is known, and among them a quiet day is one of many.

How the past is ranked: today stands in the pool that it is ranked in, on the same terms as every day before it, and so
do the days just before it, whose windows it shares. If nothing has changed, today is as likely as any of them to be
among the most unusual; what has lasted for days already has taken a few of those places from itself, which makes the
rule a little deaf and never rash.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forex_assets.core.fan import Array

TAIL: Final = 0.10
"""Share of the pool from which on ranks give way to an exponential tail."""


def tail_scores(values: Array) -> Array:
    """How rare it is, in each column's own pool, to be as large as each value: -log10 of the chance; 2 is one in 100.

    The chance is the upper-tail rank, the share of the pool that is at least as large, so that equal values are all
    as common as the least of them. Above the pool's 90 % point it is an exponential tail through the mean excess
    (peaks over a threshold, Pickands 1975), because ranks end: with fourteen columns and ten looks, more than 5 % of
    the days hold the largest value of some column, all of the same rank, and no day could ever exceed a limit.

    Args:
        values: one row a look, one column a statistic, shape (n, k); the pool of a column is that column. NaN is a
            statistic without a value, and scores 0.

    Returns:
        Shape (n, k), 0 or more, in each column ascending with the value. A column that never changes scores 0.
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
    """The largest score of any column in the last `looks` looks, shape (n - looks + 1,).

    Args:
        scores: shape (n, k), k at least 1, oldest first.
        looks: how many, at most n.
    """
    return np.asarray(sliding_window_view(scores.max(axis=1), looks).max(axis=-1))


def limit_of(joint: Array, budget: float) -> float:
    """What today's joint score must lie above to be among the most unusual `budget` of the pool, today included.

    Strictly above: scores that equal the limit count against the alarm.

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
    """Share of the pool, which holds the value itself, that is at least as large."""
    return float((pool >= value).mean())


Name = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Judged:
    """The decision of one day.

    Attributes:
        scores: of each column at the last looks, shape (looks,), weights in.
        joint: the largest of them; NaN, as the next two, where there is no column.
        limit: it is significant above.
        share: of the history with a joint score as large.
    """

    scores: Mapping[Name, Array]
    joint: float
    limit: float
    share: float


def judge(columns: Mapping[Name, Array], shares: Mapping[Name, float], looks: int, budget: float) -> Judged:
    """Whether the last looks are among the most unusual of a history.

    Args:
        columns: name to values, larger is more unusual, shape (n,) each, oldest look first.
        shares: of the chance that a column not named here gets; .1 asks a column to be ten times as rare.
        looks: how many are judged at once.
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

"""Takes sampling noise out of a fan: control variate, kernel over steps.

A price's log deviation grows like √k with the step k, so deviation / √k changes slowly along a fan: what jumps from
step to step is Monte-Carlo noise. A Gaussian kernel in log k averages it. Its support is bounded, so a fan's beginning
does not depend on how far the fan reaches.
"""

import math
from functools import lru_cache
from typing import Final

import numpy as np

from forex_assets.core.fan import QUANTILE_SCORES, Array, Fan, mean_of, normal_scores
from forex_assets.core.schemas import QUANTILE_LEVELS

FAN_VERSION: Final = 2
"""Version of the fan rule, part of a model's name in tables."""

BANDWIDTH: Final = 0.2
"""Standard deviation of the kernel, in log steps."""

SUPPORT: Final = 2.0
"""Half-width of the kernel, in bandwidths."""

REACH: Final = 1.1
"""Factor of steps known to which a curve is continued."""

SMALLEST_DRAW: Final = 2.0**-25
"""Smallest uniform draw, half of their spacing; zero has no normal score."""

SMALLEST_MOVE: Final = 1e-12
"""Floor of a path's log move; avoids log 0."""

ARCH: Final = 0.10
"""Weight of the last squared return in the control variate's variance."""

GARCH: Final = 0.87
"""Weight of the last variance in the control variate's variance."""

KNOWN_PATHS: Final = 40_000
"""Paths, mirrored, from which the control variate's quantiles are known."""

FIT_LEVELS: Final = np.linspace(0.6, 0.995, 40)
"""Levels at which paths are compared with the control variate."""

_MEDIAN: Final = QUANTILE_LEVELS.index(0.50)


def steps_to_draw(steps: int, reach: int) -> int:
    """Number of steps that a model must answer for a fan.

    Enough that the last step's kernel is whole, where the model reaches that far. A little past its reach
    (`REACH`) the smoothed curve is continued instead.

    Args:
        steps: of the fan.
        reach: longest answer of the model in one piece.
    """
    if steps > REACH * reach:
        return steps
    return min(math.floor(steps * math.exp(SUPPORT * BANDWIDTH)), reach)


def kernel(known: int, wanted: int, bandwidth: float, support: float = SUPPORT) -> Array:
    """Weights of a Gaussian kernel in log steps.

    Args:
        known: number of steps with a value, from step 1.
        wanted: number of steps to average at, from step 1; at most `REACH` × known.
        bandwidth: in log steps.
        support: in bandwidths; steps further apart do not count.

    Returns:
        Shape (wanted, known); each row sums to one.
    """
    at, of = (np.log(np.arange(1, count + 1, dtype=np.float64)) for count in (wanted, known))
    distance = np.abs(at[:, None] - of) / bandwidth
    weights = np.where(distance <= support + 1e-9, np.exp(-0.5 * distance**2), 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def smoothed(moves: Array, steps: int) -> Array:
    """Log moves from the last price without jumps from step to step.

    Args:
        moves: log(quantile / last price), ascending along the levels, shape (known, levels).
        steps: of the answer, at most `REACH` × known.

    Returns:
        Shape (steps, levels). On both sides of the median no level comes nearer to it as steps go on.
    """
    known = len(moves)
    root = np.sqrt(np.arange(1, max(known, steps) + 1, dtype=np.float64))[:, None]
    answer = root[:steps] * (kernel(known, steps, BANDWIDTH) @ (moves / root[:known]))
    median = answer[:, [_MEDIAN]]
    signs = np.sign(QUANTILE_SCORES)
    # Smooth widths hardly ever shrink, so the maximum adds no width on average; over raw ones it would.
    return np.asarray(median + signs * np.maximum.accumulate(signs * (answer - median), axis=0))


def mirrored_moves(moves: Array, draws: Array) -> Array:
    """Quantiles of paths and their mirror images, less their sampling error.

    Control variate: a GARCH(1,1) walk takes the same uniform numbers as the model's paths, and its quantiles are known.
    A model whose returns rise with u and whose volatility answers to them shares most of the walk's sampling error, so
    the log ratio of both samples' quantiles is nearly free of it. A line in z², by least squares over many levels,
    averages what is left.

    Args:
        moves: log moves of half of the paths, in any unit, shape (paths, steps); the other half mirrors them.
        draws: uniform numbers of the same paths and steps.

    Returns:
        Shape (steps, levels), symmetric about zero.
    """
    steps = moves.shape[1]
    known, z = _known_sizes(steps), QUANTILE_SCORES[_MEDIAN + 1 :]
    quantiles, control = (
        np.quantile(np.abs(paths), _inner(FIT_LEVELS), axis=0) for paths in (moves, garch_walk(draws))
    )
    ratios = np.log(np.maximum(quantiles, SMALLEST_MOVE) / control)
    curve = np.stack([np.ones_like(FIT_LEVELS), normal_scores(FIT_LEVELS.tolist()) ** 2], axis=1)
    line, *_ = np.linalg.lstsq(curve, ratios, rcond=None)
    above = np.maximum.accumulate(known * np.exp(line[0][:, None] + np.outer(line[1], z**2)), axis=1)
    return np.concatenate([-above[:, ::-1], np.zeros((steps, 1)), above], axis=1)


def garch_walk(draws: Array) -> Array:
    """Paths of a GARCH(1,1) walk with normal shocks Φ⁻¹(u), mean variance 1.

    Args:
        draws: uniform numbers, shape (paths, steps).
    """
    from scipy.special import ndtri

    shocks = ndtri(np.clip(draws, SMALLEST_DRAW, 1 - SMALLEST_DRAW))
    moves, variance = np.empty_like(shocks), np.ones(len(shocks))
    for step in range(shocks.shape[1]):
        moves[:, step] = np.sqrt(variance) * shocks[:, step]
        variance = 1 - ARCH - GARCH + ARCH * moves[:, step] ** 2 + GARCH * variance
    return np.cumsum(moves, axis=1)


@lru_cache(maxsize=8)
def _known_sizes(steps: int) -> Array:
    """Quantiles of the GARCH walk above its median, shape (steps, 4)."""
    many = garch_walk(np.random.default_rng(0).random((steps, KNOWN_PATHS)).T)
    return np.asarray(np.quantile(np.abs(many), _inner(np.array(QUANTILE_LEVELS[_MEDIAN + 1 :])), axis=0).T)


def _inner(levels: Array) -> Array:
    """Probability between a level and its mirror image."""
    return 2 * levels - 1


def smooth_fan(moves: Array, last: float, steps: int) -> Fan:
    """The fan of log moves, smoothed.

    Args:
        moves: log(quantile / last price), ascending along the levels, of as many steps as `steps_to_draw` asks for;
            shape (known, levels).
        last: last known price, CLP per USD.
        steps: of the answer.
    """
    # Rounding can put two equal neighbours out of order by a last bit.
    quantiles = np.maximum.accumulate(last * np.exp(smoothed(moves, steps)), axis=1)
    return Fan(mean_of(quantiles), quantiles)

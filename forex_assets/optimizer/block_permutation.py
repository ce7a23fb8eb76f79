"""Block permutation test of "no better" for overlapping errors.

Where champion and challenger are equally good, nothing changes in law when the two swap their losses, so long as losses
that hang together swap together. The share of all such exchanges that favour the challenger as much as what was seen is
the p-value (Fisher's randomisation test, in blocks). No variance is estimated, which is what makes tests of overlapping
errors fire too often: with a handful of blocks it simply cannot reject. Figures in, figures out.
"""

import math
from functools import lru_cache
from typing import Final

import numpy as np

from forex_assets.accuracy.compare import block_of
from forex_assets.core.fan import Array

EXCHANGES: Final = 4096
"""Sign permutations: exhaustive up to 12 blocks, else a sample."""

SEED: Final = 0
ROUNDING: Final = 1e-9
"""Share of the largest sum below which two exchanges count as equal."""


def block_length(overlap: float) -> int:
    """Origins that swap together: 1.5 overlaps, rounded up.

    Args:
        overlap: forecasts that run at once.
    """
    return math.ceil(block_of(overlap))


def block_sums(values: Array, overlap: float) -> Array:
    """Sums over blocks of consecutive origins.

    A remainder at the new end joins the last block.

    Args:
        values: oldest first, shape (n,) or (n, k), n ≥ 1.
        overlap: forecasts that run at once.

    Returns:
        Shape (blocks,) or (blocks, k).
    """
    starts = np.arange(max(1, len(values) // block_length(overlap))) * block_length(overlap)
    return np.asarray(np.add.reduceat(np.asarray(values, dtype=np.float64), starts, axis=0))


@lru_cache(maxsize=32)
def exchanges(blocks: int) -> Array:
    """Signs of each block in each exchange.

    1 keeps, -1 swaps; shape (exchanges, blocks).

    The first leaves all as it was. Up to twelve blocks each exchange stands there once, so that the p-value is exact.
    """
    if 2**blocks <= EXCHANGES:
        numbers = np.arange(2**blocks)[:, None]
        signs = np.asarray(1.0 - 2.0 * ((numbers >> np.arange(blocks)) & 1), dtype=np.float64)
    else:
        signs = np.random.default_rng(SEED).choice((-1.0, 1.0), (EXCHANGES, blocks))
        signs[0] = 1.0
    signs.setflags(write=False)
    return signs


def boundary_factor(overlap: float) -> float:
    """Widening for dependence that block boundaries cut.

    Sums of `overlap` independent shocks are correlated by 1 - k / overlap at lag k. Of the variance of their sum, a
    block of b keeps the pairs that lie in it, (b - k) / b of them at lag k. The root of what is lost that way: 1 where
    nothing overlaps, 1.13 for long overlaps. Losses hang together less than errors, so this errs towards caution.
    """
    lags = np.arange(math.ceil(overlap))
    pairs = np.where(lags == 0, 1.0, 2.0) * (1 - lags / overlap)
    kept = 1 - lags / block_length(overlap)
    return math.sqrt(pairs.sum() / (pairs * kept).sum())


def p_values(differences: Array, overlap: float) -> Array:
    """Adjusted p-values of "no better", one a measure.

    Single-step maximum adjustment of Westfall and Young (1993).

    Args:
        differences: champion's loss less challenger's, oldest first, shape (n, measures), n ≥ 1.
        overlap: forecasts that run at once.

    Returns:
        Shape (measures,), from 0 to 1: the share of exchanges whose best measure, in its own standard deviations and
        widened by `boundary_factor`, is as good as this one is. 1 for a measure on which the two never differ.
    """
    sums = block_sums(differences, overlap)
    exchanged = exchanges(len(sums)) @ sums
    return np.asarray(rank_from_above(exchanged, exchanged[:1], boundary_factor(overlap))[0])


def rank_from_above(exchanged: Array, observed: Array, factor: float) -> Array:
    """Adjusted p-values of some exchanges among all of them.

    Args:
        exchanged: sums of each exchange, shape (exchanges, measures).
        observed: sums whose p-values are wanted, shape (m, measures).
        factor: by which the exchanges are widened.

    Returns:
        Shape (m, measures).
    """
    spread = np.sqrt(np.mean(exchanged**2, axis=0))
    has_spread = spread > 0
    unit = np.where(has_spread, spread, 1.0)
    best = np.sort(factor * (exchanged / unit).max(axis=1))
    wanted = observed / unit
    ranked = 1 - np.searchsorted(best, wanted - ROUNDING, side="left") / len(best)
    return np.asarray(np.where(has_spread, ranked, 1.0))

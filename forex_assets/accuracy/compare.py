"""Whether one forecast is better than another, and how sure that is when errors overlap.

Forecasts of 7 days issued daily share six days of news: their errors are one another's neighbours, and a year of them
holds some 50 independent ones, not 250. Everything here therefore wants to know the `overlap`: how many origins a
forecast spans. All figures in, all figures out; tables are `scorecard`'s affair.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forex_assets.core.calendar import DAYS_PER_SESSION
from forex_assets.core.fan import Array

Days = NDArray[np.datetime64]

BLOCKS_PER_OVERLAP: Final = 1.5
"""Mean length of a bootstrap block in overlaps: shorter ones cut the very dependence that they should keep."""

LAGS_PER_OVERLAP: Final = 3.0
"""Reach of the autocorrelations in overlaps: Bartlett's weights at less would miss a third of the dependence."""

PRIOR_SPANS: Final = 5.0
"""Disjoint spans that the overlap's own law counts for: two or three cannot show how alike neighbours are."""

FEWEST: Final = 4.0
"""Independent errors under which there is no interval: with three, one claimed at 95 % holds 80 %."""

REPETITIONS: Final = 2000

MAX_LOG_RATIO: Final = 100.0
"""A bound this far off says "no idea", and is still a number that a table can hold."""

CELLS: Final = 1_000_000
"""Indices drawn at once: memory does not grow with the number of repetitions."""


@dataclass(frozen=True)
class Skill:
    """How much better than a reference, and how sure.

    Attributes:
        value: 1 - loss / reference: .05 is five per cent better, below 0 worse; None with nothing to compare.
        low: lower bound of the interval, at most `value`; None where that is.
        high: upper bound.
        n: forecasts compared.
        n_effective: independent ones among them.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    n_effective: float


def overlap_between(as_of: Days, ahead: Array, per_day: float = 1.0) -> float:
    """Number of origins that a forecast spans, at least 1.

    Median calendar days to the target over the median spacing of the origins. Spacing is counted in weekdays, 7/5
    calendar days each: of daily origins, a forecast of 7 days spans five.

    Args:
        as_of: distinct origins, ascending, shape (n,), `datetime64[D]`.
        ahead: calendar days from origin to target.
        per_day: forecasts of one origin.
    """
    if len(as_of) < 2:
        return 1.0
    spacing = float(np.median(np.busday_count(as_of[:-1], as_of[1:]))) * DAYS_PER_SESSION
    return max(1.0, float(np.median(ahead)) / spacing * per_day) if spacing > 0 else max(1.0, per_day)


def block_of(overlap: float) -> float:
    """Mean block of the stationary bootstrap, in origins: 1.5 overlaps, at least 1.

    Args:
        overlap: steps of a forecast over the spacing of its origins.
    """
    return max(1.0, BLOCKS_PER_OVERLAP * overlap)


def stationary_indices(n: int, mean_block: float, repetitions: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Resamples of a series' places in blocks of random length (Politis & Romano, 1994).

    Each place follows the one before, the last being followed by the first, unless with chance 1 / `mean_block` a new
    block starts anywhere: block lengths are geometric, and the resampled series is stationary.

    Args:
        n: length of the series, at least 1.
        mean_block: at least 1, which is independent draws.
        repetitions: resamples.
        rng: where chance comes from.

    Returns:
        Places from 0 to n - 1, shape (repetitions, n).

    Raises:
        ValueError: no series, or blocks shorter than 1.
    """
    if n < 1 or mean_block < 1:
        raise ValueError(f"{n} values in blocks of {mean_block:g}; a resample needs a value and blocks of 1 or more")
    places = np.arange(n)
    is_start = rng.random((repetitions, n)) < 1 / mean_block
    is_start[:, 0] = True
    started = np.maximum.accumulate(np.where(is_start, places, 0), axis=1)
    first = np.take_along_axis(rng.integers(n, size=(repetitions, n)), started, axis=1)
    return np.asarray((first + places - started) % n)


def effective_size(errors: Array, overlap: float) -> float:
    """How many independent errors would pin down their mean as well as these do.

    n / inflation, inflation = 1 + 2 Σ w_k ρ_k with Bartlett's weights w_k = 1 - k / K, K = 3 overlaps. Two repairs for
    short samples. Their autocorrelations are too small, since the mean was fitted: the long-run variance is divided by
    1 - b + b² / 3, b = K / n, which is what the fit leaves of it (Kiefer & Vogelsang, 2005), and the variance has its
    share put back. And the inflation is drawn towards the overlap, that of sums of `overlap` independent shocks, which
    counts as five disjoint spans. Errors that never change say nothing: the overlap alone counts.

    For such sums it comes out within a fifth of the truth, from fourteen errors that overlap by five on.

    Args:
        errors: oldest first, any unit, shape (n,).
        overlap: steps of a forecast over the spacing of its origins.

    Returns:
        Between 1 and n; 0 for no errors.
    """
    errors = np.asarray(errors, dtype=np.float64)
    n, overlap = len(errors), max(1.0, overlap)
    if n < 2:
        return float(n)
    spans = n / overlap
    weight = spans / (spans + PRIOR_SPANS)
    inflation = weight * _inflation(errors, overlap) + (1 - weight) * overlap
    return min(float(n), max(1.0, n / inflation))


def _inflation(errors: Array, overlap: float) -> float:
    """Variance of the mean of these errors over that of as many independent ones; `overlap` where they never change."""
    n = len(errors)
    centred = errors - errors.mean()
    variance = float(centred @ centred) / n
    if variance <= (1e-12 * float(np.abs(errors).max())) ** 2:
        return overlap
    reach = min(math.ceil(LAGS_PER_OVERLAP * overlap), n)
    covariances = [float(centred[k:] @ centred[:-k]) / n * (1 - k / reach) for k in range(1, reach)]
    b = reach / n
    long_run = max(0.0, variance + 2 * sum(covariances)) / (1 - b + b**2 / 3)
    return long_run / (variance + long_run / n)


def skill(
    loss: Array,
    reference: Array,
    *,
    overlap: float,
    root: bool = False,
    level: float = 0.95,
    repetitions: int = REPETITIONS,
    seed: int = 0,
) -> Skill:
    """1 - mean loss / mean reference loss, with an interval by paired stationary bootstrap.

    The bare percentiles are those of a sample that is taken for larger and less dependent than it is: where nothing is
    better, they exclude 0 in 12 % of cases at 1,000 daily errors of 7 days and in 37 % at 250 of 90 days, not in 5 %.
    Their distance from the estimate, in logs, is therefore stretched to the standard error that the effective size n'
    gives, and by Student's t √(n' / (n' - 1)) over the normal's (Hesterberg, 2015). What is left is 2 to 10 %, from
    some forty errors on.

    Args:
        loss: of the forecast, oldest first, shape (n,), 0 or more.
        reference: of the other forecast on the same dates, shape (n,).
        overlap: steps of a forecast over the spacing of its origins.
        root: compare the roots of the means: with squared errors, the RMSE.
        level: of the interval.
        repetitions: resamples.
        seed: of the resamples: the same losses give the same interval.

    Returns:
        None for value and bounds where there are fewer than two forecasts or the reference lost nothing.

    Raises:
        ValueError: losses of two lengths, or one that is negative or not finite.
    """
    pair = (loss, reference, root)
    return skills([pair], overlap=overlap, level=level, repetitions=repetitions, seed=seed)[0]


def skills(
    pairs: Sequence[tuple[Array, Array, bool]],
    *,
    overlap: float,
    level: float = 0.95,
    repetitions: int = REPETITIONS,
    seed: int = 0,
) -> list[Skill]:
    """`skill` of several (loss, reference, root) on the same dates, from the same resamples: drawing them is the cost.

    Raises:
        ValueError: losses of two lengths, or one that is negative or not finite.
    """
    series = _paired_losses(pairs)
    n = series.shape[1]
    if n < 2:
        return [Skill(None, None, None, n, float(n)) for _ in pairs]
    # Where three overlaps are more than there is, a resample still needs two blocks, or it is the sample again.
    means = _resampled_means(series, min(block_of(overlap), max(1.0, n / 2)), repetitions, seed)
    return [
        _skill_of(series[2 * i : 2 * i + 2], means[2 * i : 2 * i + 2], root, overlap, (1 - level) / 2)
        for i, (_, _, root) in enumerate(pairs)
    ]


def _paired_losses(pairs: Sequence[tuple[Array, Array, bool]]) -> Array:
    """Losses and references by turns, shape (2 pairs, n)."""
    columns = [np.asarray(column, dtype=np.float64) for pair in pairs for column in pair[:2]]
    if len({column.shape for column in columns}) != 1:
        raise ValueError(f"losses of {[len(column) for column in columns]} forecasts; a skill needs the same dates")
    series = np.stack(columns)
    is_loss = (series >= 0) & (series < np.inf)
    if not is_loss.all():
        raise ValueError(f"a loss is {series[~is_loss][0]}; a skill needs losses that are finite and not below 0")
    return series


def _skill_of(losses: Array, means: Array, root: bool, overlap: float, tail: float) -> Skill:
    """The skill of one pair, losses of shape (2, n), from the means of its resamples, shape (2, repetitions)."""
    (loss, reference), n = losses, losses.shape[1]
    if reference.mean() == 0:
        return Skill(None, None, None, n, effective_size(loss, overlap))
    ratio = float(loss.mean() / reference.mean())
    # What moves the ratio, to first order: its own effective size is what counts.
    influence = loss - ratio * reference
    n_effective = effective_size(influence, overlap)
    if n_effective < FEWEST:
        return Skill(1 - (math.sqrt(ratio) if root else ratio), None, None, n, n_effective)
    # A resample of nothing but zeros has no ratio; the estimate itself is one more resample, so there is always one.
    means = np.column_stack([means[:, means[1] > 0], [loss.mean(), reference.mean()]])
    low, high = np.quantile(means[0] / means[1], [tail, 1 - tail])
    wanted_error = float(np.std(influence)) / math.sqrt(n_effective)
    stretch = _stretch(wanted_error, float(np.std(means[0] - ratio * means[1])), n_effective, tail)
    best, worst = _away(ratio, min(float(low), ratio), stretch), _away(ratio, max(float(high), ratio), stretch)
    turn = math.sqrt if root else float
    return Skill(1 - turn(ratio), 1 - turn(worst), 1 - turn(best), n, n_effective)


def coverage_interval(share: float, n_effective: float, level: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of a share of hits, on its effective size (Korn & Graubard, 1998).

    Clopper-Pearson and not Wilson, because it errs towards wide, where an effective size is itself an estimate.

    Args:
        share: hits over forecasts, 0 to 1.
        n_effective: of the hit series, from `effective_size`; above 0.
        level: of the interval.

    Returns:
        Bounds between 0 and 1.
    """
    from scipy.special import betaincinv  # here, since every code server would pay for it at the top

    tail, held, missed = (1 - level) / 2, share * n_effective, (1 - share) * n_effective
    low = float(betaincinv(held, missed + 1, tail)) if held > 0 else 0.0
    high = float(betaincinv(held + 1, missed, 1 - tail)) if missed > 0 else 1.0
    return low, high


def _resampled_means(series: Array, mean_block: float, repetitions: int, seed: int) -> Array:
    """Means of resamples that are the same for every series, shape (series, repetitions)."""
    rng, n = np.random.default_rng(seed), series.shape[1]
    at_once = max(1, CELLS // n)
    parts = []
    for start in range(0, repetitions, at_once):
        places = stationary_indices(n, mean_block, min(at_once, repetitions - start), rng)
        parts.append(np.stack([values[places].mean(axis=1) for values in series]))
    return np.concatenate(parts, axis=1)


def _stretch(wanted_error: float, resampled_error: float, n_effective: float, tail: float) -> float:
    """How much further than the percentiles the bounds lie: a wider standard error, and Student's tail; at least 1."""
    from scipy.special import ndtri, stdtrit

    n = max(n_effective, 2.0)
    student = float(stdtrit(n - 1, tail) / ndtri(tail)) * math.sqrt(n / (n - 1))
    return student * (max(1.0, wanted_error / resampled_error) if resampled_error > 0 else 1.0)


def _away(ratio: float, bound: float, stretch: float) -> float:
    """`bound` moved away from `ratio`, in logs; finite whatever the stretch."""
    if bound <= 0 or ratio <= 0:
        return max(bound, 0.0)
    return ratio * math.exp(min(stretch * math.log(bound / ratio), MAX_LOG_RATIO))

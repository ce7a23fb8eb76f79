"""Skill, intervals and effective sample sizes of overlapping errors.

Forecasts of 7 days issued daily share most of their news: a year of them holds about 50 independent errors, not 250.
All functions take the `overlap`, the number of origins that a forecast spans.
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
"""Mean bootstrap block in overlaps; shorter blocks cut the dependence."""

LAGS_PER_OVERLAP: Final = 3.0
"""Bandwidth of the autocorrelations, in overlaps.

Bartlett's weights at less would miss a third of the dependence.
"""

PRIOR_SPANS: Final = 5.0
"""Prior weight of the overlap's own autocorrelation, in disjoint spans."""

FEWEST: Final = 4.0
"""Minimum effective sample size for an interval.

With three, an interval claimed at 95 % covers 80 %.
"""

REPETITIONS: Final = 2000

MAX_LOG_RATIO: Final = 100.0
"""Largest distance of a bound from the ratio, in logs."""

CELLS: Final = 1_000_000
"""Indices drawn at once, which bounds memory."""


@dataclass(frozen=True)
class Skill:
    """Improvement over a reference, with its interval.

    Attributes:
        value: 1 - loss / reference: .05 is five per cent better, below 0 worse; None without a comparison.
        low: lower bound of the interval, at most `value`; None without an interval.
        high: upper bound.
        n: forecasts compared.
        n_effective: effective sample size.
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
    """Mean block of the stationary bootstrap, in origins, at least 1."""
    return max(1.0, BLOCKS_PER_OVERLAP * overlap)


def stationary_indices(n: int, mean_block: float, repetitions: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Stationary bootstrap indices (Politis & Romano, 1994).

    Each index follows its predecessor, circularly, unless with chance 1 / `mean_block` a new block starts anywhere.

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
    """Effective sample size of a mean of overlapping errors.

    n / inflation, inflation = 1 + 2 Σ w_k ρ_k with Bartlett's weights w_k = 1 - k / K, K = 3 overlaps. Two corrections
    for short samples: the fitted mean makes autocorrelations too small, so the long-run variance is divided by 1 - b +
    b² / 3, b = K / n (Kiefer & Vogelsang, 2005); and the inflation is shrunk towards the overlap, that of sums of
    `overlap` independent shocks, with the weight of five disjoint spans. Constant errors carry no evidence: inflation =
    overlap.

    Within a fifth of the truth for such sums, from fourteen errors with an overlap of five.

    Args:
        errors: oldest first, any unit, shape (n,).
        overlap: origins that a forecast spans.

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
    """Variance inflation of the mean by autocorrelation."""
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
    """Skill, 1 - loss / reference, with a paired bootstrap interval.

    Plain percentiles are too narrow: without any difference they exclude 0 in 12 % of cases at 1,000 daily errors of 7
    days and in 37 % at 250 of 90 days, not in 5 %. Their distance from the estimate, in logs, is therefore stretched to
    the standard error of the effective size n', and by Student's t √(n' / (n' - 1)) over the normal's (Hesterberg,
    2015). The error is then 2 to 10 %, from about forty errors.

    Args:
        loss: of the forecast, oldest first, shape (n,), 0 or more.
        reference: of the other forecast on the same dates, shape (n,).
        overlap: origins that a forecast spans.
        root: compare the roots of the means: with squared errors, the RMSE.
        level: of the interval.
        repetitions: resamples.
        seed: of the resamples.

    Returns:
        Value and bounds None with fewer than two forecasts, or a reference without loss.

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
    """Skills of several (loss, reference, root) on the same dates.

    All use the same resamples, whose drawing is the cost.

    Raises:
        ValueError: losses of two lengths, or one that is negative or not finite.
    """
    series = _paired_losses(pairs)
    n = series.shape[1]
    if n < 2:
        return [Skill(None, None, None, n, float(n)) for _ in pairs]
    # A resample needs two blocks at least, or it is the sample itself.
    means = _resampled_means(series, min(block_of(overlap), max(1.0, n / 2)), repetitions, seed)
    return [
        _skill_of(series[2 * i : 2 * i + 2], means[2 * i : 2 * i + 2], root, overlap, (1 - level) / 2)
        for i, (_, _, root) in enumerate(pairs)
    ]


def _paired_losses(pairs: Sequence[tuple[Array, Array, bool]]) -> Array:
    """Stacks losses and references alternately, shape (2 pairs, n)."""
    columns = [np.asarray(column, dtype=np.float64) for pair in pairs for column in pair[:2]]
    if len({column.shape for column in columns}) != 1:
        raise ValueError(f"losses of {[len(column) for column in columns]} forecasts; a skill needs the same dates")
    series = np.stack(columns)
    is_loss = (series >= 0) & (series < np.inf)
    if not is_loss.all():
        raise ValueError(f"a loss is {series[~is_loss][0]}; a skill needs losses that are finite and not below 0")
    return series


def _skill_of(losses: Array, means: Array, root: bool, overlap: float, tail: float) -> Skill:
    """Skill of one pair from its resampled means, (2, repetitions)."""
    (loss, reference), n = losses, losses.shape[1]
    if reference.mean() == 0:
        return Skill(None, None, None, n, effective_size(loss, overlap))
    ratio = float(loss.mean() / reference.mean())
    # First-order influence of each date on the ratio; its effective size counts.
    influence = loss - ratio * reference
    n_effective = effective_size(influence, overlap)
    if n_effective < FEWEST:
        return Skill(1 - (math.sqrt(ratio) if root else ratio), None, None, n, n_effective)
    # A resample of zeros has no ratio; the estimate is added as a resample, so that there is always one.
    means = np.column_stack([means[:, means[1] > 0], [loss.mean(), reference.mean()]])
    low, high = np.quantile(means[0] / means[1], [tail, 1 - tail])
    wanted_error = float(np.std(influence)) / math.sqrt(n_effective)
    stretch = _stretch(wanted_error, float(np.std(means[0] - ratio * means[1])), n_effective, tail)
    best, worst = _away(ratio, min(float(low), ratio), stretch), _away(ratio, max(float(high), ratio), stretch)
    turn = math.sqrt if root else float
    return Skill(1 - turn(ratio), 1 - turn(worst), 1 - turn(best), n, n_effective)


def coverage_interval(share: float, n_effective: float, level: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of a coverage (Korn & Graubard, 1998).

    Clopper-Pearson and not Wilson, because it errs towards wide, where an effective size is itself an estimate.

    Args:
        share: hits over forecasts, 0 to 1.
        n_effective: of the hit series, from `effective_size`; above 0.
        level: of the interval.

    Returns:
        Bounds between 0 and 1.
    """
    from scipy.special import betaincinv

    tail, held, missed = (1 - level) / 2, share * n_effective, (1 - share) * n_effective
    low = float(betaincinv(held, missed + 1, tail)) if held > 0 else 0.0
    high = float(betaincinv(held + 1, missed, 1 - tail)) if missed > 0 else 1.0
    return low, high


def _resampled_means(series: Array, mean_block: float, repetitions: int, seed: int) -> Array:
    """Means of shared resamples, shape (series, repetitions)."""
    rng, n = np.random.default_rng(seed), series.shape[1]
    at_once = max(1, CELLS // n)
    parts = []
    for start in range(0, repetitions, at_once):
        places = stationary_indices(n, mean_block, min(at_once, repetitions - start), rng)
        parts.append(np.stack([values[places].mean(axis=1) for values in series]))
    return np.concatenate(parts, axis=1)


def _stretch(wanted_error: float, resampled_error: float, n_effective: float, tail: float) -> float:
    """Factor from percentiles to bounds: standard error and Student's tail."""
    from scipy.special import ndtri, stdtrit

    n = max(n_effective, 2.0)
    student = float(stdtrit(n - 1, tail) / ndtri(tail)) * math.sqrt(n / (n - 1))
    return student * (max(1.0, wanted_error / resampled_error) if resampled_error > 0 else 1.0)


def _away(ratio: float, bound: float, stretch: float) -> float:
    """Moves a bound away from the ratio, in logs."""
    if bound <= 0 or ratio <= 0:
        return max(bound, 0.0)
    return ratio * math.exp(min(stretch * math.log(bound / ratio), MAX_LOG_RATIO))

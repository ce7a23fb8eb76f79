"""Conformal calibration: corrects the width of any engine's bands by past errors.

A past error is the normal score z of the realized price under the **model's own** fan: +1.96 is its upper 95 % bound.
For the EWMA walk, z is the log move over EWMA volatility times √steps: EWMA-scaled split conformal prediction. For
other models the shape is kept and the width corrected. Errors are taken by step, weighted towards recent ones, both
sides as one; corrections are shrunk towards none where independent errors are few, as they are at long steps, and
smoothed over steps like the fan. The median stays the model's: so few independent errors carry no information on
direction.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import polars as pl

from forex_assets.core.calendar import DAYS_PER_SESSION, SANTIAGO
from forex_assets.core.fan import QUANTILE_SCORES, Array, Fan, completion, mean_of
from forex_assets.core.schemas import MODEL_QUANTILE_COLUMNS, QUANTILE_COLUMNS, QUANTILE_LEVELS
from forex_assets.core.scores import normal_score
from forex_assets.forecasts.smoothing import BANDWIDTH, kernel

HALF_LIFE_DAYS: Final = 4 * 365
"""Half-life of an error's weight, calendar days: four years."""
PRIOR_ERRORS: Final = 40.0
"""Weight of the model's own quantiles, in independent errors."""
MIN_ERRORS: Final = 30
"""Fewest errors at a step; else a shorter step's calibration."""

SMALLEST_SCORE: Final = 1e-6
"""Floor of a band's normal score; avoids log 0."""

_MEDIAN: Final = QUANTILE_LEVELS.index(0.50)
_OWN: Final = -QUANTILE_SCORES[:_MEDIAN]
_INNER: Final = 1 - 2 * np.array(QUANTILE_LEVELS[:_MEDIAN])
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Calibration:
    """Normal scores at which a model's fan is read.

    Attributes:
        scores: for each level of `QUANTILE_LEVELS`, ascending; shape (steps, 9).
        errors: past errors used at each step, 0 for none; shape (steps,).
    """

    scores: Array
    errors: np.ndarray


@dataclass(frozen=True)
class PastErrors:
    """Normal scores of realized prices under the model's own fans.

    Attributes:
        scores: one row a forecast, NaN where no price is known; shape (n, steps).
        known_at: instant at which each was known, microseconds since 1970, UTC; shape (n, steps).
        as_of: shape (n,), days since 1970, ascending.
    """

    scores: Array
    known_at: np.ndarray
    as_of: np.ndarray

    def calibration(self, issued_at: datetime, steps: int) -> Calibration:
        """The calibration from errors known strictly before `issued_at` (UTC)."""
        instant = _microseconds(issued_at)
        # Days of Santiago, so that two forecasts of one evening are equal.
        today = (issued_at.astimezone(SANTIAGO).date() - _EPOCH.date()).days
        corrections, errors = np.zeros((steps, len(_OWN))), np.zeros(steps, dtype=np.int64)
        for k in range(steps):
            known = self.known_at[:, k] < instant if k < self.scores.shape[1] else np.zeros(len(self.as_of), dtype=bool)
            if known.sum() >= MIN_ERRORS:
                as_of = self.as_of[known]
                age = (today - as_of).astype(float)
                corrections[k], errors[k] = _correction(self.scores[known, k], age, _overlap(as_of, k + 1)), known.sum()
            elif k:
                corrections[k], errors[k] = corrections[k - 1], errors[k - 1]
        scores, has = np.tile(QUANTILE_SCORES, (steps, 1)), errors > 0
        if has.any():
            weights = kernel(steps, steps, BANDWIDTH)[np.ix_(has, has)]
            scores[has] = _scores(weights / weights.sum(axis=1, keepdims=True) @ corrections[has])
        return Calibration(scores, errors)


def past_errors(realized: pl.DataFrame) -> PastErrors:
    """Past errors of one engine, model and config.

    Args:
        realized: rows with `as_of`, `step`, `realized_clp_per_usd`, `realized_available_at` and the model's quantiles;
            of two rows for one forecast the later counts. Fans without width are left out.
    """
    rows = realized.sort("as_of", maintain_order=True).unique(["as_of", "step"], keep="last", maintain_order=True)
    z = normal_score(rows["realized_clp_per_usd"].to_numpy(), rows.select(MODEL_QUANTILE_COLUMNS).to_numpy())
    rows = rows.with_columns(pl.Series("z", z, dtype=pl.Float64)).filter(pl.col("z").is_finite())
    dates = rows["as_of"].to_physical().to_numpy()
    as_of, row = np.unique(dates, return_inverse=True)
    steps = rows["step"].to_numpy() - 1
    shape = (len(as_of), int(steps.max()) + 1 if len(steps) else 0)
    scores, known_at = np.full(shape, np.nan), np.full(shape, np.iinfo(np.int64).max)
    scores[row, steps] = rows["z"].to_numpy()
    known_at[row, steps] = rows["realized_available_at"].to_physical().to_numpy()
    return PastErrors(scores, known_at, as_of.astype(np.int64))


def calibrated(fan: Fan, calibration: Calibration) -> Fan:
    """Reads a fan at the calibration's scores.

    Log price is linear in the score between levels, with normal tails outside. The mean moves by the same factor as
    that of the distribution through the quantiles.
    """
    steps, levels = fan.quantiles.shape
    weights = completion(calibration.scores.ravel()).reshape(steps, levels, levels)
    quantiles = np.maximum.accumulate(np.exp(np.einsum("kij,kj->ki", weights, np.log(fan.quantiles))), axis=1)
    untouched = (calibration.scores == QUANTILE_SCORES).all(axis=1)
    quantiles[untouched] = fan.quantiles[untouched]
    shift = mean_of(quantiles) / mean_of(fan.quantiles)
    return Fan(fan.mean * shift, quantiles)


def calibrated_history(joined: pl.DataFrame) -> pl.DataFrame:
    """Calibrates each origin of a backtest by errors known before it.

    Args:
        joined: rows of one horizon, engine, model and config, see `realized.join_realized`.

    Returns:
        The rows in their order, with new `q…`, `mean`, `is_calibrated` and `calibration_errors`.
    """
    if joined.is_empty():
        return joined
    errors = past_errors(joined)
    parts = []
    for rows in joined.with_row_index("_row").partition_by("as_of", maintain_order=True):
        rows = rows.sort("step")
        calibration = errors.calibration(rows["issued_at"][0], int(rows["step"].max()))  # type: ignore[arg-type]
        place = rows["step"].to_numpy() - 1
        chosen = Calibration(calibration.scores[place], calibration.errors[place])
        fan = calibrated(Fan(rows["mean"].to_numpy(), rows.select(MODEL_QUANTILE_COLUMNS).to_numpy()), chosen)
        parts.append(
            rows.with_columns(
                pl.Series("mean", fan.mean),
                *(pl.Series(name, fan.quantiles[:, i]) for i, name in enumerate(QUANTILE_COLUMNS)),
                pl.Series("calibration_errors", chosen.errors, dtype=pl.Int64),
                pl.Series("is_calibrated", chosen.errors > 0),
            )
        )
    return pl.concat(parts).sort("_row").drop("_row")


def calibrated_targets(joined: pl.DataFrame) -> pl.DataFrame:
    """`calibrated_history` for target rows only, taken as one step.

    Targets of one horizon differ by a session or two; as normal scores their errors are comparable.

    Args:
        joined: rows of one horizon, engine, model and config, one a forecast.

    Returns:
        The rows in their order, with new `q…`, `mean`, `is_calibrated` and `calibration_errors`.
    """
    if joined.is_empty():
        return joined
    quantiles = joined.select(MODEL_QUANTILE_COLUMNS).to_numpy()
    z = normal_score(joined["realized_clp_per_usd"].to_numpy(), quantiles)
    known_at, issued_at = (joined[name].to_physical().to_numpy() for name in ("realized_available_at", "issued_at"))
    as_of = joined["as_of"].to_physical().to_numpy().astype(np.int64)
    ahead = round(float(joined["step"].median() or 1))  # type: ignore[arg-type]
    scores, errors = np.tile(QUANTILE_SCORES, (len(z), 1)), np.zeros(len(z), dtype=np.int64)
    for row in range(len(z)):
        known = (known_at < issued_at[row]) & np.isfinite(z)
        if known.sum() >= MIN_ERRORS:
            order = np.argsort(as_of[known], kind="stable")
            past, days = z[known][order], as_of[known][order]
            correction = _correction(past, (as_of[row] - days).astype(float), _overlap(days, ahead))
            scores[row] = _scores(correction[None])[0]
            errors[row] = known.sum()
    fan = calibrated(Fan(joined["mean"].to_numpy(), quantiles), Calibration(scores, errors))
    return joined.with_columns(
        pl.Series("mean", fan.mean),
        *(pl.Series(name, fan.quantiles[:, i]) for i, name in enumerate(QUANTILE_COLUMNS)),
        pl.Series("calibration_errors", errors, dtype=pl.Int64),
        pl.Series("is_calibrated", errors > 0),
    )


def _correction(z: Array, age_days: Array, overlap: float) -> Array:
    """Log factors of the four bands' widths, widest first, shrunk towards 0.

    Both sides are pooled: a quantile of one side alone would carry the past's drift into the future. Positions are
    those of conformal prediction: one more, unseen error could be the largest. Independent errors get fewer as steps
    get longer, so long bands stay nearer to the model's own.

    Args:
        z: past errors, normal scores.
        age_days: of each.
        overlap: number of errors per independent error.
    """
    weights = 0.5 ** (age_days / HALF_LIFE_DAYS)
    independent = float(weights.sum() ** 2 / (weights**2).sum()) / overlap
    widths = _weighted_quantiles(np.abs(z), weights, _INNER)
    return np.asarray(np.log(np.maximum(widths, SMALLEST_SCORE) / _OWN) * independent / (independent + PRIOR_ERRORS))


def _scores(corrections: Array) -> Array:
    """Scores of the nine levels, ascending.

    Args:
        corrections: log factors, shape (steps, 4).
    """
    widths = np.minimum.accumulate(_OWN * np.exp(corrections), axis=1)
    return np.concatenate([-widths, np.zeros((len(widths), 1)), widths[:, ::-1]], axis=1)


def _overlap(as_of: np.ndarray, step: int) -> float:
    """Number of errors per independent error.

    Each counts for the part of its span that the error before does not cover.

    Args:
        as_of: days of issue, ascending, at least one, in any spacing.
        step: sessions ahead; a session is 7/5 calendar days.
    """
    new = np.minimum(np.diff(as_of) / (DAYS_PER_SESSION * step), 1.0)
    return float(len(as_of) / (1.0 + new.sum()))


def _weighted_quantiles(values: Array, weights: Array, levels: Array) -> Array:
    """Quantiles of a weighted sample, linear between points, constant beyond them."""
    order = np.argsort(values, kind="stable")
    weights = weights[order]
    position = np.cumsum(weights) / (weights.sum() + weights.mean())
    return np.asarray(np.interp(levels, position, values[order]))


def _microseconds(instant: datetime) -> int:
    """Microseconds since 1970 of a UTC instant."""
    return round((instant - _EPOCH).total_seconds() * 1e6)

"""Conformal calibration: corrects the width of any engine's bands by past errors.

A past error is the normal score z of the realized price under the **model's own** fan: +1.96 is its upper 95 % bound.
For the EWMA walk, z is the log move over EWMA volatility times √steps: EWMA-scaled split conformal prediction. For
other models the shape is kept and the width corrected. Errors are taken by step, weighted towards recent ones, and
shrunk towards the model's own quantiles when independent errors are few. The median stays the model's: so few
independent errors carry no information on direction.
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

HALF_LIFE_DAYS: Final = 4 * 365
"""Half-life of an error's weight, calendar days: four years."""
PRIOR_ERRORS: Final = 20.0
"""Weight of the model's own quantiles, in independent errors."""
MIN_ERRORS: Final = 30
"""Fewest errors at a step; else a shorter step's calibration."""

_MEDIAN: Final = QUANTILE_LEVELS.index(0.50)
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
        scores, errors = np.tile(QUANTILE_SCORES, (steps, 1)), np.zeros(steps, dtype=np.int64)
        for k in range(steps):
            known = self.known_at[:, k] < instant if k < self.scores.shape[1] else np.zeros(len(self.as_of), dtype=bool)
            if known.sum() >= MIN_ERRORS:
                as_of = self.as_of[known]
                age = (today - as_of).astype(float)
                scores[k], errors[k] = _level_scores(self.scores[known, k], age, _overlap(as_of, k + 1)), known.sum()
            elif k:
                scores[k], errors[k] = scores[k - 1], errors[k - 1]
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
            scores[row] = _level_scores(past, (as_of[row] - days).astype(float), _overlap(days, ahead))
            errors[row] = known.sum()
    fan = calibrated(Fan(joined["mean"].to_numpy(), quantiles), Calibration(scores, errors))
    return joined.with_columns(
        pl.Series("mean", fan.mean),
        *(pl.Series(name, fan.quantiles[:, i]) for i, name in enumerate(QUANTILE_COLUMNS)),
        pl.Series("calibration_errors", errors, dtype=pl.Int64),
        pl.Series("is_calibrated", errors > 0),
    )


def _level_scores(z: Array, age_days: Array, overlap: float) -> Array:
    """Scores of the nine levels from weighted past errors.

    Half from each side's errors, half from both pooled, then shrunk towards the model's own. Positions are those of
    conformal prediction: one more, unseen error could be the largest.
    """
    weights = 0.5 ** (age_days / HALF_LIFE_DAYS)
    independent = float(weights.sum() ** 2 / (weights**2).sum()) / overlap
    by_side = _weighted_quantiles(z, weights, np.array(QUANTILE_LEVELS))
    by_side = by_side - by_side[_MEDIAN]
    inner = 1 - 2 * np.array(QUANTILE_LEVELS[:_MEDIAN])
    width = _weighted_quantiles(np.abs(z), weights, inner)
    both = np.concatenate([-width, [0.0], width[::-1]])
    share = independent / (independent + PRIOR_ERRORS)
    return np.asarray(share * (by_side + both) / 2 + (1 - share) * QUANTILE_SCORES)


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

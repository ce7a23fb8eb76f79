"""The conformal layer: bands as wide as past errors say they must be, for any engine's fan.

A past error is the normal score z of what came true under the **model's own** fan of that day: +1.96 is its upper 95 %
bound. Where the model is the EWMA walk, z is the log-move over EWMA volatility times √steps, which is EWMA-scaled split
conformal prediction; where the model says more, its shape is kept and its width is corrected. By step, weighted towards
recent errors, and shrunk towards the model's own quantiles as far as there are few independent errors. The median,
which is the point forecast, is the model's: errors of so few independent spans say nothing about direction.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import polars as pl

from forex_assets.core.calendar import DAYS_PER_SESSION, SANTIAGO
from forex_assets.core.fan import QUANTILE_SCORES, Array, Fan, completion, normal_scores
from forex_assets.core.schemas import MODEL_QUANTILE_COLUMNS, QUANTILE_COLUMNS, QUANTILE_LEVELS
from forex_assets.core.scores import normal_score

HALF_LIFE_DAYS: Final = 4 * 365
"""An error of four years ago counts half: widths drift, and a band needs a hundred errors to know its tail."""
PRIOR_ERRORS: Final = 20.0
"""Independent errors that the model's own quantiles count for."""
MIN_ERRORS: Final = 30
"""Fewer than this at a step, and the step takes the calibration of the nearest shorter one that has them."""

_MEDIAN: Final = QUANTILE_LEVELS.index(0.50)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Calibration:
    """Where to read a model's fan for each published level.

    Attributes:
        scores: shape (steps, 9): the normal score in the model's fan of each level of `QUANTILE_LEVELS`; ascending.
        errors: shape (steps,): past errors each step rests on; 0 where the model's own quantiles stand.
    """

    scores: Array
    errors: np.ndarray


@dataclass(frozen=True)
class PastErrors:
    """Normal scores of what came true under the model's own fans; one row a forecast, one column a step.

    Attributes:
        scores: shape (n, steps), NaN where nothing has come true.
        known_at: shape (n, steps), microseconds since 1970, UTC: when each could be known.
        as_of: shape (n,), days since 1970, ascending.
    """

    scores: Array
    known_at: np.ndarray
    as_of: np.ndarray

    def calibration(self, issued_at: datetime, steps: int) -> Calibration:
        """The calibration of a forecast issued at `issued_at`, from errors known strictly before.

        Args:
            issued_at: UTC.
            steps: of the fan.
        """
        instant = _microseconds(issued_at)
        # In days of Santiago: the same evening's second forecast is the first again.
        today = (issued_at.astimezone(SANTIAGO).date() - _EPOCH.date()).days
        scores, errors = np.tile(QUANTILE_SCORES, (steps, 1)), np.zeros(steps, dtype=np.int64)
        for k in range(steps):
            known = self.known_at[:, k] < instant if k < self.scores.shape[1] else np.zeros(len(self.as_of), dtype=bool)
            if known.sum() >= MIN_ERRORS:
                as_of = self.as_of[known]
                made = _level_scores(self.scores[known, k], (today - as_of).astype(float), _overlap(as_of, k + 1))
                scores[k], errors[k] = made, known.sum()
            elif k:
                scores[k], errors[k] = scores[k - 1], errors[k - 1]
        return Calibration(scores, errors)


def past_errors(realized: pl.DataFrame) -> PastErrors:
    """Past errors of one engine, model and config.

    Args:
        realized: rows with `as_of`, `step`, `realized_clp_per_usd`, `realized_available_at` and the model's quantiles;
            where a forecast stands twice the later row counts. A fan without width says nothing and is left out.
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
    """The fan read at the calibration's scores: log-price linear in the score between levels, normal tails outside.

    The mean moves as that of the law between the quantiles does.

    Args:
        fan: the model's own.
        calibration: of as many steps.
    """
    steps, levels = fan.quantiles.shape
    weights = completion(calibration.scores.ravel()).reshape(steps, levels, levels)
    quantiles = np.maximum.accumulate(np.exp(np.einsum("kij,kj->ki", weights, np.log(fan.quantiles))), axis=1)
    untouched = (calibration.scores == QUANTILE_SCORES).all(axis=1)
    quantiles[untouched] = fan.quantiles[untouched]
    shift = _mean(quantiles) / _mean(fan.quantiles)
    return Fan(fan.mean * shift, quantiles)


def calibrated_history(joined: pl.DataFrame) -> pl.DataFrame:
    """A backtest's rows with published quantiles as they would have been: each origin calibrated by errors before it.

    Args:
        joined: rows of one horizon, engine, model and config, as `realized.join_realized` gives them.

    Returns:
        The same rows and order; `q…`, `mean`, `is_calibrated` and `calibration_errors` are new.
    """
    if joined.is_empty():
        return joined
    errors = past_errors(joined)
    parts = []
    for rows in joined.with_row_index("_row").partition_by("as_of", maintain_order=True):
        rows = rows.sort("step")
        made = errors.calibration(rows["issued_at"][0], int(rows["step"].max()))  # type: ignore[arg-type]
        here = rows["step"].to_numpy() - 1
        chosen = Calibration(made.scores[here], made.errors[here])
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
    """`calibrated_history` where only the target's row of each forecast is there: all targets count as one step.

    Targets of one horizon lie a session or two nearer or farther; as normal scores their errors are alike.

    Args:
        joined: rows of one horizon, engine, model and config, one a forecast, as `realized.join_realized` gives them.

    Returns:
        The same rows and order; `q…`, `mean`, `is_calibrated` and `calibration_errors` are new.
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
    """Scores of the nine levels from weighted past errors: half by side, half both sides as one, then shrunk.

    Positions are those of conformal prediction: one more error, not yet seen, could be the largest of all.
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
    """Errors that go on one independent one: each counts for the part of its span that is new since the one before.

    Args:
        as_of: days of issue, ascending, at least one; spaced as they come, weekly at first and daily later.
        step: sessions ahead; a session is 7/5 calendar days.
    """
    new = np.minimum(np.diff(as_of) / (DAYS_PER_SESSION * step), 1.0)
    return float(len(as_of) / (1.0 + new.sum()))


def _weighted_quantiles(values: Array, weights: Array, levels: Array) -> Array:
    """Quantiles of a weighted sample, linear between its points, the outermost points beyond them."""
    order = np.argsort(values, kind="stable")
    weights = weights[order]
    position = np.cumsum(weights) / (weights.sum() + weights.mean())
    return np.asarray(np.interp(levels, position, values[order]))


def _mean(quantiles: Array) -> Array:
    """Mean of the law between the quantiles."""
    return np.asarray(np.exp(np.log(quantiles) @ _MEAN_MATRIX.T).mean(axis=1))


def _microseconds(instant: datetime) -> int:
    """Microseconds since 1970 of a UTC instant."""
    return round((instant - _EPOCH).total_seconds() * 1e6)


_MEAN_MATRIX: Final = completion(normal_scores([(i + 0.5) / 200 for i in range(200)]))

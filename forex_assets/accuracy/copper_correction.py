"""Copper's correction of a fan: a gated ridge regression.

For engines without covariates. Each origin uses prices known strictly before its issue and features known at it.
`copper_effect` judges the result.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forex_assets.accuracy.compare import block_of, overlap_between
from forex_assets.accuracy.ridge import PENALTIES, ridge_predictions
from forex_assets.core.fan import Array
from forex_assets.core.schemas import UTC, Schema, conform
from forex_assets.features.copper import FEATURE_NAMES, FEATURES_SCHEMA

MIN_ORIGINS: Final = 104
"""Fewest realized origins before the first fit, two years."""
GATE_ERROR: Final = 0.05
"""Error of the gate's one-sided interval at one origin.

`docs/copper.md` has the error over all origins: fitted noise costs accuracy, so a gain of zero drifts below it.
"""
MIN_BATCHES: Final = 10
"""Fewest independent batches for an established gain."""

CORRECTION_SCHEMA: Final[Schema] = {
    "as_of": pl.Date,
    "horizon": pl.String,
    "issued_at": UTC,
    "trained_on": pl.Int64,  # origins whose truth was available before the issue
    "penalty": pl.Float64,  # of the ridge; null where there was too little to fit
    "raw_shift": pl.Float64,  # of the log price, in ewma_sd · √step; null likewise
    "gain": pl.Float64,  # mean cut of the squared standardized error so far, out of sample; null where none is known
    "gain_low": pl.Float64,  # lower end of its interval; null where nothing could establish it yet
    "is_established": pl.Boolean,  # gain_low > 0
    "applied_shift": pl.Float64,  # raw_shift where established, else 0: never null
}

_NEEDED: Final = (
    *("as_of", "horizon", "engine", "target_date", "step", "origin_session", "issued_at", "q50", "ewma_sd"),
    *("is_target", "realized_clp_per_usd", "realized_available_at"),
)


def corrections(origins: pl.DataFrame, features: pl.DataFrame, names: Sequence[str] = FEATURE_NAMES) -> pl.DataFrame:
    """Computes copper's shift of each fan, raw and gated, without look-ahead.

    z = (ln realized - ln median) / (ewma_sd · √step) is fitted on the ten features by ridge, on an expanding window.
    The penalty is the one with the smallest squared error of past predictions. Predictions have no intercept: a drift
    of the peso is not copper's effect.

    Args:
        origins: rows of `REALIZED_SCHEMA` without copper, of one horizon and engine, `is_target` alone, one an `as_of`;
            `realized_clp_per_usd` and `realized_available_at` null if not realized yet (today's forecast).
        features: `FEATURES_SCHEMA`.
        names: which of the ten.

    Returns:
        `CORRECTION_SCHEMA`, one row an origin, by time of issue.

    Raises:
        ValueError: several horizons, engines or rows an origin, other steps than the target's, or a volatility of 0.
    """
    rows = _checked(origins)
    x, z = known_features(rows, features, names), standardized_errors(rows)
    issued = rows["issued_at"].to_physical().to_numpy()
    truth_at = rows["realized_available_at"].to_physical().fill_null(np.iinfo(np.int64).max).to_numpy()
    fits = _walk_forward(x, z, issued, truth_at, rows)
    return conform(rows.select("as_of", "horizon", "issued_at").hstack(fits), CORRECTION_SCHEMA, "copper correction")


def standardized_errors(rows: pl.DataFrame) -> Array:
    """Errors in standard deviations, shape (n,); NaN without a price.

    (ln realized - ln median) / (ewma_sd · √step).
    """
    move = (pl.col("realized_clp_per_usd") / pl.col("q50")).log() / (pl.col("ewma_sd") * pl.col("step").sqrt())
    return rows.select(move.fill_null(math.nan))["realized_clp_per_usd"].to_numpy()


def stationary_features(features: pl.DataFrame) -> pl.DataFrame:
    """Features for a regression: averages become ratios.

    The 20-session average over the 50-session one, and the latter over itself 50 sessions before; the rest is
    unchanged.
    """
    ordered = conform(features, FEATURES_SCHEMA, "features/copper").sort("session")
    slow = pl.col("copper_sma_50")
    return ordered.with_columns(
        copper_sma_20=pl.col("copper_sma_20") / slow - 1, copper_sma_50=slow / slow.shift(50) - 1
    )


def known_features(rows: pl.DataFrame, features: pl.DataFrame, names: Sequence[str] = FEATURE_NAMES) -> Array:
    """Features known at each origin, shape (n, names); NaN without any.

    The latest session with `available_at` ≤ `issued_at`, not later than the origin's last price: later copper tells
    what the peso has done already, which is the feed's delay and no forecast. A feature without a value keeps its last.
    """
    table = stationary_features(features)
    known_at, session = (table[name].to_physical().to_numpy() for name in ("available_at", "session"))
    values = table.select(names).cast(pl.Float64).fill_null(math.nan).to_numpy()
    issued, last = (rows[name].to_physical().to_numpy() for name in ("issued_at", "origin_session"))
    return np.array(
        [_latest(values[(known_at <= at) & (session <= day)]) for at, day in zip(issued, last, strict=True)]
    ).reshape(rows.height, len(names))


def gain_interval_low(gains: Array, overlap: float, error: float = GATE_ERROR) -> float:
    """Lower end of the one-sided interval of a mean gain.

    Student's interval of means over consecutive batches of 1.5 overlaps, since gains of overlapping forecasts are
    dependent. A HAC variance of a dozen independent values would be too small.

    Args:
        gains: shape (n,), oldest first; the oldest that fill no batch are left out.
        overlap: origins that a forecast spans.
        error: chance of lying above the true mean.

    Returns:
        NaN with fewer than ten batches.
    """
    from scipy.special import stdtrit

    block = math.ceil(block_of(overlap))
    batches = len(gains) // block
    if batches < MIN_BATCHES:
        return math.nan
    means = gains[-batches * block :].reshape(batches, block).mean(axis=1)
    return float(means.mean() + stdtrit(batches - 1, error) * means.std(ddof=1) / math.sqrt(batches))


def _walk_forward(
    x: Array, z: Array, issued: NDArray[np.int64], truth_at: NDArray[np.int64], rows: pl.DataFrame
) -> pl.DataFrame:
    """Fits the columns of `CORRECTION_SCHEMA`, origin by origin."""
    n = len(z)
    has_x = np.asarray(np.isfinite(x).all(axis=1))
    is_whole = has_x & np.isfinite(z)
    days = rows["as_of"].to_numpy().astype("datetime64[D]")
    ahead = (rows["target_date"] - rows["as_of"]).dt.total_days().to_numpy()
    predicted = np.full((n, len(PENALTIES)), np.nan)
    raw, penalty, gain, low = (np.full(n, np.nan) for _ in range(4))
    trained = np.zeros(n, dtype=np.int64)
    for i in range(n):
        known = is_whole & (truth_at < issued[i])
        trained[i] = known.sum()
        if trained[i] < MIN_ORIGINS or not has_x[i]:
            continue
        predicted[i] = ridge_predictions(x[known], z[known], x[i])
        past = known & np.isfinite(raw)
        best = _best_penalty(z[past], predicted[past])
        raw[i], penalty[i] = predicted[i, best], PENALTIES[best]
        if past.any():
            gains = z[past] ** 2 - (z[past] - raw[past]) ** 2
            overlap = overlap_between(days[: i + 1], ahead[: i + 1])
            gain[i], low[i] = gains.mean(), gain_interval_low(gains, overlap)
    columns = {"trained_on": trained, "penalty": penalty, "raw_shift": raw, "gain": gain, "gain_low": low}
    opened = low > 0  # NaN is not
    return pl.DataFrame(columns, nan_to_null=True).with_columns(
        is_established=opened, applied_shift=np.where(opened, raw, 0.0)
    )


def _best_penalty(z: Array, predicted: Array) -> int:
    """Index of the best past penalty; the largest without a past."""
    if not len(z):
        return len(PENALTIES) - 1
    return int(np.argmin(((z[:, None] - predicted) ** 2).mean(axis=0)))


def _latest(values: Array) -> Array:
    """Last finite value of each column, else NaN."""
    latest = np.full(values.shape[1], np.nan)
    for column in range(values.shape[1]):
        known = np.flatnonzero(np.isfinite(values[:, column]))
        if len(known):
            latest[column] = values[known[-1], column]
    return latest


def _checked(origins: pl.DataFrame) -> pl.DataFrame:
    """Selects the needed columns, by time of issue.

    Raises:
        ValueError: see `corrections`.
    """
    rows = origins.select(_NEEDED).sort("issued_at", "as_of")
    for name in ("horizon", "engine"):
        if rows[name].n_unique() > 1:
            values = ", ".join(sorted(rows[name].unique()))
            raise ValueError(f"copper's correction takes one {name} at a time, not {values}: filter the rows")
    if not rows["is_target"].all():
        raise ValueError("copper's correction takes target steps only: filter by is_target")
    if (repeated := rows.filter(rows["as_of"].is_duplicated())).height:
        day = repeated["as_of"][0]
        raise ValueError(f"several forecasts as of {day}: keep one version and one config an origin")
    if not (rows["ewma_sd"] > 0).all():
        day = rows.filter(~(pl.col("ewma_sd") > 0))["as_of"][0]
        raise ValueError(f"ewma_sd as of {day} is not above 0: the price never moved, so there is nothing to scale by")
    return rows

"""Whole fans of every setting at past test dates.

All policies, searches and validations of a replay share them.
"""

from typing import Final

import numpy as np
import polars as pl

from forex_assets.core.fan import QUANTILE_SCORES
from forex_assets.core.schemas import (
    FORECAST_SCHEMA,
    MODEL_QUANTILE_COLUMNS,
    ORIGIN_SCHEMA,
    QUANTILE_COLUMNS,
    WALK_QUANTILE_COLUMNS,
    Schema,
    conform,
)
from forex_assets.optimizer.candidate_backtests import Trial, TrialBlock, TrialInputs, trials_of

LISTS: Final = ("sessions", "mean", *MODEL_QUANTILE_COLUMNS)
"""Columns with one value a step."""

TRIAL_FANS_SCHEMA: Final[Schema] = {
    "as_of": pl.Date,
    "horizon": pl.String,
    "config_fingerprint": pl.String,
    "data_fingerprint": pl.String,
    "engine": pl.String,
    "model": pl.String,
    "representation": pl.String,
    "source": pl.String,
    "target_date": pl.Date,
    "origin_session": pl.Date,
    "origin_clp_per_usd": pl.Float64,
    "is_origin_provisional": pl.Boolean,
    **ORIGIN_SCHEMA,
    "ewma_sd": pl.Float64,
    "constant_sd": pl.Float64,
    "engine_seconds": pl.Float64,
    "sessions": pl.List(pl.Date),
    "mean": pl.List(pl.Float64),
    **dict.fromkeys(MODEL_QUANTILE_COLUMNS, pl.List(pl.Float64)),
}
"""One row a model's own fan; lists hold one value a step."""

FAN: Final = ("as_of", "horizon", "config_fingerprint", "data_fingerprint", "engine", "model")
"""Columns that determine a fan."""


def fans_of_block(inputs: TrialInputs, block: TrialBlock) -> pl.DataFrame:
    """Makes all fans of one block, `TRIAL_FANS_SCHEMA`.

    A plain function of its arguments, so that another process can run it.

    Raises:
        EngineError: the engine cannot do what a config asks.
    """
    rows = [_row(trial) for trial in trials_of(inputs, block)]
    return conform(pl.DataFrame(rows, schema=TRIAL_FANS_SCHEMA), TRIAL_FANS_SCHEMA, "trial fans")


def _row(trial: Trial) -> dict[str, object]:
    quantiles = trial.fan.quantiles
    return {
        **trial.labels,
        "sessions": list(trial.request.target.sessions),
        "mean": trial.fan.mean.tolist(),
        **{name: quantiles[:, place].tolist() for place, name in enumerate(MODEL_QUANTILE_COLUMNS)},
    }


def by_step(fans: pl.DataFrame) -> pl.DataFrame:
    """Turns fans into `FORECAST_SCHEMA`, one row a step.

    Published quantiles are the model's own; the no-change benchmark's are computed again from the labels.

    Args:
        fans: `TRIAL_FANS_SCHEMA`.
    """
    steps = fans.with_columns(step=pl.int_ranges(1, pl.col("mean").list.len() + 1)).explode(*LISTS, "step")
    walk = _walk_quantiles(steps)
    return conform(
        steps.rename({"sessions": "session"})
        .with_columns(
            *(pl.col(model).alias(name) for name, model in zip(QUANTILE_COLUMNS, MODEL_QUANTILE_COLUMNS, strict=True)),
            *(pl.Series(name, walk[:, place]) for place, name in enumerate(WALK_QUANTILE_COLUMNS)),
            is_calibrated=pl.lit(False),
            calibration_errors=pl.lit(0, dtype=pl.Int64),
        )
        .select(list(FORECAST_SCHEMA)),
        FORECAST_SCHEMA,
        "trial fans by step",
    )


def _walk_quantiles(steps: pl.DataFrame) -> np.ndarray:
    """Quantiles of `baselines.random_walk` at each row's step, shape (n, 9)."""
    level, sd, step = (steps[name].to_numpy() for name in ("origin_clp_per_usd", "ewma_sd", "step"))
    return np.asarray(level[:, None] * np.exp(np.outer(np.sqrt(step.astype(np.float64)) * sd, QUANTILE_SCORES)))

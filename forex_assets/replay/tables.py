"""Columns of a replay's tables."""

from typing import Final

import polars as pl

from forex_assets.core.schemas import QUANTILE_COLUMNS, Schema

EVENINGS_SCHEMA: Final[Schema] = {
    "strategy": pl.String,
    "horizon": pl.String,
    "as_of": pl.Date,
    "target_date": pl.Date,
    "config_fingerprint": pl.String,
    **dict.fromkeys(QUANTILE_COLUMNS, pl.Float64),
    "realized_clp_per_usd": pl.Float64,
    "error": pl.Float64,
    "crps": pl.Float64,
    "fires": pl.Boolean,
    "reasons": pl.String,
    "verdict": pl.String,
    "changed_to": pl.String,
    "change": pl.String,
}
"""One row a strategy, horizon and evening with a fan.

Evenings are in order. Quantiles are of the published fan at its target; price, error and CRPS are null until it came
true.
"""

CHANGES_SCHEMA: Final[Schema] = {
    "strategy": pl.String,
    "horizon": pl.String,
    "changed_on": pl.Date,
    "kept_until": pl.Date,
    "change": pl.String,
    "settings_before": pl.String,
    "settings_after": pl.String,
    "n": pl.Int64,
    "regret_clp": pl.Float64,
    "change_gain": pl.Float64,
    "change_gain_low": pl.Float64,
    "change_gain_high": pl.Float64,
    "words": pl.String,
}
"""One row a deployment or rollback, oldest first."""

LOOP_SCHEMA: Final[Schema] = {
    "strategy": pl.String,
    "horizon": pl.String,
    "first_evening": pl.Date,
    "last_evening": pl.Date,
    "n": pl.Int64,
    "n_effective": pl.Float64,
    "crps": pl.Float64,
    "rmse": pl.Float64,
    "crps_gain": pl.Float64,
    "crps_gain_low": pl.Float64,
    "crps_gain_high": pl.Float64,
    "rmse_gain": pl.Float64,
    "rmse_gain_low": pl.Float64,
    "rmse_gain_high": pl.Float64,
    "searches": pl.Int64,
    "alarms_per_year": pl.Float64,
    "false_alarms_per_year": pl.Float64,
    "approved": pl.Int64,
    "deployments": pl.Int64,
    "rollbacks": pl.Int64,
    "worse_days": pl.Int64,
    "search_cpu_seconds": pl.Float64,
}
"""One row a strategy and horizon.

Never tuning is first; then come settings held throughout, and the oracle.
"""

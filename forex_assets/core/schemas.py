"""Columns and types of every shared table.

Every instant is UTC. `columns` holds units and descriptions.
"""

from typing import Final

import polars as pl

UTC: Final = pl.Datetime("us", "UTC")

SAMPLE_SOURCE: Final = "SAMPLE DATA, not market prices"
"""`source` of generated rows, and the warning shown with them."""

QUANTILE_LEVELS: Final = (0.025, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.975)
"""Quantile levels of every fan, ascending."""


def quantile_column(level: float, prefix: str = "") -> str:
    """Names a quantile column: .025 is `q025`, with prefix `walk_` `walk_q025`."""
    digits = f"{level:.3f}"[2:]
    return f"{prefix}q{digits[:-1] if digits.endswith('0') else digits}"


QUANTILE_COLUMNS: Final = tuple(quantile_column(level) for level in QUANTILE_LEVELS)
MODEL_QUANTILE_COLUMNS: Final = tuple(quantile_column(level, "model_") for level in QUANTILE_LEVELS)
WALK_QUANTILE_COLUMNS: Final = tuple(quantile_column(level, "walk_") for level in QUANTILE_LEVELS)

Schema = dict[str, pl.DataType | type[pl.DataType]]


def fetched_schema(value: str) -> Schema:
    """Rows of one source: one a session, oldest first, no nulls.

    Args:
        value: the series' price column, `clp_per_usd` or `close_usd_lb`.
    """
    return {
        "session": pl.Date,
        value: pl.Float64,
        "source": pl.String,
        "is_provisional": pl.Boolean,
        "is_suspect": pl.Boolean,
        "available_at": UTC,
    }


def history_schema(value: str) -> Schema:
    """Stored versions of one series from one source, oldest version first.

    A row is current while `superseded_at` is null. Provisional rows stay current beside the final bar.
    """
    return {**fetched_schema(value), "fetched_at": UTC, "superseded_at": UTC}


def prices_schema(value: str) -> Schema:
    """Price table of a series: one row a session, oldest first.

    Quarantined rows are kept, marked and not used.
    """
    return {**fetched_schema(value), "fetched_at": UTC, "is_quarantined": pl.Boolean}


USDCLP_SCHEMA: Final = prices_schema("clp_per_usd")

COPPER_SCHEMA: Final[Schema] = {
    **prices_schema("close_usd_lb"),
    "monthly_level_usd_lb": pl.Float64,
}

OBSERVADO_SCHEMA: Final = prices_schema("clp_per_usd")
COPPER_LME_SCHEMA: Final = prices_schema("london_usd_lb")

DRIVERS_SCHEMA: Final[Schema] = {
    "session": pl.Date,
    "dollar_index": pl.Float64,
    "brl_per_usd": pl.Float64,
    "policy_rate_pct": pl.Float64,
    "source": pl.String,
    "available_at": UTC,
}

ANSWERS_SCHEMA: Final[Schema] = {
    # One row an answer of a source, oldest first.
    "as_of": UTC,
    "answered_at": UTC,
    "is_whole": pl.Boolean,
    "rows": pl.Int64,
    "first_session": pl.Date,
    "last_session": pl.Date,
    "lost_sessions": pl.String,
    "refusal": pl.String,
}

REVISIONS_SCHEMA: Final[Schema] = {
    "series": pl.String,
    "source": pl.String,
    "session": pl.Date,
    "old_value": pl.Float64,
    "new_value": pl.Float64,
    "revised_at": UTC,
}

ORIGIN_SCHEMA: Final[Schema] = {
    # Where the level that a fan starts from came from; null in tables of older versions.
    "origin_kind": pl.String,
    "origin_source": pl.String,
    "origin_dated": pl.Date,
    "origin_observed_at": UTC,
    "origin_age_hours": pl.Float64,
    "origin_age_sessions": pl.Int64,
    "origin_disagreement_pct": pl.Float64,
    "is_origin_assumed": pl.Boolean,
}

QUOTES_SCHEMA: Final[Schema] = {
    # One row a price as it was seen.
    "quote_kind": pl.String,
    "session": pl.Date,
    "dated": pl.Date,
    "clp_per_usd": pl.Float64,
    "observed_at": UTC,
    "seen_at": UTC,
    "available_at": UTC,
    "is_assumed": pl.Boolean,
    "source": pl.String,
}

STARTING_LEVEL_SCHEMA: Final[Schema] = {
    "issued_at": UTC,
    "origin_session": pl.Date,
    "origin_clp_per_usd": pl.Float64,
    **ORIGIN_SCHEMA,
    "origin_tolerance_pct": pl.Float64,
}

FORECAST_SCHEMA: Final[Schema] = {
    "as_of": pl.Date,
    "horizon": pl.String,
    "target_date": pl.Date,
    "step": pl.Int64,
    "session": pl.Date,
    "mean": pl.Float64,
    **dict.fromkeys(QUANTILE_COLUMNS, pl.Float64),
    **dict.fromkeys(MODEL_QUANTILE_COLUMNS, pl.Float64),
    **dict.fromkeys(WALK_QUANTILE_COLUMNS, pl.Float64),
    "origin_session": pl.Date,
    "origin_clp_per_usd": pl.Float64,
    "is_origin_provisional": pl.Boolean,
    **ORIGIN_SCHEMA,
    "model": pl.String,
    "engine": pl.String,
    "representation": pl.String,
    "is_calibrated": pl.Boolean,
    "calibration_errors": pl.Int64,
    "ewma_sd": pl.Float64,
    "constant_sd": pl.Float64,
    "source": pl.String,
    "config_fingerprint": pl.String,
    "data_fingerprint": pl.String,
    "engine_seconds": pl.Float64,
}

LEDGER_SCHEMA: Final[Schema] = {
    # The engine's time is not part of the forecast.
    **{name: dtype for name, dtype in FORECAST_SCHEMA.items() if name != "engine_seconds"},
    "issued_at": UTC,
    "sequence": pl.Int64,
    "version": pl.Int64,
    "is_shadow": pl.Boolean,
    "is_replay": pl.Boolean,
    "code_version": pl.String,
    "previous_hash": pl.String,
    "entry_hash": pl.String,
    "schema_version": pl.Int64,
}

REALIZED_SCHEMA: Final[Schema] = {
    # One row a forecast and step whose session has a price.
    "record": pl.String,
    **{name: dtype for name, dtype in FORECAST_SCHEMA.items() if name != "engine_seconds"},
    "issued_at": UTC,
    "version": pl.Int64,
    "is_shadow": pl.Boolean,
    "entry_hash": pl.String,
    "is_target": pl.Boolean,
    "realized_clp_per_usd": pl.Float64,
    "realized_available_at": UTC,
    "error": pl.Float64,
    "crps": pl.Float64,
    "model_crps": pl.Float64,
    "walk_crps": pl.Float64,
    "constant_crps": pl.Float64,
    "stored_crps": pl.Float64,
    "pit": pl.Float64,
    "model_pit": pl.Float64,
}


ORIGIN_SCORES: Final[Schema] = {
    # Age of the starting prices of a scorecard's row, and their worth; null in scorecards of older versions.
    "mean_origin_age": pl.Float64,
    "assumed_origins": pl.Float64,
    "origin_gain": pl.Float64,
    "origin_gain_low": pl.Float64,
    "origin_gain_high": pl.Float64,
}


def empty(schema: Schema) -> pl.DataFrame:
    """Returns a table without rows."""
    return pl.DataFrame(schema=schema)


def _null(name: str, dtype: pl.DataType | type[pl.DataType]) -> pl.Expr:
    return pl.lit(None, dtype=dtype).alias(name)


def with_later_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """Fills columns that an older version of a table lacks.

    A forecast's origin and its worth become null, a ledger's schema version 1. Other tables come back as they are.
    """
    if "is_origin_provisional" in frame.columns and "origin_kind" not in frame.columns:
        place = frame.columns.index("is_origin_provisional") + 1
        nulls = [_null(name, dtype) for name, dtype in ORIGIN_SCHEMA.items()]
        frame = frame.select(*frame.columns[:place], *nulls, *frame.columns[place:])
    if "previous_hash" in frame.columns and "schema_version" not in frame.columns:
        frame = frame.with_columns(pl.lit(1, dtype=pl.Int64).alias("schema_version"))
    if {"realized_clp_per_usd", "constant_crps"} <= set(frame.columns) and "stored_crps" not in frame.columns:
        place = frame.columns.index("constant_crps") + 1
        frame = frame.select(*frame.columns[:place], _null("stored_crps", pl.Float64()), *frame.columns[place:])
    if "constant_crps_skill" in frame.columns and "origin_gain" not in frame.columns:
        frame = frame.with_columns(_null(name, dtype) for name, dtype in ORIGIN_SCORES.items())
    return frame


def conform(frame: pl.DataFrame, schema: Schema, what: str) -> pl.DataFrame:
    """Returns the frame with exactly the columns of a schema, in order.

    Columns that an older version lacks are filled.

    Raises:
        ValueError: a column is missing, unknown or of another type; the message names `what` and the columns.
    """
    frame = with_later_columns(frame)
    have = frame.schema
    missing = [name for name in schema if name not in have]
    unknown = [name for name in have if name not in schema]
    mistyped = [
        f"{name} is {have[name]}, should be {dtype}"
        for name, dtype in schema.items()
        if name in have and have[name] != dtype
    ]
    if missing or unknown or mistyped:
        raise ValueError(f"{what}: missing columns {missing}, unknown columns {unknown}, wrong types {mistyped}")
    return frame.select(list(schema))


def is_sample(frame: pl.DataFrame) -> bool:
    """Tells whether any row comes from the generated market."""
    return "source" in frame.columns and bool((frame["source"] == SAMPLE_SOURCE).any())

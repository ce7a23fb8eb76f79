"""Joins forecasts to realized prices and scores them.

One row a forecast and step, for ledger and backtest. An incremental update equals a full computation bit for bit.
`accuracy.scorecard` averages the scores.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Final

import numpy as np
import polars as pl

from forex_assets.core.calendar import issue_instant
from forex_assets.core.fan import QUANTILE_SCORES, Array
from forex_assets.core.finding import Finding
from forex_assets.core.schemas import (
    FORECAST_SCHEMA,
    MODEL_QUANTILE_COLUMNS,
    QUANTILE_COLUMNS,
    REALIZED_SCHEMA,
    UTC,
    WALK_QUANTILE_COLUMNS,
    Schema,
    conform,
    empty,
)
from forex_assets.core.scores import crps, pit
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import usable

SCORE_COLUMNS: Final = ("error", "crps", "model_crps", "walk_crps", "constant_crps", "stored_crps", "pit", "model_pit")

KEY: Final = (
    *("horizon", "as_of", "version", "config_fingerprint", "step"),
    # For backtests: several engines share a config, and entry hashes are empty.
    *("engine", "model", "is_shadow", "data_fingerprint", "entry_hash"),
)
"""Columns that identify a row, in sort order."""

_ISSUED: Final = ("issued_at", "version", "is_shadow", "entry_hash")
_JOINED: Final[Schema] = {name: dtype for name, dtype in REALIZED_SCHEMA.items() if name not in SCORE_COLUMNS}
_SCORED_FROM: Final = (
    *("realized_clp_per_usd", "origin_clp_per_usd", "constant_sd"),
    *(*QUANTILE_COLUMNS, *MODEL_QUANTILE_COLUMNS, *WALK_QUANTILE_COLUMNS),
)
"""Inputs of the scores besides the step."""


JOINED_BY: Final = ("session", "source", "issued_at")
"""Columns by which a forecast finds its price."""

_BLOCK: Final = 64
"""Rows scored at once: products round partial blocks differently."""


def as_issued(backtest: pl.DataFrame) -> pl.DataFrame:
    """A backtest's forecasts with the ledger's columns, for `join_realized`.

    Each counts as issued at the instant of its date.

    Args:
        backtest: `FORECAST_SCHEMA` in order of computation. An origin run again on other data is a later version.

    Returns:
        The rows with `issued_at`, `version` (from 1), `is_shadow` and `entry_hash` (empty).
    """
    forecast = ["as_of", "horizon", "engine", "model", "config_fingerprint"]
    data = [*forecast, "data_fingerprint"]
    versions = backtest.select(data).unique(maintain_order=True).with_columns(
        version=pl.col("data_fingerprint").cum_count().over(forecast).cast(pl.Int64)
    )  # fmt: skip
    days: list[date] = backtest["as_of"].unique().to_list()
    issued = pl.DataFrame(
        {"as_of": days, "issued_at": [issue_instant(day) for day in days]}, schema={"as_of": pl.Date, "issued_at": UTC}
    )
    return (
        backtest.join(versions, on=data, how="left", maintain_order="left")
        .join(issued, on="as_of", how="left", maintain_order="left")
        .with_columns(is_shadow=pl.lit(False), entry_hash=pl.lit(""))
    )


def truth_of(prices: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Final prices known by `now`: one row a session and source.

    A bad tick in the newest row counts until the next session reverts it and it is marked.

    Args:
        prices: `USDCLP_SCHEMA`, bad ticks marked.
        now: aware.

    Returns:
        session, source, realized_clp_per_usd, realized_available_at.
    """
    known = usable(prices, USDCLP).filter(~pl.col("is_provisional") & (pl.col("available_at") <= now))
    return known.select("session", "source", realized_clp_per_usd=USDCLP.value, realized_available_at="available_at")


def with_outcomes(forecasts: pl.DataFrame, prices: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Rows of forecasts whose price is known, with that price.

    Args:
        forecasts: any columns, among them `session`, `source` and `issued_at`.
        prices: as for `join_realized`.
        now: as for `join_realized`.

    Returns:
        The rows in their order, with `realized_clp_per_usd` and `realized_available_at`.

    Raises:
        polars.exceptions.ComputeError: a session has two prices of one source.
    """
    return forecasts.join(
        truth_of(prices, now), on=["session", "source"], how="inner", validate="m:1", maintain_order="left"
    ).filter(pl.col("realized_available_at") > pl.col("issued_at"))


def join_realized(forecasts: pl.DataFrame, prices: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Joins forecast steps to realized prices of their session and source.

    Sources are not mixed: the Banco Central's price is the average of the session before. Prices known before the
    forecast was issued do not count: a fan made at a clock set back is no foresight.

    Args:
        forecasts: `LEDGER_SCHEMA`, or the columns of `FORECAST_SCHEMA` with those that `as_issued` adds.
        prices: `USDCLP_SCHEMA`, any sources, bad ticks marked; quarantined and provisional rows do not count.
        now: aware; prices known later do not count.

    Returns:
        `REALIZED_SCHEMA` without scores, in the order of `KEY`; may be empty.

    Raises:
        polars.exceptions.ComputeError: a session has two prices of one source.
        ValueError: a column has another type.
    """
    columns = [name for name in FORECAST_SCHEMA if name != "engine_seconds"]
    chosen = forecasts.select(*columns, *_ISSUED, record=_record(forecasts))
    joined = with_outcomes(chosen, prices, now).with_columns(is_target=pl.col("session") == pl.col("target_date"))
    return conform(joined.select(list(_JOINED)).sort(KEY), _JOINED, "realized")


def _record(forecasts: pl.DataFrame) -> pl.Expr:
    """Record of each row: ledger, replay or backtest."""
    if "is_replay" not in forecasts.columns:
        return pl.lit("backtest")
    return pl.when("is_replay").then(pl.lit("replay")).otherwise(pl.lit("ledger"))


def score_rows(joined: pl.DataFrame) -> pl.DataFrame:
    """Adds the scores to `join_realized`'s rows (`REALIZED_SCHEMA`).

    A row's scores depend on that row alone, to the last bit.

    Raises:
        ValueError: quantiles that cross, or a price that is not positive and finite.
    """
    y = joined["realized_clp_per_usd"].to_numpy()
    published, model, walk = (
        np.ascontiguousarray(joined.select(columns).to_numpy())
        for columns in (QUANTILE_COLUMNS, MODEL_QUANTILE_COLUMNS, WALK_QUANTILE_COLUMNS)
    )
    scores = {
        "error": y - joined["q50"].to_numpy(),
        "crps": _crps(y, published),
        "model_crps": _crps(y, model),
        "walk_crps": _crps(y, walk),
        "constant_crps": _crps(y, _constant_walk(joined)),
        "pit": pit(y, published),
        "model_pit": pit(y, model),
    }
    scored = joined.with_columns(pl.Series(name, values, dtype=pl.Float64) for name, values in scores.items())
    # A backtest compares the fan with one from the last finished price; the ledger has none to compare with.
    scored = scored.with_columns(stored_crps=pl.lit(None, dtype=pl.Float64))
    return conform(scored, REALIZED_SCHEMA, "realized")


def _crps(y: Array, quantiles: Array) -> Array:
    """`scores.crps`, with the last block padded by the last row."""
    n = len(y)
    rows = np.minimum(np.arange(-(-n // _BLOCK) * _BLOCK), n - 1)
    return crps(y[rows], quantiles[rows])[:n]


def _constant_walk(joined: pl.DataFrame) -> Array:
    """Quantiles of the constant-volatility walk at each row's step, shape (n, 9)."""
    last, step, sd = (joined[name].to_numpy() for name in ("origin_clp_per_usd", "step", "constant_sd"))
    return np.asarray(last[:, None] * np.exp(np.outer(np.sqrt(step.astype(np.float64)) * sd, QUANTILE_SCORES)))


def realize(
    forecasts: pl.DataFrame,
    prices: pl.DataFrame,
    now: datetime,
    *,
    previous: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Scores every realized forecast step.

    Args:
        forecasts: as for `join_realized`.
        prices: as for `join_realized`.
        now: as for `join_realized`.
        previous: an earlier result (`REALIZED_SCHEMA`); saves work, changes no bit. Scores of unchanged rows are kept,
            rows without a forecast or price now are dropped.

    Returns:
        `REALIZED_SCHEMA` in the order of `KEY`.

    Raises:
        polars.exceptions.ComputeError: a session has two prices, or `previous` a row twice.
        ValueError: `previous` has other columns, quantiles cross, or a price is not positive and finite.
    """
    if previous is None:
        return score_rows(join_realized(forecasts, prices, now))
    before = conform(previous, REALIZED_SCHEMA, "previous")
    parts = [_realize(forecasts.filter(one), prices, now, before.filter(one)) for one in _years_of(forecasts)]
    return pl.concat([empty(REALIZED_SCHEMA), *parts])


def _years_of(forecasts: pl.DataFrame) -> Iterator[pl.Expr]:
    """Conditions on parts, in the order of `KEY`.

    What is joined at once does not grow with the years.
    """
    year = pl.col("as_of").dt.year()
    for horizon, number in forecasts.select("horizon", year).unique().sort("horizon", "as_of").iter_rows():
        yield (pl.col("horizon") == horizon) & (year == number)


def _realize(forecasts: pl.DataFrame, prices: pl.DataFrame, now: datetime, before: pl.DataFrame) -> pl.DataFrame:
    """Scores the rows that are new or changed; keeps the others' scores."""
    joined = join_realized(forecasts, prices, now)
    matched = joined.join(
        before.select(*KEY, *(pl.col(name).alias(f"{name}_before") for name in _SCORED_FROM), *SCORE_COLUMNS),
        on=KEY,
        how="left",
        validate="m:1",
        maintain_order="left",
    )
    is_same = matched.select(
        pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_before")) for name in _SCORED_FROM)
    ).to_series()
    kept = matched.filter(is_same).select(list(REALIZED_SCHEMA))
    return pl.concat([kept, score_rows(joined.filter(~is_same))]).sort(KEY)


def covers_every_due_forecast(
    forecasts: pl.DataFrame, realized: pl.DataFrame, prices: pl.DataFrame, now: datetime
) -> Finding:
    """Warns of realized steps without a score of the current price.

    Args:
        forecasts: as for `join_realized`; with no forecast the check fails.
        realized: `REALIZED_SCHEMA`, the table to check.
        prices: as for `join_realized`.
        now: as for `join_realized`.
    """
    due = with_outcomes(forecasts.select({*KEY, *JOINED_BY}), prices, now)
    missing = due.join(realized, on=[*KEY, "realized_clp_per_usd"], how="anti").sort(KEY)
    last = truth_of(prices, now)["session"].max()
    past = forecasts.filter(pl.col("session") <= pl.lit(last, pl.Date)).select("session").unique()
    idle = past.height - past.join(due, on="session", how="semi").height
    values = {"due": due.height, "missing": missing.height, "sessions_never_traded": idle}
    name = "realized_covers_every_due_forecast"
    if forecasts.is_empty():
        return Finding(name, False, "warn", "no forecast", values)
    examples = "; ".join(
        f"{horizon} of {as_of}, step {step} ({session})"
        for horizon, as_of, step, session in missing.select("horizon", "as_of", "step", "session").head(3).iter_rows()
    )
    message = f"{due.height} steps due" + (f", {missing.height} missing or outdated: {examples}" if examples else "")
    if idle:
        message += f"; {idle} forecast sessions never traded"
    return Finding(name, missing.is_empty(), "warn", message, values)

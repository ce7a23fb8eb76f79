"""Forecasts joined to the sessions that came true, and scored. What the scores are averaged over is said elsewhere.

One row a forecast and step, for ledger and backtest alike. Bringing an older table up to date gives, bit for bit, what
starting anew would.
"""

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
)
from forex_assets.core.scores import crps, pit
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import usable

SCORE_COLUMNS: Final = ("error", "crps", "model_crps", "walk_crps", "constant_crps", "pit", "model_pit")

KEY: Final = (
    *("horizon", "as_of", "version", "config_fingerprint", "step"),
    # A ledger needs no more. In a backtest several engines go by one config, and any entry hash is empty.
    *("engine", "model", "is_shadow", "data_fingerprint", "entry_hash"),
)
"""What tells the rows of a table apart; rows are in this order."""

_ISSUED: Final = ("issued_at", "version", "is_shadow", "entry_hash")
_JOINED: Final[Schema] = {name: dtype for name, dtype in REALIZED_SCHEMA.items() if name not in SCORE_COLUMNS}
_SCORED_FROM: Final = (
    *("realized_clp_per_usd", "origin_clp_per_usd", "constant_sd"),
    *(*QUANTILE_COLUMNS, *MODEL_QUANTILE_COLUMNS, *WALK_QUANTILE_COLUMNS),
)
"""With the step, all that the scores are made of: rows alike in these have the same scores."""


_BLOCK: Final = 64
"""Rows are scored in whole blocks: matrix products treat the rows left over apart, and round those differently."""


def as_issued(backtest: pl.DataFrame) -> pl.DataFrame:
    """A backtest's forecasts as if each had been issued at its own instant, for `join_realized`.

    Args:
        backtest: `FORECAST_SCHEMA` in the order in which the fans were made. An origin that was run again on other data
            is a later version of the same forecast.

    Returns:
        The same rows with `issued_at`, `version` (from 1), `is_shadow` and `entry_hash` (empty).
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
    """What is known to have come true by `now`: finished, unmarked prices; one row a session and source.

    A bad tick that is the newest row stands until the next session takes it back and it is marked.

    Args:
        prices: `USDCLP_SCHEMA`, bad ticks marked.
        now: aware.

    Returns:
        session, source, realized_clp_per_usd, realized_available_at.
    """
    known = usable(prices, USDCLP).filter(~pl.col("is_provisional") & (pl.col("available_at") <= now))
    return known.select("session", "source", realized_clp_per_usd=USDCLP.value, realized_available_at="available_at")


def join_realized(forecasts: pl.DataFrame, prices: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """The steps whose session has come true, each beside its price from the source that the forecast was made from.

    Another source tells another story (the Banco Central's is the average of the session before). A price that was
    there before the forecast was issued is no truth of it: a fan made at a clock set back is not scored as foresight.

    Args:
        forecasts: `LEDGER_SCHEMA`, or the columns of `FORECAST_SCHEMA` with those that `as_issued` adds.
        prices: `USDCLP_SCHEMA` of one source or several, bad ticks marked; quarantined and provisional rows do not
            count.
        now: aware; prices that were known only later do not count either.

    Returns:
        `REALIZED_SCHEMA` less the scores, in the order of `KEY`; no rows where nothing has come true.

    Raises:
        polars.exceptions.ComputeError: a session has two prices of one source.
        ValueError: a column has another type.
    """
    said = [name for name in FORECAST_SCHEMA if name != "engine_seconds"]
    joined = (
        forecasts.select(*said, *_ISSUED, record=_record(forecasts))
        .join(truth_of(prices, now), on=["session", "source"], how="inner", validate="m:1")
        .filter(pl.col("realized_available_at") > pl.col("issued_at"))
        .with_columns(is_target=pl.col("session") == pl.col("target_date"))
    )
    return conform(joined.select(list(_JOINED)).sort(KEY), _JOINED, "realized")


def _record(forecasts: pl.DataFrame) -> pl.Expr:
    """Where each row is from: only a ledger says whether its clock was set by hand."""
    if "is_replay" not in forecasts.columns:
        return pl.lit("backtest")
    return pl.when("is_replay").then(pl.lit("replay")).otherwise(pl.lit("ledger"))


def score_rows(joined: pl.DataFrame) -> pl.DataFrame:
    """`join_realized`'s rows with their scores (`REALIZED_SCHEMA`), in the same order.

    A row's scores depend on that row alone, to the last bit, whatever rows stand beside it.

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
    return conform(scored, REALIZED_SCHEMA, "realized")


def _crps(y: Array, quantiles: Array) -> Array:
    """`scores.crps`, with the last block filled up by repeating the last row."""
    n = len(y)
    rows = np.minimum(np.arange(-(-n // _BLOCK) * _BLOCK), n - 1)
    return crps(y[rows], quantiles[rows])[:n]


def _constant_walk(joined: pl.DataFrame) -> Array:
    """Quantiles of the walk with constant volatility at each row's step, as `baselines.random_walk`'s, shape (n, 9)."""
    last, step, sd = (joined[name].to_numpy() for name in ("origin_clp_per_usd", "step", "constant_sd"))
    return np.asarray(last[:, None] * np.exp(np.outer(np.sqrt(step.astype(np.float64)) * sd, QUANTILE_SCORES)))


def realize(
    forecasts: pl.DataFrame,
    prices: pl.DataFrame,
    now: datetime,
    *,
    previous: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Every forecast step that has come true, scored; `previous` saves work and changes no bit of it.

    Args:
        forecasts: as for `join_realized`.
        prices: as for `join_realized`.
        now: as for `join_realized`.
        previous: an earlier result (`REALIZED_SCHEMA`). Scores are taken over where forecast and price are the same;
            rows whose forecast or price is no more are dropped.

    Returns:
        `REALIZED_SCHEMA` in the order of `KEY`.

    Raises:
        polars.exceptions.ComputeError: a session has two prices, or `previous` a row twice.
        ValueError: `previous` has other columns, quantiles cross, or a price is not positive and finite.
    """
    joined = join_realized(forecasts, prices, now)
    if previous is None:
        return score_rows(joined)
    before = conform(previous, REALIZED_SCHEMA, "previous")
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
    """Warns when a forecast has come true and is not scored, or is scored against another price than stands now.

    Args:
        forecasts: as for `join_realized`; with none at all the check does not pass.
        realized: `REALIZED_SCHEMA`, the table that is judged.
        prices: as for `join_realized`.
        now: as for `join_realized`.
    """
    due = join_realized(forecasts, prices, now)
    missing = due.join(realized, on=[*KEY, "realized_clp_per_usd"], how="anti").sort(KEY)
    last = truth_of(prices, now)["session"].max()
    past = forecasts.filter(pl.col("session") <= pl.lit(last, pl.Date)).select("session").unique()
    idle = past.height - past.join(due, on="session", how="semi").height
    values = {"due": due.height, "missing": missing.height, "sessions_never_traded": idle}
    name = "realized_covers_every_due_forecast"
    if forecasts.is_empty():
        return Finding(name, False, "warn", "no forecast", values)
    shown = "; ".join(
        f"{horizon} of {as_of}, step {step} ({session})"
        for horizon, as_of, step, session in missing.select("horizon", "as_of", "step", "session").head(3).iter_rows()
    )
    message = f"{due.height} steps due" + (f", {missing.height} missing or outdated: {shown}" if shown else "")
    if idle:
        message += f"; {idle} forecast sessions never traded"
    return Finding(name, missing.is_empty(), "warn", message, values)

"""Makes the rows of a forecast from prices, settings and an engine."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from forex_assets.core.fan import Array, Fan
from forex_assets.core.horizon import Target
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import (
    FORECAST_SCHEMA,
    MODEL_QUANTILE_COLUMNS,
    ORIGIN_SCHEMA,
    QUANTILE_COLUMNS,
    WALK_QUANTILE_COLUMNS,
    conform,
)
from forex_assets.forecasts.baselines import constant_volatility, origin_volatility, random_walk
from forex_assets.forecasts.calibration import Calibration, calibrated
from forex_assets.forecasts.engine import Engine, EngineError, Origin
from forex_assets.market.gaps import per_session_prices
from forex_assets.market.origin import LAST_PRICE, OPEN
from forex_assets.market.origin import Origin as Start
from forex_assets.market.quality import usable

COVARIATE_ENGINES: Final = frozenset({"chronos-2"})
"""Engines that read covariates; others get none in their data fingerprint."""


@dataclass(frozen=True)
class Request:
    """One forecast to make: settings, target and calibration of its bands."""

    config: InferenceConfig
    target: Target
    calibration: Calibration | None = None  # None keeps the model's own quantiles


def data_fingerprint(prices: pl.DataFrame, features: pl.DataFrame | None = None) -> str:
    """SHA-256 (hex) of an engine's inputs.

    Prices: session, value, source and is_provisional of rows not quarantined. The time of fetching does not count.
    Features: session, source, numbers.

    Args:
        prices: `USDCLP_SCHEMA`.
        features: covariates; None without any.
    """
    digest = hashlib.sha256()
    columns = ["session", "clp_per_usd", "source", "is_provisional"]
    for row in usable(prices).select(columns).iter_rows():
        digest.update(repr((row[0].isoformat(), float(row[1]).hex(), row[2], bool(row[3]))).encode())
    if features is not None:
        inputs = features.select(
            [name for name in ("session", "source") if name in features.columns], *_numeric(features)
        )
        digest.update(repr(inputs.columns).encode())
        for row in inputs.iter_rows():
            digest.update(repr(tuple(_canonical(value) for value in row)).encode())
    return digest.hexdigest()


def align_covariates(sessions: Sequence[object], features: pl.DataFrame) -> dict[str, Array]:
    """Aligns features with the prices by exact session.

    Args:
        sessions: dates of the prices, ascending.
        features: `session` and numeric columns, one row a session; others are ignored.

    Returns:
        One array a numeric column, shape (sessions,), NaN for a missing session or value.
    """
    names = _numeric(features)
    frame = pl.DataFrame({"session": sessions}, schema={"session": pl.Date})
    joined = frame.join(features.select("session", *names), on="session", how="left", maintain_order="left")
    return {name: joined[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in names}


def covariates_for(engine: Engine, config: InferenceConfig, features: pl.DataFrame | None) -> pl.DataFrame | None:
    """The engine's covariates; None if it reads none or none exist.

    Raises:
        EngineError: the config uses copper, and the engine cannot read it.
    """
    reads = engine.name in COVARIATE_ENGINES  # the name loads the model: before any clock starts
    if config.uses_copper and not reads:
        raise EngineError(
            f"uses_copper is true in configs/chronos_{config.horizon}.json, but {engine.model} ({engine.name}) reads "
            "no covariates; set it to false, or choose a Chronos-2 model"
        )
    return features if config.uses_copper and features is not None and features.height > 0 else None


def make_forecasts(
    engine: Engine,
    requests: Sequence[Request],
    prices: pl.DataFrame,
    features: pl.DataFrame | None = None,
    *,
    clock: Callable[[], float],
    start: Start | None = None,
) -> list[pl.DataFrame]:
    """Forecasts several horizons from one history with one engine.

    With a start, the engine reads finished prices only, and its fans are moved to the starting level: returns are never
    spliced from two sources.

    Args:
        requests: one a horizon.
        prices: `USDCLP_SCHEMA`; quarantined rows are not used.
        features: copper features by session; None or empty for none.
        clock: seconds from any start, such as `time.perf_counter`.
        start: starting level of the fans; None for the last price of the history.

    Returns:
        One table (`FORECAST_SCHEMA`) a request, in order, one row a step.

    Raises:
        ValueError: no usable price, or the prices end after `as_of` or at or after the first step.
        EngineError: the settings need what the engine lacks.
    """
    rows = context_rows(prices, start)
    for request in requests:
        _check_dates(rows, request.target, start)
    values = per_session_prices(rows)
    volatility = {"ewma_sd": origin_volatility(values), "constant_sd": constant_volatility(values)}
    tables = []
    for request in requests:
        covariate_table = covariates_for(engine, request.config, features)
        covariates = align_covariates(rows["session"].to_list(), covariate_table) if covariate_table is not None else {}
        started = clock()
        fan = _only(engine.forecast([Origin(values, request.target.steps, covariates)], request.config), engine)
        seconds, fingerprint = (
            clock() - started,
            started_fingerprint(data_fingerprint(rows, covariate_table), rows, start),
        )
        labels = labels_of(engine, request, rows, start) | volatility
        labels |= {"engine_seconds": seconds, "data_fingerprint": fingerprint}
        tables.append(forecast_table(request, started_fan(fan, rows, start), labels))
    return tables


def last_session(prices: pl.DataFrame, start: Start | None) -> date:
    """Returns the session that a fan starts from."""
    last: date = context_rows(prices, start)["session"][-1]
    return last if start is None else max(last, start.session)


def context_rows(prices: pl.DataFrame, start: Start | None) -> pl.DataFrame:
    """Usable prices that an engine reads, oldest first.

    With a start, provisional ones are left out, as at past test dates, unless there are no others.
    """
    rows = usable(prices).sort("session")
    finished = rows.filter(~pl.col("is_provisional"))
    return rows if start is None or finished.is_empty() else finished


def started_fan(fan: Fan, rows: pl.DataFrame, start: Start | None) -> Fan:
    """Moves an engine's fan to the starting level.

    Args:
        rows: prices that the engine read.
    """
    return fan if start is None else fan.scaled(start.level / float(rows["clp_per_usd"][-1]))


def started_fingerprint(fingerprint: str, rows: pl.DataFrame, start: Start | None) -> str:
    """Fingerprint of the data and of a starting level apart from it.

    A fan from its own last price keeps the fingerprint of the data.

    Args:
        fingerprint: of the engine's inputs, see `data_fingerprint`.
        rows: prices that the engine read.
    """
    if start is None or (start.session, start.level) == (rows["session"][-1], rows["clp_per_usd"][-1]):
        return fingerprint
    return hashlib.sha256(f"{fingerprint} {start.session.isoformat()} {start.level.hex()}".encode()).hexdigest()


def make_forecast(
    engine: Engine,
    config: InferenceConfig,
    target: Target,
    prices: pl.DataFrame,
    features: pl.DataFrame | None = None,
    *,
    clock: Callable[[], float],
    calibration: Calibration | None = None,
    start: Start | None = None,
) -> pl.DataFrame:
    """Forecasts one horizon, see `make_forecasts`."""
    return make_forecasts(engine, [Request(config, target, calibration)], prices, features, clock=clock, start=start)[0]


def _check_dates(rows: pl.DataFrame, target: Target, start: Start | None) -> None:
    """Refuses an empty history, or prices that reach the sessions to forecast."""
    if rows.height == 0:
        raise ValueError(f"forecast of {target.as_of}: no usable price, all rows are quarantined or there are none")
    last = rows["session"][-1] if start is None else max(rows["session"][-1], start.session)
    if last > target.as_of or last >= target.sessions[0]:
        first = target.sessions[0]
        raise ValueError(f"prices reach {last}: as_of is {target.as_of} and the first step to forecast is {first}")


def _only(fans: Sequence[Fan], engine: Engine) -> Fan:
    """The fan of a call with one origin."""
    if len(fans) != 1:
        raise EngineError(f"{engine.name} gave {len(fans)} fans for one origin")
    return fans[0]


def labels_of(engine: Engine, request: Request, rows: pl.DataFrame, start: Start | None = None) -> dict[str, object]:
    """Constant columns of a forecast: its origin, engine and settings."""
    return {
        **origin_labels(rows, start),
        "as_of": request.target.as_of,
        "horizon": request.config.horizon,
        "target_date": request.target.target_date,
        "model": engine.model,
        "engine": engine.name,
        # Benchmarks ignore the config's representation.
        "representation": request.config.representation if engine.name.startswith("chronos") else "none",
        "source": " + ".join(sorted(rows["source"].unique())),
        "config_fingerprint": request.config.fingerprint,
    }


def origin_labels(rows: pl.DataFrame, start: Start | None) -> dict[str, object]:
    """Columns that say where the starting level came from.

    Without a start it is the last price of the rows, and nothing more is known of it.
    """
    if start is None:
        last = {
            "origin_session": rows["session"][-1],
            "origin_clp_per_usd": rows["clp_per_usd"][-1],
            "is_origin_provisional": rows["is_provisional"][-1],
        }
        return last | dict.fromkeys(ORIGIN_SCHEMA)
    return {
        "origin_session": start.session,
        "origin_clp_per_usd": start.level,
        "is_origin_provisional": start.kind in (LAST_PRICE, OPEN),
        "origin_kind": start.kind,
        "origin_source": start.source,
        "origin_dated": start.dated,
        "origin_observed_at": start.observed_at,
        "origin_age_hours": start.age_hours,
        "origin_age_sessions": start.age_sessions,
        "origin_disagreement_pct": start.disagreement_pct,
        "is_origin_assumed": start.is_assumed,
    }


def forecast_table(request: Request, fan: Fan, labels: Mapping[str, object]) -> pl.DataFrame:
    """The rows of one forecast.

    Args:
        fan: the model's own, with as many steps as the target.
        labels: constant columns: origin, engine, volatilities, fingerprints, seconds.

    Returns:
        `FORECAST_SCHEMA`; without calibration the published quantiles are the model's.
    """
    target, calibration = request.target, request.calibration
    walk = random_walk(float(labels["origin_clp_per_usd"]), float(labels["ewma_sd"]), target.steps)  # type: ignore[arg-type]
    published = fan if calibration is None else calibrated(fan, calibration)
    errors = np.zeros(target.steps, dtype=np.int64) if calibration is None else calibration.errors
    frame = pl.DataFrame(
        {
            "step": np.arange(1, target.steps + 1, dtype=np.int64),
            "session": list(target.sessions),
            "mean": published.mean,
            "calibration_errors": errors,
            "is_calibrated": errors > 0,
            **{name: published.quantiles[:, i] for i, name in enumerate(QUANTILE_COLUMNS)},
            **{name: fan.quantiles[:, i] for i, name in enumerate(MODEL_QUANTILE_COLUMNS)},
            **{name: walk.quantiles[:, i] for i, name in enumerate(WALK_QUANTILE_COLUMNS)},
        }
    ).with_columns(pl.lit(value, dtype=FORECAST_SCHEMA[name]).alias(name) for name, value in labels.items())
    return conform(frame.select(list(FORECAST_SCHEMA)), FORECAST_SCHEMA, f"forecast of {target.as_of}")


def _numeric(features: pl.DataFrame) -> list[str]:
    """Names of the numeric columns, in order."""
    return [name for name, dtype in features.schema.items() if dtype.is_numeric()]


def _canonical(value: object) -> object:
    """A value whose repr is equal on all machines."""
    return value.hex() if isinstance(value, float) else str(value)

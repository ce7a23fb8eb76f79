"""From prices, settings and an engine to the rows of a forecast. Pure: the engine and the clock are handed in."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from forex_assets.domain.forecast.baselines import EwmaEngine
from forex_assets.domain.forecast.config import InferenceConfig
from forex_assets.domain.forecast.engine import Engine, EngineError, Origin
from forex_assets.domain.forecast.fan import Array, Fan
from forex_assets.domain.horizon import Target
from forex_assets.domain.schemas import (
    FORECAST_SCHEMA,
    MODEL_QUANTILE_COLUMNS,
    QUANTILE_COLUMNS,
    WALK_QUANTILE_COLUMNS,
    conform,
)

COVARIATE_ENGINES: Final = frozenset({"chronos-2"})
"""Engines that read covariates; no other is given any, so that its data fingerprint does not depend on them."""


@dataclass(frozen=True)
class Request:
    """One fan to make: the settings of its horizon and what it is about."""

    config: InferenceConfig
    target: Target


def usable(prices: pl.DataFrame) -> pl.DataFrame:
    """The rows of `market/usdclp` that an engine may see: those that are not quarantined."""
    return prices.filter(~pl.col("is_quarantined"))


def data_fingerprint(prices: pl.DataFrame, features: pl.DataFrame | None = None) -> str:
    """SHA-256 (hex) of exactly what an engine was given, so that two forecasts can be told to rest on the same data.

    Of the prices: session, value, source, is_provisional of the rows that are not quarantined. When a row was fetched
    does not count: fetching the same history again is the same data. Of the features: session, source, numbers.

    Args:
        prices: `USDCLP_SCHEMA`.
        features: what went in as covariates; None where none did.
    """
    digest = hashlib.sha256()
    columns = ["session", "clp_per_usd", "source", "is_provisional"]
    for row in usable(prices).select(columns).iter_rows():
        digest.update(repr((row[0].isoformat(), float(row[1]).hex(), row[2], bool(row[3]))).encode())
    if features is not None:
        given = features.select(
            [name for name in ("session", "source") if name in features.columns], *_numeric(features)
        )
        digest.update(repr(given.columns).encode())
        for row in given.iter_rows():
            digest.update(repr(tuple(_canonical(value) for value in row)).encode())
    return digest.hexdigest()


def align_covariates(sessions: Sequence[object], features: pl.DataFrame) -> dict[str, Array]:
    """Features on the price's own sessions, by exact session.

    Args:
        sessions: dates of the prices, ascending.
        features: `session` and numeric columns, one row a session; other columns are left out.

    Returns:
        One array a numeric column, shape (sessions,), NaN where the features have no such session or no value.
    """
    names = _numeric(features)
    frame = pl.DataFrame({"session": sessions}, schema={"session": pl.Date})
    joined = frame.join(features.select("session", *names), on="session", how="left", maintain_order="left")
    return {name: joined[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in names}


def make_forecasts(
    engine: Engine,
    requests: Sequence[Request],
    prices: pl.DataFrame,
    features: pl.DataFrame | None = None,
    *,
    clock: Callable[[], float],
    is_calibrated: bool = False,
) -> list[pl.DataFrame]:
    """Forecasts of several horizons from one history, through one engine that is loaded once.

    Args:
        engine: what makes the fans.
        requests: one a horizon.
        prices: `USDCLP_SCHEMA`; quarantined rows are not used.
        features: copper features by session, for engines that read covariates; None or empty where there are none.
        clock: seconds from any start, such as `time.perf_counter`; domain code reads no clock of its own.
        is_calibrated: what the column says; the published quantiles are the model's own either way.

    Returns:
        One table (`FORECAST_SCHEMA`) a request, in order, one row a step.

    Raises:
        ValueError: no usable price, or the prices end after `as_of` or at or after the first step.
        EngineError: the settings ask for what the engine does not have.
    """
    rows = usable(prices).sort("session")
    reads_features = engine.name in COVARIATE_ENGINES  # the name loads the model: before the clock starts
    given = features if reads_features and features is not None and features.height > 0 else None
    covariates = align_covariates(rows["session"].to_list(), given) if given is not None else {}
    fingerprint = data_fingerprint(rows, given)
    values = rows["clp_per_usd"].to_numpy().astype(np.float64)
    tables = []
    for request in requests:
        _check_dates(rows, request.target)
        origin = Origin(values, request.target.steps, covariates)
        started = clock()
        fan = _only(engine.forecast([origin], request.config), engine)
        seconds = clock() - started
        walk = _only(EwmaEngine().forecast([origin], request.config), engine)
        labels = _labels(engine, request, rows)
        made = {"is_calibrated": is_calibrated, "data_fingerprint": fingerprint, "engine_seconds": seconds}
        tables.append(_table(request.target, fan, walk, {**labels, **made}))
    return tables


def make_forecast(
    engine: Engine,
    config: InferenceConfig,
    target: Target,
    prices: pl.DataFrame,
    features: pl.DataFrame | None = None,
    *,
    clock: Callable[[], float],
    is_calibrated: bool = False,
) -> pl.DataFrame:
    """The forecast of one horizon; see `make_forecasts`."""
    request = Request(config, target)
    return make_forecasts(engine, [request], prices, features, clock=clock, is_calibrated=is_calibrated)[0]


def _check_dates(rows: pl.DataFrame, target: Target) -> None:
    """Refuse a history that is empty or reaches into what is to be forecast."""
    if rows.height == 0:
        raise ValueError(f"forecast of {target.as_of}: no usable price, all rows are quarantined or there are none")
    last = rows["session"][-1]
    if last > target.as_of or last >= target.sessions[0]:
        first = target.sessions[0]
        raise ValueError(f"prices reach {last}: as_of is {target.as_of} and the first step to forecast is {first}")


def _only(fans: Sequence[Fan], engine: Engine) -> Fan:
    """The fan of a call with one origin."""
    if len(fans) != 1:
        raise EngineError(f"{engine.name} gave {len(fans)} fans for one origin")
    return fans[0]


def _labels(engine: Engine, request: Request, rows: pl.DataFrame) -> dict[str, object]:
    """What is the same in every row: where the forecast starts and what it was made with."""
    return {
        "as_of": request.target.as_of,
        "horizon": request.config.horizon,
        "target_date": request.target.target_date,
        "origin_session": rows["session"][-1],
        "origin_clp_per_usd": rows["clp_per_usd"][-1],
        "is_origin_provisional": rows["is_provisional"][-1],
        "model": engine.model,
        "engine": engine.name,
        # The walk has one law, whatever the config says of a model that is not there.
        "representation": "none" if engine.name == "ewma" else request.config.representation,
        "source": " + ".join(sorted(rows["source"].unique())),
        "config_fingerprint": request.config.fingerprint,
    }


def _table(target: Target, fan: Fan, walk: Fan, labels: dict[str, object]) -> pl.DataFrame:
    """The rows of one forecast, typed and in the schema's order."""
    frame = pl.DataFrame(
        {
            "step": np.arange(1, target.steps + 1, dtype=np.int64),
            "session": list(target.sessions),
            "mean": fan.mean,
            **{name: fan.quantiles[:, i] for i, name in enumerate(QUANTILE_COLUMNS)},
            **{name: fan.quantiles[:, i] for i, name in enumerate(MODEL_QUANTILE_COLUMNS)},
            **{name: walk.quantiles[:, i] for i, name in enumerate(WALK_QUANTILE_COLUMNS)},
        }
    ).with_columns(pl.lit(value, dtype=FORECAST_SCHEMA[name]).alias(name) for name, value in labels.items())
    return conform(frame.select(list(FORECAST_SCHEMA)), FORECAST_SCHEMA, f"forecast of {target.as_of}")


def _numeric(features: pl.DataFrame) -> list[str]:
    """Names of the numeric columns, in order."""
    return [name for name, dtype in features.schema.items() if dtype.is_numeric()]


def _canonical(value: object) -> object:
    """A value in a form whose repr is the same everywhere."""
    return value.hex() if isinstance(value, float) else str(value)

"""Stationary series to watch: returns and standardized errors, no prices."""

import math
from datetime import date
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forex_assets.accuracy.copper_correction import standardized_errors
from forex_assets.core.fan import Array
from forex_assets.core.horizon import HORIZON_DAYS
from forex_assets.core.schemas import Schema
from forex_assets.market.gaps import sessions_between
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries
from forex_assets.market.quality import usable
from forex_assets.monitoring.statistics import correlation

SERIES_SCHEMA: Final[Schema] = {"session": pl.Date, "value": pl.Float64}

ERROR_COLUMNS: Final = (
    *("record", "horizon", "session", "step", "version", "engine", "model", "config_fingerprint", "is_shadow"),
    *("q50", "ewma_sd", "realized_clp_per_usd"),
)
"""Columns of `REALIZED_SCHEMA` that the error series reads."""

COPPER_RETURN: Final = "copper_return"
PESO_RETURN: Final = "peso_return"
FORECAST_ERROR: Final = "forecast_error"
Sessions = NDArray[np.datetime64]


def drift_series(usdclp: pl.DataFrame, copper: pl.DataFrame, realized: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Makes the watched series by name, `SERIES_SCHEMA`, oldest first.

    Returns are log returns of final prices without bad ticks. Errors are (ln realized - ln median) / (ewma_sd · √step),
    one a session: of the forecast with the fewest steps, so that errors overlap least; ledger before replay before
    backtest. With few past dates errors of one origin follow each other like prices: they show no drift, and the series
    is left empty until there are more.

    Args:
        usdclp: `USDCLP_SCHEMA`, bad ticks marked.
        copper: `COPPER_SCHEMA`, likewise.
        realized: `ERROR_COLUMNS` of any horizons and records; shadows do not count.
    """
    errors = _nearest_errors(realized)
    return {
        COPPER_RETURN: _log_returns(copper, COPPER),
        PESO_RETURN: _log_returns(usdclp, USDCLP),
        FORECAST_ERROR: errors.clear() if persistence_of(errors["value"].to_numpy()) else errors,
    }


def _log_returns(prices: pl.DataFrame, series: PriceSeries) -> pl.DataFrame:
    """Log returns of single sessions, `SERIES_SCHEMA`.

    A return over several sessions is left out.
    """
    rows = usable(prices, series).filter(~pl.col("is_provisional")).sort("session")
    returns = rows.select("session", value=pl.col(series.value).log().diff())
    return returns[1:].filter(pl.Series(sessions_between(rows, series) == 1, dtype=pl.Boolean))


def _nearest_errors(realized: pl.DataFrame) -> pl.DataFrame:
    """Standardized errors, one a session, `SERIES_SCHEMA`.

    Fewest steps first, then the shortest horizon and the latest version.
    """
    records = {"ledger": 0, "replay": 1, "backtest": 2}
    ranked = realized.filter(~pl.col("is_shadow") & (pl.col("ewma_sd") > 0)).with_columns(
        place=pl.col("record").replace_strict(records, return_dtype=pl.Int64),
        days=pl.col("horizon").replace_strict(HORIZON_DAYS, return_dtype=pl.Int64),
    )
    order = ["session", "place", "step", "days", "version", "engine", "model", "config_fingerprint"]
    nearest = ranked.sort(order, descending=[name == "version" for name in order]).unique(
        "session", keep="first", maintain_order=True
    )
    return nearest.select("session", value=pl.Series(standardized_errors(nearest), dtype=pl.Float64))


def known_values(name: str, frame: pl.DataFrame, today: date) -> tuple[Sessions, Array]:
    """Sessions and values of a series up to `today`.

    Raises:
        ValueError: not stationary, not in order, or not finite.
    """
    rows = frame.filter(pl.col("session") <= today)
    days = rows["session"].to_numpy().astype("datetime64[D]")
    values = rows["value"].cast(pl.Float64).fill_null(math.nan).to_numpy()
    if not np.isfinite(values).all():
        first = days[~np.isfinite(values)][0]
        raise ValueError(f"{name}: the value of {first} is no finite number; leave such sessions out")
    if (np.diff(days) <= np.timedelta64(0, "D")).any():
        raise ValueError(f"{name}: sessions must ascend, one row each; sort them and drop repeats")
    refuse_levels(name, values)
    return days, values


FEW: Final = 30
"""Fewest values for the stationarity test."""

PERSISTENT: Final = 0.9
"""Lag-one rank correlation of a series that is not stationary."""

DICKEY_FULLER: Final = -13.7
"""Dickey-Fuller 5 % point of n (r - 1) (Fuller, 1976)."""


def refuse_levels(name: str, values: Array) -> None:
    """Refuses a series that is not stationary.

    On prices, KS and PSI at 5 % find drift nine times in ten. Tested is the lag-one correlation r of ranks, so that one
    bad tick does not hide a random walk. Refused is r above .9, or in short series above the 5 % point under a random
    walk; returns (r about 0) pass, and so does a constant series.

    Raises:
        ValueError: the series is not stationary.
    """
    if persistence := persistence_of(values):
        raise ValueError(
            f"{name} is not stationary: each value's rank follows the one before at {persistence:.3f} over "
            f"{len(values)} sessions, as prices do; drift is measured on returns or standardized errors"
        )


def persistence_of(values: Array) -> float | None:
    """Lag-one rank correlation, if too high for a stationary series.

    None for a stationary series, a constant one, or fewer than `FEW` values.
    """
    n = len(values)
    if n < FEW or np.ptp(values) == 0:
        return None
    ranks = pl.Series(values).rank("average").to_numpy()
    persistence = float(correlation(ranks[:-1], ranks[1:]))
    return persistence if persistence > min(PERSISTENT, 1 + DICKEY_FULLER / n) else None


def joint_returns(copper: tuple[Sessions, Array], peso: tuple[Sessions, Array]) -> tuple[Sessions, Array, Array]:
    """Returns of both between joint sessions.

    Returns over a holiday of one market are added up.

    Args:
        copper: sessions and log returns, each from the session before.
        peso: sessions and log returns.

    Returns:
        Joint sessions but the first, and both returns.
    """
    days, in_copper, in_peso = np.intersect1d(copper[0], peso[0], assume_unique=True, return_indices=True)
    if len(days) < 2:
        return days[:0], np.empty(0), np.empty(0)
    x, y = (
        np.add.reduceat(values[: places[-1] + 1], places[:-1] + 1)
        for values, places in ((copper[1], in_copper), (peso[1], in_peso))
    )
    return days[1:], x, y

"""Compares two fans of one horizon, by cause."""

import math
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from forex_assets.core.schemas import FORECAST_SCHEMA, MODEL_QUANTILE_COLUMNS, QUANTILE_COLUMNS

LOWEST, HIGHEST, MEDIAN = QUANTILE_COLUMNS[0], QUANTILE_COLUMNS[-1], "q50"
MODEL_LOWEST, MODEL_HIGHEST = MODEL_QUANTILE_COLUMNS[0], MODEL_QUANTILE_COLUMNS[-1]


@dataclass(frozen=True)
class Issue:
    """One fan at its target date.

    Attributes:
        as_of: day of issue.
        target_date: last day.
        price: last known price, CLP per USD.
        median: CLP per USD.
        low: lower end of the 95 % band.
        high: upper end of the 95 % band.
        volatility: sd of a session's log return.
        sessions: closes ahead.
        model_width: log width of the model's own 95 % band.
        width: log width of the published 95 % band.
        model: name of the model.
    """

    as_of: date
    target_date: date
    price: float
    median: float
    low: float
    high: float
    volatility: float
    sessions: int
    model_width: float
    width: float
    model: str


@dataclass(frozen=True)
class Change:
    """Causes of a change from one fan to another.

    The four width factors multiply to `width`.

    Attributes:
        price: change of the last known price, CLP per USD.
        median: change of the median, CLP per USD; the rest over `price` is the model's.
        width: ratio of the 95 % bands' log widths.
        volatility: part of the ratio due to volatility.
        sessions: part due to the number of sessions ahead.
        model: part due to the model, at equal volatility and sessions.
        calibration: part due to the correction by past errors.
    """

    price: float
    median: float
    width: float
    volatility: float
    sessions: float
    model: float
    calibration: float


def issue_of(fan: pl.DataFrame) -> Issue:
    """Summarises a fan at its last step.

    Args:
        fan: columns of `FORECAST_SCHEMA`, one forecast.
    """
    columns = [name for name in FORECAST_SCHEMA if name in fan.columns]
    row: dict[str, Any] = fan.sort("step").select(columns).row(-1, named=True)
    return Issue(
        as_of=row["as_of"],
        target_date=row["target_date"],
        price=row["origin_clp_per_usd"],
        median=row[MEDIAN],
        low=row[LOWEST],
        high=row[HIGHEST],
        volatility=row["ewma_sd"],
        sessions=row["step"],
        model_width=math.log(row[MODEL_HIGHEST] / row[MODEL_LOWEST]),
        width=math.log(row[HIGHEST] / row[LOWEST]),
        model=row["model"],
    )


def change(before: Issue, after: Issue) -> Change:
    """Splits the change between two fans by cause.

    A fan without width leaves the factors at 1.
    """

    def ratio(new: float, old: float) -> float:
        return new / old if new > 0 and old > 0 else 1.0

    volatility = ratio(after.volatility, before.volatility)
    sessions = math.sqrt(after.sessions / before.sessions)
    model = ratio(after.model_width, before.model_width) / (volatility * sessions)
    return Change(
        price=after.price - before.price,
        median=after.median - before.median,
        width=ratio(after.width, before.width),
        volatility=volatility,
        sessions=sessions,
        model=model,
        calibration=ratio(after.width, before.width) / ratio(after.model_width, before.model_width),
    )


def words(change_: Change) -> str:
    """Says the causes in one line, largest first."""
    causes = {
        "volatility": change_.volatility,
        "sessions ahead": change_.sessions,
        "the model": change_.model,
        "the correction by past errors": change_.calibration,
    }
    ranked = sorted(causes.items(), key=lambda item: -abs(math.log(item[1])))
    parts = [f"{name} {100 * (factor - 1):+.0f} %" for name, factor in ranked if abs(factor - 1) >= 0.005]
    total = f"the 95 % band is {100 * (change_.width - 1):+.0f} % wide against before"
    return f"The price moved the median by {change_.price:+.1f} CLP; {total}" + (
        f": {', '.join(parts)}." if parts else "."
    )

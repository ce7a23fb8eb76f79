"""Fans of the dólar observado, made from fans of the peso.

The fixing dated d averages the trades of the banking day before d, its trading day. With S the origin's price of day t,
F the last fixing, σ the volatility of a session and j the banking days from t to the trading day:

- centre S + w (F - S): w = .27 at j = 0 (tomorrow's fixing, not yet published), 0 at 1 and 2, .05 to .2 later;
- sd of the log c σ √(j - 2/3): a day's average has a third of the day's variance; σ .72 / √3 at j = 0;
- if F averages day t or a later one and S is F itself, F alone counts, and the variance is at least σ² (j - 1/3).

c, from 1.36 at j = 1 to 1.06 at 21, allows for the noise of S and for the tails. Factors were measured on the peso
before they were used here; `docs/accuracy.md` has the coverage by year.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl

from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.fan import QUANTILE_SCORES, Array
from forex_assets.core.horizon import days_of
from forex_assets.core.schemas import (
    FORECAST_SCHEMA,
    MODEL_QUANTILE_COLUMNS,
    QUANTILE_COLUMNS,
    QUANTILE_LEVELS,
    SAMPLE_SOURCE,
    WALK_QUANTILE_COLUMNS,
    conform,
)
from forex_assets.forecasts.baselines import random_walk

SOURCE: Final = "observado"
"""`source` of fixing fans and of published fixings.

The generated market keeps its own.
"""

WEIGHT_AHEAD: Final = (1.0, 2.0, 5.0, 64.0)
WEIGHTS: Final = (0.0, 0.0, 0.05, 0.2)
"""Weight of the last fixing in the centre at `WEIGHT_AHEAD` banking days."""
WEIGHT_SAME_DAY: Final = 0.27

FACTOR_AHEAD: Final = (1.0, 2.0, 5.0, 11.0, 21.0)
FACTORS: Final = (1.36, 1.18, 1.11, 1.09, 1.06)
"""Width over the Brownian one at `FACTOR_AHEAD` banking days."""
FACTOR_SAME_DAY: Final = 0.72


@dataclass(frozen=True)
class Fixing:
    """One published fixing.

    Attributes:
        day: its date, on which contracts settle on it.
        value: CLP per USD.
        source: `observado`, or that of the generated market.
    """

    day: date
    value: float
    source: str = SOURCE


def weight_of_fixing(ahead: Array) -> Array:
    """Weight of the last fixing in the centre.

    Args:
        ahead: banking days from the price to the fixing's trading day, 0 or more.
    """
    ahead = np.asarray(ahead, dtype=np.float64)
    later = np.interp(np.log(np.maximum(ahead, 1.0)), np.log(WEIGHT_AHEAD), WEIGHTS)
    return np.asarray(np.where(ahead < 1, WEIGHT_SAME_DAY, later))


def deviation_of_fixing(ahead: Array, *, is_from_average: bool = False) -> Array:
    """Standard deviation of the fixing's log, in volatilities of a session.

    Args:
        ahead: banking days from the price to the fixing's trading day, 0 or more.
        is_from_average: the price is itself a day's average.
    """
    ahead = np.asarray(ahead, dtype=np.float64)
    later = np.maximum(ahead, 1.0)
    factors = np.interp(np.log(later), np.log(FACTOR_AHEAD), FACTORS)
    variance = factors**2 * (later - 2 / 3)
    if is_from_average:
        variance = np.maximum(variance, later - 1 / 3)
    return np.asarray(np.where(ahead < 1, FACTOR_SAME_DAY / np.sqrt(3), np.sqrt(variance)))


def trading_day(day: date, calendar: SessionCalendar) -> date:
    """Returns the banking day that a fixing averages."""
    return calendar.previous(day)


def last_fixing(fixings: pl.DataFrame) -> Fixing | None:
    """The newest fixing of a table; None without one.

    Args:
        fixings: `OBSERVADO_SCHEMA`, any order.
    """
    if fixings.is_empty():
        return None
    row = fixings.sort("session").row(-1, named=True)
    source = SAMPLE_SOURCE if row["source"] == SAMPLE_SOURCE else SOURCE
    return Fixing(row["session"], row["clp_per_usd"], source)


def fixing_fan(fan: pl.DataFrame, last: Fixing, calendar: SessionCalendar) -> pl.DataFrame:
    """Fan of the fixings after the last published one.

    An engine's log deviations from its origin are kept and scaled by the ratio of the fixing's standard deviation to
    the walk's, √step; around the origin's own day, which the engine has no step of, the walk's are used.

    Args:
        fan: `FORECAST_SCHEMA`, one forecast of the peso; its model's quantiles are read.
        last: newest fixing published at the time of issue.
        calendar: the peso's sessions.

    Returns:
        `FORECAST_SCHEMA`, not calibrated, one row a fixing through the horizon's date: `session` is the fixing's date,
        `step` counts from the last fixing, which is the origin, and the benchmark is a walk from it. Empty if the last
        fixing is that of the target date.
    """
    fan = fan.sort("step")
    first = fan.row(0, named=True)
    price, traded_on = float(first["origin_clp_per_usd"]), first["origin_session"]
    averaged = trading_day(last.day, calendar)
    target_date = calendar.roll_back(first["as_of"] + timedelta(days=days_of(first["horizon"])))
    days = calendar.between(last.day, target_date)
    if not days:
        return fan.clear()
    is_alone = averaged > traded_on or (averaged == traded_on and np.isclose(price, last.value, rtol=1e-12))
    start = averaged if is_alone else traded_on
    ahead = np.array([calendar.age(start, trading_day(day, calendar)) for day in days], dtype=np.float64)
    log_price = np.log(last.value if is_alone else price)
    centre = log_price + weight_of_fixing(ahead) * (np.log(last.value) - log_price)
    shape = _shape(fan, days, calendar, float(first["ewma_sd"]))
    width = deviation_of_fixing(ahead, is_from_average=bool(is_alone))
    quantiles = np.exp(centre[:, None] + width[:, None] * shape)
    walk = random_walk(last.value, float(first["ewma_sd"]), len(days))
    middle = quantiles[:, QUANTILE_LEVELS.index(0.5)]
    table = pl.DataFrame(
        {
            "step": np.arange(1, len(days) + 1, dtype=np.int64),
            "session": days,
            "mean": middle * np.exp((width * float(first["ewma_sd"])) ** 2 / 2),  # of a log-normal
            **{name: quantiles[:, i] for i, name in enumerate(QUANTILE_COLUMNS)},
            **{name: quantiles[:, i] for i, name in enumerate(MODEL_QUANTILE_COLUMNS)},
            **{name: walk.quantiles[:, i] for i, name in enumerate(WALK_QUANTILE_COLUMNS)},
        }
    )
    labels = {
        **{name: first[name] for name in FORECAST_SCHEMA if name not in table.columns},
        "target_date": target_date,
        "origin_session": last.day,
        "origin_clp_per_usd": last.value,
        "is_origin_provisional": False,
        "is_calibrated": False,
        "calibration_errors": 0,
        "source": last.source,
        "data_fingerprint": _fingerprint(first["data_fingerprint"], last),
    }
    table = table.with_columns(pl.lit(value, dtype=FORECAST_SCHEMA[name]).alias(name) for name, value in labels.items())
    return conform(table.select(list(FORECAST_SCHEMA)), FORECAST_SCHEMA, f"fan of the fixing, {first['as_of']}")


def _shape(fan: pl.DataFrame, days: Sequence[date], calendar: SessionCalendar, sd: float) -> Array:
    """Log deviations of one session, shape (days, 9): the engine's over √step."""
    deviations = np.log(fan.select(MODEL_QUANTILE_COLUMNS).to_numpy() / fan["origin_clp_per_usd"][0])
    scaled = deviations / np.sqrt(fan["step"].to_numpy())[:, None]
    steps = {session: i for i, session in enumerate(fan["session"].to_list())}
    walk = sd * QUANTILE_SCORES
    rows = [steps.get(trading_day(day, calendar)) for day in days]
    return np.stack([walk if row is None else scaled[row] for row in rows])


def _fingerprint(data_fingerprint: str, last: Fixing) -> str:
    """SHA-256 (hex) of the peso's data and the last fixing."""
    text = repr((data_fingerprint, last.day.isoformat(), last.value.hex(), last.source))
    return hashlib.sha256(text.encode()).hexdigest()

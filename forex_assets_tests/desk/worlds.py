"""Fans for the desk's tests: log-normal ones of a known width, from a known price."""

import math
from datetime import date
from statistics import NormalDist

import polars as pl

from forex_assets.core.holidays import market_calendar
from forex_assets.core.schemas import FORECAST_SCHEMA
from forex_assets.desk.outlook import Outlook

LEVELS = {"q025": 0.025, "q05": 0.05, "q10": 0.10, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q90": 0.9, "q95": 0.95,
          "q975": 0.975}  # fmt: skip
DAYS = {"7d": 7, "15d": 15, "30d": 30, "90d": 90}
ORIGIN = date(2025, 6, 13)
PRICE, SD = 940.0, 0.007
CALENDAR = market_calendar("CLP")


def fan(horizon: str, price: float = PRICE, sd: float = SD, origin: date = ORIGIN, **changes: object) -> pl.DataFrame:
    """A fan whose log has deviation sd·√step; `changes` replace columns."""
    target = CALENDAR.roll_back(date.fromordinal(origin.toordinal() + DAYS[horizon]))
    sessions = CALENDAR.between(origin, target)
    rows = []
    for step, session in enumerate(sessions, start=1):
        quantiles = {
            name: price * math.exp(sd * math.sqrt(step) * NormalDist().inv_cdf(p)) for name, p in LEVELS.items()
        }
        row: dict[str, object] = {
            "as_of": origin, "horizon": horizon, "target_date": target, "step": step, "session": session,
            "mean": price, **quantiles, **{f"model_{k}": v for k, v in quantiles.items()},
            **{f"walk_{k}": v for k, v in quantiles.items()}, "origin_session": origin, "origin_clp_per_usd": price,
            "is_origin_provisional": False, "model": "ewma", "engine": "ewma", "representation": "none",
            "is_calibrated": True, "calibration_errors": 120, "ewma_sd": sd, "constant_sd": sd, "source": "yahoo",
            "config_fingerprint": "c", "data_fingerprint": "d", "engine_seconds": 0.0,
        }  # fmt: skip
        rows.append(row | {name: value for name, value in changes.items() if name in FORECAST_SCHEMA})
    extra = {name: dtype for name, dtype in FORECAST_SCHEMA.items() if name not in rows[0]}
    frame = pl.DataFrame(rows, schema={k: v for k, v in FORECAST_SCHEMA.items() if k not in extra}, orient="row")
    return frame.with_columns(pl.lit(None, dtype=dtype).alias(name) for name, dtype in extra.items()).select(
        list(FORECAST_SCHEMA)
    )


def outlook(*horizons: str, today: date = ORIGIN, **changes: object) -> Outlook:
    """Fans of one issue; all four horizons by default."""
    return Outlook({name: fan(name, **changes) for name in horizons or DAYS}, CALENDAR, today)  # type: ignore[arg-type]

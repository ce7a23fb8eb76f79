"""Realized rows to judge: what came true, where the median and the band lay, and what the fan lost."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from forex_assets.core.schemas import ORIGIN_SCHEMA, QUANTILE_LEVELS, REALIZED_SCHEMA, quantile_column

FIRST = date(2020, 1, 3)


def realized_rows(
    realized: Sequence[float] | np.ndarray,
    errors: Sequence[float] | np.ndarray,
    *,
    crps: Sequence[float] | np.ndarray | None = None,
    half_width: float | Sequence[float] | np.ndarray = 20.0,
    days: int = 7,
    every: int = 7,
    name: str = "model",
) -> pl.DataFrame:
    """`REALIZED_SCHEMA`, one row an origin: `errors` are realized - median; the 95 % band is the median ± half_width.

    Origins are `every` calendar days apart, targets `days` ahead. The walk's fan lies around the origin's price, 850.
    """
    y, off = np.asarray(realized, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    n = len(y)
    width = np.broadcast_to(np.asarray(half_width, dtype=np.float64), n)
    as_of = [FIRST + timedelta(days=every * k) for k in range(n)]
    known = [datetime(day.year, day.month, day.day, 23, tzinfo=UTC) + timedelta(days=days) for day in as_of]
    offsets = np.linspace(-1, 1, len(QUANTILE_LEVELS))
    values: dict[str, object] = {
        "record": "backtest",
        "as_of": as_of,
        "horizon": f"{days}d",
        "target_date": [day + timedelta(days=days) for day in as_of],
        "step": 5,
        "session": [day + timedelta(days=days) for day in as_of],
        "mean": y - off,
        "origin_session": as_of,
        "origin_clp_per_usd": 850.0,
        "is_origin_provisional": False,
        "model": name,
        "engine": name,
        "representation": "none",
        "is_calibrated": False,
        "calibration_errors": 0,
        "ewma_sd": 0.006,
        "constant_sd": 0.006,
        "source": "test",
        "config_fingerprint": name,
        "data_fingerprint": "data",
        "issued_at": [datetime(day.year, day.month, day.day, 22, tzinfo=UTC) for day in as_of],
        "version": 1,
        "is_shadow": False,
        "entry_hash": "",
        "is_target": True,
        "realized_clp_per_usd": y,
        "realized_available_at": known,
        "error": off,
        "crps": np.abs(off) / 2 if crps is None else np.asarray(crps, dtype=np.float64),
        "model_crps": 1.0,
        "walk_crps": np.abs(y - 850.0) / 2,
        "constant_crps": 1.0,
        "pit": 0.5,
        "model_pit": 0.5,
        **dict.fromkeys((*ORIGIN_SCHEMA, "stored_crps")),
    }
    for level, offset in zip(QUANTILE_LEVELS, offsets, strict=True):
        for prefix in ("", "model_"):
            values[quantile_column(level, prefix)] = y - off + offset * width
        values[quantile_column(level, "walk_")] = 850.0 + offset * 20
    values = dict.fromkeys(REALIZED_SCHEMA) | values
    return pl.DataFrame(values, schema_overrides=REALIZED_SCHEMA).select(
        pl.col(column).cast(dtype) for column, dtype in REALIZED_SCHEMA.items()
    )


def published(
    old: np.ndarray, new: np.ndarray, y: np.ndarray, hits: np.ndarray, seconds: np.ndarray | None = None
) -> list[bool]:
    """The five published criteria, read word for word with their published limits.

    Args:
        old: errors of the champion, CLP per USD.
        new: of the challenger.
        y: realized prices.
        hits: whether the challenger's 95 % band held each price.
        seconds: rows champion and challenger; None for equal times.
    """
    n = len(old)
    rmse = [(sum(e * e for e in side) / n) ** 0.5 for side in (old, new)]
    mape = [100 * sum(abs(e) / p for e, p in zip(side, y, strict=True)) / n for side in (old, new)]
    sd = [(sum((e - sum(side) / n) ** 2 for e in side) / n) ** 0.5 for side in (old, new)]
    ratios = [1.0] if seconds is None else sorted(b / a for a, b in seconds.T)
    middle = ratios[len(ratios) // 2] if len(ratios) % 2 else sum(ratios[len(ratios) // 2 - 1 :][:2]) / 2
    return [
        rmse[0] - rmse[1] >= 0.05 * rmse[0] or mape[0] - mape[1] >= 0.03 * mape[0],
        sd[1] <= 1.1 * sd[0],
        middle <= 1.5,
        sum(hits) / n >= 0.9,
        abs(sum(new) / n) < 5,
    ]

"""Generated markets in which copper leads the peso or does not, with the walk's fans already realized."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl

from forex_assets.core.calendar import SANTIAGO, UTC, calendar_of, issue_instant
from forex_assets.core.horizon import target_of
from forex_assets.core.schemas import COPPER_SCHEMA, QUANTILE_COLUMNS, REALIZED_SCHEMA, USDCLP_SCHEMA
from forex_assets.features.copper import copper_features
from forex_assets.forecasts.baselines import random_walk
from forex_assets.forecasts.realized import score_rows

EVERY_WEEKDAY = calendar_of("every weekday", ())
COPPER_SD, PESO_SD = 0.0125, 0.006
START = date(2012, 1, 2)


@dataclass(frozen=True)
class World:
    copper: pl.DataFrame
    usdclp: pl.DataFrame
    features: pl.DataFrame
    realized: pl.DataFrame


def world(seed: int, *, weeks: int = 330, lead: float = 0.0, horizon: str = "7d") -> World:
    """Copper moves the peso on the same day (correlation about -.35); where `lead` is not 0, it also comes before it.

    The peso's expected return of the next session is -lead · PESO_SD · (copper's 5-session return in its own sd).
    """
    rng = np.random.default_rng(seed)
    sessions = EVERY_WEEKDAY.between(START - timedelta(days=1), START + timedelta(days=7 * weeks))
    moves = rng.standard_normal(len(sessions))
    week = np.convolve(moves, np.ones(5))[: len(moves)] / np.sqrt(5)
    noise = -0.35 * moves + np.sqrt(1 - 0.35**2) * rng.standard_normal(len(sessions))
    peso = 700 * np.exp(np.cumsum(PESO_SD * (noise - lead * np.r_[0.0, week[:-1]])))
    copper_table = prices(sessions, 3 * np.exp(pulled(COPPER_SD * moves)), "copper")
    peso_table = prices(sessions, peso, "usdclp")
    features = copper_features(copper_table, peso_table)
    return World(copper_table, peso_table, features, walk_realized(sessions, peso, horizon))


def pulled(moves: np.ndarray, pull: float = 0.004) -> np.ndarray:
    """A walk that is weakly pulled to 0: copper must stay a price in USD/lb, however long the market."""
    gaps, gap = np.empty_like(moves), 0.0
    for i, move in enumerate(moves):
        gap = gaps[i] = gap * (1 - pull) + move
    return gaps


def prices(sessions: list[date], values: np.ndarray, which: str) -> pl.DataFrame:
    """Final prices, each known at 18:00 in Santiago of its own day."""
    column, schema = ("close_usd_lb", COPPER_SCHEMA) if which == "copper" else ("clp_per_usd", USDCLP_SCHEMA)
    known = [at_six(day) for day in sessions]
    given = {"session": sessions, column: values, "source": ["generated"] * len(sessions), "available_at": known}
    flags = {name: [False] * len(sessions) for name in ("is_provisional", "is_suspect", "is_quarantined")}
    rest: dict[str, list[object]] = {"fetched_at": list(known), "monthly_level_usd_lb": [None] * len(sessions)}
    return pl.DataFrame({k: v for k, v in {**given, **flags, **rest}.items() if k in schema}, schema_overrides=schema)[
        list(schema)
    ]


def at_six(day: date) -> datetime:
    return datetime.combine(day, time(18), SANTIAGO).astimezone(UTC)


def walk_realized(sessions: list[date], peso: np.ndarray, horizon: str) -> pl.DataFrame:
    """`REALIZED_SCHEMA`: the walk's target step from every fifth session from the 120th on, as far as it came true."""
    price = dict(zip(sessions, peso.tolist(), strict=True))
    rows = []
    for day in sessions[119::5]:
        target = target_of(horizon, day, day, EVERY_WEEKDAY)
        if target.target_date in price:
            rows.append((day, target.target_date, target.steps, price[day], price[target.target_date]))
    days, ends, steps, origin, truth = zip(*rows, strict=True)
    quantiles = np.stack([random_walk(s, PESO_SD, k).quantiles[-1] for s, k in zip(origin, steps, strict=True)])
    given = {
        "as_of": days, "origin_session": days, "issued_at": [issue_instant(day) for day in days],
        "target_date": ends, "session": ends, "realized_available_at": [at_six(day) for day in ends],
        "step": steps, "origin_clp_per_usd": origin, "realized_clp_per_usd": truth, "mean": quantiles[:, 4],
        **{f"{of}{name}": quantiles[:, i] for of in ("", "model_", "walk_") for i, name in enumerate(QUANTILE_COLUMNS)},
    }  # fmt: skip
    labels = {"record": "backtest", "horizon": horizon, "model": "ewma", "engine": "ewma", "representation": "none"}
    same = {"is_target": True, "is_shadow": False, "is_calibrated": False, "is_origin_provisional": False, "version": 1,
            "calibration_errors": 0, "ewma_sd": PESO_SD, "constant_sd": PESO_SD, "entry_hash": "",
            "source": "generated", "config_fingerprint": "c", "data_fingerprint": "d", **labels}  # fmt: skip
    rows = pl.DataFrame({name: list(values) for name, values in given.items()}).with_columns(
        pl.lit(value).alias(name) for name, value in same.items()
    )
    joined = [name for name in REALIZED_SCHEMA if name in rows.columns]
    return score_rows(rows.select(pl.col(name).cast(REALIZED_SCHEMA[name]) for name in joined))

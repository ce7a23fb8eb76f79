"""Realized errors summed by day, and the measures of degradation.

`degradation` explains the measures and judges them.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import numpy as np
import polars as pl

from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.fan import Array
from forex_assets.core.horizon import days_of
from forex_assets.core.policy import Policy
from forex_assets.core.schemas import MODEL_QUANTILE_COLUMNS
from forex_assets.core.scores import normal_score
from forex_assets.monitoring.ratio_calibration import Days, Ranked, rank_today, window_sums

RECORDS: Final = ("backtest", "replay", "ledger")
"""Records by rising precedence; the highest of a date counts."""

MOST_SCORE: Final = 10.0
"""Limit of normal scores; a fan without width has infinite ones."""

BANDS: Final = {"coverage_80": ("q10", "q90"), "coverage_95": ("q025", "q975")}

SUMS: Final = (
    *("days", "errors", "square", "walk_square", "model_crps", "walk_crps", "score_square"),
    *("error", "crps", "percent", *BANDS),
)
"""Rows of `daily_sums`."""

CALIBRATED_MEASURES: Final = ("rmse_vs_walk", "crps_vs_walk", "spread")
"""Calibrated measures, see `degradation`."""

FEWEST_PAST: Final = 2
"""Fewest days with a price in a past look's recent window.

Weekly past dates give two. Their ratios vary no less than those of daily ones, whose errors overlap: the limit errs
towards fewer alarms.
"""

_FAN: Final = (
    *("as_of", "record_rank", "is_judged_config", "issued_at", "version"),
    *("config_fingerprint", "data_fingerprint", "engine", "model", "entry_hash"),
)
"""Columns that order the forecasts of a date; the last counts."""


def scored_rows(realized: pl.DataFrame, policy: Policy, today: date) -> pl.DataFrame:
    """Rows that count: one forecast a date, at its target.

    If the target is further ahead than two recent windows, the steps within one recent window count: the target's error
    would judge a model of long ago.

    Args:
        realized: `REALIZED_SCHEMA` of one horizon.
        policy: windows.
        today: prices not known by its end, in Santiago, are left out.
    """
    midnight = datetime.combine(today + timedelta(days=1), time(), SANTIAGO).astimezone(UTC)
    rows = realized.filter((pl.col("realized_available_at") < midnight) & ~pl.col("is_shadow"))
    if rows.is_empty():
        return rows
    rows = _one_forecast_a_date(rows)
    recent = policy.degradation.recent_days
    if days_of(rows["horizon"][0]) > 2 * recent:
        return rows.filter((pl.col("session") - pl.col("as_of")).dt.total_days() <= recent)
    return rows.filter("is_target")


def _one_forecast_a_date(rows: pl.DataFrame) -> pl.DataFrame:
    """Selects one forecast a date: by record, judged config, newest."""
    ranked = rows.with_columns(
        record_rank=pl.col("record").replace_strict({name: i for i, name in enumerate(RECORDS)}, return_dtype=pl.Int64)
    )
    best = ranked.filter(pl.col("record_rank") == pl.col("record_rank").max())
    newest = best.filter(pl.col("as_of") == pl.col("as_of").max()).sort("issued_at", "version", "config_fingerprint")
    judged = newest.row(-1, named=True)
    others = newest.select("engine", "model").unique().sort("engine", "model").rows()
    if judged["record"] != "ledger" and len(others) > 1:
        raise ValueError(
            f"a {judged['record']} of several engines, {others}, and no ledger; give the rows of one engine"
        )
    is_same_model = (pl.col("engine") == judged["engine"]) & (pl.col("model") == judged["model"])
    fans = ranked.filter((pl.col("record") == "ledger") | is_same_model).with_columns(
        is_judged_config=(pl.col("record") == "ledger") | (pl.col("config_fingerprint") == judged["config_fingerprint"])
    )
    counted = fans.select(_FAN).unique().sort(_FAN).unique("as_of", keep="last")
    return fans.join(counted, on=_FAN, how="semi").select(rows.columns)


def daily_sums(rows: pl.DataFrame) -> tuple[Days, Array]:
    """Sums of errors and scores by the day of the price.

    Returns:
        Proleptic ordinals of the days, ascending, shape (n,); sums in the order of `SUMS`, shape (len(SUMS), n).
    """
    y, error = pl.col("realized_clp_per_usd"), pl.col("error")
    scores = np.clip(
        normal_score(rows["realized_clp_per_usd"].to_numpy(), rows.select(MODEL_QUANTILE_COLUMNS).to_numpy()),
        -MOST_SCORE,
        MOST_SCORE,
    )
    per_row = rows.select(
        "session",
        "error",
        *("model_crps", "walk_crps", "crps"),
        pl.Series("score_square", np.square(scores), dtype=pl.Float64),
        errors=pl.lit(1.0),
        square=error**2,
        walk_square=(y - pl.col("origin_clp_per_usd")) ** 2,
        percent=100 * error.abs() / y,
        **{name: y.is_between(low, high).cast(pl.Float64) for name, (low, high) in BANDS.items()},
    )
    by_day = per_row.sort("session", "error").group_by("session", maintain_order=True)
    daily = by_day.agg(pl.exclude("session").sum(), days=pl.lit(1.0))
    days = np.array([day.toordinal() for day in daily["session"]], dtype=np.int64)
    return days, np.ascontiguousarray(daily.select(SUMS).to_numpy().T)


def window_pair(days: Days, sums: Array, looks: Days, policy: Policy) -> tuple[Array, Array]:
    """Sums of recent window and baseline, each (len(SUMS), looks)."""
    recent, baseline = policy.degradation.recent_days, policy.degradation.baseline_days
    edges = ((-recent, 0), (-recent - baseline, -recent))
    first, second = (window_sums(days, sums, looks, *edge) for edge in edges)
    return first, second


def measures_of(sums: Array) -> Array:
    """Calibrated measures, NaN if undefined, shape (measures, looks)."""
    of = dict(zip(SUMS, sums, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        measures = np.stack(
            [
                np.sqrt(of["square"] / of["walk_square"]),
                of["model_crps"] / of["walk_crps"],
                np.sqrt(of["score_square"] / of["errors"]),
            ]
        )
    return np.where(np.isfinite(measures), measures, np.nan)


def measure_ratios(windows: tuple[Array, Array]) -> Array:
    """Recent over baseline of each measure, NaN if undefined."""
    recent, baseline = (measures_of(window) for window in windows)
    return np.asarray(recent / np.where(baseline > 0, baseline, np.nan))


def rank_of(days: Days, sums: Array, today: date, policy: Policy) -> Ranked:
    """Ranks today's ratios among past looks.

    Past looks are days with a price whose recent window shares no day with today's.
    """
    rules = policy.degradation
    looks = days[days <= today.toordinal() - rules.recent_days]
    windows = window_pair(days, sums, looks, policy)
    place = SUMS.index("days")
    is_enough = (windows[0][place] >= FEWEST_PAST) & (windows[1][place] >= rules.min_errors)
    past = np.flatnonzero(is_enough)[-policy.drift.history_sessions :]
    return rank_today(
        measure_ratios(windows)[:, past],
        looks[past],
        measure_ratios(window_pair(days, sums, np.array([today.toordinal()]), policy))[:, 0],
        budget=policy.budget_per_14_days,
        recent_days=rules.recent_days,
    )

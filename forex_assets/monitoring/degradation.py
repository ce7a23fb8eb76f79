"""Degradation of one horizon's forecasts: published rule and calibrated rule.

**Published (literal).** RMSE of the errors realized in the last 14 calendar days ≥ 1.15 × that of the 60 days before.
The baseline does not include the recent days: read so, the rule fires by chance as often as was measured (31 % of
checks, 52 % of fortnights). It tells how far prices moved, not how good forecasts were.

**Calibrated.** Three measures of the recent days, relative to the baseline's:

- `rmse_vs_walk`: RMSE over the random walk's on the same dates and steps: the median is worse;
- `crps_vs_walk`: CRPS over the EWMA walk's, likewise: the whole fan is worse;
- `spread`: root mean square of realized prices in the fan's standard deviations (`scores.normal_score`): prices move
  further than the fan claims. Needed because the first two are 1 if the model is the walk, or nearly.

All are pure numbers, worse when larger, computed from the model's fans before calibration, which are comparable between
records.

A measure's ratio is ranked among its past ratios; a look's standing is the highest of the three ranks. An alarm is any
look of a fortnight, so the limit lets the highest standing of a fortnight pass as rarely as the budget allows. Where
the price arrives late (30 and 90 days), the shorter steps of the same fans are scored.
"""

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from forex_assets.core.fan import Array
from forex_assets.core.policy import Policy
from forex_assets.core.schemas import MODEL_QUANTILE_COLUMNS, REALIZED_SCHEMA, Schema, conform
from forex_assets.monitoring.ratio_calibration import Ranked
from forex_assets.monitoring.realized_sums import (
    BANDS,
    CALIBRATED_MEASURES,
    SUMS,
    daily_sums,
    measures_of,
    rank_of,
    scored_rows,
    window_pair,
)
from forex_assets.monitoring.statistics import finite

REPORTED_MEASURES: Final = ("rmse", "mape", "bias", "crps", "coverage_80", "coverage_95")
"""Reported measures; only `rmse` decides, by the published rule."""

JUDGED_SCHEMA: Final[Schema] = {
    name: REALIZED_SCHEMA[name]
    for name in (
        *("record", "horizon", "as_of", "session", "step", "version", "issued_at", "is_shadow", "is_target"),
        *("engine", "model", "config_fingerprint", "data_fingerprint", "entry_hash", "origin_clp_per_usd"),
        *("realized_clp_per_usd", "realized_available_at", "error", "crps", "model_crps", "walk_crps"),
        *MODEL_QUANTILE_COLUMNS,
        *(name for band in BANDS.values() for name in band),
    )
}
"""Columns of `REALIZED_SCHEMA` that a report reads."""

DEGRADATION_SCHEMA: Final[Schema] = {
    "horizon": pl.String,
    "today": pl.Date,  # the day that was looked at; windows end with it
    "measure": pl.String,  # CALIBRATED_MEASURES, REPORTED_MEASURES
    "rule": pl.String,  # calibrated, literal, or none: reported only
    "recent": pl.Float64,  # rmse, bias, crps in CLP per USD; mape in per cent; coverage a share; the others pure
    "baseline": pl.Float64,
    "ratio": pl.Float64,  # recent / baseline, above 1 is worse; null for bias and coverage, and with a baseline of 0
    "limit": pl.Float64,  # the rule's; null where no rule or not enough evidence
    "percentile": pl.Float64,  # share of the measure's own past ratios below today's, 0 to 1; calibrated only
    "fires": pl.Boolean,  # null where no rule or not enough evidence
    "n_recent": pl.Int64,  # days on which truth came in the recent window; several leads of one day are one
    "n_baseline": pl.Int64,
    "errors_recent": pl.Int64,  # forecasts and steps scored
    "errors_baseline": pl.Int64,
    "n_history": pl.Int64,  # past looks that the calibrated limit rests on
    "leads": pl.String,  # sessions ahead that were scored: `5`, or `1-10`
}
"""One row a measure, those of a rule first.

`recent` and `baseline` are null if the window holds no error.
"""

Figures = dict[str, float | None]


@dataclass(frozen=True)
class Degradation:
    """Result of `degradation_report`.

    Attributes:
        table: `DEGRADATION_SCHEMA`.
        ratio_literal: RMSE, recent over baseline; None without errors in either.
        limit_literal: the published 1.15.
        ratio_calibrated: of the measure nearest to its limit, or furthest beyond it.
        limit_calibrated: of that measure; None without enough evidence.
        fires_literal: None without enough evidence.
        fires_calibrated: None without enough evidence or history.
        n: days with a realized price, in the window with fewer.
        n_needed: of them, in each window.
        leads: steps scored in either window, ascending.
        words: one clause for people.
    """

    table: pl.DataFrame
    ratio_literal: float | None
    limit_literal: float
    ratio_calibrated: float | None
    limit_calibrated: float | None
    fires_literal: bool | None
    fires_calibrated: bool | None
    n: int
    n_needed: int
    leads: list[int]
    words: str


def degradation_report(
    realized: pl.DataFrame, policy: Policy, today: date, *, horizon: str | None = None
) -> Degradation:
    """Judges whether one horizon's forecasts became worse, by both rules.

    Errors overlap: ten days of prices hold about two independent 7-day errors. The calibrated limit allows for it,
    since past windows overlapped alike; the published rule does not. Sufficient evidence is `min_errors` days with a
    realized price in each window.

    Args:
        realized: `JUDGED_SCHEMA` of one horizon, any records and order. Not counted: shadows, superseded versions,
            prices not known by the end of `today`, other records of a date with a ledger entry, and backtest rows of
            another engine or model than the newest ledger entry's.
        policy: windows, limits, budget.
        today: day of the report, in Santiago.
        horizon: needed only if `realized` has no row.

    Raises:
        ValueError: a frame of another schema, several horizons, or a backtest of several engines and no ledger that
            names the judged one.
    """
    rules, name = policy.degradation, _horizon_of(realized, horizon)
    rows = scored_rows(conform(realized.select(list(JUDGED_SCHEMA)), JUDGED_SCHEMA, "accuracy/realized"), policy, today)
    days, sums = daily_sums(rows)
    windows = window_pair(days, sums, np.array([today.toordinal()]), policy)
    totals = [dict(zip(SUMS, window[:, 0].tolist(), strict=True)) for window in windows]
    figures = [_figures(total) for total in totals]
    n = int(min(total["days"] for total in totals))
    ranked = rank_of(days, sums, today, policy)
    verdicts = _judge(_ratio(figures[0]["rmse"], figures[1]["rmse"]), ranked, n, policy)
    first = today - timedelta(days=rules.recent_days + rules.baseline_days)
    steps = rows.filter(pl.col("session") > first)["step"].unique().sort().to_list()
    common = {
        "horizon": name,
        "today": today,
        "n_recent": int(totals[0]["days"]),
        "n_baseline": int(totals[1]["days"]),
        "errors_recent": int(totals[0]["errors"]),
        "errors_baseline": int(totals[1]["errors"]),
        "n_history": ranked.n_history,
        "leads": _steps_in_words(steps),
    }
    lines = _table_rows(windows, figures, ranked, verdicts)
    return Degradation(
        table=pl.DataFrame([{**common, **line} for line in lines], schema=DEGRADATION_SCHEMA),
        ratio_literal=verdicts.ratio_literal,
        limit_literal=verdicts.limit_literal,
        ratio_calibrated=verdicts.ratio,
        limit_calibrated=verdicts.limit,
        fires_literal=verdicts.fires_literal,
        fires_calibrated=verdicts.fires,
        n=n,
        n_needed=rules.min_errors,
        leads=steps,
        words=_words(verdicts, ranked, n, rules.min_errors),
    )


@dataclass(frozen=True)
class _Verdicts:
    """Ratio, limit and verdict of both rules."""

    ratio_literal: float | None
    limit_literal: float
    fires_literal: bool | None
    measure: str
    ratio: float | None
    limit: float | None
    fires: bool | None


def _judge(ratio_literal: float | None, ranked: Ranked, n: int, policy: Policy) -> _Verdicts:
    """Verdicts; None without enough evidence.

    The calibrated measure nearest its limit decides.
    """
    limit_literal, is_enough = 1 + policy.degradation.rmse_increase, n >= policy.degradation.min_errors
    is_literal = ratio_literal >= limit_literal if is_enough and ratio_literal is not None else None
    distances = ranked.ratios / ranked.limits
    if not is_enough or np.isnan(distances).all():
        return _Verdicts(ratio_literal, limit_literal, is_literal, "", None, None, None)
    nearest = int(np.nanargmax(distances))
    ratio, limit = float(ranked.ratios[nearest]), float(ranked.limits[nearest])
    measure = CALIBRATED_MEASURES[nearest]
    return _Verdicts(ratio_literal, limit_literal, is_literal, measure, ratio, limit, ratio > limit)


def _figures(window: dict[str, float]) -> Figures:
    """Reported figures of one window; None without errors."""
    n = window["errors"]
    if not n:
        return dict.fromkeys(REPORTED_MEASURES)
    means = {"mape": "percent", "bias": "error", "crps": "crps"} | {name: name for name in BANDS}
    return {"rmse": math.sqrt(window["square"] / n), **{name: window[key] / n for name, key in means.items()}}


def _ratio(recent: float | None, baseline: float | None) -> float | None:
    """Recent over baseline; None if missing, or baseline 0."""
    return recent / baseline if recent is not None and baseline else None


def _table_rows(
    windows: tuple[Array, Array], figures: list[Figures], ranked: Ranked, verdicts: _Verdicts
) -> list[dict[str, Any]]:
    """Rows of the table: calibrated, published, reported only."""
    levels = [measures_of(window)[:, 0] for window in windows]
    is_judged = verdicts.limit is not None
    lines: list[dict[str, Any]] = []
    for i, measure in enumerate(CALIBRATED_MEASURES):
        ratio, limit = finite(ranked.ratios[i]), finite(ranked.limits[i]) if is_judged else None
        line = {"measure": measure, "rule": "calibrated", "ratio": ratio, "limit": limit}
        line |= {"recent": finite(levels[0][i]), "baseline": finite(levels[1][i])}
        line |= {"percentile": finite(ranked.percentiles[i])}
        lines.append({**line, "fires": None if limit is None or ratio is None else ratio > limit})
    for measure in REPORTED_MEASURES:
        recent, baseline = (figure[measure] for figure in figures)
        ratio = _ratio(recent, baseline) if measure in ("rmse", "mape", "crps") else None
        lines.append({"measure": measure, "rule": "none", "recent": recent, "baseline": baseline, "ratio": ratio})
    literal = {"rule": "literal", "limit": verdicts.limit_literal, "fires": verdicts.fires_literal}
    return [line | literal if line["measure"] == "rmse" else line for line in lines]


def _words(verdicts: _Verdicts, ranked: Ranked, n: int, needed: int) -> str:
    """Calibrated verdict with its figures, one clause."""
    if n < needed:
        return f"not enough evidence ({n} of {needed} scored days)"
    if ranked.days_history < ranked.days_needed:
        return f"not enough evidence ({ranked.days_history} of {ranked.days_needed} days of history)"
    if verdicts.ratio is None or verdicts.limit is None:
        return "not enough evidence (no measure: prices or forecasts never moved)"
    figures = f"ratio {verdicts.ratio:.2f}, limit {verdicts.limit:.2f}"
    return f"degradation of {verdicts.measure} ({figures})" if verdicts.fires else f"no degradation ({figures})"


def _horizon_of(realized: pl.DataFrame, horizon: str | None) -> str | None:
    """The horizon of the rows, or the given one."""
    horizons = set(realized["horizon"].to_list()) | ({horizon} if horizon else set())
    if len(horizons) > 1:
        raise ValueError(f"a degradation report covers one horizon, not {', '.join(sorted(horizons))}")
    return next(iter(horizons), None)


def _steps_in_words(steps: list[int]) -> str:
    """Range of steps: `5`, `4-6` or empty."""
    return "" if not steps else str(steps[0]) if len(steps) == 1 else f"{steps[0]}-{steps[-1]}"

"""Whether the forecasts of one horizon have become worse: the published rule word for word, and one kept to a budget.

**Published (literal).** RMSE of the errors whose truth came in the last 14 calendar days ≥ 1.15 × that of the 60-day
baseline. The baseline is the 60 days *before* the recent 14 and does not include them: read so, the rule fires by
chance as often as was measured of it (31 % of checks, 52 % of fortnights). It asks how far prices moved, not how good
forecasts were.

**Calibrated.** Three measures, each a root mean square or a mean over the recent days, relative to the baseline's:

- `rmse_vs_walk`: RMSE over the random walk's on the same dates and steps: the median has become worse;
- `crps_vs_walk`: CRPS over the EWMA walk's, likewise: the whole fan has;
- `spread`: root mean square of what came true in the fan's own standard deviations (`scores.normal_score`): prices
  move further than the fan says. It needs no walk beside it, for where the model *is* the walk, or nearly, the other
  two are 1 whatever happens.

Each is a pure number that no price scale enters, and only upwards is worse. They are taken from the model's own fans,
which are the same in every record; a backtest's are never calibrated, a ledger's are.

A measure's ratio is ranked among its own past ones. A look's standing is the highest of its three ranks; an alarm is
any look of a fortnight, so the limit is set such that the highest standing of a fortnight passes it as rarely as the
budget says. Where truth arrives late (30 and 90 days), the shorter leads of the same fans are scored.
"""

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from forex_assets.core.fan import Array
from forex_assets.core.policy import Policy
from forex_assets.core.schemas import REALIZED_SCHEMA, Schema, conform
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

REPORTED_MEASURES: Final = ("rmse", "mape", "bias", "crps", "coverage_80", "coverage_95")
"""`rmse` is the published rule's; the others decide nothing."""

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
"""One row a measure, those of a rule first. `recent`, `baseline` are null where the window holds no error."""

Figures = dict[str, float | None]


@dataclass(frozen=True)
class Degradation:
    """What `degradation_report` found.

    Attributes:
        table: `DEGRADATION_SCHEMA`.
        ratio_literal: RMSE, recent over baseline; None without errors in either.
        limit_literal: the published 1.15.
        ratio_calibrated: of the measure that comes nearest to its limit, or passes it by most.
        limit_calibrated: of that measure; None where there is not enough evidence.
        fires_literal: None where there is not enough evidence.
        fires_calibrated: likewise, also where there is not enough history.
        n: days on which truth came: in the recent window or in the baseline, whichever holds fewer.
        n_needed: of them, in each.
        leads: sessions ahead that were scored in either window, ascending.
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
    """Whether the forecasts of one horizon have become worse, by both rules.

    Errors overlap: ten days of truth hold some two independent 7-day errors. Neither rule's ratio knows; the calibrated
    limit does, because past looks overlapped alike. Enough evidence is `min_errors` days of truth in the recent window
    and as many in the baseline.

    Args:
        realized: `REALIZED_SCHEMA` of one horizon, any records, any order. Shadows, superseded versions, and truths
            that were not available by the end of `today` do not count; of the records of a date the ledger's counts.
            Of backtest and replay only rows of the engine and model that is judged: the newest ledger's, else theirs.
        policy: windows, limits, budget.
        today: the day looked at, in Santiago.
        horizon: needed only where `realized` has no row to tell it from.

    Returns:
        Both verdicts, never a pass where there is not enough evidence.

    Raises:
        ValueError: a frame of another schema, several horizons, or a backtest of several engines and no ledger that
            says which is judged.
    """
    rules, name = policy.degradation, _horizon_of(realized, horizon)
    rows = scored_rows(conform(realized, REALIZED_SCHEMA, "accuracy/realized"), policy, today)
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
    """Both rules' ratio, limit and verdict; attributes as `Degradation`'s."""

    ratio_literal: float | None
    limit_literal: float
    fires_literal: bool | None
    measure: str
    ratio: float | None
    limit: float | None
    fires: bool | None


def _judge(ratio_literal: float | None, ranked: Ranked, n: int, policy: Policy) -> _Verdicts:
    """Verdicts, None where there is not enough evidence; the calibrated measure nearest its limit speaks for all."""
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
    """Reported figures of one window; None where it holds no error."""
    n = window["errors"]
    if not n:
        return dict.fromkeys(REPORTED_MEASURES)
    means = {"mape": "percent", "bias": "error", "crps": "crps"} | {name: name for name in BANDS}
    return {"rmse": math.sqrt(window["square"] / n), **{name: window[key] / n for name, key in means.items()}}


def _ratio(recent: float | None, baseline: float | None) -> float | None:
    """Recent over baseline; None where one is missing, or the baseline is 0."""
    return recent / baseline if recent is not None and baseline else None


def _table_rows(
    windows: tuple[Array, Array], figures: list[Figures], ranked: Ranked, found: _Verdicts
) -> list[dict[str, Any]]:
    """What differs between the rows of the table: the calibrated measures, then the published rule's, then the rest."""
    levels = [measures_of(window)[:, 0] for window in windows]
    is_judged = found.limit is not None
    lines: list[dict[str, Any]] = []
    for i, measure in enumerate(CALIBRATED_MEASURES):
        ratio, limit = _number(ranked.ratios[i]), _number(ranked.limits[i]) if is_judged else None
        line = {"measure": measure, "rule": "calibrated", "ratio": ratio, "limit": limit}
        line |= {"recent": _number(levels[0][i]), "baseline": _number(levels[1][i])}
        line |= {"percentile": _number(ranked.percentiles[i])}
        lines.append({**line, "fires": None if limit is None or ratio is None else ratio > limit})
    for measure in REPORTED_MEASURES:
        recent, baseline = (figure[measure] for figure in figures)
        ratio = _ratio(recent, baseline) if measure in ("rmse", "mape", "crps") else None
        lines.append({"measure": measure, "rule": "none", "recent": recent, "baseline": baseline, "ratio": ratio})
    literal = {"rule": "literal", "limit": found.limit_literal, "fires": found.fires_literal}
    return [line | literal if line["measure"] == "rmse" else line for line in lines]


def _number(value: float) -> float | None:
    """A float, None for NaN."""
    return None if math.isnan(value) else float(value)


def _words(found: _Verdicts, ranked: Ranked, n: int, needed: int) -> str:
    """One clause: the calibrated verdict with what it rests on."""
    if n < needed:
        return f"not enough evidence ({n} of {needed} days of truth)"
    if ranked.days_history < ranked.days_needed:
        return f"not enough evidence ({ranked.days_history} of {ranked.days_needed} days of history)"
    if found.ratio is None or found.limit is None:
        return "not enough evidence (no measure: prices or forecasts never moved)"
    figures = f"ratio {found.ratio:.2f}, limit {found.limit:.2f}"
    return f"degradation of {found.measure} ({figures})" if found.fires else f"no degradation ({figures})"


def _horizon_of(realized: pl.DataFrame, horizon: str | None) -> str | None:
    """The one horizon of the rows, or the one that was named."""
    found = set(realized["horizon"].to_list()) | ({horizon} if horizon else set())
    if len(found) > 1:
        raise ValueError(f"a degradation report is about one horizon, and was given {', '.join(sorted(found))}")
    return next(iter(found), None)


def _steps_in_words(steps: list[int]) -> str:
    """`5`, `4-6`, or an empty text."""
    return "" if not steps else str(steps[0]) if len(steps) == 1 else f"{steps[0]}-{steps[-1]}"

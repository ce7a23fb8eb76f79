"""Drift of copper, peso and forecast errors: published and calibrated rule.

The calibrated rule ranks each statistic in its own history (`ranked_history`). The joint score of a day is the most
unusual statistic of the last ten sessions; the rule fires if it is among the most unusual of the history, within the
budget. `docs/monitoring.md` has its false alarms and its days to detection.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl

from forex_assets.core.fan import Array
from forex_assets.core.policy import DECISION_DAYS, Policy
from forex_assets.core.schemas import Schema
from forex_assets.monitoring.ranked_history import Judged, judge
from forex_assets.monitoring.series import COPPER_RETURN, FORECAST_ERROR, PESO_RETURN, Sessions
from forex_assets.monitoring.severity import SEVERITIES, severity_of
from forex_assets.monitoring.statistic_series import EWMA, KS, PAIR, PSI, VARIANCE, StatisticSeries, statistic_series
from forex_assets.monitoring.statistics import finite

DRIFT_SCHEMA: Final[Schema] = {
    "series": pl.String,  # copper_return, peso_return, forecast_error, copper_and_peso
    "statistic": pl.String,
    "session": pl.Date,  # of `value`; null, with the four below, where no window is full
    "value": pl.Float64,  # null too where a series stands still and the statistic has none
    "p_value": pl.Float64,  # by the statistic's own test, as if values did not depend on one another; null: has none
    "literal_fires": pl.Boolean,  # published rule: KS p < .05, PSI > .2; null for statistics that it does not name
    "percentile": pl.Float64,  # share of the history with a smaller value, 0 to 1; null where not judged
    "score": pl.Float64,  # largest of the last looks, on the joint score's scale; null where not judged
    "score_session": pl.Date,  # the look of that score
    "effect": pl.Float64,  # effect size at that look
    "is_significant": pl.Boolean,  # score above the joint limit; null where not judged
    "severity": pl.String,  # NONE unless significant, then by effect; null where not judged
    "history": pl.Int64,  # looks with a value
    "history_needed": pl.Int64,
    "words": pl.String,
}

FIRST: Final = frozenset(
    (series, statistic) for series in (PESO_RETURN, FORECAST_ERROR) for statistic in (VARIANCE, EWMA)
)
"""Statistics that get most of the budget: volatility of peso and errors."""

COPPER_SERIES: Final = (COPPER_RETURN, PAIR)
"""Series that do not concern a model without copper."""

OTHERS_SHARE: Final = 0.1
"""Chance of another statistic relative to one of the first.

With equal shares, fourteen statistics would find one tripled volatility in three within 7 days; weighted so, they find
as many as the best of them alone.
"""


@dataclass(frozen=True, eq=False)
class Drift:
    """Drift report of one day.

    Attributes:
        table: `DRIFT_SCHEMA`, one row a series and statistic.
        fires_literal: the published rule on any row; None without enough values on all rows.
        fires_calibrated: the joint score exceeds its limit, and the severity is `act_from` or more; None when history
            is too short to decide.
        severity: largest of any row.
        joint: today's joint score, -log10 of a weighted chance; NaN if nothing is judged.
        joint_limit: the rule fires above it; NaN if nothing is judged.
        share: share of the history with a joint score as large; NaN if nothing is judged.
        since: first of the last looks above the limit, else None. An alarm lasts ten sessions: two days with one
            `since` belong to one alarm.
        words: a sentence or two for people.
        begun: by series, the first of the last looks above the limit.
        is_of_copper_alone: whether it is of copper alone and the current model does not read copper.
    """

    table: pl.DataFrame
    fires_literal: bool | None
    fires_calibrated: bool | None
    severity: str
    joint: float
    joint_limit: float
    share: float
    since: date | None
    words: str
    begun: Mapping[str, date] = field(default_factory=dict)
    is_of_copper_alone: bool = False

    def without_copper(self, policy: Policy) -> "Drift":
        """Verdict for a model that does not read copper."""
        if not self.fires_calibrated:
            return self
        severity = _most_severe(self.table.filter(~pl.col("series").is_in(COPPER_SERIES)))
        since = min((day for name, day in self.begun.items() if name not in COPPER_SERIES), default=None)
        is_enough = SEVERITIES.index(severity) >= SEVERITIES.index(policy.drift.act_from)
        return replace(
            self, fires_calibrated=is_enough, severity=severity, since=since, is_of_copper_alone=not is_enough
        )


def drift_report(series: Mapping[str, pl.DataFrame], policy: Policy, today: date) -> Drift:
    """Judges drift up to `today` by both rules.

    Looks are the sessions of any series; between its sessions a series keeps its last statistic.

    Args:
        series: such as `drift_series`: name to `SERIES_SCHEMA`. With copper and peso, their correlation is judged too.
        policy: windows, thresholds and budget.
        today: later sessions are left out; a series that ended more than 14 days before is not judged.

    Raises:
        ValueError: no series, or one that is not stationary, out of order or not finite.
    """
    if not series:
        raise ValueError("no series to watch; give at least one")
    watched = statistic_series(series, policy.drift, today)
    looks = np.unique(np.concatenate([stat.sessions for stat in watched]))[-_needed(policy) :]
    effects = {stat.name: _at_looks(stat, looks) for stat in watched}
    reasons = {stat.name: _why_not_judged(stat, looks, policy, today) for stat in watched}
    judged = judge(
        {name: values for name, values in effects.items() if not reasons[name]},
        {name: OTHERS_SHARE for name in effects if name not in FIRST},
        policy.drift.looks,
        policy.budget_per_14_days,
    )
    days = looks[-policy.drift.looks :]
    rows = [
        _measured(stat, looks, reasons[stat.name], policy, today)
        | ({} if reasons[stat.name] else _judgement(stat, effects[stat.name], judged, days))
        for stat in watched
    ]
    return _drift(pl.DataFrame(rows, schema=DRIFT_SCHEMA, orient="row"), judged, days, policy)


def _at_looks(stat: StatisticSeries, looks: Sessions) -> Array:
    """Effect size known at each look; NaN before the first."""
    place = np.searchsorted(stat.sessions, looks, side="right")
    return np.concatenate([[np.nan], stat.effects])[place]


def _history(stat: StatisticSeries, looks: Sessions) -> int:
    """Number of looks since the first session."""
    return int((looks >= stat.sessions[0]).sum()) if len(stat.sessions) else 0


def _is_old(stat: StatisticSeries, today: date) -> bool:
    """Whether the last session is too old to judge today."""
    return len(stat.sessions) > 0 and stat.sessions[-1] < np.datetime64(today - timedelta(days=DECISION_DAYS))


def _why_not_judged(stat: StatisticSeries, looks: Sessions, policy: Policy, today: date) -> str:
    """Reason why a statistic cannot be judged; else empty."""
    history, needed = _history(stat, looks), _needed(policy)
    if history < needed:
        return f"not enough history ({history} of {needed})"
    if _is_old(stat, today):
        return f"not judged: its last session is {stat.sessions[-1]}, more than {DECISION_DAYS} days ago"
    return ""


def _measured(stat: StatisticSeries, looks: Sessions, reason: str, policy: Policy, today: date) -> dict[str, object]:
    """Row before judgement: last value and published rule."""
    is_known = len(stat.values) > 0
    value = finite(stat.values[-1]) if is_known else None
    return {
        "series": stat.series,
        "statistic": stat.statistic,
        "session": stat.sessions[-1].item() if is_known else None,
        "value": value,
        "p_value": stat.p_value,
        "literal_fires": None if _is_old(stat, today) else _literal(stat.statistic, value, stat.p_value, policy),
        "history": _history(stat, looks),
        "history_needed": _needed(policy),
        "words": reason,
    }


def _judgement(stat: StatisticSeries, effects: Array, judged: Judged, days: Sessions) -> dict[str, object]:
    """Columns of the calibrated rule; null without a value.

    Args:
        effects: of the statistic, at every look.
        days: the last looks.
    """
    scores = judged.scores[stat.name]
    peak = int(scores.argmax())
    is_significant = bool(scores[peak] > judged.limit)
    value, effect = finite(stat.values[-1]), finite(effects[peak - len(days)])
    if value is None and not is_significant:
        return {"words": "not judged: the series stands still"}
    percentile = None if value is None else float((effects < effects[-1]).sum() / (~np.isnan(effects)).sum())
    return {
        "percentile": percentile,
        "score": float(scores[peak]),
        "score_session": days[peak].item(),
        "effect": effect,
        "is_significant": is_significant,
        "severity": severity_of(stat.statistic, effect or 0.0) if is_significant else SEVERITIES[0],
        "words": _row_words(stat.statistic, value, percentile),
    }


def _needed(policy: Policy) -> int:
    """Looks with a value needed for a judgement."""
    return policy.drift.history_sessions + policy.drift.looks


def _literal(statistic: str, value: float | None, p_value: float | None, policy: Policy) -> bool | None:
    """Published rule; None for statistics without one, or without a value."""
    if statistic == KS and p_value is not None:
        return p_value < policy.drift.p_value
    if statistic == PSI and value is not None:
        return value > policy.drift.psi
    return None


def _row_words(statistic: str, value: float | None, percentile: float | None) -> str:
    """Words of a judged row."""
    if value is None or percentile is None:
        return "no value today: the series stands still"
    words = f"{value:.2f}, above {percentile:.1%} of its history"
    return f"{words} (volatility × {math.exp(value / 2):.2f})" if statistic in (VARIANCE, EWMA) else words


def _drift(table: pl.DataFrame, judged: Judged, days: Sessions, policy: Policy) -> Drift:
    """Verdicts of the day from its rows."""
    severity = _most_severe(table)
    is_enough = SEVERITIES.index(severity) >= SEVERITIES.index(policy.drift.act_from)
    literal = table["literal_fires"].drop_nulls()
    begun = dict[str, date]()
    for (series, _), scores in judged.scores.items():
        for day in days[scores > judged.limit]:
            begun[series] = min(begun.get(series, day.item()), day.item())
    drift = Drift(
        table=table,
        fires_literal=bool(literal.any()) if len(literal) else None,
        fires_calibrated=is_enough if table["severity"].count() else None,
        severity=severity,
        joint=judged.joint,
        joint_limit=judged.limit,
        share=judged.share,
        since=min(begun.values(), default=None),
        words="",
        begun=begun,
    )
    parts = [_calibrated_words(drift, policy), _gaps(table), _literal_words(table)]
    return replace(drift, words=" ".join(part for part in parts if part))


def _most_severe(table: pl.DataFrame) -> str:
    return max(table["severity"].drop_nulls(), key=SEVERITIES.index, default=SEVERITIES[0])


def _calibrated_words(drift: Drift, policy: Policy) -> str:
    """Calibrated verdict with its reason."""
    if drift.fires_calibrated is None:
        return "Drift: not enough history, nothing judged."
    rows = drift.table.filter(pl.col("is_significant")).sort("score", descending=True)
    rarity = (
        f"{drift.share:.1%} of the last {policy.drift.history_sessions} sessions looked at least as unusual, "
        f"the budget is {policy.budget_per_14_days:.1%}"
    )
    if rows.is_empty():
        return f"Drift: none in {drift.table['severity'].count()} statistics ({rarity})."
    top = rows.row(0, named=True)
    more = f" and {rows.height - 1} more" if rows.height > 1 else ""
    act = "" if drift.fires_calibrated else f", not acted on below {policy.drift.act_from}"
    what = f"{top['statistic']} of {top['series']}, effect {top['effect']:.2f} on {top['score_session']}{more}"
    return f"Drift: {drift.severity} since {drift.since}{act}: {what} ({rarity})."


def _gaps(table: pl.DataFrame) -> str:
    """Statistics that were not judged, with the reason; else empty."""
    rows = table.filter(pl.col("severity").is_null()).group_by("series", "words", maintain_order=True).len()
    gaps = "; ".join(f"{series} {words}" for series, words, _ in rows.iter_rows())
    return f"Left out: {gaps}." if gaps else ""


def _literal_words(table: pl.DataFrame) -> str:
    """Published verdict."""
    if table["literal_fires"].count() == 0:
        return "Published rule: not enough values."
    rows = table.filter(pl.col("literal_fires"))
    which = ", ".join(f"{name} of {series}" for series, name in rows.select("series", "statistic").iter_rows())
    return f"Published rule: fires ({which})." if which else "Published rule: does not fire."

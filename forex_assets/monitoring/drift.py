"""Whether copper, the peso or the forecasts' errors are not what they were: by the published rule, and calibrated.

The calibrated rule: each statistic's latest value is ranked in its own history (`history`), the most unusual one of the
last ten looks is the joint score of the day, and it fires when that is among the most unusual of its own history, as
many as the budget allows. What it comes to, in false alarms and in days until a fault is found, is measured in
`docs/monitoring.md`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl

from forex_assets.core.fan import Array
from forex_assets.core.policy import DECISION_DAYS, Policy
from forex_assets.core.schemas import Schema
from forex_assets.monitoring.ranked_history import Judged, judge
from forex_assets.monitoring.series import FORECAST_ERROR, PESO_RETURN, Sessions, drift_series
from forex_assets.monitoring.statistic_series import (
    CORRELATION,
    EWMA,
    KS,
    LEAD_LAG,
    PSI,
    VARIANCE,
    StatisticSeries,
    statistic_series,
)

__all__ = ["DRIFT_SCHEMA", "SEVERITIES", "SEVERITY_CUTS", "Drift", "drift_report", "drift_series"]

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

SEVERITIES: Final = ("NONE", "LOW", "MEDIUM", "HIGH")
"""Ascending."""

SEVERITY_CUTS: Final[dict[str, tuple[float, float]]] = {
    # Effect sizes from which a significant change is MEDIUM and HIGH; a smaller one is LOW.
    # A shift of a normal's mean by .5 and .8 sd, Cohen's medium and large, is a KS distance of
    KS: (0.20, 0.31),
    # .2 as published; .5 is a shift by .7 sd.
    PSI: (0.20, 0.50),
    # Volatility × 1.4 and × 2. A fall is no effect here: KS and PSI see it.
    VARIANCE: (math.log(2), math.log(4)),
    EWMA: (math.log(2), math.log(4)),
    # Cohen's medium and large, q and r.
    CORRELATION: (0.3, 0.5),
    LEAD_LAG: (0.3, 0.5),
}

FIRST: Final = frozenset(
    (series, statistic) for series in (PESO_RETURN, FORECAST_ERROR) for statistic in (VARIANCE, EWMA)
)
"""What the budget is chiefly spent on: the volatility of what is forecast, which is what changes within days."""

OTHERS_SHARE: Final = 0.1
"""Chance that any other statistic gets, beside one of the first. All alike, fourteen statistics would share the budget
and find one tripled volatility in three within 7 days; so weighted they find as many as the best of them alone."""


@dataclass(frozen=True, eq=False)
class Drift:
    """What was found on one day.

    Attributes:
        table: `DRIFT_SCHEMA`, one row a series and statistic.
        fires_literal: the published rule on any row; None where no row has enough values for it.
        fires_calibrated: the joint score lies above its limit, and the severity is `act_from` or more; None where
            nothing has history enough, which is no "no".
        severity: largest of any row.
        joint: today's joint score, -log10 of a weighted chance; NaN where nothing is judged.
        joint_limit: what it must lie above; NaN likewise.
        share: of the history with a joint score as large; fires at the budget or less. NaN likewise.
        since: first of the last looks above the limit, None where none is: an alarm goes on for ten sessions, and two
            days with the same `since` are the same alarm.
        words: a sentence or two for people.
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


def drift_report(series: Mapping[str, pl.DataFrame], policy: Policy, today: date) -> Drift:
    """What has drifted by `today`, by the published rule and by the calibrated one.

    Looks are the sessions of any series; between its own sessions a series keeps its last statistic.

    Args:
        series: of `drift_series`, or any others: name to `SERIES_SCHEMA`. Copper's and the peso's correlation is
            watched where both are given under their names.
        policy: windows, thresholds and budget.
        today: later sessions are left out, and a series that ends more than 14 days before is not judged.

    Raises:
        ValueError: no series, or one that is not stationary, out of order or not finite.
    """
    if not series:
        raise ValueError("no series to watch; give at least one")
    watched = statistic_series(series, policy.drift, today)
    looks = np.unique(np.concatenate([track.sessions for track in watched]))[-_needed(policy) :]
    effects = {track.name: _at_looks(track, looks) for track in watched}
    reasons = {track.name: _why_not_judged(track, looks, policy, today) for track in watched}
    judged = judge(
        {name: values for name, values in effects.items() if not reasons[name]},
        {name: OTHERS_SHARE for name in effects if name not in FIRST},
        policy.drift.looks,
        policy.budget_per_14_days,
    )
    days = looks[-policy.drift.looks :]
    rows = [
        _measured(track, looks, reasons[track.name], policy, today)
        | ({} if reasons[track.name] else _judgement(track, effects[track.name], judged, days))
        for track in watched
    ]
    return _drift(pl.DataFrame(rows, schema=DRIFT_SCHEMA, orient="row"), judged, days, policy)


def _at_looks(track: StatisticSeries, looks: Sessions) -> Array:
    """The effect known at each look: that of the track's last session so far; NaN before its first."""
    place = np.searchsorted(track.sessions, looks, side="right")
    return np.concatenate([[np.nan], track.effects])[place]


def _history(track: StatisticSeries, looks: Sessions) -> int:
    """Looks that are not before the track's first session."""
    return int((looks >= track.sessions[0]).sum()) if len(track.sessions) else 0


def _is_old(track: StatisticSeries, today: date) -> bool:
    """Whether the track ended so long ago that it says nothing of today."""
    return len(track.sessions) > 0 and track.sessions[-1] < np.datetime64(today - timedelta(days=DECISION_DAYS))


def _why_not_judged(track: StatisticSeries, looks: Sessions, policy: Policy, today: date) -> str:
    """Why the calibrated rule has nothing to say of a track; empty where it has."""
    history, needed = _history(track, looks), _needed(policy)
    if history < needed:
        return f"not enough history ({history} of {needed})"
    if _is_old(track, today):
        return f"not judged: its last session is {track.sessions[-1]}, more than {DECISION_DAYS} days ago"
    return ""


def severity_of(statistic: str, effect: float) -> str:
    """Severity of a significant change by its effect size: `LOW`, `MEDIUM` or `HIGH`.

    Raises:
        KeyError: there is no such statistic.
    """
    medium, high = SEVERITY_CUTS[statistic]
    return SEVERITIES[1 + (effect >= medium) + (effect >= high)]


def _measured(track: StatisticSeries, looks: Sessions, reason: str, policy: Policy, today: date) -> dict[str, object]:
    """What a row says before anything is judged: the last value and the published rule."""
    is_known = len(track.values) > 0
    value = _number(track.values[-1]) if is_known else None
    return {
        "series": track.series,
        "statistic": track.statistic,
        "session": track.sessions[-1].item() if is_known else None,
        "value": value,
        "p_value": track.p_value,
        "literal_fires": None if _is_old(track, today) else _literal(track.statistic, value, track.p_value, policy),
        "history": _history(track, looks),
        "history_needed": _needed(policy),
        "words": reason,
    }


def _judgement(track: StatisticSeries, effects: Array, judged: Judged, days: Sessions) -> dict[str, object]:
    """What the calibrated rule adds to a row: nothing where there is no value, which is no "no".

    Args:
        effects: of the track, at every look.
        days: the last looks.
    """
    scores = judged.scores[track.name]
    peak = int(scores.argmax())
    is_significant = bool(scores[peak] > judged.limit)
    value, effect = _number(track.values[-1]), _number(effects[peak - len(days)])
    if value is None and not is_significant:
        return {"words": "not judged: the series stands still"}
    percentile = None if value is None else float((effects < effects[-1]).sum() / (~np.isnan(effects)).sum())
    return {
        "percentile": percentile,
        "score": float(scores[peak]),
        "score_session": days[peak].item(),
        "effect": effect,
        "is_significant": is_significant,
        "severity": severity_of(track.statistic, effect or 0.0) if is_significant else SEVERITIES[0],
        "words": _row_words(track.statistic, value, percentile),
    }


def _needed(policy: Policy) -> int:
    """Looks with a value that a judgement takes: the history, today, and the looks before the first of them."""
    return policy.drift.history_sessions + policy.drift.looks


def _number(value: float) -> float | None:
    """A plain number, None for NaN."""
    return None if math.isnan(value) else float(value)


def _literal(statistic: str, value: float | None, p_value: float | None, policy: Policy) -> bool | None:
    """The published rule, word for word; None for what it does not name or cannot say."""
    if statistic == KS and p_value is not None:
        return p_value < policy.drift.p_value
    if statistic == PSI and value is not None:
        return value > policy.drift.psi
    return None


def _row_words(statistic: str, value: float | None, percentile: float | None) -> str:
    """What a judged row says."""
    if value is None or percentile is None:
        return "no value today: the series stands still"
    said = f"{value:.2f}, above {percentile:.1%} of its history"
    return f"{said} (volatility × {math.exp(value / 2):.2f})" if statistic in (VARIANCE, EWMA) else said


def _drift(table: pl.DataFrame, judged: Judged, days: Sessions, policy: Policy) -> Drift:
    """The day's verdicts from its rows."""
    severities = table["severity"].drop_nulls().to_list()
    severity = max(severities, key=SEVERITIES.index, default=SEVERITIES[0])
    is_enough = SEVERITIES.index(severity) >= SEVERITIES.index(policy.drift.act_from)
    literal = table["literal_fires"].drop_nulls()
    above = [day for scores in judged.scores.values() for day in days[scores > judged.limit]]
    found = Drift(
        table=table,
        fires_literal=bool(literal.any()) if len(literal) else None,
        fires_calibrated=is_enough if severities else None,
        severity=severity,
        joint=judged.joint,
        joint_limit=judged.limit,
        share=judged.share,
        since=min(above).item() if above else None,
        words="",
    )
    parts = [_calibrated_words(found, policy), _gaps(table), _literal_words(table)]
    return replace(found, words=" ".join(part for part in parts if part))


def _calibrated_words(found: Drift, policy: Policy) -> str:
    """The calibrated rule's verdict and why."""
    if found.fires_calibrated is None:
        return "Drift: not enough history, nothing judged."
    rows = found.table.filter(pl.col("is_significant")).sort("score", descending=True)
    rarity = (
        f"{found.share:.1%} of the last {policy.drift.history_sessions} sessions looked at least as unusual, "
        f"the budget is {policy.budget_per_14_days:.1%}"
    )
    if rows.is_empty():
        return f"Drift: none in {found.table['severity'].count()} statistics ({rarity})."
    top = rows.row(0, named=True)
    more = f" and {rows.height - 1} more" if rows.height > 1 else ""
    act = "" if found.fires_calibrated else f", not acted on below {policy.drift.act_from}"
    what = f"{top['statistic']} of {top['series']}, effect {top['effect']:.2f} on {top['score_session']}{more}"
    return f"Drift: {found.severity} since {found.since}{act}: {what} ({rarity})."


def _gaps(table: pl.DataFrame) -> str:
    """What was not judged, and why; empty where everything was."""
    rows = table.filter(pl.col("severity").is_null()).group_by("series", "words", maintain_order=True).len()
    said = "; ".join(f"{series} {words}" for series, words, _ in rows.iter_rows())
    return f"Left out: {said}." if said else ""


def _literal_words(table: pl.DataFrame) -> str:
    """The published rule's verdict."""
    if table["literal_fires"].count() == 0:
        return "Published rule: not enough values."
    rows = table.filter(pl.col("literal_fires"))
    which = ", ".join(f"{name} of {series}" for series, name in rows.select("series", "statistic").iter_rows())
    return f"Published rule: fires ({which})." if which else "Published rule: does not fire."

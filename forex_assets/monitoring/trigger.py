"""Decision whether a horizon's search starts: five rules."""

from dataclasses import dataclass
from datetime import UTC as UTC_ZONE
from datetime import date, datetime
from typing import Final, Protocol

import polars as pl

from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.policy import Policy
from forex_assets.core.schemas import UTC, Schema
from forex_assets.monitoring.severity import SEVERITIES
from forex_assets.monitoring.statistics import finite

RULES: Final = ("age", "degradation", "drift", "cooldown", "manual")
COOLED: Final = ("degradation", "drift")
"""Rules held back by the cooldown, since their cause persists for days."""

DECISION_SCHEMA: Final[Schema] = {
    "horizon": pl.String,
    "decided_at": UTC,
    "rule": pl.String,  # RULES
    "value": pl.Float64,  # calibrated: a ratio, a joint rank; of age and cooldown days; of manual 1 where asked for
    "limit": pl.Float64,
    "literal_value": pl.Float64,  # the published rule's own, where it has one
    "literal_limit": pl.Float64,
    "literal": pl.Boolean,  # the published rule's verdict; of cooldown whether it lasts; null: not enough evidence
    "calibrated": pl.Boolean,  # likewise of the rule that keeps to the budget
    "counts": pl.Boolean,  # it is a reason of this decision: its verdict under decide_by, after the cooldown
    "words": pl.String,
}
"""One row a rule, in the order of `RULES`.

The decision fires if any row counts; the cooldown's never does.
"""


class DegradationVerdict(Protocol):
    """Fields of `degradation.Degradation` that the decision reads."""

    @property
    def ratio_literal(self) -> float | None: ...
    @property
    def limit_literal(self) -> float: ...
    @property
    def ratio_calibrated(self) -> float | None: ...
    @property
    def limit_calibrated(self) -> float | None: ...
    @property
    def fires_literal(self) -> bool | None: ...
    @property
    def fires_calibrated(self) -> bool | None: ...
    @property
    def words(self) -> str: ...


class DriftVerdict(Protocol):
    """Fields of `drift.Drift` that the decision reads."""

    @property
    def fires_literal(self) -> bool | None: ...
    @property
    def fires_calibrated(self) -> bool | None: ...
    @property
    def severity(self) -> str: ...
    @property
    def joint(self) -> float | None: ...
    @property
    def joint_limit(self) -> float | None: ...
    @property
    def since(self) -> date | None: ...
    @property
    def is_of_copper_alone(self) -> bool: ...
    @property
    def words(self) -> str: ...


@dataclass(frozen=True)
class Decision:
    """Whether a search starts, and why.

    Attributes:
        fires: whether a search starts.
        reasons: rules that count, in the order of `RULES`.
        words: one sentence, reasons first.
        table: `DECISION_SCHEMA`.
    """

    fires: bool
    reasons: tuple[str, ...]
    words: str
    table: pl.DataFrame


@dataclass(frozen=True)
class _Rule:
    """One rule's figures and verdicts, before cooldown; names as in `DECISION_SCHEMA`."""

    name: str
    value: float | None
    limit: float | None
    literal: bool | None
    calibrated: bool | None
    words: str
    literal_value: float | None = None
    literal_limit: float | None = None
    note: str = ""
    """Words for the table only."""


def decide(
    horizon: str,
    *,
    degradation: DegradationVerdict,
    drift: DriftVerdict,
    last_optimized: date | None,
    last_triggered: date | None,
    is_requested: bool,
    policy: Policy,
    now: datetime,
) -> Decision:
    """Decides for one horizon.

    Degradation and drift fire by the verdict that `decide_by` names, calibrated drift from the policy's severity on,
    unless a search was triggered fewer than `cooldown_days` calendar days ago. Age fires `age_days` calendar days after
    the last optimization, or without one; age and requests have no cooldown. Missing evidence is no reason. Days are
    Santiago's.

    Args:
        horizon: name, such as `7d`.
        degradation: of this horizon.
        drift: of the inputs that the horizon's model reads.
        last_optimized: day of the horizon's last finished search, or None.
        last_triggered: day of the last decision that fired, or None; a day after today counts as today.
        is_requested: a person asks for a search.
        policy: limits, `decide_by`, cooldown.
        now: with a time zone.

    Raises:
        ValueError: `now` has no time zone, or drift's severity is unknown.
    """
    if now.tzinfo is None:
        raise ValueError(f"the decision's instant {now} has no time zone; give one, such as UTC")
    today = now.astimezone(SANTIAGO).date()
    cooldown = _cooldown(last_triggered, today, policy)
    rules = (
        _age(last_optimized, today, policy),
        _degradation(degradation, policy),
        _drift(drift, policy, last_triggered),
        cooldown,
        _manual(is_requested),
    )
    asks = {rule.name: _verdict(rule, policy) for rule in rules if rule is not cooldown}
    held = [name for name in COOLED if asks[name] and cooldown.literal]
    reasons = tuple(rule.name for rule in rules if asks.get(rule.name) and rule.name not in held)
    words = {rule.name: _held(rule.words, cooldown) if rule.name in held else rule.words for rule in rules}
    order = [*reasons, *(name for name in ("age", *COOLED) if name not in reasons)]
    sentence = f"{'Search' if reasons else 'No search'} {horizon}: " + "; ".join(words[name] for name in order)
    head = {"horizon": horizon, "decided_at": now.astimezone(UTC_ZONE)}
    rows = [head | _row(rule, words[rule.name]) | {"counts": rule.name in reasons} for rule in rules]
    return Decision(bool(reasons), reasons, sentence, pl.DataFrame(rows, schema=DECISION_SCHEMA))


def _verdict(rule: _Rule, policy: Policy) -> bool:
    """Verdict of the rule under `decide_by`; without evidence, False."""
    return bool(rule.calibrated if policy.decide_by == "calibrated" else rule.literal)


def _row(rule: _Rule, words: str) -> dict[str, object]:
    """Row of the table, without the decision's columns."""
    return {
        "rule": rule.name,
        "value": rule.value,
        "limit": rule.limit,
        "literal_value": rule.literal_value,
        "literal_limit": rule.literal_limit,
        "literal": rule.literal,
        "calibrated": rule.calibrated,
        "words": f"{words}; {rule.note}" if rule.note else words,
    }


def _held(words: str, cooldown: _Rule) -> str:
    """Words of a rule that is held back."""
    return f"{words}, held back ({cooldown.words})"


def _age(last_optimized: date | None, today: date, policy: Policy) -> _Rule:
    """Rule: the last optimization is too old."""
    if last_optimized is None:
        return _Rule("age", None, policy.age_days, True, True, "never optimized")
    days = (today - last_optimized).days
    is_due = days >= policy.age_days
    return _Rule("age", days, policy.age_days, is_due, is_due, f"last optimized {_ago(days)}")


def _cooldown(last_triggered: date | None, today: date, policy: Policy) -> _Rule:
    """Rule: a search was triggered recently; never a reason."""
    if last_triggered is None:
        return _Rule("cooldown", None, policy.cooldown_days, False, False, "never triggered")
    days = (today - last_triggered).days
    is_cooling = max(days, 0) < policy.cooldown_days
    words = f"triggered {_ago(days)}, cooldown {_days(policy.cooldown_days)}"
    return _Rule("cooldown", days, policy.cooldown_days, is_cooling, is_cooling, words)


def _degradation(verdict: DegradationVerdict, policy: Policy) -> _Rule:
    """Rule: forecasts became worse.

    The words give the deciding verdict, the table both.
    """
    published = _published(verdict)
    is_literal = policy.decide_by == "literal"
    return _Rule(
        "degradation",
        verdict.ratio_calibrated,
        verdict.limit_calibrated,
        verdict.fires_literal,
        verdict.fires_calibrated,
        published if is_literal else verdict.words,
        verdict.ratio_literal,
        verdict.limit_literal,
        f"calibrated rule: {verdict.words}" if is_literal else f"published rule: {published}",
    )


def _published(verdict: DegradationVerdict) -> str:
    """Clause of the published rule."""
    if verdict.fires_literal is None or verdict.ratio_literal is None:
        return "not enough evidence of degradation"
    name = "degradation" if verdict.fires_literal else "no degradation"
    return f"{name} (RMSE ratio {verdict.ratio_literal:.2f}, limit {verdict.limit_literal:.2f})"


def _drift(verdict: DriftVerdict, policy: Policy, last_triggered: date | None) -> _Rule:
    """Rule: inputs drifted, from the severity to act from.

    A calibrated alarm lasts for several looks. One that began no later than the last trigger has had its search.
    """
    if verdict.severity not in SEVERITIES:
        raise ValueError(f"drift's severity is {verdict.severity!r}; it is one of {', '.join(SEVERITIES)}")
    is_severe = SEVERITIES.index(verdict.severity) >= SEVERITIES.index(policy.drift.act_from)
    fires = None if verdict.fires_calibrated is None else verdict.fires_calibrated and is_severe
    is_known = verdict.since is not None and last_triggered is not None and verdict.since <= last_triggered
    if policy.decide_by == "literal":
        words = _drift_words(verdict.fires_literal, "by the published rule")
    elif verdict.is_of_copper_alone:
        words = f"drift of copper alone, which the current model does not read ({_joint_words(verdict, policy)})"
    elif fires and is_known:
        fires, words = (
            False,
            f"no new drift since the last trigger ({_joint_words(verdict, policy)}, since {verdict.since})",
        )
    else:
        words = _drift_words(fires, f"({_joint_words(verdict, policy)})")
    joint, limit = finite(verdict.joint), finite(verdict.joint_limit)
    return _Rule("drift", joint, limit, verdict.fires_literal, fires, words, note=verdict.words)


def _drift_words(fires: bool | None, figures: str) -> str:
    """Clause of one drift rule."""
    return "not enough evidence of drift" if fires is None else f"{'' if fires else 'no '}drift {figures}"


def _joint_words(verdict: DriftVerdict, policy: Policy) -> str:
    """Joint score, limit and severity in words."""
    joint, limit = finite(verdict.joint), finite(verdict.joint_limit)
    figures = [] if joint is None or limit is None else [f"joint {joint:.2f}, limit {limit:.2f}"]
    if verdict.severity != SEVERITIES[0]:
        figures.append(f"severity {verdict.severity}, acted on from {policy.drift.act_from}")
    return ", ".join(figures) or "no figures"


def _manual(is_requested: bool) -> _Rule:
    """Rule: a person asked for a search."""
    words = "requested by hand" if is_requested else "not requested by hand"
    return _Rule("manual", float(is_requested), 1.0, is_requested, is_requested, words)


def _ago(days: int) -> str:
    """Age in words: `today`, `15 days ago`, `2 days after today`."""
    if days < 0:
        return f"{_days(-days)} after today"
    return "today" if days == 0 else f"{_days(days)} ago"


def _days(days: int) -> str:
    """Days in words: `1 day`, `3 days`."""
    return f"{days} day" if days == 1 else f"{days} days"

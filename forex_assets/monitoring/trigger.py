"""Whether a horizon's search starts now: five rules in, one decision out, with every figure and in words.

Pure: what was measured is `degradation`'s and `drift`'s affair, when the last search was is handed in.
"""

import math
from dataclasses import dataclass
from datetime import UTC as UTC_ZONE
from datetime import date, datetime
from typing import Final, Protocol

import polars as pl

from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.policy import Policy
from forex_assets.core.schemas import UTC, Schema

RULES: Final = ("age", "degradation", "drift", "cooldown", "manual")
COOLED: Final = ("degradation", "drift")
"""Rules that the cooldown keeps from firing again: what they saw is still there on the day after."""

SEVERITIES: Final = ("NONE", "LOW", "MEDIUM", "HIGH")

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
"""One row a rule, in the order of `RULES`. The decision fires where any row counts; the cooldown's never does."""


class DegradationVerdict(Protocol):
    """What is read of `degradation.Degradation`."""

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
    """What is read of `drift.Drift`."""

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
    def words(self) -> str: ...


@dataclass(frozen=True)
class Decision:
    """Whether a search starts, and why.

    Attributes:
        fires: whether it does.
        reasons: rules that count, in the order of `RULES`; empty where none does.
        words: one sentence: what counts first, then the rest.
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
    """What only the table says."""


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
    """The decision of one horizon.

    Degradation and drift fire by the verdict that `decide_by` names, calibrated drift from the policy's severity on,
    unless a search was triggered fewer than `cooldown_days` calendar days ago. Age fires from `age_days` calendar days
    after the last optimization, and for a horizon that never had one; it and a request know no cooldown. No evidence is
    no reason. Days are Santiago's.

    Args:
        horizon: name, such as `7d`.
        degradation: of this horizon.
        drift: of the inputs, the same for every horizon.
        last_optimized: day of the horizon's last finished search; None where there was none.
        last_triggered: day of the last decision that fired, whatever came of it; None where there was none. One later
            than today, after a clock was set back, cools as today's.
        is_requested: somebody asks for a search.
        policy: limits, `decide_by`, cooldown.
        now: aware; the same inputs and instant give the same decision.

    Raises:
        ValueError: `now` without a time zone, or a severity that is none.
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
    said = {rule.name: _held(rule.words, cooldown) if rule.name in held else rule.words for rule in rules}
    order = [*reasons, *(name for name in ("age", *COOLED) if name not in reasons)]
    sentence = f"{'Search' if reasons else 'No search'} {horizon}: " + "; ".join(said[name] for name in order)
    head = {"horizon": horizon, "decided_at": now.astimezone(UTC_ZONE)}
    rows = [head | _row(rule, said[rule.name]) | {"counts": rule.name in reasons} for rule in rules]
    return Decision(bool(reasons), reasons, sentence, pl.DataFrame(rows, schema=DECISION_SCHEMA))


def _verdict(rule: _Rule, policy: Policy) -> bool:
    """What the rule says under `decide_by`; not enough evidence is no."""
    return bool(rule.calibrated if policy.decide_by == "calibrated" else rule.literal)


def _row(rule: _Rule, words: str) -> dict[str, object]:
    """The rule as a row of the table, less what is the decision's."""
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
    """The words of a rule that the cooldown keeps from firing."""
    return f"{words}, held back ({cooldown.words})"


def _age(last_optimized: date | None, today: date, policy: Policy) -> _Rule:
    """Whether the last optimization is so long ago that the next is due."""
    if last_optimized is None:
        return _Rule("age", None, policy.age_days, True, True, "never optimized")
    days = (today - last_optimized).days
    is_due = days >= policy.age_days
    return _Rule("age", days, policy.age_days, is_due, is_due, f"last optimized {_ago(days)}")


def _cooldown(last_triggered: date | None, today: date, policy: Policy) -> _Rule:
    """Whether a search was triggered so recently that degradation and drift stay quiet; never a reason itself."""
    if last_triggered is None:
        return _Rule("cooldown", None, policy.cooldown_days, False, False, "never triggered")
    days = (today - last_triggered).days
    is_cooling = max(days, 0) < policy.cooldown_days
    words = f"triggered {_ago(days)}, cooldown {_days(policy.cooldown_days)}"
    return _Rule("cooldown", days, policy.cooldown_days, is_cooling, is_cooling, words)


def _degradation(found: DegradationVerdict, policy: Policy) -> _Rule:
    """The forecasts' rule; the sentence speaks of the verdict that decides, the table of the published one as well."""
    published = _published(found)
    is_literal = policy.decide_by == "literal"
    return _Rule(
        "degradation",
        found.ratio_calibrated,
        found.limit_calibrated,
        found.fires_literal,
        found.fires_calibrated,
        published if is_literal else found.words,
        found.ratio_literal,
        found.limit_literal,
        f"calibrated rule: {found.words}" if is_literal else f"published rule: {published}",
    )


def _published(found: DegradationVerdict) -> str:
    """The published rule's clause."""
    if found.fires_literal is None or found.ratio_literal is None:
        return "not enough evidence of degradation"
    verdict = "degradation" if found.fires_literal else "no degradation"
    return f"{verdict} (RMSE ratio {found.ratio_literal:.2f}, limit {found.limit_literal:.2f})"


def _drift(found: DriftVerdict, policy: Policy, last_triggered: date | None) -> _Rule:
    """The inputs' rule. The published one fires as it is reported; the calibrated one from the severity to act from.

    A calibrated alarm stands for as many looks as the rule covers. One that began no later than the last trigger has
    had its search, and is no new reason.
    """
    if found.severity not in SEVERITIES:
        raise ValueError(f"drift's severity is {found.severity!r}; it is one of {', '.join(SEVERITIES)}")
    is_severe = SEVERITIES.index(found.severity) >= SEVERITIES.index(policy.drift.act_from)
    fires = None if found.fires_calibrated is None else found.fires_calibrated and is_severe
    is_known = found.since is not None and last_triggered is not None and found.since <= last_triggered
    if policy.decide_by == "literal":
        words = _drift_words(found.fires_literal, "by the published rule")
    elif fires and is_known:
        fires, words = (
            False,
            f"no new drift since the last trigger ({_joint_words(found, policy)}, since {found.since})",
        )
    else:
        words = _drift_words(fires, f"({_joint_words(found, policy)})")
    joint, limit = _known(found.joint), _known(found.joint_limit)
    return _Rule("drift", joint, limit, found.fires_literal, fires, words, note=found.words)


def _drift_words(fires: bool | None, figures: str) -> str:
    """The clause of one drift rule."""
    return "not enough evidence of drift" if fires is None else f"{'' if fires else 'no '}drift {figures}"


def _joint_words(found: DriftVerdict, policy: Policy) -> str:
    """The joint score, its limit, and the severity where there is one."""
    joint, limit = _known(found.joint), _known(found.joint_limit)
    figures = [] if joint is None or limit is None else [f"joint {joint:.2f}, limit {limit:.2f}"]
    if found.severity != SEVERITIES[0]:
        figures.append(f"severity {found.severity}, acted on from {policy.drift.act_from}")
    return ", ".join(figures) or "no figures"


def _known(value: float | None) -> float | None:
    """None for what was not measured, NaN among it."""
    return None if value is None or math.isnan(value) else value


def _manual(is_requested: bool) -> _Rule:
    """Somebody's own reason."""
    words = "asked for by hand" if is_requested else "not asked for by hand"
    return _Rule("manual", float(is_requested), 1.0, is_requested, is_requested, words)


def _ago(days: int) -> str:
    """`today`, `1 day ago`, `15 days ago`; ahead of the clock, `2 days after today`."""
    if days < 0:
        return f"{_days(-days)} after today"
    return "today" if days == 0 else f"{_days(days)} ago"


def _days(days: int) -> str:
    """`1 day`, `3 days`."""
    return f"{days} day" if days == 1 else f"{days} days"

"""Result of one criterion, and how its figures are worded."""

from dataclasses import dataclass
from typing import Final, Literal

from forex_assets.accuracy.compare import Skill
from forex_assets.optimizer.tables import Criterion

SAME: Final = 0.0005
"""Shares that print as 0.0 %."""

Calibrated = Literal["passed", "failed", "inconclusive"]


@dataclass(frozen=True)
class Judged:
    """One criterion.

    Attributes:
        criterion: which one.
        value: what was measured; shares as such (.05 is five per cent), the bias in CLP. None: nothing to measure.
        limit: that the calibrated rule holds it against.
        low: of its 95 % interval; None where it has none.
        high: likewise.
        literal: whether the published rule is met on these origins; None with too few of them.
        calibrated: the calibrated verdict.
        words: every figure, as a person reads it.
    """

    criterion: Criterion
    value: float | None
    limit: float | None
    low: float | None
    high: float | None
    literal: bool | None
    calibrated: Calibrated
    words: str


def at_most(is_within: bool, low: float | None, limit: float) -> Calibrated:
    """Verdict on what must not be above a limit."""
    if is_within:
        return "passed"
    return "failed" if low is not None and low > limit else "inconclusive"


def percent(share: float) -> str:
    """`5 %`."""
    return f"{100 * share:g} %"


def better(skill: Skill) -> str:
    """`better by 6.1 % [1.2, 10.7]`."""
    if skill.value is None:
        return "not comparable"
    if abs(skill.value) < SAME:
        return "the same"
    word, sign = ("better", 1) if skill.value >= 0 else ("worse", -1)
    ends = sorted(sign * 100 * x for x in (skill.low, skill.high) if x is not None)
    interval = f" [{ends[0]:.1f}, {ends[1]:.1f}]" if len(ends) == 2 else ""
    return f"{word} by {abs(100 * skill.value):.1f} %{interval}"


def change(value: float | None, low: float | None, high: float | None) -> str:
    """`5.2 % more [-3.0, 14.1]`."""
    if value is None:
        return "no figure"
    word, sign = ("more", 1) if value >= 0 else ("less", -1)
    ends = sorted(sign * 100 * x for x in (low, high) if x is not None)
    interval = f" [{ends[0]:.1f}, {ends[1]:.1f}]" if len(ends) == 2 else ""
    return f"{abs(100 * value):.1f} % {word}{interval}"

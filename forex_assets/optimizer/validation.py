"""Verdict on a challenger, with its reasons in words.

Approved, rejected or inconclusive; only approved settings go live. The origins are later than the search's and apart
from them, so that nothing that was chosen on is judged on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from forex_assets.accuracy.compare import effective_size
from forex_assets.core.fan import Array
from forex_assets.core.policy import Policy
from forex_assets.optimizer.criteria import judge
from forex_assets.optimizer.criterion import Judged
from forex_assets.optimizer.false_pass import FalsePass, false_pass
from forex_assets.optimizer.improvement import detectable_gain
from forex_assets.optimizer.paired_losses import CHALLENGER, CHAMPION, WALK, Evidence, evidence_of
from forex_assets.optimizer.tables import CRITERIA, VALIDATION_SCHEMA, Verdict

NOTHING_NEW: Final = "the search kept the current settings; nothing to validate"

WORTHWHILE: Final = 0.05
"""Gain whose detectability every report states."""

MISSED: Final = (1.645 + 0.842) / 1.645
"""Ratio of the gains detected with 80 % and 50 % power."""


@dataclass(frozen=True)
class Subject:
    """Identity of a validation: champion, challenger, search.

    Attributes:
        horizon: such as `7d`.
        validation_id: names the report.
        search_id: which search the challenger is from.
        validated_at: the platform's clock.
        champion: fingerprint of the current settings, or `ewma` for a horizon's first config.
        challenger: fingerprint of what may replace it.
        challenger_config: its settings as JSON.
    """

    horizon: str
    validation_id: str
    search_id: str
    validated_at: datetime
    champion: str
    challenger: str
    challenger_config: str

    @property
    def is_first(self) -> bool:
        """Whether nothing is live yet."""
        return self.champion == WALK


@dataclass(frozen=True, eq=False)
class Validation:
    """A report.

    Attributes:
        subject: what was validated.
        verdict: under `decide_by`.
        literal: by the published rule; inconclusive with too few origins only.
        calibrated: by the calibrated one.
        decided_by: which of the two counts.
        criteria: one each of `CRITERIA`, in their order.
        chance: of approving a challenger that is no better, by both rules, the search before it included; None where
            nothing could be judged.
        detectable: least true gain that the origins would have shown with 80 % power; None where none of any size.
        evidence: what it rests on; None where nothing was computed.
        notes: what else a reader must know.
    """

    subject: Subject
    verdict: Verdict
    literal: Verdict
    calibrated: Verdict
    decided_by: str
    criteria: tuple[Judged, ...]
    chance: FalsePass | None = None
    detectable: float | None = None
    evidence: Evidence | None = None
    notes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Validation origins."""
        return 0 if self.evidence is None else self.evidence.n

    @property
    def false_pass(self) -> float | None:
        """Chance of approving a challenger that is no better."""
        if self.chance is None:
            return None
        return self.chance.calibrated if self.decided_by == "calibrated" else self.chance.literal

    @property
    def words(self) -> str:
        """Verdict and reasons, as a person reads them."""
        return ". ".join(sentence[:1].upper() + sentence[1:] for sentence in _sentences(self)) + "."

    @property
    def table(self) -> pl.DataFrame:
        """`VALIDATION_SCHEMA`, one row a criterion."""
        shared = {
            **{name: getattr(self.subject, name) for name in VALIDATION_SCHEMA if hasattr(self.subject, name)},
            "verdict": self.verdict,
            "n": self.n,
            "false_pass": self.false_pass,
        }
        rows = [{**{name: getattr(criterion, name) for name in _OWN}, **shared} for criterion in self.criteria]
        return pl.DataFrame(rows, schema=VALIDATION_SCHEMA)


_OWN: Final = ("criterion", "value", "limit", "low", "high", "literal", "calibrated", "words")


def validate(
    subject: Subject,
    champion_rows: pl.DataFrame,
    challenger_rows: pl.DataFrame,
    seconds: Array,
    policy: Policy,
    *,
    overlap: float | None = None,
    notes: Sequence[str] = (),
    has_beaten_champion: bool = False,
) -> Validation:
    """Compares a challenger with the champion on common origins.

    Args:
        subject: what is validated.
        champion_rows: `REALIZED_SCHEMA`, one engine and config; for a first config `paired_losses.walk_rows`.
        challenger_rows: the same of the challenger.
        seconds: of one fan each, by turns, shape (2, pairs): champion, challenger.
        policy: limits, and which rule decides.
        overlap: forecasts that run at once; None to read it off the dates.
        notes: what else a reader must know.
        has_beaten_champion: whether a search chose it for being better than the champion, on other origins. Chance
            must then pass twice; else the validation alone keeps to the chance of both.

    Raises:
        ValueError: see `paired_losses.evidence_of`.
    """
    earlier = policy.search.significance if has_beaten_champion else 1.0
    policy = policy if has_beaten_champion else policy.validation_alone()
    evidence = evidence_of(champion_rows, challenger_rows, seconds, overlap=overlap)
    criteria = judge(evidence, policy, is_first=subject.is_first)
    is_judged = evidence.n >= max(2, policy.validation.fewest)
    literal, calibrated = literal_verdict(criteria), calibrated_verdict(criteria)
    return Validation(
        subject,
        verdict=calibrated if policy.decide_by == "calibrated" else literal,
        literal=literal,
        calibrated=calibrated,
        decided_by=policy.decide_by,
        criteria=criteria,
        chance=false_pass(evidence, policy, is_first=subject.is_first).after(earlier) if is_judged else None,
        detectable=detectable_gain(evidence, policy) if is_judged else None,
        evidence=evidence,
        notes=tuple(notes),
    )


def nothing_to_validate(subject: Subject, policy: Policy, notes: Sequence[str] = ()) -> Validation:
    """Report where the challenger is the champion."""
    criteria = tuple(Judged(name, None, None, None, None, None, "inconclusive", NOTHING_NEW) for name in CRITERIA)
    kept: Verdict = "inconclusive"
    return Validation(subject, kept, kept, kept, policy.decide_by, criteria, notes=(NOTHING_NEW, *notes))


def literal_verdict(criteria: Sequence[Judged]) -> Verdict:
    """Verdict of the published rule.

    Approved if all five are met, else rejected; inconclusive if one could not be judged.

    One that is not met rejects, whatever could not be judged.
    """
    if any(criterion.literal is False for criterion in criteria):
        return "rejected"
    return "inconclusive" if any(criterion.literal is None for criterion in criteria) else "approved"


def calibrated_verdict(criteria: Sequence[Judged]) -> Verdict:
    """Verdict of the calibrated rule.

    Rejected if one criterion failed; approved if the improvement is shown and none failed.

    What is beyond a limit by no more than chance does not stand in the way of an improvement that is more than chance.
    """
    verdicts = {criterion.criterion: criterion.calibrated for criterion in criteria}
    if "failed" in verdicts.values():
        return "rejected"
    return "approved" if verdicts.get("improvement") == "passed" else "inconclusive"


def _sentences(validation: Validation) -> list[str]:
    if validation.evidence is None or not validation.n:
        why = "; ".join(validation.notes) or "champion and challenger have no origin in common"
        return [f"{validation.verdict}: {why}"]
    evidence = validation.evidence
    independent = effective_size(evidence.crps[CHAMPION] - evidence.crps[CHALLENGER], evidence.overlap)
    where = (
        f"on {validation.n} origins from {evidence.as_of[0]} to {evidence.as_of[-1]}, some {independent:.0f} of them "
        f"independent, {validation.subject.challenger} against {validation.subject.champion}"
    )
    summaries = "; ".join(_summary(criterion) for criterion in validation.criteria)
    other = f"by the published rule {validation.literal}, by the calibrated one {validation.calibrated}"
    sentences = [f"{validation.verdict} {where}", summaries, f"decided by the {validation.decided_by} rule: {other}"]
    if validation.chance is not None:
        sentences += [_chance(validation.chance), _power(validation.detectable)]
    return [*sentences, *validation.notes]


def _summary(criterion: Judged) -> str:
    """Verdict, improvement and obstacles, in words."""
    is_told = criterion.criterion == "improvement" or criterion.calibrated != "passed" or criterion.literal is not True
    return f"{criterion.criterion} {criterion.calibrated}{f' ({criterion.words})' if is_told else ''}"


def _chance(chance: FalsePass) -> str:
    return (
        f"a challenger no better would have been approved in {100 * chance.calibrated:.1f} % of cases by the "
        f"calibrated rule and in {100 * chance.literal:.1f} % by the published one"
    )


def _power(detectable: float | None) -> str:
    if detectable is None:
        return "these origins could have shown no gain of any size"
    words = f"these origins show a true gain of {100 * detectable:.1f} % in four cases of five"
    if detectable <= WORTHWHILE:
        return words
    asked = f"a true gain of {100 * WORTHWHILE:g} %"
    if detectable <= WORTHWHILE * MISSED:
        return f"{words}; {asked} shows less often"
    return f"{words}; {asked} cannot be proved on them: they miss it more often than not"

"""What the desk has set: the published thresholds, the windows, the false alarms it will bear, and which rule decides.

Settings only. What they mean for a day's figures is said in `drift`, `degradation` and `trigger`; how they are read
from `configs/policy.yaml` in `adapters/policy_store`.
"""

import math
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

DECISION_DAYS: Final = 14
"""Calendar days that the budget is spoken of in; ten sessions of them."""

VALUES_PER_BIN: Final = 6
"""Recent values that a bin of the PSI holds at least, on average: with fewer, chance alone passes any threshold."""


class _Settings(BaseModel):
    """What all parts have in common: nothing unknown, nothing converted, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DegradationPolicy(_Settings):
    """When forecasts count as having got worse.

    Attributes:
        recent_days: calendar days up to today whose errors are judged.
        baseline_days: calendar days before those, which they are compared with.
        rmse_increase: published rule: .15 fires at an RMSE 15 % above the baseline's.
        min_errors: recent errors without which nothing is said.
    """

    recent_days: Annotated[int, Field(ge=5, le=90)] = 14
    baseline_days: Annotated[int, Field(ge=10, le=730)] = 60
    rmse_increase: Annotated[float, Field(gt=0, le=2)] = 0.15
    min_errors: Annotated[int, Field(ge=2, le=90)] = 5

    @model_validator(mode="after")
    def _baseline_is_longer(self) -> Self:
        if self.baseline_days <= self.recent_days:
            raise ValueError(
                f"baseline_days {self.baseline_days} must be more than recent_days {self.recent_days}: a baseline "
                "shorter than what it judges knows less than that"
            )
        return self


class DriftPolicy(_Settings):
    """When inputs count as having drifted.

    Attributes:
        recent_sessions: latest sessions that are judged.
        reference_sessions: sessions before those, which they are compared with.
        p_value: published rule of the KS test: fires below it.
        psi: published rule of the PSI: fires above it.
        psi_bins: of the PSI; at 30 recent values no more than 5.
        looks: daily looks that one decision covers: 10 sessions are 14 days.
        history_sessions: past sessions whose own statistics say what is unusual.
        act_from: least severity that counts.
    """

    recent_sessions: Annotated[int, Field(ge=12, le=250)] = 30
    reference_sessions: Annotated[int, Field(ge=30, le=1000)] = 90
    p_value: Annotated[float, Field(gt=0, lt=1)] = 0.05
    psi: Annotated[float, Field(gt=0, le=10)] = 0.2
    psi_bins: Annotated[int, Field(ge=2, le=20)] = 5
    looks: Annotated[int, Field(ge=1, le=60)] = 10
    history_sessions: Annotated[int, Field(ge=250, le=5000)] = 1260
    act_from: Literal["LOW", "MEDIUM", "HIGH"] = "MEDIUM"

    @model_validator(mode="after")
    def _windows_fit(self) -> Self:
        if self.reference_sessions < self.recent_sessions:
            raise ValueError(
                f"reference_sessions {self.reference_sessions} must be at least recent_sessions "
                f"{self.recent_sessions}: a reference shorter than what it judges knows less than that"
            )
        most = self.recent_sessions // VALUES_PER_BIN
        if self.psi_bins > most:
            raise ValueError(
                f"psi_bins {self.psi_bins} must be at most {most} with recent_sessions {self.recent_sessions}: with "
                f"fewer than {VALUES_PER_BIN} values a bin the PSI passes any threshold by chance"
            )
        return self


class Policy(_Settings):
    """`configs/policy.yaml`.

    Attributes:
        decide_by: `calibrated`: rules that keep to the budget; `literal`: the published rules, word for word. Both are
            always reported.
        false_alarms_per_year: alarms with nothing wrong that drift may raise, and each horizon's degradation.
        degradation: of the forecasts.
        drift: of the inputs.
        age_days: calendar days since the last optimization of a horizon at which the next is due.
        cooldown_days: calendar days after a trigger during which drift and degradation do not fire again.
    """

    decide_by: Literal["calibrated", "literal"] = "calibrated"
    false_alarms_per_year: Annotated[float, Field(gt=0, le=12)] = 1.3
    degradation: DegradationPolicy = DegradationPolicy()
    drift: DriftPolicy = DriftPolicy()
    age_days: Annotated[int, Field(ge=1, le=3650)] = 14
    cooldown_days: Annotated[int, Field(ge=0, le=365)] = 3

    @property
    def budget_per_14_days(self) -> float:
        """False alarms that 14 days may hold: the yearly number × 14 / 365, so 1.3 is .0499, the customary 5 %.

        An expected number. The chance of at least one is no larger (Markov), and hardly smaller while it is small.
        """
        return self.false_alarms_per_year * DECISION_DAYS / 365

    @model_validator(mode="after")
    def _history_can_show_the_budget(self) -> Self:
        """One alarm stands for `looks` sessions: a history whose share above the limit is less never shows any."""
        looks, history = self.drift.looks, self.drift.history_sessions
        needed = math.ceil(looks / self.budget_per_14_days)
        if history < needed:
            raise ValueError(
                f"drift.history_sessions {history} must be at least {needed} with false_alarms_per_year "
                f"{self.false_alarms_per_year:g}: a shorter history cannot show anything as rare as that; lengthen it "
                "or allow more false alarms"
            )
        return self

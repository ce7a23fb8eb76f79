"""Policy of the loop: thresholds, windows, budgets and the deciding rule.

Settings only; `configs/policy.yaml` is read by `policy_store`.
"""

import math
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from forex_assets.core.horizon import HORIZONS
from forex_assets.core.inference_config import Representation
from forex_assets.core.operations_policy import OperationsPolicy, PolicyPart, ReportPolicy

DECISION_DAYS: Final = 14
"""Calendar days of the false-alarm budget; ten sessions."""

VALUES_PER_BIN: Final = 6
"""Fewest recent values a PSI bin, on average; avoids noise."""


class DegradationPolicy(PolicyPart):
    """Windows and limits of the degradation rules.

    Attributes:
        recent_days: calendar days of the recent window, ending today.
        baseline_days: calendar days of the baseline window before it.
        rmse_increase: published rule: .15 fires at an RMSE 15 % above the baseline.
        min_errors: fewest recent errors for a verdict.
    """

    recent_days: Annotated[int, Field(ge=5, le=90)] = 14
    baseline_days: Annotated[int, Field(ge=10, le=730)] = 60
    rmse_increase: Annotated[float, Field(gt=0, le=2)] = 0.15
    min_errors: Annotated[int, Field(ge=2, le=90)] = 5

    @model_validator(mode="after")
    def _baseline_is_longer(self) -> Self:
        if self.baseline_days <= self.recent_days:
            raise ValueError(
                f"baseline_days {self.baseline_days} must be more than recent_days {self.recent_days}: use a "
                "longer baseline or a shorter recent window"
            )
        return self


class DriftPolicy(PolicyPart):
    """Windows and limits of the drift rules.

    Attributes:
        recent_sessions: sessions of the recent window.
        reference_sessions: sessions of the reference window before it.
        p_value: published KS rule: fires below it.
        psi: published PSI rule: fires above it.
        psi_bins: number of PSI bins; at most 5 for 30 recent values.
        looks: daily evaluations covered by one decision: 10 sessions are 14 days.
        history_sessions: past sessions that calibrate the limits.
        act_from: lowest severity that fires.
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
                f"{self.recent_sessions}: use a longer reference or a shorter recent window"
            )
        most = self.recent_sessions // VALUES_PER_BIN
        if self.psi_bins > most:
            raise ValueError(
                f"psi_bins {self.psi_bins} must be at most {most} with recent_sessions {self.recent_sessions}: with "
                f"fewer than {VALUES_PER_BIN} values a bin, noise exceeds any PSI threshold"
            )
        return self


ContextLength = Annotated[int, Field(ge=16, le=8192)]
NumSamples = Annotated[int, Field(ge=20, le=10_000)]
Temperature = Annotated[float, Field(gt=0, le=5)]
_CONTEXTS: Final = {"7d": [90, 180, 270], "15d": [90, 180, 365], "30d": [180, 365, 540], "90d": [365, 540, 730]}


class SearchPolicy(PolicyPart):
    """Candidates of a search and the past dates they are tested on.

    Attributes:
        method: `grid`: every candidate; `random`: a random part; `optuna`: chosen by TPE.
        objective: loss that ranks candidates: `crps` of the fan, or `rmse` of the median.
        origins: fewest past test dates.
        every: distance between test dates: a number of d (sessions), w or m.
        origin: starting level of past fans, also in a validation: `live`: what could be known then; `stored`: the last
            finished price.
        context_length: candidate lengths in sessions, by horizon.
        num_samples: candidate numbers of paths, for models that sample.
        temperature: candidate temperatures, for models that sample.
        representation: opt-in dimension; empty keeps the current value.
        is_calibrated: opt-in dimension; empty keeps the current value.
        max_candidates: limit of `random` and `optuna`; null is a third of the grid.
        max_seconds: no candidate or date starts after it; null is no limit.
        seed: of the random methods.
        significance: chance that a search over candidates that are no better sends one to validation.
    """

    method: Literal["grid", "random", "optuna"] = "grid"
    objective: Literal["crps", "rmse"] = "crps"
    origins: Annotated[int, Field(ge=20, le=2000)] = 126
    every: Annotated[str, Field(pattern=r"^[1-9][0-9]?[dwm]$")] = "1w"
    origin: Literal["live", "stored"] = "live"
    context_length: dict[str, Annotated[list[ContextLength], Field(min_length=1)]] = Field(
        default_factory=lambda: {horizon: list(lengths) for horizon, lengths in _CONTEXTS.items()}
    )
    num_samples: Annotated[list[NumSamples], Field(min_length=1)] = Field(default_factory=lambda: [50, 100, 200])
    temperature: Annotated[list[Temperature], Field(min_length=1)] = Field(default_factory=lambda: [0.8, 1.0, 1.2])
    representation: list[Representation] = Field(default_factory=list)
    is_calibrated: list[bool] = Field(default_factory=list)
    max_candidates: Annotated[int, Field(ge=2)] | None = None
    max_seconds: Annotated[float, Field(gt=0)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    significance: Annotated[float, Field(gt=0, lt=0.5)] = 0.3

    @field_validator("method", mode="before")
    @classmethod
    def _halving_is_gone(cls, method: object) -> object:
        if method == "halving":
            raise ValueError(
                "halving was removed: it saved too little; use grid (every candidate), random (a part) or optuna (TPE)"
            )
        return method

    @model_validator(mode="after")
    def _every_horizon_has_lengths(self) -> Self:
        if set(self.context_length) != set(HORIZONS):
            raise ValueError(
                f"context_length is given for {', '.join(self.context_length) or 'nothing'}; it must be for each of "
                f"{', '.join(HORIZONS)} and nothing else"
            )
        return self


class ValidationPolicy(PolicyPart):
    """Criteria that a challenger must meet against the champion.

    Attributes:
        origins: past test dates; a shorter history uses fewer and the report says so.
        fewest: test dates below which the verdict is inconclusive.
        rmse_gain: published: required RMSE reduction, or
        mape_gain: published: required MAPE reduction.
        crps_gain: calibrated rule: smallest CRPS gain worth a deployment.
        sd_increase: published: largest increase of the errors' standard deviation.
        time_increase: published: largest increase of the inference time.
        coverage: published: smallest share of prices inside the 95 % band.
        bias_clp: published: largest absolute mean error, CLP per USD.
        significance: calibrated rule: chance that a challenger no better passes. It has passed the search before, so
            that the chance of a deployment by luck is `search.significance` times this.
        timing_pairs: test dates on which both are timed.
        shadow_days: calendar days of a shadow test after an inconclusive verdict; 0 is none.
    """

    origins: Annotated[int, Field(ge=40, le=5000)] = 252
    fewest: Annotated[int, Field(ge=20)] = 60
    rmse_gain: Annotated[float, Field(gt=0, lt=1)] = 0.05
    mape_gain: Annotated[float, Field(gt=0, lt=1)] = 0.03
    crps_gain: Annotated[float, Field(gt=0, lt=1)] = 0.01
    sd_increase: Annotated[float, Field(ge=0, le=5)] = 0.10
    time_increase: Annotated[float, Field(ge=0, le=10)] = 0.50
    coverage: Annotated[float, Field(gt=0, lt=1)] = 0.90
    bias_clp: Annotated[float, Field(gt=0)] = 5.0
    significance: Annotated[float, Field(gt=0, lt=0.5)] = 0.15
    timing_pairs: Annotated[int, Field(ge=3, le=200)] = 15
    shadow_days: Annotated[int, Field(ge=0, le=730)] = 0

    @model_validator(mode="after")
    def _fewest_is_no_more_than_all(self) -> Self:
        if self.fewest > self.origins:
            raise ValueError(
                f"fewest {self.fewest} must be at most origins {self.origins}, else nothing can be approved"
            )
        return self


class DeploymentPolicy(PolicyPart):
    """Limits of deployment, watch and rollback.

    Attributes:
        allow_sample: whether settings validated on the generated market may be deployed.
        commit_to_git: whether a deployment is committed, if the configs lie in a repository.
        watch_minutes: length of the watch after a deployment.
        probe_every_minutes: minutes between trial forecasts of the watch.
        max_failures: failed forecasts and probes that cause a rollback.
        rollbacks_per_day: automatic rollbacks a horizon; more need a person.
        backup_days: days that a replaced config is kept.
        keep_backups: newest backups of a horizon kept at any age.
        probation: action if outcomes are significantly worse than before: `propose` a rollback, `automatic`, or `off`.
        probation_outcomes: realized forecasts needed for that decision.
    """

    allow_sample: bool = False
    commit_to_git: bool = True
    watch_minutes: Annotated[int, Field(ge=5, le=1440)] = 60
    probe_every_minutes: Annotated[int, Field(ge=1, le=60)] = 5
    max_failures: Annotated[int, Field(ge=1, le=20)] = 3
    rollbacks_per_day: Annotated[int, Field(ge=1, le=20)] = 2
    backup_days: Annotated[int, Field(ge=1, le=3650)] = 90
    keep_backups: Annotated[int, Field(ge=1, le=1000)] = 5
    probation: Literal["propose", "automatic", "off"] = "propose"
    probation_outcomes: Annotated[int, Field(ge=10, le=1000)] = 60


class Policy(PolicyPart):
    """Policy of the loop, `configs/policy.yaml`.

    Attributes:
        decide_by: `calibrated`: rules that keep to the false-alarm budget; `literal`: the published rules. Both are
            always reported.
        false_alarms_per_year: budget of drift, and of each horizon's degradation.
        age_days: calendar days after which settings are searched again.
        cooldown_days: calendar days after a trigger without drift and degradation triggers.
    """

    decide_by: Literal["calibrated", "literal"] = "calibrated"
    false_alarms_per_year: Annotated[float, Field(gt=0, le=12)] = 1.3
    degradation: DegradationPolicy = DegradationPolicy()
    drift: DriftPolicy = DriftPolicy()
    age_days: Annotated[int, Field(ge=1, le=3650)] = 14
    cooldown_days: Annotated[int, Field(ge=0, le=365)] = 3
    search: SearchPolicy = Field(default_factory=SearchPolicy)
    validation: ValidationPolicy = Field(default_factory=ValidationPolicy)
    deployment: DeploymentPolicy = Field(default_factory=DeploymentPolicy)
    operations: OperationsPolicy = Field(default_factory=OperationsPolicy)
    report: ReportPolicy = Field(default_factory=ReportPolicy)

    @property
    def budget_per_14_days(self) -> float:
        """Expected false alarms in 14 days, from the yearly number.

        1.3 a year is .0499. The chance of at least one alarm is no larger (Markov).
        """
        return self.false_alarms_per_year * DECISION_DAYS / 365

    def validation_alone(self) -> Self:
        """Policy of a validation that no search came before.

        Its level is the product of both.
        """
        level = self.search.significance * self.validation.significance
        return self.model_copy(update={"validation": self.validation.model_copy(update={"significance": level})})

    @model_validator(mode="after")
    def _history_can_show_the_budget(self) -> Self:
        """Refuses a history too short to calibrate so rare an alarm."""
        looks, history = self.drift.looks, self.drift.history_sessions
        needed = math.ceil(looks / self.budget_per_14_days)
        if history < needed:
            raise ValueError(
                f"drift.history_sessions {history} must be at least {needed} with false_alarms_per_year "
                f"{self.false_alarms_per_year:g}: a shorter history cannot calibrate so rare an alarm; lengthen it "
                "or allow more false alarms"
            )
        return self

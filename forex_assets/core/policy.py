"""What the desk has set: published thresholds, windows, budgets, what is searched and deployed, and which rule decides.

Settings only. What they mean is said where they are used: `monitoring`, `optimization`, `deployment`; how they are read
from `configs/policy.yaml` in `adapters/policy_store`.
"""

import math
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from forex_assets.core.horizon import HORIZONS
from forex_assets.core.inference_config import Representation

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


ContextLength = Annotated[int, Field(ge=16, le=8192)]
NumSamples = Annotated[int, Field(ge=20, le=10_000)]
Temperature = Annotated[float, Field(gt=0, le=5)]
_CONTEXTS: Final = {"7d": [90, 180, 270], "15d": [90, 180, 365], "30d": [180, 365, 540], "90d": [365, 540, 730]}


class SearchPolicy(_Settings):
    """What is tried when a horizon's settings are searched, and on how much of the past.

    Attributes:
        method: `grid`: every candidate; `random`: a part of them by chance; `optuna`: chosen by TPE.
        objective: the loss that ranks candidates: `crps` of the whole fan, or `rmse` of the median.
        origins: past dates that every candidate forecasts from, at least.
        every: how far they are apart: a number of d (sessions), w or m.
        context_length: sessions, by horizon.
        num_samples: paths, for models that sample.
        temperature: of the sampling, likewise.
        representation: opt-in dimension; empty keeps the incumbent's.
        is_calibrated: opt-in dimension; empty keeps the incumbent's.
        max_candidates: of `random` and `optuna`; null is a third of the grid.
        max_seconds: after which no further candidate or origin is begun; null is no limit.
        seed: of the methods that draw.
    """

    method: Literal["grid", "random", "optuna"] = "grid"
    objective: Literal["crps", "rmse"] = "crps"
    origins: Annotated[int, Field(ge=20, le=2000)] = 126
    every: Annotated[str, Field(pattern=r"^[1-9][0-9]?[dwm]$")] = "1w"
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

    @field_validator("method", mode="before")
    @classmethod
    def _halving_is_gone(cls, method: object) -> object:
        if method == "halving":
            raise ValueError("halving was removed: it saved too little; use grid (every candidate) or optuna (TPE)")
        return method

    @model_validator(mode="after")
    def _every_horizon_has_lengths(self) -> Self:
        if set(self.context_length) != set(HORIZONS):
            raise ValueError(
                f"context_length is given for {', '.join(self.context_length) or 'nothing'}; it must be for each of "
                f"{', '.join(HORIZONS)} and nothing else"
            )
        return self


class ValidationPolicy(_Settings):
    """What a challenger must show against the champion, on origins later than and apart from the search's.

    Attributes:
        origins: past dates on which both forecast; where history allows fewer, the report says so.
        fewest: origins under which the verdict is inconclusive whatever they show.
        rmse_gain: published: the RMSE must fall by this share, or
        mape_gain: the mean absolute percentage error by this one.
        crps_gain: least gain worth a deployment where the objective is the CRPS; calibrated rule.
        sd_increase: published: the standard deviation of errors may rise by this share at most.
        time_increase: published: the inference time, likewise.
        coverage: published: share of prices that the 95 % band must hold.
        bias_clp: published: the mean error must be smaller than this, CLP per USD.
        significance: chance of approving a challenger that is no better; calibrated rule.
        timing_pairs: origins at which both are timed, by turns.
        shadow_days: calendar days for which an inconclusive challenger runs beside the champion; 0 is none.
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
    significance: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    timing_pairs: Annotated[int, Field(ge=3, le=200)] = 15
    shadow_days: Annotated[int, Field(ge=0, le=730)] = 0

    @model_validator(mode="after")
    def _fewest_is_no_more_than_all(self) -> Self:
        if self.fewest > self.origins:
            raise ValueError(f"fewest {self.fewest} must be at most origins {self.origins}: else nothing is approved")
        return self


class DeploymentPolicy(_Settings):
    """How approved settings go live, how long they are watched, and when they are taken back.

    Attributes:
        allow_sample: whether what was validated on the generated market may go live.
        commit_to_git: whether a deployment is committed, where the configs lie in a repository.
        watch_minutes: for which new settings are watched.
        probe_every_minutes: between two trial forecasts of the watch.
        max_failures: failed forecasts and probes at which the previous settings come back.
        rollbacks_per_day: automatic ones a horizon; more need a person.
        backup_days: for which a replaced config is kept,
        keep_backups: and the newest of a horizon that are kept whatever their age.
        probation: what follows when outcomes show the new settings to be significantly worse than those before:
            `propose` a rollback, `automatic`, or `off`.
        probation_outcomes: forecasts that must have come true before that is judged.
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


class OperationsPolicy(_Settings):
    """How long records are kept, and how much mail people get.

    Attributes:
        tracking_days: for which runs in MLflow are kept; those of champions are kept whatever their age.
        backup_days: for which archives are kept.
        digest_minutes: for which events of one kind are gathered into one mail.
        mails_per_hour: at most; what comes on top is counted in the next one.
    """

    tracking_days: Annotated[int, Field(ge=7, le=3650)] = 365
    backup_days: Annotated[int, Field(ge=1, le=3650)] = 90
    digest_minutes: Annotated[int, Field(ge=0, le=1440)] = 15
    mails_per_hour: Annotated[int, Field(ge=1, le=100)] = 6


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
        search: what is tried, and on which past.
        validation: what a challenger must show.
        deployment: how it goes live, and back.
        operations: records and mail.
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

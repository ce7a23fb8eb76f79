"""Replays the loop evening by evening under several strategies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import Policy
from forex_assets.core.progress import Report
from forex_assets.deployment.watch import fan_faults
from forex_assets.monitoring.degradation import Degradation
from forex_assets.monitoring.drift import Drift
from forex_assets.monitoring.trigger import Decision, decide
from forex_assets.optimizer.candidate_backtest_run import silent
from forex_assets.optimizer.validation import Validation
from forex_assets.replay.library import Library
from forex_assets.replay.lineage import Evening, Evenings, Lineage
from forex_assets.replay.searching import Searched, Searching
from forex_assets.replay.settings_history import Change, SettingsHistory, day_of
from forex_assets.replay.strategies import Strategy

Settings = Mapping[str, InferenceConfig]
"""Settings by horizon."""


@dataclass(frozen=True, eq=False)
class Step:
    """One evening of one strategy at one horizon.

    Attributes:
        evening: fan and its settings.
        decision: whether to search; None where no rule may.
        reasons: rules that started a search; those that the strategy leaves out are not among them.
        searched: result of a search, if any.
        validation: of a challenger, if any.
        changes: deployment and rollbacks of the evening.
    """

    strategy: str
    horizon: str
    evening: Evening
    decision: Decision | None = None
    reasons: tuple[str, ...] = ()
    searched: Searched | None = None
    validation: Validation | None = None
    changes: tuple[Change, ...] = ()


@dataclass
class _Course:
    """State of one strategy at one horizon."""

    history: SettingsHistory
    lineage: Lineage
    last_optimized: date | None = None
    last_triggered: date | None = None


@dataclass(eq=False)
class Replay:
    """Replays strategies side by side.

    Attributes:
        library: fans and outcomes.
        evenings: makes fans and reports.
        searching: makes searches and validations.
        start: settings of the first evening, by horizon, as fans are really made with them.
        reads_copper: whether the model reads copper.
    """

    library: Library
    evenings: Evenings
    searching: Searching
    start: Settings
    reads_copper: bool = False
    _lineages: dict[tuple[object, ...], Lineage] = field(default_factory=dict)

    def run(self, strategies: Sequence[Strategy], days: Sequence[date], report: Report = silent) -> list[Step]:
        """Goes through all evenings.

        Args:
            strategies: compared ones.
            days: evenings, ascending.
            report: called with evenings done and in total.

        Returns:
            One step a strategy, horizon and evening; evenings in order.

        Raises:
            EngineError: a fan that is missing cannot be made.
            WarehouseError: it cannot be kept.
        """
        courses = {strategy.name: self._courses(strategy) for strategy in strategies}
        steps = list[Step]()
        for count, day in enumerate(days, start=1):
            for strategy in strategies:
                steps += self._evening(strategy, courses[strategy.name], day)
            report(count, len(days))
        return steps

    def _courses(self, strategy: Strategy) -> dict[str, _Course]:
        return {
            horizon: _Course(
                SettingsHistory(config, strategy.policy.deployment),
                self._shared((horizon, _monitoring(strategy.policy)), Lineage(config)),
            )
            for horizon, config in self.start.items()
        }

    def _shared(self, key: tuple[object, ...], lineage: Lineage) -> Lineage:
        return self._lineages.setdefault(key, lineage)

    def _evening(self, strategy: Strategy, courses: Mapping[str, _Course], day: date) -> list[Step]:
        """One evening: fans of all horizons, then decisions and reviews."""
        evenings = {horizon: self.evenings.evening(course.lineage, day) for horizon, course in courses.items()}
        lineages = {horizon: course.lineage for horizon, course in courses.items()}
        drift = self.evenings.drift(lineages, day, strategy.policy) if _reads_drift(strategy) else None
        return [self._horizon(strategy, courses[horizon], evening, drift) for horizon, evening in evenings.items()]

    def _horizon(self, strategy: Strategy, course: _Course, evening: Evening, drift: Drift | None) -> Step:
        horizon, day = str(evening.config.horizon), evening.day
        degradation = self.evenings.degradation(course.lineage, day, strategy.policy)
        if not strategy.rules:
            return Step(strategy.name, horizon, evening)
        decision = self._decision(strategy, course, day, degradation, drift)
        searched = validation = None
        changes = list[Change]()
        reasons = tuple(reason for reason in decision.reasons if reason in strategy.rules)
        if reasons:
            course.last_triggered = course.last_optimized = day
            searched = self.searching.search(evening.config, day, strategy.policy)
            if searched.chosen.fingerprint != evening.config.fingerprint:
                validation = self.searching.validation(evening.config, searched, day, strategy.policy)
                if validation.verdict == "approved":
                    changes += self._deployed(course, searched, validation, day)
        if not changes:
            changes += self._reviewed(course, day)
        for change in changes:
            self._follow(course, change, day)
        return Step(strategy.name, horizon, evening, decision, reasons, searched, validation, tuple(changes))

    def _decision(
        self, strategy: Strategy, course: _Course, day: date, degradation: Degradation, drift: Drift | None
    ) -> Decision:
        policy = strategy.policy
        seen = drift or NOTHING
        if drift is not None and not self.reads_copper:
            seen = drift.without_copper(policy)
        return decide(
            str(course.lineage.config.horizon),
            degradation=degradation,
            drift=seen,
            last_optimized=course.last_optimized,
            last_triggered=course.last_triggered,
            is_requested=False,
            policy=policy,
            now=self.library.market.at(day).now,
        )

    def _deployed(self, course: _Course, searched: Searched, validation: Validation, day: date) -> list[Change]:
        """Deploys an approved challenger; rolls back where the probe fails."""
        history, now = course.history, self.library.market.at(day).now
        before = history.config
        change = history.deploy(searched.chosen, validation.words, now, validation.subject.validation_id)
        if change.record.state != "deployed":
            return [change]
        rollback = history.watched(self._faults(searched.chosen, before, day), now)
        return [change] if rollback is None else [change, rollback]

    def _faults(self, config: InferenceConfig, before: InferenceConfig, day: date) -> list[str]:
        """Faults of the new settings' fan beside that of the settings before."""
        fans = [self.library.fan(settings, day) for settings in (config, before)]
        if fans[0] is None:
            return ["no forecast"]
        fan, labels = fans[0]
        champion = None if fans[1] is None else fans[1][0]
        return fan_faults(fan, labels["origin_clp_per_usd"], labels["ewma_sd"], champion)

    def _reviewed(self, course: _Course, day: date) -> list[Change]:
        """Reviews the newest change; returns the rollback, if any."""
        history = course.history
        record = history.under_review()
        if record is None:
            return []
        if history.watch_state is None:
            history.watch_state = "passed"
        before = history.before(record)
        if before is None:
            history.settled()
            return []
        issued = sorted(
            origin for origin in course.lineage.issued[history.config.fingerprint] if origin >= day_of(record)
        )
        if len(issued) < history.policy.probation_outcomes:
            return []
        new, old = (self.searching.scored(config, day, issued) for config in (history.config, before))
        rollback = history.reviewed(new, old, self.library.market.at(day).now)[1]
        return [] if rollback is None else [rollback]

    def _follow(self, course: _Course, change: Change, day: date) -> None:
        """Moves to the lineage of the changed settings; equal courses share it."""
        if change.config.fingerprint != course.lineage.config.fingerprint:
            key = (id(course.lineage), day, change.config.fingerprint)
            course.lineage = self._shared(key, course.lineage.changed(change.config))


@dataclass(frozen=True)
class NoDrift:
    """Drift verdict of an evening on which none was judged."""

    fires_literal: bool | None = None
    fires_calibrated: bool | None = None
    severity: str = "NONE"
    joint: float | None = None
    joint_limit: float | None = None
    since: date | None = None
    is_of_copper_alone: bool = False
    words: str = "drift was not looked at"


NOTHING = NoDrift()


def _reads_drift(strategy: Strategy) -> bool:
    return "drift" in strategy.rules


def _monitoring(policy: Policy) -> str:
    """Settings that decide which past dates monitoring backtests."""
    return f"{policy.degradation!r}/{policy.drift.history_sessions}/{policy.budget_per_14_days}"

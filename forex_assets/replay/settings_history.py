"""Settings of one horizon under one policy, by deployment's rules."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import polars as pl

from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import DeploymentPolicy
from forex_assets.deployment.outcome_review import Outcome, review_outcomes
from forex_assets.deployment.plan import OUTCOME_REVIEW, WATCH, automatic_today, to_take_back
from forex_assets.deployment.record import DeploymentRecord, Kind
from forex_assets.deployment.watch import FINAL


@dataclass(frozen=True)
class Change:
    """A change of settings, or why there was none.

    Attributes:
        record: as deployment would keep it.
        config: current settings afterwards.
    """

    record: DeploymentRecord
    config: InferenceConfig


@dataclass
class SettingsHistory:
    """Settings of a horizon and how they changed.

    Attributes:
        config: current settings.
        policy: rules of deployment.
        records: newest first.
        backups: replaced settings by name.
        quarantined: fingerprints that must not be deployed again.
        watch_state: of the newest change, see `watch.WatchStateName`; None before its watch has ended.
    """

    config: InferenceConfig
    policy: DeploymentPolicy
    records: list[DeploymentRecord] = field(default_factory=list)
    backups: dict[str, InferenceConfig] = field(default_factory=dict)
    quarantined: set[str] = field(default_factory=set)
    watch_state: str | None = None

    def deploy(self, config: InferenceConfig, reason: str, now: datetime, validation_id: str) -> Change:
        """Deploys approved settings, see `Deployer.deploy`."""
        draft = self._draft("deploy", config, by="loop", reason=reason, now=now)
        draft = draft.model_copy(update={"validation_id": validation_id})
        if config.fingerprint in self.quarantined:
            refused = {"state": "refused", "watch_until": None, "reason": f"{config.fingerprint} is in quarantine"}
            return self._kept(draft.model_copy(update=refused))
        return self._replaced(draft, config)

    def watched(self, faults: list[str], now: datetime) -> Change | None:
        """Ends the watch of a new deployment.

        Prices do not change during it, so a probe that fails once fails as often as the policy allows.

        Args:
            faults: of the probe's fan (`watch.fan_faults`).

        Returns:
            The rollback, if the probe failed.
        """
        self.watch_state = "passed"
        return self._rolled_back("; ".join(faults), WATCH, now) if faults else None

    def under_review(self) -> DeploymentRecord | None:
        """The newest change whose outcomes are awaited."""
        newest = next((record for record in self.records if record.state == "deployed"), None)
        is_open = self.watch_state not in FINAL and self.policy.probation != "off"
        return newest if newest is not None and is_open else None

    def before(self, record: DeploymentRecord) -> InferenceConfig | None:
        """Settings that a change replaced, if a rollback may restore them."""
        config = self.backups.get(record.backup or "")
        return None if config is None or config.fingerprint in self.quarantined else config

    def reviewed(self, new: pl.DataFrame, old: pl.DataFrame, now: datetime) -> tuple[Outcome, Change | None]:
        """Compares outcomes of both settings on the same dates.

        Settings that are significantly worse are rolled back. A proposed rollback counts as typed by a person the same
        evening.

        Args:
            new: `REALIZED_SCHEMA`, one row a forecast by the current settings.
            old: by the settings before.
        """
        outcome = review_outcomes(new, old, self.policy)
        if outcome.verdict == "worse":
            return outcome, self._rolled_back(outcome.words, OUTCOME_REVIEW, now)
        if outcome.verdict == "proven":
            self.watch_state = "proven"
        return outcome, None

    def settled(self) -> None:
        """Ends a review that has no settings to go back to."""
        self.watch_state = "proven"

    def _rolled_back(self, reason: str, by: str, now: datetime) -> Change | None:
        """Quarantines the current settings and restores those before, see `Deployer.rollback`."""
        self.quarantined.add(self.config.fingerprint)
        undone = self._to_take_back()
        if undone is None or automatic_today(self.records, now) >= self.policy.rollbacks_per_day:
            return None
        config = self.backups[str(undone.backup)]
        if config.fingerprint in self.quarantined:
            return None
        draft = self._draft("rollback", config, by=by, reason=reason, now=now)
        return self._replaced(draft.model_copy(update={"undoes": undone.id}), config)

    def _to_take_back(self) -> DeploymentRecord | None:
        """The newest deployment whose backup is not current already."""
        skipped = set[str]()
        while record := to_take_back(entry for entry in self.records if entry.id not in skipped):
            if self.backups[str(record.backup)].fingerprint != self.config.fingerprint:
                return record
            skipped.add(record.id)
        return None

    def _draft(self, kind: Kind, config: InferenceConfig, *, by: str, reason: str, now: datetime) -> DeploymentRecord:
        return DeploymentRecord(
            id=f"{len(self.records):06d}",
            horizon=str(config.horizon),
            kind=kind,
            state="deployed",
            at=now,
            by=by,
            reason=reason,
            from_fingerprint=self.config.fingerprint,
            to_fingerprint=config.fingerprint,
            backup=f"backup {len(self.records):06d}",
            watch_until=now + timedelta(minutes=self.policy.watch_minutes),
        )

    def _replaced(self, record: DeploymentRecord, config: InferenceConfig) -> Change:
        self.backups[str(record.backup)] = self.config
        self.config, self.watch_state = config, None
        return self._kept(record)

    def _kept(self, record: DeploymentRecord) -> Change:
        self.records.insert(0, record)
        return Change(record, self.config)


def day_of(record: DeploymentRecord) -> date:
    """Day of a change in Santiago."""
    return record.at.astimezone(SANTIAGO).date()

"""Deploys settings and rolls them back, by the policy's rules."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final, Literal

from forex_assets.core.config_store import ConfigStore
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import DeploymentPolicy
from forex_assets.core.store.port import Confirm, Store
from forex_assets.deployment.config_backups import BackupError, ConfigBackups
from forex_assets.deployment.deployment_store import DeploymentStore, new_id
from forex_assets.deployment.git import Commits
from forex_assets.deployment.plan import AUTOMATIC, automatic_today, expired_backups, to_take_back
from forex_assets.deployment.record import DeploymentRecord, Kind
from forex_assets.deployment.replacement import Replacement

ANY: Final[Literal["any"]] = "any"
"""`expected` of a deployment that replaces any current settings: a rollback."""


class Deployer:
    """Writes the current settings. Nothing else does.

    Every method raises WarehouseError where another deployer holds the lock for too long, or a record cannot be read.

    Args:
        configs: store of `chronos_<h>.json`.
        store: records.
        policy: commits, watch, retention, limits.
        commit: commits a config to git; None for no commits.
        lock_timeout_s: longest wait for another deployer, in seconds.
        at_step: called with each of `STEPS` once it is done; tests end the process there.
    """

    def __init__(
        self,
        configs: Store,
        store: DeploymentStore,
        policy: DeploymentPolicy,
        *,
        commit: Commits | None = None,
        lock_timeout_s: float = 30.0,
        at_step: Callable[[str], None] = lambda step: None,
    ) -> None:
        self.configs, self.store, self.policy = ConfigStore(configs), store, policy
        self.backups = ConfigBackups(configs)
        commit_file = commit if policy.commit_to_git else None
        self._confirm: Confirm = lambda: None
        self._replacement = Replacement(
            self.configs, self.backups, store, commit_file, at_step, lambda: self._confirm()
        )
        self._lock_timeout_s, self._at_step = lock_timeout_s, at_step

    def records(self, horizon: str) -> list[DeploymentRecord]:
        """Records of a horizon, newest first."""
        return self.store.records(horizon)

    def latest(self, horizon: str) -> DeploymentRecord | None:
        """The newest change of a horizon's settings, or else the newest record."""
        return self.store.latest(horizon)

    def current(self, horizon: str) -> str | None:
        """Fingerprint of the current settings; None where they are missing or unreadable."""
        return self._replacement.current(horizon)

    def is_quarantined(self, horizon: str, fingerprint: str) -> str | None:
        """Why settings must not be deployed; None where they may."""
        reasons = (item.reason for item in self.store.quarantined(horizon) if item.fingerprint == fingerprint)
        return next(reasons, None)

    def quarantine(self, horizon: str, fingerprint: str, reason: str, now: datetime) -> None:
        """Keeps settings from being deployed again."""
        self.store.quarantine(horizon, fingerprint, reason, now)

    def deploy(
        self,
        config: InferenceConfig,
        *,
        expected: str | None,
        reason: str,
        by: str,
        now: datetime,
        validation_id: str | None = None,
    ) -> DeploymentRecord:
        """Deploys settings.

        Args:
            expected: fingerprint that must be current, since the new settings were validated against it; None where no
                settings may be; `ANY` for no condition.

        Returns:
            The record: `deployed`; `unchanged` where the settings are current already, which is not kept; `refused` or
            `failed` with the reason: the current settings stay.
        """
        content = (json.dumps(config.model_dump(), indent=2) + "\n").encode()
        with self._locked():
            self._replacement.recover(config.horizon)
            draft = self._draft("deploy", config.horizon, by=by, reason=reason, now=now)
            update = {"to_fingerprint": config.fingerprint, "validation_id": validation_id}
            return self._bring(draft.model_copy(update=update), content, expected)

    def refuse(
        self, config: InferenceConfig, why: str, *, by: str, now: datetime, validation_id: str
    ) -> DeploymentRecord:
        """Records a deployment that a rule forbids."""
        draft = self._draft("deploy", config.horizon, by=by, reason=why, now=now)
        update = {"to_fingerprint": config.fingerprint, "validation_id": validation_id}
        return self._refused(draft.model_copy(update=update), why)

    def rollback(
        self,
        horizon: str,
        *,
        reason: str,
        by: str,
        now: datetime,
        to: str | None = None,
        failed: str | None = None,
        last_good: bool = False,
    ) -> DeploymentRecord:
        """Deploys a backup, by the steps of `deploy`.

        Args:
            by: who; `AUTOMATIC` ones are limited to a number a day.
            to: name of a backup; None for the backup of the newest deployment that was not rolled back yet.
            failed: fingerprint to roll back; no action if other settings are current.
            last_good: to the newest backup whose settings were neither rolled back nor quarantined.

        Returns:
            As `deploy`; `refused` where there is no version to go back to, the backup is damaged, or the day's limit of
            automatic rollbacks is reached.
        """
        with self._locked():
            self._replacement.recover(horizon)
            records, current = self.records(horizon), self.current(horizon)
            if to is None and not last_good and by not in AUTOMATIC and (recovery := self._told_of_recovery(records)):
                return recovery
            draft = self._draft("rollback", horizon, by=by, reason=reason, now=now)
            if by in AUTOMATIC and automatic_today(records, now) >= self.policy.rollbacks_per_day:
                most = self.policy.rollbacks_per_day
                return self._refused(draft, f"{most} automatic rollbacks in a day; forex-assets rollback by hand")
            if failed is not None and current not in (None, failed):
                return self._refused(draft, f"the current settings are {current}, written by others; they stay")
            to = self._last_good(horizon, records, current) if last_good else to
            if last_good and to is None:
                return self._refused(draft, "no backup holds settings that were never rolled back or quarantined")
            undone = self._to_take_back(records, current) if to is None else None
            name = to or (undone.backup if undone else None)
            if name is None:
                return self._refused(draft, "no deployment on record is left to roll back")
            try:
                content, config = self.backups.read(horizon, name)
            except BackupError as error:
                return self._refused(draft, str(error))
            update = {"to_fingerprint": config.fingerprint, "undoes": undone.id if undone else None}
            return self._bring(draft.model_copy(update=update), content, ANY)

    def recover(self) -> list[DeploymentRecord]:
        """Finishes or undoes interrupted deployments, and retries pending commits; their records."""
        with self._locked():
            closed = [self._replacement.recover(horizon) for horizon in HORIZONS]
            return [record for record in closed if record] + self._replacement.retry_commits()

    def prune(self, now: datetime) -> list[str]:
        """Removes backups that the policy does not keep; their names."""
        with self._locked():
            removed = [backup.name for backup in expired_backups(self.backups.all(), self.policy, now)]
            for name in removed:
                self.backups.remove(name)
            return removed

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self.configs.files.lock("deployment", self._lock_timeout_s) as confirm:
            for files in (self.configs.files, self.backups.files):
                files.tidy()  # left by killed deployers: no other is at work
            self._confirm = confirm
            self._at_step("locked")
            yield

    def _bring(self, wanted: DeploymentRecord, content: bytes, expected: str | None) -> DeploymentRecord:
        """Deploys the settings of a wanted record, or refuses them."""
        current = wanted.from_fingerprint
        if current == wanted.to_fingerprint:
            return wanted.model_copy(update={"state": "unchanged", "watch_until": None})
        if expected not in (ANY, current):
            why = f"validated against {expected or 'nothing'}, but {current or 'nothing'} is current; validate again"
            return self._refused(wanted, why)
        reason = self.is_quarantined(wanted.horizon, wanted.to_fingerprint)
        if reason and (wanted.kind == "deploy" or wanted.by in AUTOMATIC):
            return self._refused(wanted, f"{wanted.to_fingerprint} is in quarantine: {reason}")
        self._at_step("checked")
        return self._replacement.replace(wanted, content)

    def _last_good(self, horizon: str, records: Sequence[DeploymentRecord], current: str | None) -> str | None:
        """Name of the newest backup whose settings never failed."""
        bad = {current, *(item.fingerprint for item in self.store.quarantined(horizon))}
        bad |= {
            record.from_fingerprint for record in records if record.kind == "rollback" and record.state == "deployed"
        }
        for backup in self.backups.all(horizon):
            try:
                if self.backups.read(horizon, backup.name)[1].fingerprint not in bad:
                    return backup.name
            except BackupError:
                continue  # damaged: an older one may be sound
        return None

    def _told_of_recovery(self, records: Sequence[DeploymentRecord]) -> DeploymentRecord | None:
        """The interrupted rollback that was finished since; None where none is untold.

        Whoever types the command again after a kill means that rollback, and not one more version back.
        """
        newest = next((record for record in records if record.state == "deployed"), None)
        if newest is None or not newest.is_recovered:
            return None
        recovery = newest.model_copy(update={"is_recovered": False})
        self.store.add(recovery)
        words = (
            f"an interrupted rollback was finished: {newest.to_fingerprint} is current. To go back one version more, "
        )
        return recovery.model_copy(update={"reason": f"{words}type the command again ({newest.reason})"})

    def _to_take_back(self, records: Sequence[DeploymentRecord], current: str | None) -> DeploymentRecord | None:
        """The newest deployment to roll back whose backup is not current already."""
        skipped = set[str]()
        while record := to_take_back(record for record in records if record.id not in skipped):
            try:
                if self.backups.read(record.horizon, str(record.backup))[1].fingerprint != current:
                    return record
            except BackupError:
                return record  # the caller reports the fault
            skipped.add(record.id)
        return None

    def _draft(self, kind: Kind, horizon: str, *, by: str, reason: str, now: datetime) -> DeploymentRecord:
        """The record of a success that replaces the current settings by themselves."""
        newest, current = next(iter(self.records(horizon)), None), self.current(horizon)
        return DeploymentRecord(
            id=new_id(now, newest.id if newest else None),
            horizon=horizon,
            kind=kind,
            state="deployed",
            at=now,
            by=by,
            reason=reason,
            from_fingerprint=current,
            to_fingerprint=current or "nothing",
            watch_until=now + timedelta(minutes=self.policy.watch_minutes),
        )

    def _refused(self, wanted: DeploymentRecord, why: str) -> DeploymentRecord:
        record = wanted.model_copy(update={"state": "refused", "watch_until": None, "reason": why})
        return self._replacement.kept(record)

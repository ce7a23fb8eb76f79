"""Replaces current settings in steps that survive a crash.

A forecaster reads the old or the new settings, whole, whenever the process dies:
Journal → backup → new settings read with the forecaster's own reader → replace → commit to git → record → remove the
journal.
The next start finishes or undoes a journal that it finds, judging by the current settings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from forex_assets.core.config_store import ConfigError, ConfigStore
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.store.port import Confirm, WarehouseError
from forex_assets.deployment.config_backups import ConfigBackups
from forex_assets.deployment.deployment_store import DeploymentStore
from forex_assets.deployment.git import Commits
from forex_assets.deployment.plan import outcome_of
from forex_assets.deployment.record import DeploymentRecord

STEPS: Final = ("locked", "checked", "journalled", "backed up", "replaced", "committed", "recorded", "ended")
"""Names passed to `at_step`, in order.

The new settings are current from `replaced` on.
"""


@dataclass(frozen=True)
class Replacement:
    """Steps that replace a config file; the caller holds the lock.

    Attributes:
        commit_file: commits a config to git; None for no commits.
        at_step: called with each of `STEPS` once it is done.
        confirm: raises where the caller's lock may have passed to another.
    """

    configs: ConfigStore
    backups: ConfigBackups
    store: DeploymentStore
    commit_file: Commits | None
    at_step: Callable[[str], None]
    confirm: Confirm

    def current(self, horizon: str) -> str | None:
        """Fingerprint of the current settings; None where they are missing or unreadable."""
        try:
            return self.configs.fingerprint(horizon)
        except ConfigError:
            return None

    def replace(self, wanted: DeploymentRecord, content: bytes) -> DeploymentRecord:
        """Replaces the settings of a horizon.

        Args:
            wanted: the record of a success.
            content: of the file.

        Returns:
            The record: `deployed`, or `failed` with the reason where the earlier settings stay.
        """
        try:
            return self._replace(wanted, content)
        except (WarehouseError, ConfigError) as error:
            if self.current(wanted.horizon) != wanted.to_fingerprint:
                return self._failed(wanted, str(error))
            # Deployed, and its journal is there: the next start commits and records it.
            words = f"{wanted.reason}; deployed, and not recorded yet: {error}"
            return wanted.model_copy(update={"reason": words, "git": "pending"})

    def recover(self, horizon: str) -> DeploymentRecord | None:
        """Closes the journal of a horizon; None where there is none."""
        journal = self.store.journal(horizon)
        if journal is None:
            return None
        wanted, current = journal.record, self.current(horizon)
        match outcome_of(current, wanted.from_fingerprint, wanted.to_fingerprint):
            case "finish":
                return self._finish(wanted.model_copy(update={"is_recovered": wanted.kind == "rollback"}))
            case "undo":
                return self._failed(wanted, "interrupted; the earlier settings stay")
            case "leave":
                return self._failed(wanted, f"interrupted; {current or 'nothing'} is current, written by others")

    def retry_commits(self) -> list[DeploymentRecord]:
        """Retries pending commits of current settings; their records."""
        retried = []
        for horizon in HORIZONS if self.commit_file else ():
            newest = self.store.latest(horizon)
            if newest and newest.git == "pending" and self.current(horizon) == newest.to_fingerprint:
                record = self._committed(newest)
                if record != newest:
                    self.store.add(record)
                    retried.append(record)
        return retried

    def kept(self, record: DeploymentRecord) -> DeploymentRecord:
        """Keeps a record, or returns it with the reason why not."""
        try:
            self.store.add(record)
        except WarehouseError as error:  # the disk that failed the deployment fails its record too
            return record.model_copy(update={"reason": f"{record.reason}; and the record cannot be written: {error}"})
        return record

    def _replace(self, wanted: DeploymentRecord, content: bytes) -> DeploymentRecord:
        """Writes journal and backup, replaces the settings, commits and records."""
        horizon, files, key = wanted.horizon, self.configs.files, self.configs.key(wanted.horizon)
        old = files.get(key)
        self.store.begin(wanted)
        self.at_step("journalled")
        if old is not None:
            wanted = wanted.model_copy(
                update={"backup": self.backups.add(horizon, old.content, wanted.id.partition("-")[0])}
            )
            self.store.begin(wanted)
        self.at_step("backed up")
        self._accept(content, wanted)
        self.confirm()
        if old is None:
            files.create(key, content)
        else:
            files.replace(key, content, old.tag)  # settings that a person has changed meanwhile stay
        self.at_step("replaced")
        return self._finish(wanted)

    def _accept(self, content: bytes, wanted: DeploymentRecord) -> None:
        """Reads new settings as the forecaster will.

        Raises:
            ConfigError: it cannot be used, or holds other settings.
        """
        fingerprint = self.configs.parse(content, wanted.horizon).fingerprint
        if fingerprint != wanted.to_fingerprint:
            place = self.configs.place(wanted.horizon)
            raise ConfigError(f"{place}: reads as {fingerprint}, but {wanted.to_fingerprint} was to be written")

    def _finish(self, wanted: DeploymentRecord) -> DeploymentRecord:
        """Commits, records and closes a deployment. Nothing undoes it from here on."""
        record = self._committed(wanted)
        self.at_step("committed")
        self.store.add(record)
        self.at_step("recorded")
        self.store.end(record.horizon)
        self.at_step("ended")
        return record

    def _committed(self, record: DeploymentRecord) -> DeploymentRecord:
        if self.commit_file is None:
            return record.model_copy(update={"git": "off", "git_words": "not asked for"})
        change = f"{record.from_fingerprint or 'none'} to {record.to_fingerprint}"
        title = f"{record.kind.capitalize()} {record.horizon}: {change}"
        message = f"{title}\n\n{record.reason}\nBy {record.by}, {record.id}"
        key = self.configs.key(record.horizon)
        current = self.configs.files.get(key)
        commit = self.commit_file(key, b"" if current is None else current.content, message)
        return record.model_copy(update={"git": commit.state, "git_words": commit.words})

    def _failed(self, wanted: DeploymentRecord, why: str) -> DeploymentRecord:
        """Records that the earlier settings stay, and closes the journal."""
        record = self.kept(wanted.model_copy(update={"state": "failed", "watch_until": None, "reason": why}))
        self.store.end(wanted.horizon)
        return record

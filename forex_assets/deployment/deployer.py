"""Replacing a live config so that a forecaster finds the old one or the new one, whole, whatever happens half-way.

Lock → what is live is what was validated against → journal → backup → draft, read with the forecaster's own reader →
replace → commit to git → record → journal away. A journal that is found later is finished or undone, by what is live.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from forex_assets.core.config_store import ConfigError, ConfigStore
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import DeploymentPolicy
from forex_assets.core.store.atomic import remove_drafts, write_bytes_atomically
from forex_assets.core.store.warehouse import Warehouse, WarehouseError
from forex_assets.deployment.config_backups import BackupError, ConfigBackups
from forex_assets.deployment.deployment_store import DeploymentStore, new_id
from forex_assets.deployment.git import Commit, commit_file
from forex_assets.deployment.plan import AUTOMATIC, automatic_today, expired_backups, outcome_of, to_take_back
from forex_assets.deployment.record import DeploymentRecord

ANY: Final[Literal["any"]] = "any"
"""`expected` of a deployment that does not mind what is live: a rollback."""

STEPS: Final = ("locked", "checked", "journalled", "backed up", "replaced", "committed", "recorded", "ended")
"""What `at_step` is told, in this order. The new settings are live from `replaced` on."""


def _pass_over(step: str) -> None:
    """Do nothing at a step."""


class Deployer:
    """The one who writes live configs.

    Args:
        configs: folder of `chronos_<h>.json`.
        store: records.
        policy: commits, watch, retention, limits.
        commit: puts a file into git; None for none.
        lock_timeout_s: how long to wait for another deployer.
        at_step: called with each of `STEPS` once it is done; tests end the process there.
    """

    def __init__(
        self,
        configs: Path,
        store: DeploymentStore,
        policy: DeploymentPolicy,
        *,
        commit: Callable[[Path, str], Commit] | None = commit_file,
        lock_timeout_s: float = 30.0,
        at_step: Callable[[str], None] = _pass_over,
    ) -> None:
        self.configs, self.store, self.policy = ConfigStore(configs), store, policy
        self.backups = ConfigBackups(configs)
        self._commit_file = commit if policy.commit_to_git else None
        self._lock = Warehouse(configs)
        self._lock_timeout_s, self._at_step = lock_timeout_s, at_step

    def records(self, horizon: str) -> list[DeploymentRecord]:
        """What was done, newest first."""
        return self.store.records(horizon)

    def latest(self, horizon: str) -> DeploymentRecord | None:
        """The newest change of a horizon's settings, or else the newest attempt."""
        return self.store.latest(horizon)

    def is_quarantined(self, horizon: str, fingerprint: str) -> str | None:
        """Why settings must not go live; None where they may."""
        found = [each for each in self.store.quarantined(horizon) if each.fingerprint == fingerprint]
        return found[0].reason if found else None

    def quarantine(self, horizon: str, fingerprint: str, reason: str, now: datetime) -> None:
        """Keep settings from going live again."""
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
        """Bring settings live.

        Args:
            config: the settings.
            expected: fingerprint of what must be live, since the new ones were validated against it; None where there
                must be none; `ANY` where it does not matter.
            reason: in words.
            by: who.
            now: real time, with a time zone.
            validation_id: report that it rests on.

        Returns:
            The record: `deployed`; `unchanged` where they are live already, which is not kept; `refused` or `failed`
            with the reason: what was live is live.

        Raises:
            WarehouseError: another deployer holds the lock for too long, or a record cannot be read.
        """
        content = (json.dumps(config.model_dump(), indent=2) + "\n").encode()
        with self._locked():
            self._recover(config.horizon, now)
            wanted = self._record("deploy", config, by=by, reason=reason, now=now, validation_id=validation_id)
            return self._bring(wanted, content, expected)

    def rollback(
        self, horizon: str, *, reason: str, by: str, now: datetime, to: str | None = None, failed: str | None = None
    ) -> DeploymentRecord:
        """Bring a backup live, by the same steps.

        Args:
            horizon: such as `7d`.
            reason: in words.
            by: who; `watch` and `probation` may so often a day.
            now: real time, with a time zone.
            to: name of a backup; None for what the last deployment replaced that was not taken back yet, and that is
                not what is live.
            failed: fingerprint of the settings that are to go: where others are live by now, they stay.

        Returns:
            As `deploy`; `refused` where there is nothing to go back to, the backup is damaged, or the day's automatic
            rollbacks are used up.

        Raises:
            WarehouseError: as `deploy`.
        """
        with self._locked():
            self._recover(horizon, now)
            records = self.records(horizon)
            live = self._live(horizon)
            undone = self._to_take_back(records, live) if to is None else None
            name = to or (undone.backup if undone else None)
            blank = self._blank(horizon, live, by=by, reason=reason, now=now)
            if by in AUTOMATIC and automatic_today(records, now) >= self.policy.rollbacks_per_day:
                most = self.policy.rollbacks_per_day
                return self._refuse(blank, f"{most} automatic rollbacks in a day; forex-assets rollback by hand")
            if failed is not None and live not in (None, failed):
                return self._refuse(blank, f"{live} is live, brought by others, and stays")
            if name is None:
                return self._refuse(blank, "no deployment on record that could be taken back")
            try:
                content = self.backups.content(horizon, name)
                config = self._parse(content, horizon)
            except (BackupError, ConfigError) as error:
                return self._refuse(blank, str(error))
            wanted = self._record("rollback", config, by=by, reason=reason, now=now)
            wanted = wanted.model_copy(update={"undoes": undone.id if undone else None})
            return self._bring(wanted, content, ANY)

    def recover(self, now: datetime) -> list[DeploymentRecord]:
        """Finish or undo what was ended half-way, and try commits again that had to wait; what was done.

        Raises:
            WarehouseError: as `deploy`.
        """
        with self._locked():
            done = [self._recover(horizon, now) for horizon in HORIZONS]
            return [record for record in done if record] + self._retry_commits()

    def prune(self, now: datetime) -> list[str]:
        """Remove backups that the policy does not keep; their names."""
        with self._locked():
            gone = expired_backups(self.backups.all(), self.policy, now)
            for backup in gone:
                self.backups.remove(backup.name)
            return [backup.name for backup in gone]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock.lock("deployment", self._lock_timeout_s):
            for folder in (self.configs.folder, self.backups.folder):
                remove_drafts(folder, 0.0)  # of killed deployers: no other is at work
            self._at_step("locked")
            yield

    def _bring(self, wanted: DeploymentRecord, content: bytes, expected: str | None) -> DeploymentRecord:
        """The steps from a wanted record on, or its refusal."""
        live = self._live(wanted.horizon)
        wanted = wanted.model_copy(update={"from_fingerprint": live})
        if live == wanted.to_fingerprint:
            return wanted.model_copy(update={"state": "unchanged", "watch_until": None})
        if expected not in (ANY, live):
            words = f"validated against {expected or 'nothing'}, but {live or 'nothing'} is live; validate anew"
            return self._refuse(wanted, words)
        why = self.is_quarantined(wanted.horizon, wanted.to_fingerprint)
        if why and (wanted.kind == "deploy" or wanted.by in AUTOMATIC):
            return self._refuse(wanted, f"{wanted.to_fingerprint} is in quarantine: {why}")
        self._at_step("checked")
        try:
            return self._replace(wanted, content)
        except (OSError, WarehouseError, ConfigError) as error:
            if self._live(wanted.horizon) != wanted.to_fingerprint:
                return self._failed(wanted, str(error))
            # Live, and its journal is there: the next start commits and records it.
            words = f"{wanted.reason}; live, and not recorded yet: {error}"
            return wanted.model_copy(update={"reason": words, "git": "pending"})

    def _to_take_back(self, records: Sequence[DeploymentRecord], live: str | None) -> DeploymentRecord | None:
        """The deployment to take back: the newest whose backup is not what a person has brought live meanwhile."""
        skipped = set[str]()
        while (found := to_take_back(each for each in records if each.id not in skipped)) is not None:
            try:
                content = self.backups.content(found.horizon, str(found.backup))
                if self._parse(content, found.horizon).fingerprint != live:
                    return found
            except (BackupError, ConfigError):
                return found  # the caller says what is wrong with it
            skipped.add(found.id)
        return None

    def _replace(self, wanted: DeploymentRecord, content: bytes) -> DeploymentRecord:
        """Journal, backup, replacement, commit, record."""
        horizon, path = wanted.horizon, self.configs.path(wanted.horizon)
        old = path.read_bytes() if path.exists() else None
        self.store.begin(wanted)
        self._at_step("journalled")
        if old is not None:
            wanted = wanted.model_copy(update={"backup": self.backups.add(horizon, old, wanted.id.partition("-")[0])})
            self.store.begin(wanted)
        self._at_step("backed up")
        write_bytes_atomically(path, content, check=lambda draft: self._accept(draft, wanted))
        self._at_step("replaced")
        return self._finish(wanted)

    def _accept(self, draft: Path, wanted: DeploymentRecord) -> None:
        """Read a draft as the forecaster will.

        Raises:
            ConfigError: it cannot be used, or is not what was wanted.
        """
        found = self.configs.parse(draft, wanted.horizon).fingerprint
        if found != wanted.to_fingerprint:
            raise ConfigError(f"{draft}: reads as {found}, {wanted.to_fingerprint} was to be written")

    def _finish(self, wanted: DeploymentRecord) -> DeploymentRecord:
        """Commit, record, and close; from here on the new settings are live and nothing takes them back."""
        record = self._committed(wanted)
        self._at_step("committed")
        self.store.add(record)
        self._at_step("recorded")
        self.store.end(record.horizon)
        self._at_step("ended")
        return record

    def _committed(self, record: DeploymentRecord) -> DeploymentRecord:
        if self._commit_file is None:
            return record.model_copy(update={"git": "off", "git_words": "not asked for"})
        change = f"{record.from_fingerprint or 'none'} to {record.to_fingerprint}"
        message = (
            f"{record.kind.capitalize()} {record.horizon}: {change}\n\n{record.reason}\nBy {record.by}, {record.id}"
        )
        made = self._commit_file(self.configs.path(record.horizon), message)
        return record.model_copy(update={"git": made.state, "git_words": made.words})

    def _recover(self, horizon: str, now: datetime) -> DeploymentRecord | None:
        """Close a horizon's journal, where there is one."""
        journal = self.store.journal(horizon)
        if journal is None:
            return None
        wanted, live = journal.record, self._live(horizon)
        todo = outcome_of(live, wanted.from_fingerprint, wanted.to_fingerprint)
        if todo == "finish":
            return self._finish(wanted)
        ended = "ended half-way; " + (
            "what was live before is live" if todo == "undo" else f"{live or 'nothing'} is live, written by others"
        )
        return self._failed(wanted, ended)

    def _retry_commits(self) -> list[DeploymentRecord]:
        """Commit what is live and could not be committed; older ones are part of that."""
        done = []
        for horizon in HORIZONS if self._commit_file else ():
            newest = next((each for each in self.records(horizon) if each.state == "deployed"), None)
            if newest is not None and newest.git == "pending" and self._live(horizon) == newest.to_fingerprint:
                again = self._committed(newest)
                if again != newest:
                    self.store.add(again)
                    done.append(again)
        return done

    def _live(self, horizon: str) -> str | None:
        """Fingerprint of what is live; None where there is none, or none that can be read."""
        try:
            return self.configs.fingerprint(horizon)
        except ConfigError:
            return None

    def _parse(self, content: bytes, horizon: str) -> InferenceConfig:
        """A backup's settings, by the forecaster's own reader.

        Raises:
            ConfigError: it cannot be used.
        """
        try:
            config = InferenceConfig.model_validate_json(content, strict=True)
        except ValueError as error:
            raise ConfigError(f"the backup holds no settings of {horizon}: {str(error).splitlines()[0]}") from None
        if config.horizon != horizon:
            raise ConfigError(f"the backup holds settings of {config.horizon}, not of {horizon}")
        return config

    def _record(
        self,
        kind: Literal["deploy", "rollback"],
        config: InferenceConfig,
        *,
        by: str,
        reason: str,
        now: datetime,
        validation_id: str | None = None,
    ) -> DeploymentRecord:
        """What the record will be where all goes well."""
        return DeploymentRecord(
            id=self._new_id(config.horizon, now),
            horizon=config.horizon,
            kind=kind,
            state="deployed",
            at=now,
            by=by,
            reason=reason,
            from_fingerprint=None,
            to_fingerprint=config.fingerprint,
            validation_id=validation_id,
            watch_until=now + timedelta(minutes=self.policy.watch_minutes),
        )

    def _blank(self, horizon: str, live: str | None, *, by: str, reason: str, now: datetime) -> DeploymentRecord:
        """A rollback that has no settings to go to."""
        return DeploymentRecord(
            id=self._new_id(horizon, now),
            horizon=horizon,
            kind="rollback",
            state="refused",
            at=now,
            by=by,
            reason=reason,
            from_fingerprint=live,
            to_fingerprint=live or "nothing",
        )

    def _new_id(self, horizon: str, now: datetime) -> str:
        newest = next(iter(self.records(horizon)), None)
        return new_id(now, newest.id if newest else None)

    def _refuse(self, wanted: DeploymentRecord, why: str) -> DeploymentRecord:
        return self._kept(wanted.model_copy(update={"state": "refused", "watch_until": None, "reason": why}))

    def _failed(self, wanted: DeploymentRecord, why: str) -> DeploymentRecord:
        """What was live is live: record it, where that can be written, and close the journal."""
        record = self._kept(wanted.model_copy(update={"state": "failed", "watch_until": None, "reason": why}))
        self.store.end(wanted.horizon)
        return record

    def _kept(self, record: DeploymentRecord) -> DeploymentRecord:
        try:
            self.store.add(record)
        except WarehouseError as error:  # the disk that failed the deployment fails its record too
            return record.model_copy(update={"reason": f"{record.reason}; and the record cannot be written: {error}"})
        return record

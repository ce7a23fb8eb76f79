"""Rules of recovery, rollback and retention of backups."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from forex_assets.core.policy import DeploymentPolicy
from forex_assets.core.retention import outlived
from forex_assets.deployment.record import DeploymentRecord

WATCH: Final = "watch"
OUTCOME_REVIEW: Final = "probation"
"""Author of a rollback after outcomes.

Records of all versions have this name.
"""

AUTOMATIC: Final = (WATCH, OUTCOME_REVIEW)
"""Authors of automatic rollbacks; the policy limits their number a day."""


@dataclass(frozen=True)
class Backup:
    """A replaced config: file name, horizon, time of replacement (UTC)."""

    name: str
    horizon: str
    at: datetime


def outcome_of(current: str | None, before: str | None, wanted: str) -> Literal["finish", "undo", "leave"]:
    """Decides what to do about an interrupted deployment.

    Args:
        current: fingerprint of the current settings; None where there are none.
        before: fingerprint before the deployment; None where there was none.
        wanted: fingerprint of the new settings.

    Returns:
        `finish` where the new settings are current: only the commit and the record are missing; `undo` where the old
        ones are; `leave` where somebody has written others since.
    """
    if current == wanted:
        return "finish"
    return "undo" if current == before else "leave"


def to_take_back(records: Iterable[DeploymentRecord]) -> DeploymentRecord | None:
    """The deployment that the next rollback undoes; None where none is left.

    It is the newest change that was not undone yet: a second rollback in a row goes one version further back, never
    forth again. A rollback undoes its deployment and every later one. A rollback to a named backup is a change.

    Args:
        records: of a horizon, newest first.
    """
    past = [record for record in records if record.state == "deployed"]
    place = {record.id: number for number, record in enumerate(past)}
    undone = {
        number
        for record in past
        if record.undoes in place
        for number in range(place[record.id], place[str(record.undoes)] + 1)
    }
    for number, record in enumerate(past):
        if record.undoes is None and number not in undone and record.backup is not None:
            return record
    return None


def automatic_today(records: Iterable[DeploymentRecord], now: datetime) -> int:
    """Number of automatic rollbacks in the last 24 hours."""
    return sum(
        1
        for record in records
        if record.kind == "rollback"
        and record.state == "deployed"
        and record.by in AUTOMATIC
        and now - record.at < timedelta(days=1)
    )


def expired_backups(backups: Sequence[Backup], policy: DeploymentPolicy, now: datetime) -> list[Backup]:
    """Config backups past the age limit, except each horizon's newest."""
    horizons = sorted({backup.horizon for backup in backups})
    groups = ([backup for backup in backups if backup.horizon == horizon] for horizon in horizons)
    return [
        backup
        for group in groups
        for backup in outlived(group, days=policy.backup_days, keep=policy.keep_backups, now=now)
    ]

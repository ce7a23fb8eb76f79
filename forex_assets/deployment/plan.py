"""What a deployment leaves when it is ended half-way, which version a rollback goes to, which backups are kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from forex_assets.core.policy import DeploymentPolicy
from forex_assets.core.retention import outlived
from forex_assets.deployment.record import DeploymentRecord

AUTOMATIC: Final = ("watch", "probation")
"""Who rolls back without being asked: so often a day at most."""


@dataclass(frozen=True)
class Backup:
    """A config that was replaced.

    Attributes:
        name: of its file.
        horizon: whose.
        at: when it was replaced, UTC.
    """

    name: str
    horizon: str
    at: datetime


def outcome_of(live: str | None, before: str | None, wanted: str) -> Literal["finish", "undo", "leave"]:
    """What to do about a deployment that was ended half-way, from what is live now.

    Args:
        live: fingerprint of the live settings; None where there are none.
        before: fingerprint before the deployment; None where there were none.
        wanted: that it was to bring.

    Returns:
        `finish` where the new settings are live: only the commit and the record are missing; `undo` where the old ones
        are; `leave` where somebody has written others since.
    """
    if live == wanted:
        return "finish"
    return "undo" if live == before else "leave"


def to_take_back(records: Iterable[DeploymentRecord]) -> DeploymentRecord | None:
    """The deployment that the next rollback takes back; None where there is none left.

    The newest that changed something and was not taken back yet: a second rollback in a row goes one version further
    back, and never to and fro. A rollback takes back what it undoes and whatever was deployed since. A rollback to a
    named backup is a change like any other.

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
    """Rollbacks of the last 24 hours that nobody asked for."""
    return sum(
        1
        for record in records
        if record.kind == "rollback"
        and record.state == "deployed"
        and record.by in AUTOMATIC
        and now - record.at < timedelta(days=1)
    )


def expired_backups(backups: Sequence[Backup], policy: DeploymentPolicy, now: datetime) -> list[Backup]:
    """Config backups past the policy's age limit, except the newest of each horizon."""
    horizons = sorted({backup.horizon for backup in backups})
    groups = ([backup for backup in backups if backup.horizon == horizon] for horizon in horizons)
    return [
        backup
        for group in groups
        for backup in outlived(group, days=policy.backup_days, keep=policy.keep_backups, now=now)
    ]

"""Stores deployment records, journals and quarantined settings as JSON files."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, model_validator

from forex_assets.core.horizon import days_of
from forex_assets.core.session import Session
from forex_assets.core.store.port import Store
from forex_assets.core.store.records import Records
from forex_assets.core.text import PrintableLine
from forex_assets.deployment.record import DeploymentRecord

STAMP: Final = "%Y%m%dT%H%M%S%fZ"
"""Format of UTC times in the names of records and backups."""


class Journal(BaseModel):
    """A deployment under way, written before anything is changed.

    Attributes:
        record: what will be recorded if every step succeeds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: DeploymentRecord


class Quarantined(BaseModel):
    """Settings that failed in use; `at` is real time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    reason: PrintableLine
    at: AwareDatetime


class Quarantine(BaseModel):
    """Quarantined settings of a horizon.

    Files from before the record store hold the bare list.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: tuple[Quarantined, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _take_a_bare_list(cls, values: Any) -> Any:
        return {"items": values} if isinstance(values, list) else values


class DeploymentStore:
    """Everything that is kept of deployments.

    Every method raises WarehouseError where a file cannot be read or written; the file is named.

    Args:
        files: store of the deployments; made at the first write.
    """

    def __init__(self, files: Store) -> None:
        self.files = files
        self._journals = Records(files, Journal)
        self._quarantine = Records(files.under("quarantine"), Quarantine)

    def records(self, horizon: str) -> list[DeploymentRecord]:
        """Records of a horizon, newest first."""
        return self._records(horizon).all()

    def readable(self, horizon: str) -> list[DeploymentRecord]:
        """Records of a horizon that can be read, newest first."""
        return list(self._records(horizon).listing().records)

    def faults(self, horizon: str) -> list[str]:
        """One line for each record that cannot be read."""
        return list(self._records(horizon).listing().faults)

    def latest(self, horizon: str) -> DeploymentRecord | None:
        """The newest change of settings, or else the newest record."""
        records = self.records(horizon)
        return next((record for record in records if record.state == "deployed"), records[0] if records else None)

    def add(self, record: DeploymentRecord) -> None:
        """Keeps a record."""
        self._records(record.horizon).put(record.id, record)

    def journal(self, horizon: str) -> Journal | None:
        """The unfinished deployment of a horizon."""
        return self._journals.get(_journal_key(horizon))

    def begin(self, record: DeploymentRecord) -> None:
        """Writes the journal of a deployment."""
        self._journals.put(_journal_key(record.horizon), Journal(record=record))

    def end(self, horizon: str) -> None:
        """Removes the journal of a horizon."""
        self._journals.remove(_journal_key(horizon))

    def quarantined(self, horizon: str) -> tuple[Quarantined, ...]:
        """Settings that must not be deployed again."""
        days_of(horizon)
        return (self._quarantine.get(horizon) or Quarantine()).items

    def quarantine(self, horizon: str, fingerprint: str, reason: str, at: datetime) -> None:
        """Keeps settings from being deployed again."""
        days_of(horizon)
        entry = Quarantined(fingerprint=fingerprint, reason=reason, at=at)

        def add(before: Quarantine | None) -> Quarantine:
            others = (item for item in (before or Quarantine()).items if item.fingerprint != fingerprint)
            return Quarantine(items=(*others, entry))

        self._quarantine.update(horizon, add)

    def _records(self, horizon: str) -> Records[DeploymentRecord]:
        days_of(horizon)
        return Records(self.files.under(horizon), DeploymentRecord)


def deployments_of(session: Session) -> DeploymentStore:
    """The deployment records of the session's store."""
    return DeploymentStore(session.store.under("optimizer/deployments"))


def _journal_key(horizon: str) -> str:
    days_of(horizon)
    return f"{horizon}.journal"


def new_id(at: datetime, previous: str | None = None) -> str:
    """Record id that sorts by time.

    It sorts after `previous` even if the clock was set back in between.
    """
    moment = at.astimezone(UTC)
    if previous is not None:
        last = datetime.strptime(previous.partition("-")[0], STAMP).replace(tzinfo=UTC)
        moment = max(moment, last + timedelta(microseconds=1))
    return f"{moment.strftime(STAMP)}-{uuid4().hex[:6]}"

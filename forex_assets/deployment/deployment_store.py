"""Records of deployments, the journal of one under way, and settings that must not go live again: small JSON files."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from forex_assets.core.horizon import days_of
from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.deployment.record import DeploymentRecord

STAMP: Final = "%Y%m%dT%H%M%S%fZ"
"""How an instant, UTC, is written in the names of records and backups."""

Model = TypeVar("Model", bound=BaseModel)


class Journal(BaseModel):
    """A deployment under way, written before anything is changed.

    Attributes:
        record: as it will be where all goes well.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: DeploymentRecord


class Quarantined(BaseModel):
    """Settings that failed in use.

    Attributes:
        fingerprint: of the settings.
        reason: in words.
        at: since when.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    reason: str
    at: AwareDatetime


class DeploymentStore:
    """Everything that is kept of deployments.

    Args:
        folder: `<warehouse>/optimizer/deployments`; made at the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def records(self, horizon: str) -> list[DeploymentRecord]:
        """Of a horizon, newest first.

        Raises:
            WarehouseError: a record cannot be read; it is named.
        """
        days_of(horizon)
        names = sorted((self.folder / horizon).glob("[!.]*.json"), reverse=True)
        return [self._read(path, DeploymentRecord) for path in names]

    def latest(self, horizon: str) -> DeploymentRecord | None:
        """The newest that changed something, or else the newest."""
        found = self.records(horizon)
        return next((record for record in found if record.state == "deployed"), found[0] if found else None)

    def add(self, record: DeploymentRecord) -> None:
        """Keep a record.

        Raises:
            OSError: it cannot be written.
        """
        self._write(self.folder / record.horizon / f"{record.id}.json", record)

    def journal(self, horizon: str) -> Journal | None:
        """The deployment of a horizon that was begun and not ended."""
        path = self._journal(horizon)
        return self._read(path, Journal) if path.exists() else None

    def begin(self, record: DeploymentRecord) -> None:
        """Write down what is about to be done.

        Raises:
            OSError: it cannot be written.
        """
        self._write(self._journal(record.horizon), Journal(record=record))

    def end(self, horizon: str) -> None:
        """The deployment under way is over."""
        self._journal(horizon).unlink(missing_ok=True)

    def quarantined(self, horizon: str) -> list[Quarantined]:
        """Settings that must not go live again.

        Raises:
            WarehouseError: the list cannot be read.
        """
        path = self._quarantine(horizon)
        try:
            items = json.loads(path.read_text(encoding="utf-8"))
            return [Quarantined.model_validate(item) for item in items]
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise WarehouseError(f"{path} cannot be read ({error}); restore it from a backup or remove it") from error

    def quarantine(self, horizon: str, fingerprint: str, reason: str, at: datetime) -> None:
        """Keep settings from going live again.

        Raises:
            OSError: it cannot be written.
        """
        kept = [each for each in self.quarantined(horizon) if each.fingerprint != fingerprint]
        kept.append(Quarantined(fingerprint=fingerprint, reason=reason, at=at))
        path = self._quarantine(horizon)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(path, json.dumps([each.model_dump(mode="json") for each in kept], indent=2).encode())

    def _journal(self, horizon: str) -> Path:
        days_of(horizon)
        return self.folder / f"{horizon}.journal.json"

    def _quarantine(self, horizon: str) -> Path:
        days_of(horizon)
        return self.folder / "quarantine" / f"{horizon}.json"

    def _write(self, path: Path, model: BaseModel) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(path, model.model_dump_json(indent=2).encode() + b"\n")

    def _read(self, path: Path, kind: type[Model]) -> Model:
        try:
            return kind.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            first = str(error).splitlines()[0]
            raise WarehouseError(
                f"{path} cannot be read ({first}); restore it from a backup or move it away"
            ) from error


def new_id(at: datetime, previous: str | None = None) -> str:
    """A name that sorts by time, and after the previous record's even where a clock went back."""
    moment = at.astimezone(UTC)
    if previous is not None:
        last = datetime.strptime(previous.partition("-")[0], STAMP).replace(tzinfo=UTC)
        moment = max(moment, last + timedelta(microseconds=1))
    return f"{moment.strftime(STAMP)}-{uuid4().hex[:6]}"

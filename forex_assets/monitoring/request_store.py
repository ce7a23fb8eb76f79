"""Searches that people asked for: one small JSON file a request, written once, read by the next decision.

A request is open until a decision that answers it is on record; which those are, the caller knows. So a decision that
is killed half-way loses no request, and none is answered twice.
"""

import re
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from forex_assets.core.horizon import days_of
from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.core.store.warehouse import WarehouseError


class Request(BaseModel):
    """One person's wish for a search.

    Attributes:
        id: name of its file; sorts by when it was asked.
        horizon: such as `7d`.
        asked_at: with a time zone.
        asked_by: who; for people.
        reason: in the asker's words; may be empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    horizon: str
    asked_at: AwareDatetime
    asked_by: str
    reason: str

    @property
    def words(self) -> str:
        """`ana on 2025-06-13 14:05 UTC: new supplier`."""
        asked = f"{self.asked_by} on {self.asked_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return f"{asked}: {self.reason}" if self.reason else asked


@dataclass(frozen=True)
class Open:
    """What waits for a decision.

    Attributes:
        requests: oldest first.
        faults: one line a file that is no request, with the remedy; such a file stops nothing.
    """

    requests: tuple[Request, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class RequestStore:
    """Requests of all horizons.

    Args:
        folder: a folder a horizon lies in it; made at the first request.
    """

    folder: Path

    def add(self, horizon: str, *, reason: str, asked_by: str, asked_at: datetime) -> Request:
        """Keep a new request.

        Args:
            horizon: such as `7d`.
            reason: why, in the asker's words; may be empty.
            asked_by: who.
            asked_at: with a time zone.

        Raises:
            ValueError: there is no such horizon.
            WarehouseError: the folder cannot be written to.
        """
        days_of(horizon)
        name = f"{asked_at.astimezone(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
        request = Request(id=name, horizon=horizon, asked_at=asked_at, asked_by=asked_by, reason=reason)
        path = self._path(horizon, name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes_atomically(path, request.model_dump_json(indent=2).encode() + b"\n")
        except OSError as error:
            raise WarehouseError(f"cannot write {path}: {error.strerror}; see to space and permissions") from error
        return request

    def open(self, horizon: str, answered: Collection[str] = ()) -> Open:
        """Requests of a horizon that no decision has answered; files of answered ones are removed.

        Args:
            horizon: such as `7d`.
            answered: ids that decisions on record have answered.

        Raises:
            WarehouseError: a file cannot be read or removed.
        """
        waiting, faults = list[Request](), list[str]()
        for path in sorted(self._path(horizon, "none").parent.glob("[!.]*.json")):
            if path.stem in answered:
                self.remove(horizon, path.stem)
                continue
            try:
                waiting.append(Request.model_validate_json(path.read_bytes()))
            except FileNotFoundError:
                continue  # answered and removed by another decision since the folder was listed
            except ValidationError as error:
                reason = re.sub(r"\s+", " ", str(error.errors(include_url=False)[0]["msg"]))
                faults.append(f"{path} is no request ({reason}); remove it and ask again")
            except OSError as error:
                raise WarehouseError(f"cannot read {path}: {error.strerror}; see to its permissions") from error
        return Open(tuple(waiting), tuple(faults))

    def remove(self, horizon: str, name: str) -> None:
        """Take a request away; one that is gone already is no fault.

        Raises:
            WarehouseError: its file cannot be removed.
        """
        path = self._path(horizon, name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise WarehouseError(f"cannot remove {path}: {error.strerror}; see to its permissions") from error

    def _path(self, horizon: str, name: str) -> Path:
        days_of(horizon)
        return self.folder / horizon / f"{name}.json"

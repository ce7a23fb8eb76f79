"""Stores people's requests for a search, one JSON file each.

A request is open until a decision that answers it is on record, so that a killed decision loses no request and none is
answered twice. The caller knows which requests are answered.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from forex_assets.core.calendar import santiago_time
from forex_assets.core.horizon import days_of
from forex_assets.core.session import Session
from forex_assets.core.store.port import Store
from forex_assets.core.store.records import Records
from forex_assets.core.text import PrintableLine


class Request(BaseModel):
    """A person's request for a search.

    Attributes:
        id: name of its file; sorts by the time of asking.
        horizon: such as `7d`.
        asked_at: with a time zone.
        asked_by: a person's name.
        reason: in the asker's words; may be empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    horizon: str
    asked_at: AwareDatetime
    asked_by: PrintableLine
    reason: PrintableLine

    @property
    def words(self) -> str:
        """`ana on 2025-06-13 10:05: new supplier`, Santiago's time."""
        asked = f"{self.asked_by} on {santiago_time(self.asked_at)}"
        return f"{asked}: {self.reason}" if self.reason else asked


@dataclass(frozen=True)
class Open:
    """Requests that wait for a decision.

    Attributes:
        requests: oldest first.
        faults: one line a file that holds no request, with the remedy; such a file stops nothing.
    """

    requests: tuple[Request, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class RequestStore:
    """Requests of all horizons, in one folder each."""

    files: Store

    def add(self, horizon: str, *, reason: str, asked_by: str, asked_at: datetime) -> Request:
        """Keeps a new request.

        Raises:
            ValueError: there is no such horizon.
            WarehouseError: the folder cannot be written to.
        """
        name = f"{asked_at.astimezone(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
        request = Request(id=name, horizon=horizon, asked_at=asked_at, asked_by=asked_by, reason=reason)
        self._records(horizon).create(name, request)
        return request

    def open(self, horizon: str, answered: Collection[str] = ()) -> Open:
        """Requests of a horizon without those `answered`, whose files are removed.

        Raises:
            WarehouseError: a file cannot be read or removed.
        """
        records = self._records(horizon)
        for name in set(records.keys()).intersection(answered):
            records.remove(name)
        listing = records.listing()
        return Open(listing.records[::-1], listing.faults[::-1])

    def remove(self, horizon: str, name: str) -> None:
        """Removes a request; a missing one is no error.

        Raises:
            WarehouseError: its file cannot be removed.
        """
        self._records(horizon).remove(name)

    def _records(self, horizon: str) -> Records[Request]:
        days_of(horizon)
        return Records(self.files.under(horizon), Request, "remove it and ask again")


def requests_of(session: Session) -> RequestStore:
    """The requests of the session's warehouse."""
    return RequestStore(session.store.under("optimizer/requests"))

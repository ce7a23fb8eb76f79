"""A lock for stores without locks: a renewed lease.

No two clocks are compared: a waiting process takes over once it has itself seen no renewal for the whole lease, and
the holder confirms only while its last renewal is younger than half of it. What a lock guards is written by
compare-and-swap all the same: a lease orders writers, it is no proof.
"""

import json
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from forex_assets.core.store.port import Changed, Confirm, Entry, Locked, Store, Taken, WarehouseError, plain_segment

FOLDER: Final = "locks"
LEASE_S: Final = 20.0
"""Seconds without a renewal after which a lease passes on."""
DEAD_AFTER: Final = timedelta(minutes=10)
"""Age of a dead lease, by clocks; more than hosts' clocks differ."""
POLL_S: Final = 0.25


@dataclass(frozen=True)
class Lease:
    """The lease of one name in a store.

    Attributes:
        lease_s: seconds without a renewal after which it passes on.
    """

    store: Store
    name: str
    lease_s: float = LEASE_S

    @contextmanager
    def held(self, timeout_s: float) -> Iterator[Confirm]:
        """Holds the lease; yields a check that it is still held.

        Raises:
            Locked: another holds it for longer than `timeout_s`.
        """
        holding = self._taken(timeout_s)
        stop = threading.Event()
        renewal = threading.Thread(target=self._renew, args=(holding, stop), daemon=True)
        renewal.start()
        try:
            yield lambda: self._confirm(holding)
        finally:
            stop.set()
            renewal.join()
            with suppress(WarehouseError):  # lost or out of reach: it ends by itself
                holding.write(self, is_free=True)

    @property
    def key(self) -> str:
        """Key of the lease in its store."""
        return f"{FOLDER}/{'.'.join(plain_segment(part, self.name) for part in self.name.split('/'))}.json"

    def _taken(self, timeout_s: float) -> "_Holding":
        """Takes the lease, after its holder where there is one."""
        deadline = time.monotonic() + timeout_s
        watched, since = b"", time.monotonic()
        holding = _Holding(uuid.uuid4().hex)
        while True:
            entry = self.store.get(self.key)
            if entry is not None and entry.content != watched:
                watched, since = entry.content, time.monotonic()
            if entry is None or _is_over(entry) or time.monotonic() - since > self.lease_s:
                holding.tag = None if entry is None else entry.tag
                with suppress(Taken, Changed):
                    holding.write(self)
                    return holding
                continue
            if time.monotonic() >= deadline:
                raise Locked(
                    f"{self.name} in {self.store.place()} has been locked for over {timeout_s:g} s by "
                    f"{_fields(entry).get('holder', 'another process')}; wait for that run or end it: the lock ends "
                    f"{self.lease_s:g} s after it"
                )
            time.sleep(random.uniform(0, min(POLL_S, self.lease_s / 10)))

    def _renew(self, holding: "_Holding", stop: threading.Event) -> None:
        """Renews until stopped, or until another has taken over."""
        while not stop.wait(self.lease_s / 5):
            try:
                holding.write(self)
            except Changed:
                holding.is_lost = True
                return
            except WarehouseError:
                continue  # out of reach for now: `_confirm` judges by the last renewal

    def _confirm(self, holding: "_Holding") -> None:
        if holding.is_lost or time.monotonic() - holding.renewed_at > self.lease_s / 2:
            raise WarehouseError(
                f"the lock {self.name} in {self.store.place()} could not be renewed and may be another's; "
                "nothing more was written: try again"
            )


@dataclass
class _Holding:
    """A held lease.

    Attributes:
        token: unlike any other holding's.
        tag: of the last write, or of what is taken over.
        renewed_at: time of the last write, monotonic, in seconds.
        is_lost: another has taken over.
    """

    token: str
    tag: object = None
    renewed_at: float = 0.0
    is_lost: bool = False

    def write(self, lease: Lease, *, is_free: bool = False) -> None:
        """Writes the lease over what was written or read last.

        Raises:
            Taken, Changed: another has it.
        """
        at = time.monotonic()
        fields = {
            "holder": None if is_free else f"process {os.getpid()} on {socket.gethostname()}",
            "at": datetime.now(UTC).isoformat(),
            "token": self.token,
            "beat": uuid.uuid4().hex,
        }
        content = json.dumps(fields).encode()
        if self.tag is None:
            lease.store.create(lease.key, content)
        else:
            lease.store.replace(lease.key, content, self.tag)
        entry = lease.store.get(lease.key)
        if entry is None or entry.content != content:
            raise Changed(f"{lease.store.place(lease.key)} was changed meanwhile")
        self.tag, self.renewed_at = entry.tag, at


def _fields(entry: Entry) -> dict[str, Any]:
    try:
        values = json.loads(entry.content)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _is_over(entry: Entry) -> bool:
    """Tells whether a lease was given back, or is long dead."""
    fields = _fields(entry)
    if fields.get("holder") is None:
        return True
    return datetime.now(UTC) - datetime.fromisoformat(str(fields["at"])) > DEAD_AFTER

"""Events that wait for mail and webhook, on disk: one JSON file an event, and one log a channel of what it sent.

An event's file is named after its id, so that the same event added twice is there once. Files stay for a while after
they were sent, for people to look back on; the log alone says what was sent, in one file that is replaced whole.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import filelock
from pydantic import ValidationError

from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.operations.alerts.delivery import KEPT_FOR, ChannelLog, dropped
from forex_assets.operations.alerts.events import Event

LOCK = ".delivering.lock"


@dataclass(frozen=True)
class Kept:
    """What lies in the outbox.

    Attributes:
        events: oldest first.
        faults: one line a file that is no event, with the remedy; such a file stops nothing.
    """

    events: tuple[Event, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Outbox:
    """The spool.

    Args:
        folder: made at the first event.
    """

    folder: Path

    def add(self, events: Iterable[Event], now: datetime) -> int:
        """Keep events; those that are there already, or would be dropped for their age, are passed over.

        Args:
            events: in any order.
            now: real time.

        Returns:
            How many are new.

        Raises:
            WarehouseError: the folder cannot be written to.
        """
        new = 0
        for event in events:
            path = self._event_path(event.id)
            if path.exists() or event.happened_at < now - KEPT_FOR:
                continue
            _write(path, event.model_dump_json(indent=2).encode())
            new += 1
        return new

    def kept(self) -> Kept:
        """Every event that is kept.

        Raises:
            WarehouseError: a file cannot be read.
        """
        events, faults = list[Event](), list[str]()
        for path in sorted((self.folder / "events").glob("[!.]*.json")):
            try:
                events.append(Event.model_validate_json(path.read_bytes()))
            except FileNotFoundError:
                continue  # dropped by another process since the folder was listed
            except ValidationError as error:
                faults.append(f"{path} is no event ({_reason(error)}); remove it")
            except OSError as error:
                raise WarehouseError(f"cannot read {path}: {error.strerror}; see to its permissions") from error
        return Kept(tuple(sorted(events, key=lambda event: (event.happened_at, event.id))), tuple(faults))

    def drop(self, unsent: Callable[[Event], bool], now: datetime) -> int:
        """Remove what is too old, or too much.

        Args:
            unsent: whether some channel has yet to send an event.
            now: real time.

        Returns:
            How many of the removed were unsent.

        Raises:
            WarehouseError: a file cannot be removed.
        """
        events = self.kept().events
        waiting = {event.id for event in events if unsent(event)}
        gone = dropped(events, waiting, now)
        for event in gone:
            path = self._event_path(event.id)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise WarehouseError(f"cannot remove {path}: {error.strerror}; see to its permissions") from error
        return sum(event.id in waiting for event in gone)

    def log(self, channel: str) -> ChannelLog:
        """What a channel sent; an empty log where it never did.

        Raises:
            WarehouseError: the file is damaged. Nothing is sent then, rather than everything twice.
        """
        path = self._log_path(channel)
        try:
            return ChannelLog.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return ChannelLog()
        except ValidationError as error:
            raise WarehouseError(
                f"{path} is damaged ({_reason(error)}); remove it, and the events of the last 24 hours are sent again"
            ) from None
        except OSError as error:
            raise WarehouseError(f"cannot read {path}: {error.strerror}; see to its permissions") from error

    def write_log(self, channel: str, log: ChannelLog) -> None:
        """Replace a channel's log.

        Raises:
            WarehouseError: it cannot be written.
        """
        _write(self._log_path(channel), log.model_dump_json(indent=2).encode())

    @contextmanager
    def delivering(self) -> Iterator[bool]:
        """Holds the outbox for one delivery; hands out False where another process is delivering."""
        lock = filelock.FileLock(self.folder / LOCK)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except filelock.Timeout:
            yield False
            return
        except OSError as error:
            raise WarehouseError(f"cannot write to {self.folder}: {error.strerror}; see to its permissions") from error
        try:
            yield True
        finally:
            lock.release()

    def _event_path(self, name: str) -> Path:
        return self.folder / "events" / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"

    def _log_path(self, channel: str) -> Path:
        return self.folder / f"{channel}.json"


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(path, content + b"\n")
    except OSError as error:
        raise WarehouseError(f"cannot write {path}: {error.strerror}; see to space and permissions") from error


def _reason(error: ValidationError) -> str:
    return re.sub(r"\s+", " ", str(error.errors(include_url=False, include_input=False)[0]["msg"]))

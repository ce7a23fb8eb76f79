"""Keeps events and each channel's log in the record store.

An event's file is named after its id, so that an event added twice is kept once. Sent events stay for 30 days; a
channel's log says which events it sent.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime

from forex_assets.core.store.port import Locked, Store, WarehouseError
from forex_assets.core.store.records import Listing, Records
from forex_assets.operations.alerts.delivery import KEPT_FOR, ChannelLog, dropped
from forex_assets.operations.alerts.events import Event

LOCK = "delivering"


class Outbox:
    """Events and channel logs of a store.

    Methods raise WarehouseError where the store cannot be read or written. A damaged event or log stops nothing: a
    log that cannot be used is set aside, and its channel sends the last 24 hours again.

    Args:
        files: made at the first write.
    """

    def __init__(self, files: Store) -> None:
        self.files = files
        self._events = Records(files.under("events"), Event, remedy="remove it")
        self._logs = Records(files, ChannelLog, remedy="remove it, and the events of the last 24 hours are sent again")

    def add(self, events: Iterable[Event], now: datetime) -> int:
        """Keeps new events that are not too old; returns their number."""
        keys, new, faults = set(self._events.keys()), 0, list[WarehouseError]()
        for event in events:
            key = _key(event)
            if key not in keys and event.happened_at >= now - KEPT_FOR:
                try:
                    self._events.put(key, event)
                except WarehouseError as error:
                    faults.append(error)  # the others are kept first
                    continue
                keys.add(key)
                new += 1
        if faults:
            raise faults[0]
        return new

    def kept(self) -> Listing[Event]:
        """All events, oldest first, and a line for each unreadable file."""
        listing = self._events.listing()
        return Listing(tuple(sorted(listing.records, key=lambda event: (event.happened_at, event.id))), listing.faults)

    def drop(self, is_unsent: Callable[[Event], bool], now: datetime) -> int:
        """Removes events past the limits; returns how many were unsent."""
        events = self.kept().records
        unsent = {event.id for event in events if is_unsent(event)}
        removed = dropped(events, unsent, now)
        for event in removed:
            self._events.remove(_key(event))
        return sum(event.id in unsent for event in removed)

    def channels(self) -> list[str]:
        """Names of the channels that have a log."""
        return sorted(self._logs.keys())

    def log(self, channel: str) -> ChannelLog:
        """A channel's log; an empty one before its first message."""
        try:
            return self._logs.get(channel) or ChannelLog()
        except WarehouseError:
            return ChannelLog()

    def set_damaged_logs_aside(self, now: datetime) -> list[str]:
        """Renames logs that cannot be used; returns a line for each.

        The next log of the channel begins a day back: a repeated alert is better than none.
        """
        faults = list[str]()
        for channel in self.channels():
            try:
                self._logs.get(channel)
            except WarehouseError as error:
                kept = f"{channel}.damaged-{now:%Y%m%dT%H%M%S}"
                with suppress(WarehouseError):  # where it stays, the channel's next log replaces it
                    entry = self.files.get(f"{channel}.json")
                    if entry is not None:
                        self.files.put(kept, entry.content)
                        self.files.remove(f"{channel}.json")
                faults.append(f"{error}; kept as {kept}")
        return faults

    def write_log(self, channel: str, log: ChannelLog) -> None:
        """Replaces a channel's log."""
        self._logs.put(channel, log)

    @contextmanager
    def delivering(self) -> Iterator[bool]:
        """Locks the outbox for a delivery; yields False if it is locked."""
        with ExitStack() as held:
            try:
                held.enter_context(self.files.lock(LOCK, 0))
            except Locked:
                yield False
                return
            yield True


def _key(event: Event) -> str:
    return hashlib.sha256(event.id.encode()).hexdigest()[:32]

"""Decides when messages are due: digest, rate limit, back-off, age limit.

All rules use two inputs: the events that are kept, and a channel's log.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from forex_assets.operations.alerts.events import KINDS, Event

HOUR: Final = timedelta(hours=1)
LOOK_BACK: Final = timedelta(days=1)
"""Oldest events for a new channel, and for a lost cursor."""

KEPT_FOR: Final = timedelta(days=30)
"""Age limit of events."""

KEPT: Final = 1000
"""Largest number of events kept, sent and unsent."""

FIRST_WAIT: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = timedelta(hours=1)


class Sent(BaseModel):
    """A sent message: real time, and the ids of its events."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    events: tuple[str, ...]


class ChannelLog(BaseModel):
    """A channel's log: which events it sent, and its failures.

    Attributes:
        since: earlier events are not sent; None while the channel is not set up.
        sent: oldest first.
        failures: in a row.
        not_before: time of the next attempt after a failure.
        last_error: of the last attempt, without secrets; empty after a success.
        last_answer: answer to the last accepted message.
        in_flight: events of an attempt under way, or of unknown outcome. They are sent again as one message under
            the same id, so that a reader can tell the repetition.
    """

    model_config = ConfigDict(frozen=True)

    since: AwareDatetime | None = None
    sent: tuple[Sent, ...] = Field(default_factory=tuple)
    failures: int = 0
    not_before: AwareDatetime | None = None
    last_error: str = ""
    last_answer: str = ""
    in_flight: tuple[str, ...] = ()

    @property
    def sent_ids(self) -> frozenset[str]:
        """Ids of the sent events."""
        return frozenset(event for message in self.sent for event in message.events)

    def begun(self, events: Sequence[Event]) -> "ChannelLog":
        """The log before an attempt."""
        return self.model_copy(update={"in_flight": tuple(event.id for event in events)})

    def delivered(self, now: datetime, answer: str, kept: Collection[str]) -> "ChannelLog":
        """The log after a success.

        Args:
            kept: ids of the kept events; messages without one are forgotten after an hour.
        """
        past = tuple(sent for sent in self.sent if sent.at > now - HOUR or not set(kept).isdisjoint(sent.events))
        changes = {"failures": 0, "not_before": None, "last_error": "", "last_answer": answer, "in_flight": ()}
        return self.model_copy(update={**changes, "sent": (*past, Sent(at=now, events=self.in_flight))})

    def failed(self, now: datetime, error: str, *, is_uncertain: bool) -> "ChannelLog":
        """The log after a failure; an uncertain message stays in flight."""
        failures = self.failures + 1
        changes = {"failures": failures, "not_before": now + wait_after(failures), "last_error": error}
        return self.model_copy(update={**changes, "in_flight": self.in_flight if is_uncertain else ()})


def wait_after(failures: int) -> timedelta:
    """Back-off after failures: 1, 2, 4 … minutes, at most an hour."""
    return min(FIRST_WAIT * float(2 ** min(failures - 1, 10)), LONGEST_WAIT)


def waiting(events: Sequence[Event], log: ChannelLog) -> list[Event]:
    """Unsent events, oldest first; none for a channel not set up."""
    if log.since is None:
        return []
    since, sent = log.since, log.sent_ids
    unsent = [event for event in events if event.id not in sent and event.happened_at >= since]
    return sorted(unsent, key=lambda event: (event.happened_at, event.id))


def due(
    events: Sequence[Event], log: ChannelLog, now: datetime, *, digest_minutes: int, mails_per_hour: int
) -> list[list[Event]]:
    """Groups unsent events into the messages to send now.

    Events of one kind and market wait until the oldest is `digest_minutes` old, then go together. If the hour has room
    for fewer messages, the last one takes all other events; without room all wait.

    Args:
        now: real time. An event or attempt dated in the future (clock skew) holds nothing up.
        digest_minutes: 0 sends at once.
        mails_per_hour: most messages in any sixty minutes.
    """
    if log.not_before is not None and now < log.not_before <= now + LONGEST_WAIT:
        return []
    room = mails_per_hour - sum(now - HOUR < sent.at <= now for sent in log.sent)
    unsent = waiting(events, log)
    again = [event for event in unsent if event.id in log.in_flight]
    fresh = [event for event in unsent if event.id not in log.in_flight]
    messages = [again] if again else []
    messages += _gathered(fresh, now, timedelta(minutes=digest_minutes))
    if len(messages) <= room:
        return messages
    # Events in flight keep their own message, since its id tells that it is a repetition.
    alone = max(room - 1, 1 if again else 0)
    rest = [event for message in messages[alone:] for event in message]
    return [*messages[:alone], rest][: max(room, 0)]


def _gathered(events: Sequence[Event], now: datetime, wait: timedelta) -> list[list[Event]]:
    """Groups by kind and market that are due, most important first."""
    groups = dict[tuple[int, bool], list[Event]]()
    for event in events:
        groups.setdefault((KINDS.index(event.kind), event.is_sample), []).append(event)
    return [group for _, group in sorted(groups.items()) if any(_has_waited(event, now, wait) for event in group)]


def _has_waited(event: Event, now: datetime, wait: timedelta) -> bool:
    # An event dated in the future, after a clock that was ahead, must not wait for that time.
    return event.happened_at > now or event.happened_at <= now - wait


def dropped(events: Sequence[Event], unsent: Collection[str], now: datetime) -> list[Event]:
    """Events to remove: those over 30 days old, and beyond a thousand.

    Sent events go first, then the oldest.

    Args:
        unsent: ids of events that a channel has not sent yet.
    """
    old = [event for event in events if event.happened_at < now - KEPT_FOR]
    young = [event for event in events if event.happened_at >= now - KEPT_FOR]
    excess = max(len(young) - KEPT, 0)
    return old + sorted(young, key=lambda event: (event.id in unsent, event.happened_at, event.id))[:excess]

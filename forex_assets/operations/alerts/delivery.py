"""When messages are due: gathering, rate limit, waiting after failures, and what is dropped in the end.

Everything is decided from two things: the events that are kept, and a channel's log of what it sent.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from forex_assets.operations.alerts.events import KINDS, Event

HOUR: Final = timedelta(hours=1)
LOOK_BACK: Final = timedelta(days=1)
"""How far back a channel begins that was not set up before, and the gathering that lost its place."""

KEPT_FOR: Final = timedelta(days=30)
KEPT: Final = 1000
"""Events that are kept at most, sent ones as well as waiting ones; the oldest go."""

FIRST_WAIT: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = timedelta(hours=1)


class Sent(BaseModel):
    """One message that a channel sent: when (real time), and the ids of its events."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    events: tuple[str, ...]


class ChannelLog(BaseModel):
    """What a channel did; the one record of which events are sent.

    Attributes:
        since: events before this are none of its concern; None while the channel is not set up.
        sent: oldest first.
        failures: in a row.
        not_before: no attempt before this; None where none failed.
        last_error: of the last attempt, without secrets; empty where it went well.
        last_answer: what the other side said to the last message that it took.
        in_flight: events of the attempt under way, or of one whose outcome nobody knows: sent again as one message
            under the same id, so that a mail server or reader can tell the repetition.
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
        """Events that were sent."""
        return frozenset(name for message in self.sent for name in message.events)

    def begun(self, events: Sequence[Event]) -> "ChannelLog":
        """Before an attempt."""
        return self.model_copy(update={"in_flight": tuple(event.id for event in events)})

    def delivered(self, now: datetime, answer: str, kept: Collection[str]) -> "ChannelLog":
        """After the other side took what was in flight.

        Args:
            now: real time.
            answer: what it said.
            kept: ids of the events that are kept; messages of others are forgotten once they are an hour old.
        """
        past = tuple(each for each in self.sent if each.at > now - HOUR or not set(kept).isdisjoint(each.events))
        changes = {"failures": 0, "not_before": None, "last_error": "", "last_answer": answer, "in_flight": ()}
        return self.model_copy(update={**changes, "sent": (*past, Sent(at=now, events=self.in_flight))})

    def failed(self, now: datetime, error: str, *, is_uncertain: bool) -> "ChannelLog":
        """After an attempt that did not end well; where it may have arrived all the same, it stays in flight."""
        failures = self.failures + 1
        changes = {"failures": failures, "not_before": now + wait_after(failures), "last_error": error}
        return self.model_copy(update={**changes, "in_flight": self.in_flight if is_uncertain else ()})


def wait_after(failures: int) -> timedelta:
    """1, 2, 4 … minutes after so many failures in a row, at most an hour."""
    return min(FIRST_WAIT * float(2 ** min(failures - 1, 10)), LONGEST_WAIT)


def waiting(events: Sequence[Event], log: ChannelLog) -> list[Event]:
    """Events that a channel has yet to send, oldest first; none while it is not set up."""
    if log.since is None:
        return []
    since, done = log.since, log.sent_ids
    unsent = [event for event in events if event.id not in done and event.happened_at >= since]
    return sorted(unsent, key=lambda event: (event.happened_at, event.id))


def due(
    events: Sequence[Event], log: ChannelLog, now: datetime, *, digest_minutes: int, mails_per_hour: int
) -> list[list[Event]]:
    """The messages to send now, each as its events.

    Events of one kind and market wait until the oldest is `digest_minutes` old, and then go together. Where more
    messages are due than the hour has room for, the last one takes all that is left. Where there is no room, all wait.

    Args:
        events: all that are kept.
        log: the channel's.
        now: real time, with a time zone. What lies in the future, after a clock that was ahead, holds nothing up.
        digest_minutes: of the policy; 0 sends at once.
        mails_per_hour: of the policy, in any sixty minutes.
    """
    if log.not_before is not None and now < log.not_before <= now + LONGEST_WAIT:
        return []
    room = mails_per_hour - sum(now - HOUR < each.at <= now for each in log.sent)
    unsent = waiting(events, log)
    again = [event for event in unsent if event.id in log.in_flight]
    fresh = [event for event in unsent if event.id not in log.in_flight]
    messages = [again] if again else []
    messages += _gathered(fresh, now, timedelta(minutes=digest_minutes))
    if len(messages) <= room:
        return messages
    # What is in flight keeps its own message, whatever else must share one: its id says that it is a repetition.
    alone = max(room - 1, 1 if again else 0)
    rest = [event for message in messages[alone:] for event in message]
    return [*messages[:alone], rest][: max(room, 0)]


def _gathered(events: Sequence[Event], now: datetime, wait: timedelta) -> list[list[Event]]:
    """Events by kind and market, of kinds whose oldest has waited long enough; the important first."""
    groups = dict[tuple[int, bool], list[Event]]()
    for event in events:
        groups.setdefault((KINDS.index(event.kind), event.is_sample), []).append(event)
    return [group for _, group in sorted(groups.items()) if any(_is_ripe(event, now, wait) for event in group)]


def _is_ripe(event: Event, now: datetime, wait: timedelta) -> bool:
    return event.happened_at > now or event.happened_at <= now - wait


def dropped(events: Sequence[Event], unsent: Collection[str], now: datetime) -> list[Event]:
    """Events that are kept no longer: older than 30 days, and beyond a thousand; sent ones first, then the oldest.

    Args:
        events: all that are kept.
        unsent: ids of those that a channel has yet to send.
        now: real time.
    """
    old = [event for event in events if event.happened_at < now - KEPT_FOR]
    young = [event for event in events if event.happened_at >= now - KEPT_FOR]
    excess = max(len(young) - KEPT, 0)
    return old + sorted(young, key=lambda event: (event.id in unsent, event.happened_at, event.id))[:excess]

"""Telling people: the outbox and its channels on one set of settings, and one delivery from the one through the others.

Which channels there are is a matter of settings; when a message is due, of `domain.alert_delivery`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from forex_assets.core.policy import OperationsPolicy
from forex_assets.core.policy_store import PolicyError
from forex_assets.core.settings import PROJECT, Settings
from forex_assets.market.sources.fetching import redact
from forex_assets.operations.alerts.delivery import LOOK_BACK, ChannelLog, due, waiting
from forex_assets.operations.alerts.events import Channel, DeliveryError, Event, message_id, message_of
from forex_assets.operations.alerts.mail import Mail
from forex_assets.operations.alerts.mail_message import addresses_of
from forex_assets.operations.alerts.outbox import Outbox
from forex_assets.operations.alerts.webhook import Webhook
from forex_assets.platform import Platform

CHANNELS: Final = ("mail", "webhook")
FOLDER: Final = "outbox"


@dataclass(frozen=True)
class Delivered:
    """One attempt of one channel.

    Attributes:
        channel: its name.
        count: events in the message.
        is_sent: whether the other side took it.
        words: what it answered, or why not and what to do.
    """

    channel: str
    count: int
    is_sent: bool
    words: str


@dataclass(frozen=True)
class Notifier:
    """Outbox and channels.

    Args:
        outbox: events that wait.
        channels: those that are set up, by name.
        faults: of those that are set up wrongly, by name; they count as not set up.
        policy: digest and rate limit.
        secrets: of all settings; blotted out of every event.
    """

    outbox: Outbox
    channels: Mapping[str, Channel]
    faults: Mapping[str, str]
    policy: OperationsPolicy
    secrets: tuple[str, ...] = ()

    def add(self, events: Iterable[Event], now: datetime) -> tuple[int, int]:
        """Keep events; what is too old or too much goes.

        Returns:
            How many are new, and how many were dropped before a channel had sent them.

        Raises:
            WarehouseError: the outbox cannot be written to.
        """
        hidden = (event.without(lambda text: redact(text, *self.secrets)) for event in events)
        new = self.outbox.add(hidden, now)
        if not new:
            return 0, 0
        logs = [self.outbox.log(name) for name in self.channels]
        return new, self.outbox.drop(lambda event: any(waiting([event], log) for log in logs), now)

    def due(self, now: datetime) -> dict[str, list[list[Event]]]:
        """Messages to send now, by channel; none while another process is delivering.

        A channel that was set up since the last time begins here, one that no longer is ends.

        Raises:
            WarehouseError: the outbox cannot be read or written.
        """
        with self.outbox.delivering() as is_ours:
            if not is_ours:
                return {}
            self._begin_and_end(now)
            events = self.outbox.kept().events
            found = {name: self._due(events, self.outbox.log(name), now) for name in self.channels}
            return {name: messages for name, messages in found.items() if messages}

    def deliver(self, now: datetime) -> list[Delivered]:
        """Send what is due. A channel that fails waits for its next turn, and the others go on.

        Raises:
            WarehouseError: the outbox cannot be read or written.
        """
        with self.outbox.delivering() as is_ours:
            if not is_ours:
                return []
            self._begin_and_end(now)
            events = self.outbox.kept().events
            return [done for name, channel in self.channels.items() for done in self._send_all(channel, events, now)]

    def status(self) -> list[dict[str, Any]]:
        """Each channel, set up or not: pending, sent, failures, last error."""
        events = self.outbox.kept().events
        return [self._status(name, self.outbox.log(name), events) for name in CHANNELS]

    def _due(self, events: Sequence[Event], log: ChannelLog, now: datetime) -> list[list[Event]]:
        minutes, most = self.policy.digest_minutes, self.policy.mails_per_hour
        return due(events, log, now, digest_minutes=minutes, mails_per_hour=most)

    def _send_all(self, channel: Channel, events: Sequence[Event], now: datetime) -> list[Delivered]:
        """The messages of one channel up to the first that fails; the log is written before and after each."""
        log, attempts = self.outbox.log(channel.name), list[Delivered]()
        for group in self._due(events, log, now):
            log = log.begun(group)
            self.outbox.write_log(channel.name, log)
            try:
                words, is_sent = channel.send(message_of(group)), True
                log = log.delivered(now, words, {event.id for event in events})
            except DeliveryError as error:
                words, is_sent = str(error), False
                log = log.failed(now, words, is_uncertain=error.is_uncertain)
            self.outbox.write_log(channel.name, log)
            attempts.append(Delivered(channel.name, len(group), is_sent, words))
            if not is_sent:
                break
        return attempts

    def _begin_and_end(self, now: datetime) -> None:
        """Notes since when a channel is set up, so that the first mail does not tell of months gone by."""
        for name in CHANNELS:
            log, is_set_up = self.outbox.log(name), name in self.channels
            if is_set_up and log.since is None:
                self.outbox.write_log(name, log.model_copy(update={"since": now - LOOK_BACK}))
            elif not is_set_up and log.since is not None and name not in self.faults:
                self.outbox.write_log(name, log.model_copy(update={"since": None, "in_flight": ()}))

    def _status(self, name: str, log: ChannelLog, events: Sequence[Event]) -> dict[str, Any]:
        channel = self.channels.get(name)
        return {
            "channel": name,
            "is_set_up": channel is not None,
            "where": getattr(channel, "where", None),
            "fault": self.faults.get(name),
            "pending": len(waiting(events, log)),
            "sent_messages": len(log.sent),
            "sent_events": len(log.sent_ids),
            "last_sent_at": log.sent[-1].at if log.sent else None,
            "last_answer": log.last_answer or None,
            "failures": log.failures,
            "last_error": log.last_error or None,
            "next_attempt_not_before": log.not_before,
        }


def ids_of(messages: Mapping[str, list[list[Event]]]) -> str:
    """A name for what is due; the same for the same messages."""
    return "-".join(f"{name}-{message_id(group)[:12]}" for name, groups in messages.items() for group in groups)


def notifier_of(platform: Platform) -> Notifier:
    """The notifier on a platform's settings; a policy that cannot be read leaves digest and limit at their defaults."""
    settings, channels, faults = platform.settings, dict[str, Channel](), dict[str, str]()
    for name, make in (("mail", _mail), ("webhook", _webhook)):
        try:
            made = make(settings)
        except ValueError as error:
            faults[name] = str(error)
            continue
        if made is not None:
            channels[name] = made
    try:
        policy = platform.policy.operations
    except PolicyError as error:
        # People must hear of what is wrong with the policy by these very channels.
        policy, faults["policy"] = OperationsPolicy(), str(error)
    return Notifier(Outbox(settings.warehouse / FOLDER), channels, faults, policy, _secrets(settings))


def _mail(settings: Settings) -> Channel | None:
    """None without host or recipients."""
    if not settings.smtp_host or not settings.mail_to:
        return None
    login = (settings.smtp_user, settings.smtp_password)
    user, password = (value.get_secret_value() if value else None for value in login)
    senders = addresses_of(settings.mail_from, "FOREX_MAIL_FROM")
    return Mail(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        sender=senders[0],
        recipients=addresses_of(settings.mail_to, "FOREX_MAIL_TO"),
        user=user,
        password=password,
        ca_file=PROJECT / settings.smtp_ca_file if settings.smtp_ca_file else None,
    )


def _webhook(settings: Settings) -> Channel | None:
    return Webhook(settings.webhook_url.get_secret_value()) if settings.webhook_url else None


def _secrets(settings: Settings) -> tuple[str, ...]:
    """Values of every secret setting; those of under four characters would blot out ordinary words."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    found = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
    found.append(urlsplit(settings.mlflow_tracking_uri or "").password or "")
    return tuple(text for text in found if len(text) >= 4)

"""Delivers the outbox's events through the channels of the settings."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from forex_assets.core.operations_policy import OperationsPolicy
from forex_assets.core.policy_store import PolicyError
from forex_assets.core.session import Session
from forex_assets.core.settings import PROJECT, Settings
from forex_assets.market.sources.fetching import redact
from forex_assets.operations.alerts.apprise_channel import (
    address_channel,
    addresses_in,
    channel_name,
    secrets_of,
    webhook_channel,
)
from forex_assets.operations.alerts.delivery import LOOK_BACK, ChannelLog, due, waiting
from forex_assets.operations.alerts.events import Channel, DeliveryError, Event, message_id, message_of
from forex_assets.operations.alerts.gather import unreadable_event
from forex_assets.operations.alerts.mail import Mail, addresses_of
from forex_assets.operations.alerts.outbox import Outbox

CHANNELS: Final = ("mail", "webhook")
"""Channels that `mail status` lists even when they are not set up."""

FOLDER: Final = "outbox"


@dataclass(frozen=True)
class Delivered:
    """One channel's attempt to send a message.

    Attributes:
        channel: its name.
        count: events in the message.
        is_sent: whether the server or service accepted it.
        words: its answer, or why it failed and what to do.
    """

    channel: str
    count: int
    is_sent: bool
    words: str


@dataclass(frozen=True)
class Notifier:
    """Outbox and channels.

    Args:
        channels: those that are set up, by name.
        faults: one line for each channel with a wrong setting, by name; it counts as not set up.
        policy: digest and rate limit.
        secrets: of all settings; blotted out of every event.
    """

    outbox: Outbox
    channels: Mapping[str, Channel]
    faults: Mapping[str, str]
    policy: OperationsPolicy
    secrets: tuple[str, ...] = ()

    def add(self, events: Iterable[Event], now: datetime) -> tuple[int, int]:
        """Keeps events, and drops those too old or too many.

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

        Notes channels that were set up or removed since the last call.

        Raises:
            WarehouseError: the outbox cannot be read or written.
        """
        with self.outbox.delivering() as has_lock:
            if not has_lock:
                return {}
            self._begin_and_end(now)
            events = self.outbox.kept().records
            messages = {name: self._due(events, self.outbox.log(name), now) for name in self.channels}
            return {name: groups for name, groups in messages.items() if groups}

    def deliver(self, now: datetime) -> list[Delivered]:
        """Sends due messages; a failed channel waits, the others go on.

        Raises:
            WarehouseError: the outbox cannot be read or written.
        """
        with self.outbox.delivering() as has_lock:
            if not has_lock:
                return []
            self._begin_and_end(now)
            events = self.outbox.kept().records
            return [sent for channel in self.channels.values() for sent in self._send_all(channel, events, now)]

    def faulty_files(self, now: datetime) -> list[Event]:
        """Events of files in the outbox that cannot be used."""
        return [unreadable_event("outbox", fault, now) for fault in self.outbox.kept().faults]

    def status(self) -> list[dict[str, Any]]:
        """State of each channel: pending, sent, failures, last error."""
        events = self.outbox.kept().records
        return [self._status(name, self.outbox.log(name), events) for name in self._listed()]

    def _listed(self) -> list[str]:
        """Names of the channels of the settings, and of those listed always."""
        return list(dict.fromkeys([*CHANNELS, *self.channels, *(name for name in self.faults if name != "policy")]))

    def _due(self, events: Sequence[Event], log: ChannelLog, now: datetime) -> list[list[Event]]:
        minutes, most = self.policy.digest_minutes, self.policy.mails_per_hour
        return due(events, log, now, digest_minutes=minutes, mails_per_hour=most)

    def _send_all(self, channel: Channel, events: Sequence[Event], now: datetime) -> list[Delivered]:
        """Sends a channel's messages up to the first failure."""
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
            except Exception as error:  # noqa: BLE001 - a fault of one channel must not silence the others
                words, is_sent = redact(f"{type(error).__name__}: {error}", *self.secrets), False
                log = log.failed(now, words, is_uncertain=True)
            self.outbox.write_log(channel.name, log)
            attempts.append(Delivered(channel.name, len(group), is_sent, words))
            if not is_sent:
                break
        return attempts

    def _begin_and_end(self, now: datetime) -> None:
        """Notes new and removed channels; a new one begins a day back."""
        faults = self.outbox.set_damaged_logs_aside(now)
        if faults:
            self.add([unreadable_event("log of a channel", fault, now) for fault in faults], now)
        for name in dict.fromkeys([*self.channels, *self.outbox.channels()]):
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
            "where": channel.where if channel is not None else None,
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
    """Name of due messages, equal for equal messages."""
    return "-".join(f"{name}-{message_id(group)[:12]}" for name, groups in messages.items() for group in groups)


def notifier_of(session: Session) -> Notifier:
    """The notifier of a session's settings; an unreadable policy leaves defaults."""
    settings, channels, faults = session.settings, dict[str, Channel](), dict[str, str]()
    for name, make in _makers(settings).items():
        try:
            channels[name] = make()
        except ValueError as error:
            faults[name] = str(error)
    try:
        policy = session.policy.operations
    except PolicyError as error:
        # People must hear of a fault in the policy through these channels.
        policy, faults["policy"] = OperationsPolicy(), str(error)
    return Notifier(Outbox(session.store.under(FOLDER)), channels, faults, policy, _secrets(settings))


def _makers(settings: Settings) -> dict[str, Callable[[], Channel]]:
    """Makers of the settings' channels, by name."""
    makers = dict[str, Callable[[], Channel]]()
    if settings.smtp_host and settings.mail_to:
        makers["mail"] = partial(_mail, settings, settings.smtp_host, settings.mail_to)
    if settings.webhook_url:
        makers["webhook"] = partial(webhook_channel, settings.webhook_url.get_secret_value(), ca_file=settings.ca_file)
    for place, address in enumerate(_alert_addresses(settings), start=1):
        makers[channel_name(address)] = partial(address_channel, address, place, settings.ca_file)
    return makers


def _mail(settings: Settings, host: str, recipients: str) -> Channel:
    login = (settings.smtp_user, settings.smtp_password)
    user, password = (value.get_secret_value() if value else None for value in login)
    return Mail(
        host=host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        sender=addresses_of(settings.mail_from, "FOREX_MAIL_FROM")[0],
        recipients=addresses_of(recipients, "FOREX_MAIL_TO"),
        user=user,
        password=password,
        ca_file=PROJECT / settings.smtp_ca_file if settings.smtp_ca_file else settings.ca_file,
    )


def _alert_addresses(settings: Settings) -> list[str]:
    return addresses_in(settings.alert_urls.get_secret_value()) if settings.alert_urls else []


def _secrets(settings: Settings) -> tuple[str, ...]:
    """Secret values of the settings, without those under four characters.

    Shorter ones would blot out ordinary words.
    """
    values = (getattr(settings, name) for name in type(settings).model_fields)
    secrets = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
    secrets.append(urlsplit(settings.mlflow_tracking_uri or "").password or "")
    secrets += [part for address in _alert_addresses(settings) for part in secrets_of(address)]
    return tuple(text for text in secrets if len(text) >= 4)

"""Sends messages to chat, mail and webhook services through apprise."""

import hashlib
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from forex_assets.market.prices import SourceError
from forex_assets.market.sources.fetching import CA_FILE, ask, redact
from forex_assets.operations.alerts.events import Channel, DeliveryError, Message, clean_line
from forex_assets.operations.alerts.rendering import rendered

if TYPE_CHECKING:
    from apprise.plugins import NotifyBase

SETTING: Final = "FOREX_ALERT_URLS"
REQUEST_LIMIT_S: Final = 15.0
"""Longest silence of a service, in seconds."""

DEADLINE_S: Final = 30.0
"""Longest delivery, in seconds."""

UNTRUSTED: Final = "CERTIFICATE_VERIFY_FAILED"
"""OpenSSL's word in apprise's log for a certificate that nobody vouches for."""

SHORTEST_SECRET: Final = 6
"""Characters; shorter parts of an address would blot out ordinary words."""


@dataclass(frozen=True)
class AppriseChannel:
    """A channel of one apprise service.

    Args:
        name: name of the channel's log.
        where: service or host, for people.
        service_for: makes the apprise service that sends a message.
        remedy: setting to check after a failure.
        secrets: parts of the address that no error may show.
        deadline_s: longest delivery, in seconds.
    """

    name: str
    where: str
    service_for: Callable[[Message], "NotifyBase"] = field(repr=False)
    remedy: str
    secrets: tuple[str, ...] = field(default=(), repr=False)
    deadline_s: float = DEADLINE_S

    def send(self, message: Message) -> str:
        """Sends a message.

        Raises:
            DeliveryError: not sent. Uncertain unless the service answered with an HTTP status.
        """
        try:
            # One attempt: the outbox retries.
            return ask(self.name, lambda _: self._notify(message), deadline_s=self.deadline_s, attempts=1)
        except SourceError:
            reason = f"{self.where} did not answer within {self.deadline_s:g} s; check {self.remedy}"
            raise DeliveryError(reason, is_uncertain=True) from None

    def _notify(self, message: Message) -> str:
        import apprise

        service = self.service_for(message)
        is_mail = "mailtos" in (service.secure_protocol or ())
        sender = apprise.Apprise()
        sender.add(service)
        with apprise.LogCapture(level=logging.DEBUG, fmt="%(levelname)s:%(message)s") as log:
            is_sent = sender.notify(
                title=message.subject,
                body=rendered(message, "html" if is_mail else "plain"),
                body_format=apprise.NotifyFormat.HTML if is_mail else apprise.NotifyFormat.TEXT,
            )
            lines = log.getvalue().splitlines()
        if is_sent:
            return f"accepted by {self.where}"
        if any(UNTRUSTED in line for line in lines):
            raise DeliveryError(f"{self.where}: its certificate is not trusted; set {CA_FILE} to your company's (PEM)")
        reasons = " ".join(line.partition(":")[2] for line in lines if line.startswith(("WARNING:", "ERROR:")))
        # apprise reports failures in its log only: "Failed to send …: Not Found, error=404."
        reason = re.sub(r"\berror=(\d+)", r"HTTP \1", clean_line(redact(reasons, *self.secrets))) or "no reason given"
        raise DeliveryError(
            f"{self.where}: {reason} Check {self.remedy}.", is_uncertain=not re.search(r"HTTP \d", reason)
        )


def webhook_channel(url: str, deadline_s: float = DEADLINE_S, ca_file: Path | None = None) -> Channel:
    """The channel `webhook`: every event as JSON by POST.

    `Idempotency-Key` and `id` are equal when a message is sent again. A redirect counts as a failure: it would turn the
    POST into a GET, or take the address's secret elsewhere.

    Args:
        url: address, http or https.
        deadline_s: longest delivery, in seconds.
        ca_file: certificates (PEM) to trust instead of the public ones.

    Raises:
        ValueError: no http(s) address, or the file does not exist.
    """
    certificates = _certificates(ca_file)
    is_plain = url.isascii() and url.isprintable() and " " not in url
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_address = False
    if not (is_plain and is_address):
        raise ValueError(
            "FOREX_WEBHOOK_URL=… is no address such as https://example.com/hook; write letters beyond ASCII as %C3%B1, "
            "or as xn--… in a host's name"
        )

    def service_for(message: Message) -> "NotifyBase":
        from apprise.plugins.custom_json import NotifyJSON

        _keep_log_private()
        left_out = dict.fromkeys(("version", "title", "message", "attachments", "type"), "")
        service = NotifyJSON(
            host=parts.netloc.rpartition("@")[2],
            fullpath=parts.path + (f"?{parts.query}" if parts.query else ""),
            secure=parts.scheme == "https",
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            headers={
                "Content-Type": "application/json; charset=utf-8",
                "User-Agent": "forex-assets",
                "Idempotency-Key": message.id,
            },
            payload={
                **left_out,
                "id": message.id,
                "subject": message.subject,
                "words": message.words,
                "count": len(message.events),
                "events": [event.model_dump(mode="json") for event in message.events],
            },
            redirect="no",
        )
        service.socket_read_timeout = REQUEST_LIMIT_S
        return _trusting(service, certificates)

    where = f"{parts.scheme}://{parts.hostname}"
    return AppriseChannel("webhook", where, service_for, "FOREX_WEBHOOK_URL", secrets_of(url), deadline_s)


def addresses_in(text: str) -> list[str]:
    """Splits `FOREX_ALERT_URLS` at commas and blanks; a comma within an address stays."""
    from apprise.utils.parse import parse_urls

    return list(dict.fromkeys(parse_urls(text)))


def channel_name(address: str) -> str:
    """Name of an address's log, without its secrets: `slack-1a2b3c4d`."""
    scheme = re.match(r"[a-z0-9]+(?=://)", address.lower())
    return f"{scheme[0] if scheme else 'address'}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"


def address_channel(address: str, place: int, ca_file: Path | None = None) -> Channel:
    """The channel of one address of `FOREX_ALERT_URLS`.

    Args:
        address: as apprise writes it.
        place: of the address in the setting, from 1, for the error.
        ca_file: certificates (PEM) to trust instead of the public ones, by every service that speaks https.

    Raises:
        ValueError: apprise has no service for it, or the file does not exist.
    """
    import apprise

    _keep_log_private()
    name = channel_name(address)
    service = apprise.Apprise.instantiate(address, suppress_exceptions=True)
    if service is None:
        scheme = name.partition("-")[0]
        raise ValueError(f"{SETTING}: address {place} ({scheme}://…) cannot be used; see docs/mail.md for examples")
    service.overflow_mode = apprise.OverflowMode.SPLIT  # a text over the service's limit goes in parts, not cut
    service.socket_read_timeout = REQUEST_LIMIT_S
    _trusting(service, _certificates(ca_file))
    return AppriseChannel(name, str(service.service_name), lambda _: service, SETTING, secrets_of(address))


def _certificates(ca_file: Path | None) -> str | None:
    """Path of the trusted certificates; None for the public ones."""
    if ca_file is not None and not ca_file.is_file():
        raise ValueError(f"{CA_FILE}={ca_file} is no file; name the PEM file of your company's certificates")
    return None if ca_file is None else str(ca_file)


def _trusting(service: "NotifyBase", certificates: str | None) -> "NotifyBase":
    """Sets the certificates, unless the address turns checking off."""
    if certificates is not None and service.verify_certificate:
        service.verify_certificate = certificates  # apprise hands it to requests, which takes a file, too
    return service


def secrets_of(address: str) -> tuple[str, ...]:
    """Secret parts of an address: all but scheme and dotted hosts."""
    rest = address.partition("://")[2]
    pieces = [piece for piece in re.split(r"[/:@?&=,]", rest) if len(piece) >= SHORTEST_SECRET]
    host = urlsplit(address.partition("?")[0]).netloc.rpartition("@")[2].partition(":")[0] if "[" not in rest else ""
    return (address, *(piece for piece in pieces if not (piece == host and "." in host) and piece != "localhost"))


def _keep_log_private() -> None:
    """Keeps apprise's log, which can show addresses, out of other logs."""
    logging.getLogger("apprise").propagate = False

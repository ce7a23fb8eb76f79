"""Sends mail over SMTP, with certificate checks and a deadline.

apprise has a mail plugin too. This sender stays for `FOREX_SMTP_*`: see docs/decisions.md.
"""

import base64
import contextlib
import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from pathlib import Path
from typing import Final, Literal

from forex_assets.market.prices import SourceError
from forex_assets.market.sources.fetching import ask, redact
from forex_assets.operations.alerts.events import DeliveryError, Message, clean_line
from forex_assets.operations.alerts.rendering import rendered

Security = Literal["starttls", "tls", "none"]
SOCKET_LIMIT_S: Final = 20.0
"""Longest silence of a server, in seconds."""

DEADLINE_S: Final = 60.0
"""Longest delivery in seconds, also for a server that drips bytes."""

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def addresses_of(text: str, name: str) -> tuple[Address, ...]:
    """Parses mail addresses: `Ana <ana@example.com>, desk@example.com`.

    Args:
        name: setting to name in the error.

    Raises:
        ValueError: a line break, or no address.
    """
    if not text.strip().isprintable():
        raise ValueError(f"{name}={clean_line(text)!r} holds a line break or a control character; write it in one line")
    addresses = list[Address]()
    for display, written in getaddresses([text]):
        if not display and not written:
            continue  # as after a last comma
        try:
            plain = Address(addr_spec=written)
            # Not every server knows ñ in a domain; every server knows its ASCII form.
            addresses.append(Address(display, plain.username, plain.domain.encode("idna").decode()))
        except (MessageError, ValueError, IndexError):
            raise ValueError(
                f"{name}={text!r} holds {written or display!r}, which is no address such as ana@example.com"
            ) from None
    if not addresses:
        raise ValueError(f"{name}={text!r} holds no address such as ana@example.com")
    return tuple(addresses)


def email_of(message: Message, sender: Address, recipients: Sequence[Address], now: datetime) -> EmailMessage:
    """Builds the e-mail, in plain text and HTML, encoded in ASCII."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = clean_line(message.subject)  # a line break in a header would raise
    mail["From"] = sender
    mail["To"] = tuple(recipients)
    mail["Date"] = format_datetime(now.astimezone(UTC))
    mail["Message-ID"] = f"<{message.id}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(rendered(message, "plain"), cte="quoted-printable")
    mail.add_alternative(rendered(message, "html"), subtype="html", cte="quoted-printable")
    return mail


@dataclass(frozen=True)
class Mail:
    """The channel `mail`.

    Args:
        security: `starttls` refuses a server without it; `none` sends a password to this machine only.
        sender: From, and where refusals return to.
        recipients: To; all get the same mail.
        user: for the login; None: no login.
        ca_file: certificates (PEM) to trust instead of the system's.
        socket_limit_s: longest silence of the server, in seconds.
        deadline_s: longest delivery, in seconds.
    """

    host: str
    port: int
    security: Security
    sender: Address
    recipients: tuple[Address, ...]
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    socket_limit_s: float = SOCKET_LIMIT_S
    deadline_s: float = DEADLINE_S

    @property
    def name(self) -> str:
        """Name of the channel's log."""
        return "mail"

    @property
    def where(self) -> str:
        """Server and number of recipients, for people."""
        count = len(self.recipients)
        return f"{self.security} {self.host}:{self.port} to {count} recipient{'s' if count > 1 else ''}"

    def send(self, message: Message) -> str:
        """Sends one mail to all recipients.

        Returns:
            The server's answer; names the recipients that it refused.

        Raises:
            DeliveryError: not sent, or the outcome is unknown.
        """
        return self.send_email(email_of(message, self.sender, self.recipients, datetime.now(UTC)))

    def send_email(self, mail: EmailMessage) -> str:
        """Sends a finished mail; returns and raises as `send` does."""
        try:
            # One attempt: the outbox retries.
            refused = ask("mail", lambda _: self._deliver(mail), deadline_s=self.deadline_s, attempts=1)
        except SourceError:
            raise self._failure(TimeoutError()) from None
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            raise self._failure(error) from None
        count = len(self.recipients)
        if refused:
            reasons = "; ".join(f"{who}: {self._words(*answer)}" for who, answer in refused.items())
            return f"accepted for {count - len(refused)} of {count} recipients; refused for {reasons}"
        return f"accepted by {self.host}:{self.port} for {count} of {count} recipients"

    def _deliver(self, mail: EmailMessage) -> dict[str, tuple[int, bytes]]:
        """Runs one SMTP session; returns the refused recipients with the server's answers."""
        with contextlib.closing(self._connected()) as server:
            if self.security == "starttls":
                server.starttls(context=self._context())
            if self.user is not None:
                self._log_in(server, self.user, self.password or "")
            recipients = [address.addr_spec for address in self.recipients]
            refused = server.send_message(mail, self.sender.addr_spec, recipients)
            # The mail is accepted: a server that does not answer QUIT changes nothing about that.
            with contextlib.suppress(OSError, smtplib.SMTPException):
                server.quit()
            return refused

    def _connected(self) -> smtplib.SMTP:
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.socket_limit_s, context=self._context())
        return smtplib.SMTP(self.host, self.port, timeout=self.socket_limit_s)

    def _context(self) -> ssl.SSLContext:
        """A context that checks certificate and host name."""
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError):
            raise DeliveryError(f"FOREX_SMTP_CA_FILE={self.ca_file} holds no certificates; give a PEM file") from None

    def _log_in(self, server: smtplib.SMTP, user: str, password: str) -> None:
        if self.security == "none" and self.host not in LOOPBACK:
            raise DeliveryError(
                f"{self.host}:{self.port}: the password is not sent over an unencrypted connection; set "
                "FOREX_SMTP_SECURITY=starttls or tls, or unset FOREX_SMTP_USER"
            )
        if not f"{user}{password}".isascii():
            raise DeliveryError(
                "FOREX_SMTP_USER or FOREX_SMTP_PASSWORD holds a letter that is not ASCII, which an SMTP login cannot "
                "carry; choose others"
            )
        server.login(user, password)

    def _failure(self, error: Exception) -> DeliveryError:
        """Describes a failure and the setting to check."""
        is_uncertain = False
        match error:
            case smtplib.SMTPAuthenticationError():
                reason = f"refused the login ({self._words(error.smtp_code, error.smtp_error)}); check "
                reason += "FOREX_SMTP_USER and FOREX_SMTP_PASSWORD"
            case smtplib.SMTPRecipientsRefused():
                answers = [f"{who}: {self._words(*answer)}" for who, answer in error.recipients.items()]
                reason = f"refused every recipient ({'; '.join(answers)}); check FOREX_MAIL_TO"
            case smtplib.SMTPSenderRefused():
                reason = f"refused the sender ({self._words(error.smtp_code, error.smtp_error)}); check FOREX_MAIL_FROM"
            case smtplib.SMTPNotSupportedError():
                reason = f"does not support it ({self._words(None, str(error))}); check FOREX_SMTP_SECURITY and _PORT"
            case smtplib.SMTPResponseException():
                reason = f"answered {self._words(error.smtp_code, error.smtp_error)}"
            case ssl.SSLCertVerificationError():
                reason = f"has a certificate that is not trusted ({clean_line(error.verify_message)}); check "
                reason += "FOREX_SMTP_HOST, or set FOREX_SMTP_CA_FILE"
            case ssl.SSLError():
                reason = f"failed to start TLS ({type(error).__name__}); check FOREX_SMTP_SECURITY"
            case TimeoutError() | smtplib.SMTPServerDisconnected():
                reason = f"did not answer, or hung up ({type(error).__name__}); check FOREX_SMTP_HOST and _PORT"
                is_uncertain = True
            case socket.gaierror():
                reason = "is not found; check FOREX_SMTP_HOST"
            case _:
                cause = getattr(error, "strerror", None) or type(error).__name__
                reason = f"cannot be reached ({self._words(None, cause)}); check FOREX_SMTP_HOST and _PORT"
        return DeliveryError(f"{self.host}:{self.port} {reason}", is_uncertain=is_uncertain)

    def _words(self, code: int | None, answer: bytes | str) -> str:
        """A server's answer on one line, without secrets that it may repeat."""
        text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
        secrets = [self.user, self.password]
        secrets += [_base64(secret) for secret in secrets if secret]
        secrets.append(_base64(f"\0{self.user}\0{self.password}"))
        return clean_line(redact(f"{code} {text}" if code is not None else text, *secrets))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

"""Mail over SMTP: STARTTLS, TLS or none, certificates checked, one deadline for everything, errors without secrets."""

import base64
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from pathlib import Path
from typing import Final, Literal

from forex_assets.market.sources.fetching import redact
from forex_assets.operations.alerts.events import DeliveryError, Message, clean_line
from forex_assets.operations.alerts.mail_message import email_of

Security = Literal["starttls", "tls", "none"]
SOCKET_LIMIT_S: Final = 20.0
"""A server may be silent for so long at any point."""
DEADLINE_S: Final = 60.0
"""From connection to answer, so that a server that drips a byte now and then does not hold a process."""

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Mail:
    """The channel `mail`.

    Args:
        host: of the server.
        port: of the server.
        security: `starttls` refuses a server that does not offer it; `none` sends no password but to this machine.
        sender: From, and where refusals return to.
        recipients: To.
        user: for the login; None logs in nowhere.
        password: for the login.
        ca_file: certificates (PEM) to trust instead of the system's, for a server of one's own.
        socket_limit_s: seconds that the server may be silent.
        deadline_s: seconds for everything.
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
        """Of its log."""
        return "mail"

    @property
    def where(self) -> str:
        """`starttls mail.example.com:587 to 2 recipients`, for people."""
        count = len(self.recipients)
        return f"{self.security} {self.host}:{self.port} to {count} recipient{'s' if count > 1 else ''}"

    def send(self, message: Message) -> str:
        """Send an e-mail to all recipients.

        Returns:
            What the server answered; names recipients that it refused while it took others.

        Raises:
            DeliveryError: it was not sent, or the connection broke where nobody can tell.
        """
        mail = email_of(message, self.sender, self.recipients, datetime.now(UTC))
        told = [each.addr_spec for each in self.recipients]
        try:
            with self._connected() as server:
                refused = server.send_message(mail, self.sender.addr_spec, told)
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            raise self._failure(error) from None
        if refused:
            said = "; ".join(f"{who}: {self._words(*answer)}" for who, answer in refused.items())
            return f"accepted for {len(told) - len(refused)} of {len(told)} recipients; refused for {said}"
        return f"accepted by {self.host}:{self.port} for {len(told)} of {len(told)} recipients"

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """A session, secured and logged in; cut when the deadline passes, at whatever point it is."""
        server = self._unconnected()
        cut = threading.Timer(self.deadline_s, _cut, [server])
        cut.daemon = True
        cut.start()  # before the connection: a server may drip its greeting, too
        try:
            server.connect(self.host, self.port)
            if self.security == "starttls":
                server.starttls(context=self._context())
            if self.user is not None:
                self._log_in(server, self.user, self.password or "")
            yield server
            _bid_farewell(server)
        finally:
            cut.cancel()
            server.close()

    def _unconnected(self) -> smtplib.SMTP:
        """A session that has yet to connect; the host is named for the certificate's sake."""
        server: smtplib.SMTP
        if self.security == "tls":
            server = smtplib.SMTP_SSL(timeout=self.socket_limit_s, context=self._context())
        else:
            server = smtplib.SMTP(timeout=self.socket_limit_s)
        server._host = self.host  # type: ignore[attr-defined]  # as its constructor does where it connects itself
        return server

    def _context(self) -> ssl.SSLContext:
        """Certificate and host name are checked, always."""
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError):
            raise DeliveryError(f"FOREX_SMTP_CA_FILE={self.ca_file} holds no certificates; give a PEM file") from None

    def _log_in(self, server: smtplib.SMTP, user: str, password: str) -> None:
        if self.security == "none" and self.host not in LOOPBACK:
            raise DeliveryError(
                f"{self.host}:{self.port}: the password is not sent over a connection that anybody can read; set "
                "FOREX_SMTP_SECURITY=starttls or tls, or unset FOREX_SMTP_USER"
            )
        if not f"{user}{password}".isascii():
            raise DeliveryError(
                "FOREX_SMTP_USER or FOREX_SMTP_PASSWORD holds a letter that is not ASCII, which a mail server's login "
                "cannot carry; choose others"
            )
        server.login(user, password)

    def _failure(self, error: Exception) -> DeliveryError:
        """What went wrong, and what to do about it."""
        place = f"{self.host}:{self.port}"
        match error:
            case smtplib.SMTPAuthenticationError():
                said = f"refused the login ({self._words(error.smtp_code, error.smtp_error)}); see to FOREX_SMTP_USER "
                said += "and FOREX_SMTP_PASSWORD"
            case smtplib.SMTPRecipientsRefused():
                answers = [f"{who}: {self._words(*answer)}" for who, answer in error.recipients.items()]
                said = f"refused every recipient ({'; '.join(answers)}); see to FOREX_MAIL_TO"
            case smtplib.SMTPSenderRefused():
                said = f"refused the sender ({self._words(error.smtp_code, error.smtp_error)}); see to FOREX_MAIL_FROM"
            case smtplib.SMTPNotSupportedError():
                said = f"does not offer what is asked of it ({self._words(None, str(error))}); see to "
                said += "FOREX_SMTP_SECURITY and FOREX_SMTP_PORT"
            case smtplib.SMTPResponseException():
                said = f"answered {self._words(error.smtp_code, error.smtp_error)}"
            case ssl.SSLCertVerificationError():
                said = f"shows a certificate that is not trusted ({clean_line(error.verify_message)}); see to "
                said += "FOREX_SMTP_HOST, or give FOREX_SMTP_CA_FILE"
            case ssl.SSLError():
                said = f"does not speak TLS as asked ({type(error).__name__}); see to FOREX_SMTP_SECURITY"
            case TimeoutError() | smtplib.SMTPServerDisconnected():
                said = f"did not answer, or hung up ({type(error).__name__}); see to FOREX_SMTP_HOST and _PORT"
                return DeliveryError(f"{place} {said}", is_uncertain=True)
            case socket.gaierror():
                said = "is not found; see to FOREX_SMTP_HOST"
            case _:
                reason = getattr(error, "strerror", None) or type(error).__name__
                said = f"cannot be reached ({self._words(None, reason)})"
        return DeliveryError(f"{place} {said}")

    def _words(self, code: int | None, said: bytes | str) -> str:
        """A server's words in one line, without secrets, should it repeat them."""
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        secrets = [self.user, self.password]
        secrets += [_base64(secret) for secret in secrets if secret]
        secrets.append(_base64(f"\0{self.user}\0{self.password}"))
        return clean_line(redact(f"{code} {text}" if code is not None else text, *secrets))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _cut(server: smtplib.SMTP) -> None:
    """End a session that takes too long; the thread that waits for it gets an error."""
    connection = server.sock
    if connection is not None:
        try:
            # The socket's own: that of a TLS connection would first take away what the waiting thread is using.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
        except OSError:
            return  # it has ended by itself


def _bid_farewell(server: smtplib.SMTP) -> None:
    """QUIT. The mail is accepted already: a server that does not answer now changes nothing about that."""
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        return

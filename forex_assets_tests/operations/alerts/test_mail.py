"""Tests mail through a real SMTP server: plain, STARTTLS, TLS."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from forex_assets.operations.alerts.apprise_channel import address_channel
from forex_assets.operations.alerts.events import DeliveryError, Event, Message, message_of, trial_message
from forex_assets.operations.alerts.mail import Mail, addresses_of

NOW = datetime(2025, 6, 13, 23, 0, tzinfo=UTC)
PASSWORD = "s3cret-password"


class Server(Controller):
    """Keeps what it is sent."""

    def __init__(self, **more: Any) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self.refused: set[str] = set()
        with socket.create_server(("127.0.0.1", 0)) as free:  # the base class connects once, and must know where
            self.bound = int(free.getsockname()[1])
        super().__init__(self, hostname="127.0.0.1", port=self.bound, ready_timeout=30, **more)

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address in self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        mail = BytesParser(policy=default).parsebytes(envelope.content)
        self.mails.append((list(envelope.rcpt_tos), mail))  # type: ignore[arg-type]
        return "250 kept"


def checked(server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
    assert isinstance(login, LoginPassword)
    return AuthResult(success=login.password == PASSWORD.encode(), handled=False)


@contextmanager
def serving(**more: Any) -> Iterator[Server]:
    server = Server(**more)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context, and the file with its authority."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return context, path


def mail(port: int, **more: Any) -> Mail:
    fields: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": addresses_of("desk <desk@example.com>", "FOREX_MAIL_FROM")[0],
        "recipients": addresses_of("ana@example.com, Íñigo <inigo@example.com>", "FOREX_MAIL_TO"),
    }
    return Mail(**fields | more)


def event(**more: Any) -> Event:
    fields: dict[str, Any] = {
        "id": "e1",
        "kind": "rolled back",
        "horizon": "7d",
        "title": "three failures <b>ñandú</b>",
        "words": "Rollback to earlier settings: mañana se revisa.",
        "figures": {"RMSE": "15.6 CLP", "límite": "<3>"},
        "happened_at": NOW,
    }
    return Event(**fields | more)


def bodies(received: EmailMessage) -> tuple[str, str]:
    plain, html = received.get_body(("plain",)), received.get_body(("html",))
    assert plain is not None
    assert html is not None
    return plain.get_content(), html.get_content()


def test_a_mail_arrives_with_its_figures_in_both_forms_and_nothing_in_it_is_markup() -> None:
    with serving() as server:
        answer = mail(server.bound).send(message_of([event()]))
    ((recipients, received),) = server.mails
    assert recipients == ["ana@example.com", "inigo@example.com"]
    assert "2 of 2 recipients" in answer
    assert received["Subject"] == "[forex-assets] 7d rolled back: three failures <b>ñandú</b>"
    plain, html = bodies(received)
    for text in (plain, html):
        assert "15.6 CLP" in text
        assert "mañana se revisa" in text
    assert "<b>ñandú</b>" in plain
    assert "<b>ñandú</b>" not in html
    assert "&lt;b&gt;ñandú&lt;/b&gt;" in html
    assert "&lt;3&gt;" in html


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_secured_mail_arrives_where_the_certificate_is_trusted_and_only_there(
    security: str, certificates: tuple[ssl.SSLContext, Path]
) -> None:
    context, authority = certificates
    starttls: dict[str, Any] = {"tls_context": context, "require_starttls": True}
    tls: dict[str, Any] = {"ssl_context": context, "auth_require_tls": False}
    with serving(authenticator=checked, **(starttls if security == "starttls" else tls)) as server:
        trusting = mail(server.bound, security=security, user="desk", password=PASSWORD, ca_file=authority)
        assert "2 of 2" in trusting.send(trial_message(NOW))
        with pytest.raises(DeliveryError, match="certificate that is not trusted"):
            replace(trusting, ca_file=None).send(trial_message(NOW))
        with pytest.raises(DeliveryError, match="refused the login") as refused:
            replace(trusting, password="wr0ng-password").send(trial_message(NOW))
    assert len(server.mails) == 1
    assert "wr0ng" not in str(refused.value)
    assert "FOREX_SMTP_PASSWORD" in str(refused.value)


def test_a_server_without_starttls_gets_no_mail_and_no_password_goes_in_the_open() -> None:
    with serving() as server:
        with pytest.raises(DeliveryError, match="FOREX_SMTP_SECURITY"):
            mail(server.bound, security="starttls").send(trial_message(NOW))
        far = replace(mail(server.bound, user="u", password=PASSWORD), host=socket.gethostname())
        with pytest.raises(DeliveryError) as refused:
            far.send(trial_message(NOW))
    assert PASSWORD not in str(refused.value)
    assert server.mails == []


def test_a_password_that_a_login_cannot_carry_is_said_and_not_shown() -> None:
    with serving() as server, pytest.raises(DeliveryError, match="not ASCII") as refused:
        mail(server.bound, user="u", password="pässword").send(trial_message(NOW))
    assert "pässword" not in str(refused.value)


def test_a_mail_by_apprise_address_arrives_in_both_forms() -> None:
    with serving() as server:
        address = f"mailto://127.0.0.1:{server.bound}?from=desk@example.com&to=ana@example.com"
        address_channel(address, 1).send(message_of([event()]))
    ((recipients, received),) = server.mails
    assert recipients == ["ana@example.com"]
    assert received["Subject"] == "[forex-assets] 7d rolled back: three failures <b>ñandú</b>"
    plain, html = bodies(received)
    assert "15.6 CLP" in plain
    assert "&lt;b&gt;ñandú&lt;/b&gt;" in html


def test_a_refused_recipient_is_named_and_the_others_get_it() -> None:
    with serving() as server:
        server.refused = {"ana@example.com"}
        answer = mail(server.bound).send(trial_message(NOW))
        assert "accepted for 1 of 2" in answer
        assert "ana@example.com: 550 no such user" in answer
        server.refused |= {"inigo@example.com"}
        with pytest.raises(DeliveryError, match="refused every recipient"):
            mail(server.bound).send(trial_message(NOW))
    assert [recipients for recipients, _ in server.mails] == [["inigo@example.com"]]


def test_a_server_that_is_silent_is_given_up_and_may_have_it() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(DeliveryError, match="did not answer") as given_up,
    ):
        mail(silent.getsockname()[1], socket_limit_s=0.3).send(trial_message(NOW))
    assert given_up.value.is_uncertain


def test_a_server_that_drips_is_cut_at_the_deadline() -> None:
    """Sends a byte every 50 ms: only the deadline ends it."""
    stop = threading.Event()

    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            while not stop.wait(0.05):
                connection.sendall(b"2")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        try:
            with pytest.raises(DeliveryError):
                mail(listening.getsockname()[1], socket_limit_s=0.5, deadline_s=1.0).send(trial_message(NOW))
        finally:
            stop.set()
            thread.join()


def test_nobody_there_is_said_with_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(DeliveryError, match=f"127.0.0.1:{port} cannot be reached"):
        mail(port).send(trial_message(NOW))


@pytest.mark.parametrize("text", ["x\r\nBcc: evil@example.com", "x\nSubject: other", "x\u2028Bcc: e@x", "\r\n\r\nbody"])
def test_no_text_of_an_event_becomes_a_header(text: str) -> None:
    with serving() as server:
        mail(server.bound).send(message_of([event(title=text, horizon="7d", words=text)]))
        mail(server.bound).send(Message("i", text, text, ()))
    for recipients, received in server.mails:
        assert recipients == ["ana@example.com", "inigo@example.com"]
        assert received["Bcc"] is None
        assert len(received.get_all("Subject", [])) == 1
        assert "\n" not in str(received["Subject"])


@pytest.mark.parametrize("text", ["", "ana", "ana@example.com\r\nBcc: x@y.z", "a@b, c"])
def test_an_address_that_is_none_is_refused_by_its_settings_name(text: str) -> None:
    with pytest.raises(ValueError, match="FOREX_MAIL_TO"):
        addresses_of(text, "FOREX_MAIL_TO")

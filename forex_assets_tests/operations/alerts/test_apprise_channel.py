"""Tests delivery by apprise address, and that it shows no secret."""

import io
import json
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.core.session import open_session
from forex_assets.operations.alerts.apprise_channel import address_channel, addresses_in, secrets_of, webhook_channel
from forex_assets.operations.alerts.events import DeliveryError, Event, message_of
from forex_assets.operations.alerts.send import notifier_of
from forex_assets_tests.operations.alerts.conftest import Service

NOW = datetime(2025, 6, 13, 23, 0, tzinfo=UTC)
TOKEN = "T0KENT0KENT0KEN"
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general"
TELEGRAM = "tgram://123456789:abcdefg_hijklmnop/12315544"
TEAMS = "workflows://prod-1.logic.example.com:443/643e69f83c8944/KajlsdkfjalkdjfSD"


def event(name: str = "e1", at: datetime = NOW) -> Event:
    return Event(
        id=name, kind="rolled back", horizon="7d", title="tres fallas ñ", figures={"RMSE": "15.6 CLP"}, happened_at=at
    )


def test_the_webhook_gets_each_event_as_json_under_the_messages_id(service: Service) -> None:
    message = message_of([event("e1"), event("e2")])
    url = f"http://{service.host}/hook/{TOKEN}?a=1&a=2"
    assert webhook_channel(url).send(message) == "accepted by http://127.0.0.1"
    ((path, headers, body, _),) = service.posts
    assert path == f"/hook/{TOKEN}?a=1&a=2"
    assert headers["Idempotency-Key"] == message.id == body["id"]
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert set(body) == {"id", "subject", "words", "count", "events"}
    assert body["count"] == 2
    assert [item["id"] for item in body["events"]] == ["e1", "e2"]
    assert body["events"][0]["figures"] == {"RMSE": "15.6 CLP"}
    assert body["events"][0]["title"] == "tres fallas ñ"


@pytest.mark.parametrize("setting", ["FOREX_WEBHOOK_URL", "FOREX_ALERT_URLS"])
def test_https_alerts_trust_the_companys_certificates_and_no_others(
    workspace: Path, environment: Callable[..., None], service: Service, setting: str
) -> None:
    company, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    company.issue_cert("127.0.0.1").configure_cert(tls)
    service.socket = tls.wrap_socket(service.socket, server_side=True)
    company.cert_pem.write_to_path(str(workspace / "company.pem"))
    scheme = "https" if setting == "FOREX_WEBHOOK_URL" else "jsons"
    environment(**{setting: f"{scheme}://{service.host}/{TOKEN}"})

    def send() -> str:
        (channel,) = notifier_of(open_session()).channels.values()
        return channel.send(message_of([event()]))

    with pytest.raises(DeliveryError, match="certificate is not trusted; set FOREX_CA_FILE") as failure:
        send()
    assert not failure.value.is_uncertain
    environment(FOREX_CA_FILE=str(workspace / "company.pem"))
    assert send().startswith("accepted by")
    assert len(service.posts) == 1
    environment(FOREX_CA_FILE=str(workspace / "missing.pem"))
    (fault,) = notifier_of(open_session()).faults.values()
    assert "missing.pem is no file" in fault


@pytest.mark.parametrize("status", [302, 404, 503])
def test_another_status_is_a_certain_failure_and_a_redirect_is_not_followed(service: Service, status: int) -> None:
    service.status = status
    with pytest.raises(DeliveryError, match=f"HTTP {status}") as failure:
        webhook_channel(f"http://{service.host}/{TOKEN}").send(message_of([event()]))
    assert not failure.value.is_uncertain
    assert "FOREX_WEBHOOK_URL" in str(failure.value)
    assert TOKEN not in str(failure.value)
    assert len(service.posts) == 1


def test_silence_is_an_uncertain_failure_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        channel = webhook_channel(f"http://127.0.0.1:{silent.getsockname()[1]}/{TOKEN}", deadline_s=0.3)
        with pytest.raises(DeliveryError, match="did not answer") as failure:
            channel.send(message_of([event()]))
    assert failure.value.is_uncertain


def test_an_apprise_address_gets_subject_and_text(service: Service) -> None:
    address = f"json://{service.host}/{TOKEN}"
    assert address_channel(address, 1).send(message_of([event()])) == "accepted by JSON"
    ((_, _, body, _),) = service.posts
    assert body["title"] == "[forex-assets] 7d rolled back: tres fallas ñ"
    assert "RMSE: 15.6 CLP" in body["message"]
    assert "2025-06-13 19:00 in Santiago" in body["message"]
    service.status = 500
    with pytest.raises(DeliveryError, match="HTTP 500") as failure:
        address_channel(address, 1).send(message_of([event()]))
    assert TOKEN not in str(failure.value)
    assert "FOREX_ALERT_URLS" in str(failure.value)


@pytest.mark.parametrize(
    ("address", "service_name"),
    [(SLACK, "Slack"), (TELEGRAM, "Telegram"), (TEAMS, "Workflows"), ("mailto://u:p@example.com", "Mail")],
)
def test_addresses_of_the_page_name_their_service_and_show_no_secret(address: str, service_name: str) -> None:
    channel = address_channel(address, 1)
    assert service_name in channel.where
    output = f"{channel!r} {channel.name} {channel.where}"
    for part in ("TIiajkdnlazkcOXrIdevi7FQ", "abcdefg_hijklmnop", "KajlsdkfjalkdjfSD", "643e69f83c8944"):
        assert part not in output


def test_addresses_are_separated_by_commas_or_blanks_and_keep_their_own_commas() -> None:
    mail = "mailto://u:p@example.com?to=a@example.com,b@example.com"
    assert addresses_in(f"{SLACK}, {mail}\n{TELEGRAM}") == [SLACK, mail, TELEGRAM]


def test_secrets_of_an_address_are_its_tokens_and_not_its_host() -> None:
    assert {"643e69f83c8944", "KajlsdkfjalkdjfSD"} <= set(secrets_of(TEAMS))
    assert "prod-1.logic.example.com" not in secrets_of(TEAMS)
    assert "abcdefg_hijklmnop" in secrets_of(TELEGRAM)


def test_each_address_is_sent_once_and_a_failing_one_holds_up_no_other(
    service: Service, workspace: Path, environment: Callable[..., None]
) -> None:
    (workspace / "configs/policy.yaml").write_text("operations:\n  digest_minutes: 0\n")
    dead = f"json://127.0.0.1:9/{TOKEN}"
    environment(FOREX_ALERT_URLS=f"{dead}, json://{service.host}/a json://{service.host}/b")
    now = datetime.now(UTC)
    notifier = notifier_of(open_session())
    notifier.due(now)
    notifier.add([event(at=now), event("e2", now).model_copy(update={"title": f"leaks {TOKEN}"})], now)
    attempts = notifier.deliver(now + timedelta(minutes=1))
    assert [attempt.is_sent for attempt in attempts] == [False, True, True]
    assert sorted(path for path, _, _, _ in service.posts) == ["/a", "/b"]
    again = notifier_of(open_session()).deliver(now + timedelta(minutes=3))
    assert [attempt.is_sent for attempt in again] == [False]
    done = CliRunner().invoke(app, ["mail", "status", "--json"])
    assert done.exit_code == 0, done.output
    everything = done.output + "".join(path.read_text() for path in (workspace / "warehouse/outbox").rglob("*.json"))
    assert TOKEN not in everything + json.dumps(service.accepted)


@pytest.fixture
def root_log() -> Iterator[io.StringIO]:
    """Log of the root logger; caplog also reads non-propagating loggers."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logging.getLogger().addHandler(handler)
    yield text
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize(
    ("addresses", "place"),
    [
        (f"{SLACK}, nosuch://{TOKEN}/x", 2),
        (f"{SLACK} slack://{TOKEN}", 2),
        (f"mailto://{TOKEN} {SLACK}", 1),
        (TOKEN, 1),
    ],
)
def test_a_wrong_address_is_a_fault_by_its_place_without_its_text(
    addresses: str, place: int, workspace: Path, environment: Callable[..., None], root_log: io.StringIO
) -> None:
    environment(FOREX_ALERT_URLS=addresses)
    done = CliRunner().invoke(app, ["mail", "status"])
    notifier = notifier_of(open_session())
    assert [name.partition("-")[0] for name in notifier.channels] == ["slack"] * (SLACK in addresses)
    (fault,) = notifier.faults.values()
    assert f"FOREX_ALERT_URLS: address {place} " in fault
    assert "docs/mail.md" in fault
    assert TOKEN not in fault + done.output + root_log.getvalue()

"""The report by mail, received by a real server in this process."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from forex_assets.core import names
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.session import open_session
from forex_assets.operations.report_mail.jobs import mail_report, report_mail_sensor
from forex_assets_tests.desk.worlds import DAYS, fan
from forex_assets_tests.operations.alerts.test_mail import serving

RESOURCES = {"session": SessionResource()}


def tick(workspace: Path, mail_at: str, at: datetime) -> object:
    (workspace / "configs/policy.yaml").write_text(f'report: {{mail_at: "{mail_at}"}}\n')
    return report_mail_sensor(lambda: at)(dg.build_sensor_context(resources=RESOURCES))


@pytest.mark.parametrize(
    ("mail_at", "at", "is_due"),
    [
        ("08:00", datetime(2025, 6, 13, 11, 59, tzinfo=UTC), False),  # 07:59 in Santiago, which is UTC-4 in winter
        ("08:00", datetime(2025, 6, 13, 12, 0, tzinfo=UTC), True),
        ("08:00", datetime(2025, 6, 13, 17, 59, tzinfo=UTC), True),
        ("08:00", datetime(2025, 6, 13, 18, 0, tzinfo=UTC), False),
        ("08:00", datetime(2025, 6, 14, 12, 0, tzinfo=UTC), False),  # a Saturday
        ("", datetime(2025, 6, 13, 12, 0, tzinfo=UTC), False),
    ],
)
def test_the_mail_is_due_on_weekdays_at_its_time(workspace: Path, mail_at: str, at: datetime, is_due: bool) -> None:
    result = tick(workspace, mail_at, at)
    assert isinstance(result, dg.RunRequest) is is_due
    if isinstance(result, dg.RunRequest):
        assert result.run_key == "2025-06-13"  # once a day


def test_a_time_that_is_none_asks_for_no_mail_and_is_named(workspace: Path) -> None:
    result = tick(workspace, "8 am", datetime(2025, 6, 13, 12, 0, tzinfo=UTC))
    assert isinstance(result, dg.SkipReason)
    assert "mail_at" in (result.skip_message or "")


def test_the_mail_arrives_with_its_sentence_tables_and_picture(workspace: Path, environment: object) -> None:
    session = open_session()
    for horizon in DAYS:
        session.tables.write(names.LATEST, fan(horizon), horizon)
    with serving() as server:
        environment(  # type: ignore[operator]
            FOREX_SMTP_HOST="127.0.0.1", FOREX_SMTP_PORT=str(server.bound), FOREX_SMTP_SECURITY="none",
            FOREX_MAIL_FROM="desk@example.com", FOREX_MAIL_TO="ana@example.com", FOREX_LANG="es",
        )  # fmt: skip
        assert mail_report.execute_in_process(resources=RESOURCES).success
        ((recipients, received),) = server.mails
    assert recipients == ["ana@example.com"]
    assert received["Subject"].startswith("SAMPLE DATA: El dólar en Chile")
    html, picture = (
        received.get_body(("html",)),
        next(p for p in received.walk() if p.get_content_type() == "image/png"),
    )
    assert html is not None
    assert "El dólar está en 940,0 pesos" in html.get_content()
    assert 'src="cid:fan"' in html.get_content()
    assert picture["Content-ID"] == "<fan>"
    assert picture.get_payload(decode=True).startswith(b"\x89PNG")  # type: ignore[union-attr]


@pytest.mark.parametrize("has_server", [True, False])
def test_nothing_to_send_or_nowhere_is_a_failed_run(workspace: Path, environment: object, has_server: bool) -> None:
    if has_server:
        environment(FOREX_SMTP_HOST="127.0.0.1", FOREX_MAIL_FROM="a@example.com", FOREX_MAIL_TO="b@example.com")  # type: ignore[operator]
    result = mail_report.execute_in_process(resources=RESOURCES, raise_on_error=False)
    assert not result.success

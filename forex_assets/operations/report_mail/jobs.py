"""Job and sensor that mail the daily report."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

import dagster as dg

from forex_assets.core import names
from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.policy_store import PolicyError
from forex_assets.operations.alerts.mail import Mail
from forex_assets.operations.alerts.send import notifier_of
from forex_assets.report.daily import report_tables
from forex_assets.report.mail_body import PICTURE, MailBody, mail_body

LATEST: Final = timedelta(hours=6)
"""Age above which a mail that was missed is left out."""


def email_of(body: MailBody, channel: Mail, now: datetime) -> EmailMessage:
    """Builds the mail: plain text, HTML and its picture."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = body.subject
    mail["From"] = channel.sender
    mail["To"] = tuple(channel.recipients)
    mail["Date"] = format_datetime(now.astimezone(UTC))
    mail["Message-ID"] = f"<report-{now.astimezone(SANTIAGO):%Y-%m-%d}@{channel.sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(body.text, cte="quoted-printable")
    mail.add_alternative(body.html, subtype="html", cte="quoted-printable")
    html = mail.get_body(("html",))
    assert html is not None
    html.add_related(body.picture, "image", "png", cid=f"<{PICTURE}>", filename="fan.png")
    return mail


@dg.op(description="Mails the report's first page to FOREX_MAIL_TO. A failure is tried three times, then is an alert.")
def send_report(context: dg.OpExecutionContext, session: SessionResource) -> None:
    """Sends one mail.

    Raises:
        Failure: no fan is stored, or no mail server is set.
        DeliveryError: the server refused it.
    """
    run_session = session.session()
    channel = notifier_of(run_session).channels.get("mail")
    if not isinstance(channel, Mail):
        raise dg.Failure("no mail server is set: see FOREX_SMTP_HOST in docs/mail.md", allow_retries=False)
    tables = report_tables(run_session)
    if tables.outlook is None:
        raise dg.Failure("no fan is stored; run `forex-assets forecast`", allow_retries=False)
    body = mail_body(tables, run_session.settings.lang)
    context.log.info(channel.send_email(email_of(body, channel, datetime.now(UTC))))


@dg.job(
    name=names.REPORT_MAIL_JOB,
    executor_def=dg.in_process_executor,
    op_retry_policy=dg.RetryPolicy(max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL),
    description="Mails the daily report.",
)
def mail_report() -> None:
    """Mails the daily report."""
    send_report()


def report_mail_sensor(clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> dg.SensorDefinition:
    """Makes `mail_report_daily`; `clock` is real time."""

    @dg.sensor(
        name="mail_report_daily",
        job_name=names.REPORT_MAIL_JOB,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches the report's mail on weekdays at `report.mail_at` of the policy; without it, never.",
    )
    def mail_report_daily(session: SessionResource) -> dg.RunRequest | dg.SkipReason:
        run_session = session.session()
        try:
            mail_at = run_session.policy.report.mail_at
        except PolicyError as error:
            return dg.SkipReason(str(error))
        if not mail_at:
            return dg.SkipReason("the policy asks for no mail (report.mail_at)")
        now = clock().astimezone(SANTIAGO)
        due = datetime.combine(now.date(), time.fromisoformat(mail_at), SANTIAGO)
        if now.weekday() >= 5 or not due <= now < due + LATEST:
            return dg.SkipReason(f"not due; weekdays at {mail_at} in Santiago")
        return dg.RunRequest(run_key=f"{now.date()}")

    return mail_report_daily


mail_report_daily = report_mail_sensor()

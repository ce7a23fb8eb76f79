"""Commands on alerts: test, status, send."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from forex_assets.cli.common import (
    BAD_USAGE,
    FAILED,
    OPERATIONS,
    AsJson,
    answer,
    app,
    err,
    fail,
    reported,
    say,
    session_of,
)

if TYPE_CHECKING:
    from forex_assets.operations.alerts.send import Notifier

NOT_SET_UP = "set FOREX_SMTP_HOST and FOREX_MAIL_TO for mail, FOREX_WEBHOOK_URL, or FOREX_ALERT_URLS; see docs/mail.md"
SHOWN_EVENTS = 10
mail_app = typer.Typer(no_args_is_help=True, help="Test and send alerts; show what waits.")
app.add_typer(mail_app, name="mail", rich_help_panel=OPERATIONS)


@mail_app.command("test", epilog="Examples:  forex-assets mail test  ·  mail test --json")
@reported
def send_test(as_json: AsJson = False) -> None:
    """Send a test message now and show each answer.

    Exit code 1 if one was not sent, 2 if no channel is set up.
    """
    from forex_assets.operations.alerts.events import DeliveryError, trial_message
    from forex_assets.operations.alerts.send import notifier_of

    notifier = notifier_of(session_of())
    answers: list[dict[str, Any]] = [
        {"channel": name, "is_sent": False, "answer": fault} for name, fault in notifier.faults.items()
    ]
    for name, channel in notifier.channels.items():
        with err.status(f"{name} …"):
            try:
                answers.append(
                    {"channel": name, "is_sent": True, "answer": channel.send(trial_message(datetime.now(UTC)))}
                )
            except DeliveryError as error:
                answers.append({"channel": name, "is_sent": False, "answer": str(error)})
    answer(
        as_json,
        answers,
        [f"{record['channel']}: {_result(record['is_sent'])}: {record['answer']}" for record in answers],
    )
    if not answers:
        fail(NOT_SET_UP, BAD_USAGE)
    if not all(record["is_sent"] for record in answers):
        raise typer.Exit(FAILED)


@mail_app.command(epilog="Examples:  forex-assets mail status  ·  mail status --json")
@reported
def status(as_json: AsJson = False) -> None:
    """Show waiting and sent messages, the last error, latest events."""
    from forex_assets.cli.tables import Column, table, when
    from forex_assets.operations.alerts.send import notifier_of

    report = _status_of(notifier_of(session_of()))
    words = [*map(_channel_words, report["channels"]), *report["faults"]]
    columns = [
        Column("at (Santiago)", "happened_at", when),
        Column("event", lambda event: event["kind"] + " (SAMPLE DATA)" * event["is_sample"], wraps=True),
        Column("title", "title", wraps=True),
    ]
    events = [table(report["events"][:SHOWN_EVENTS], columns)] if report["events"] else ["No events yet."]
    answer(as_json, report, [*words, *events])


@mail_app.command("send", epilog="Examples:  forex-assets mail send  ·  mail send --json")
@reported
def send_now(as_json: AsJson = False) -> None:
    """Send now what is due, instead of with its digest.

    While the UI or the daemon runs, sensors send by themselves. Nothing is sent twice. Exit code 1 if a message was not
    sent or a channel is set up wrongly, 2 if none is set up.
    """
    from dataclasses import replace

    from forex_assets.cli.overview import instance_of
    from forex_assets.operations.alerts.send import notifier_of
    from forex_assets.operations.alerts.sensors import Reader

    session, now = session_of(), datetime.now(UTC)
    notifier = notifier_of(session)
    at_once = replace(notifier, policy=notifier.policy.model_copy(update={"digest_minutes": 0}))
    with err.status("looking, then sending …"):
        with instance_of(session) as instance:
            if instance is not None:
                notifier.add(Reader(instance, session, {}, now).events(), now)
        attempts = at_once.deliver(now)
    words = [
        f"{attempt.channel}: {attempt.count} events {_result(attempt.is_sent)}: {attempt.words}" for attempt in attempts
    ]
    answer(as_json, [asdict(attempt) for attempt in attempts], words or ["nothing to send"] * bool(notifier.channels))
    say((f"{name}: {fault}" for name, fault in notifier.faults.items()), err)
    if not notifier.channels and not notifier.faults:
        fail(NOT_SET_UP, BAD_USAGE)
    if notifier.faults or not all(attempt.is_sent for attempt in attempts):
        raise typer.Exit(FAILED)


def _status_of(notifier: "Notifier") -> dict[str, Any]:
    kept = notifier.outbox.kept()
    return {
        "channels": notifier.status(),
        "faults": [*(f"{name}: {fault}" for name, fault in notifier.faults.items()), *kept.faults],
        "digest_minutes": notifier.policy.digest_minutes,
        "mails_per_hour": notifier.policy.mails_per_hour,
        "events": [event.model_dump(mode="json") for event in reversed(kept.records)],
    }


def _result(is_sent: bool) -> str:
    return "sent" if is_sent else "not sent"


def _channel_words(channel: dict[str, Any]) -> str:
    """A channel in one or two lines."""
    from forex_assets.cli.tables import moment

    if not channel["is_set_up"]:
        return f"{channel['channel']}: not set up; see docs/mail.md"
    last = f", last {moment(channel['last_sent_at'])} in Santiago" if channel["last_sent_at"] else ""
    words = (
        f"{channel['channel']} ({channel['where']}): {channel['pending']} events wait, "
        f"{channel['sent_events']} sent in {channel['sent_messages']} messages{last}"
    )
    if not channel["failures"]:
        return words
    again = f"again after {moment(channel['next_attempt_not_before'])} in Santiago"
    return f"{words}\n  failed {channel['failures']} times: {channel['last_error']}; {again}"

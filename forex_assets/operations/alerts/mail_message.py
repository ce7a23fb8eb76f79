"""A message as an e-mail: HTML and plain text with the same figures, addresses checked, headers that nothing can break.

How it reaches a server is said in `adapters.mail`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from typing import Any, Final

from forex_assets.core.calendar import SANTIAGO
from forex_assets.operations.alerts.events import MOST_LINES, SAMPLE_WORDS, Message, Repeated, clean_line, folded

TEMPLATES: Final = {"plain": "alert.txt.j2", "html": "alert.html.j2"}


def addresses_of(text: str, name: str) -> tuple[Address, ...]:
    """Addresses written with commas between, each with or without a name: `Ana <ana@example.com>, desk@example.com`.

    Args:
        text: what was configured.
        name: of the setting, for the error.

    Raises:
        ValueError: it holds a line break, or something that is no address; names setting and value.
    """
    if not text.strip().isprintable():
        raise ValueError(f"{name}={clean_line(text)!r} holds a line break or a control character; write it in one line")
    found = list[Address]()
    for display, written in getaddresses([text]):
        if not display and not written:
            continue  # as after a last comma
        try:
            plain = Address(addr_spec=written)
            # A server need not know ñ in a domain; every server knows its ASCII form.
            found.append(Address(display, plain.username, plain.domain.encode("idna").decode()))
        except (MessageError, ValueError, IndexError):
            raise ValueError(
                f"{name}={text!r} holds {written or display!r}, which is no address such as ana@example.com"
            ) from None
    if not found:
        raise ValueError(f"{name}={text!r} holds no address such as ana@example.com")
    return tuple(found)


def email_of(message: Message, sender: Address, recipients: Sequence[Address], now: datetime) -> EmailMessage:
    """The e-mail, all ASCII on the wire but for what addresses themselves hold.

    Args:
        message: what to say.
        sender: From.
        recipients: To.
        now: real time, with a time zone.
    """
    mail = EmailMessage(policy=SMTP)
    # A line break in a value of a header raises in this library; there is none, since subjects are cleaned once more.
    mail["Subject"] = clean_line(message.subject)
    mail["From"] = sender
    mail["To"] = tuple(recipients)
    mail["Date"] = format_datetime(now.astimezone(UTC))
    mail["Message-ID"] = f"<{message.id}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    plain, html = (_rendered(template, message) for template in TEMPLATES.values())
    mail.set_content(plain, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return mail


def _rendered(template: str, message: Message) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("forex_assets.operations.alerts"),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    entries = folded(message.events)
    left_out = sum(entry.count for entry in entries[MOST_LINES:])
    return pages.get_template(template).render(
        message=message,
        entries=[_shown(entry) for entry in entries[:MOST_LINES]],
        left_out=left_out,
        sample_words=f"{SAMPLE_WORDS}, not market prices",
    )


def _shown(entry: Repeated) -> dict[str, Any]:
    """An entry in the words of the templates."""
    event = entry.event
    last, first = (f"{at.astimezone(SANTIAGO):%Y-%m-%d %H:%M}" for at in (event.happened_at, entry.first_at))
    return {
        "heading": " · ".join(part for part in (event.kind, event.horizon) if part),
        "title": event.title,
        "count": entry.count,
        "when": last if entry.count == 1 else f"{first} to {last}",
        "words": event.words,
        "figures": event.figures,
        "is_sample": event.is_sample,
    }

"""Renders a message as plain text or HTML from its template."""

from typing import Any, Final, Literal

from forex_assets.core.calendar import santiago_time
from forex_assets.operations.alerts.events import MOST_LINES, SAMPLE_WORDS, Message, Repeated, folded

Form = Literal["plain", "html"]
TEMPLATES: Final[dict[Form, str]] = {"plain": "alert.txt.j2", "html": "alert.html.j2"}


def rendered(message: Message, form: Form) -> str:
    """Renders a message; HTML escapes every text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("forex_assets.operations.alerts"),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    entries = folded(message.events)
    return templates.get_template(TEMPLATES[form]).render(
        message=message,
        entries=[_fields(entry) for entry in entries[:MOST_LINES]],
        left_out=sum(entry.count for entry in entries[MOST_LINES:]),
        sample_words=f"{SAMPLE_WORDS}, not market prices",
    )


def _fields(entry: Repeated) -> dict[str, Any]:
    """Template fields of an entry, times in Santiago."""
    event = entry.event
    last, first = map(santiago_time, (event.happened_at, entry.first_at))
    return {
        "heading": " · ".join(part for part in (event.kind, event.horizon) if part),
        "title": event.title,
        "count": entry.count,
        "when": last if entry.count == 1 else f"{first} to {last}",
        "words": event.words,
        "figures": event.figures,
        "is_sample": event.is_sample,
    }

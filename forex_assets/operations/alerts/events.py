"""Alert events, and the messages that they become."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal, Protocol, get_args

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

Kind = Literal[
    "level reached",
    "rolled back",
    "watch failing",
    "run failed",
    "deployment aborted",
    "stale data",
    "fallback in use",
    "deployed",
    "validation passed",
    "validation failed",
    "validation inconclusive",
    "triggered",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""Kinds of events, most important first."""

LINE_LIMIT: Final = 200
TEXT_LIMIT: Final = 2000
SUBJECT_LIMIT: Final = 120
FIGURES_LIMIT: Final = 15
MOST_LINES: Final = 30
SAMPLE_WORDS: Final = "SAMPLE DATA"


def clean_line(text: str, limit: int = LINE_LIMIT) -> str:
    """Cleans text to one line of printable characters.

    Args:
        text: anything.
        limit: characters; what is longer ends in `…`.
    """
    line = "".join(character for character in " ".join(text.split()) if character.isprintable())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def clean_text(text: str) -> str:
    """Printable text with line breaks, at most one empty line between paragraphs."""
    lines = [clean_line(line, TEXT_LIMIT) for line in text.splitlines()]
    kept = [line for place, line in enumerate(lines) if line or (place and lines[place - 1])]
    whole = "\n".join(kept).strip()
    return whole if len(whole) <= TEXT_LIMIT else f"{whole[: TEXT_LIMIT - 1]}…"


def _clean_figures(figures: dict[str, str]) -> dict[str, str]:
    kept = list(figures.items())[:FIGURES_LIMIT]
    return {clean_line(str(name)): clean_line(str(value)) for name, value in kept}


Line = Annotated[str, BeforeValidator(clean_line)]
Text = Annotated[str, BeforeValidator(clean_text)]
Figures = Annotated[dict[str, str], BeforeValidator(_clean_figures)]


class Event(BaseModel):
    """One event; its texts are cleaned by validation.

    Attributes:
        id: equal whenever the event is read again.
        horizon: such as `7d`; None: no single horizon.
        title: at most 200 characters.
        words: at most 2,000 characters.
        figures: at most 15, as people read them.
        happened_at: real time.
        is_sample: about the generated market.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(min_length=1, max_length=300)]
    kind: Kind
    horizon: str | None = None
    title: Line
    words: Text = ""
    figures: Figures = Field(default_factory=dict)
    happened_at: AwareDatetime
    is_sample: bool = False

    def without(self, hide: Callable[[str], str]) -> "Event":
        """A copy with every text passed through `hide`, which blots out secrets."""
        figures = {name: hide(value) for name, value in self.figures.items()}
        return self.model_copy(update={"title": hide(self.title), "words": hide(self.words), "figures": figures})


@dataclass(frozen=True)
class Message:
    """A message of a channel.

    Attributes:
        id: equal for equal events, so that a receiver knows a repetition.
        words: text above the events; may be empty.
        events: none in a test message.
    """

    id: str
    subject: str
    words: str
    events: tuple[Event, ...]


class DeliveryError(Exception):
    """A message was not sent; answer and remedy, without secrets.

    Attributes:
        is_uncertain: it may have arrived, as when the connection broke after the last byte.
    """

    def __init__(self, reason: str, *, is_uncertain: bool = False) -> None:
        super().__init__(reason)
        self.is_uncertain = is_uncertain


class Channel(Protocol):
    """A way to people: mail, webhook, chat service."""

    @property
    def name(self) -> str:
        """Name of its log: `mail`, `webhook`, `slack-1a2b3c4d`."""
        ...

    @property
    def where(self) -> str:
        """Server or service, for people, without secrets."""
        ...

    def send(self, message: Message) -> str:
        """Sends a message.

        Returns:
            The answer in words, without secrets.

        Raises:
            DeliveryError: not sent, or the outcome is unknown.
        """
        ...


@dataclass(frozen=True)
class Repeated:
    """Equal events as one entry of a message.

    Attributes:
        event: the newest.
        first_at: time of the oldest.
    """

    event: Event
    count: int
    first_at: datetime


def importance(event: Event) -> int:
    """Place in `KINDS`; the lowest comes first."""
    return KINDS.index(event.kind)


def folded(events: Iterable[Event]) -> list[Repeated]:
    """Entries of a message, one for each kind, horizon, market and title.

    The most important come first, then the newest.
    """
    groups = dict[tuple[str, str | None, bool, str], list[Event]]()
    for event in events:
        groups.setdefault((event.kind, event.horizon, event.is_sample, event.title), []).append(event)
    entries = [
        Repeated(max(group, key=_when), len(group), min(event.happened_at for event in group))
        for group in groups.values()
    ]
    newest_first = sorted(entries, key=lambda entry: entry.event.happened_at, reverse=True)
    return sorted(newest_first, key=lambda entry: importance(entry.event))


def message_id(events: Sequence[Event]) -> str:
    """Hash of the events' ids, in any order."""
    return hashlib.sha256("\n".join(sorted(event.id for event in events)).encode()).hexdigest()[:32]


def message_of(events: Sequence[Event]) -> Message:
    """The message on one or more events."""
    count = len(events)
    words = f"{count} events. Equal events are one entry with a count." if count > 1 else ""
    return Message(message_id(events), subject_of(events), words, tuple(events))


def subject_of(events: Sequence[Event]) -> str:
    """Subject line, with SAMPLE DATA for events of the generated market.

    Such as `[forex-assets] 7d deployed: …` or `[forex-assets] run failed, 100 events`.
    """
    kinds = list(dict.fromkeys(entry.event.kind for entry in folded(events)))
    if len(events) == 1:
        (event,) = events
        content = " ".join(part for part in (event.horizon, event.kind) if part) + f": {event.title}"
    else:
        content = f"{', '.join(kinds)}, {len(events)} events"
    samples = sum(event.is_sample for event in events)
    sample = "" if not samples else f"{SAMPLE_WORDS}: " if samples == len(events) else f"partly {SAMPLE_WORDS}: "
    return clean_line(f"[forex-assets] {sample}{content}", SUBJECT_LIMIT)


def trial_message(now: datetime) -> Message:
    """The message of `forex-assets mail test`."""
    words = "This is a test, no event. Alerts of forex-assets arrive this way. ñ á é ü ¿ are Spanish letters."
    identity = hashlib.sha256(now.isoformat().encode()).hexdigest()[:32]
    return Message(identity, "[forex-assets] test message", words, ())


def _when(event: Event) -> datetime:
    return event.happened_at

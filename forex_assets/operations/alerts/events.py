"""What people are told of: events, how many of them become one message, and what a message says in plain words.

When a message is due and what follows a failure is said in `domain.alert_delivery`; how it is sent, by adapters.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal, Protocol, get_args

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

Kind = Literal[
    "rolled back",
    "watch failing",
    "run failed",
    "stale data",
    "fallback in use",
    "deployed",
    "validation passed",
    "validation failed",
    "validation inconclusive",
    "triggered",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""What happens here, in the order in which people want to know of it."""

LINE_LIMIT: Final = 200
TEXT_LIMIT: Final = 2000
SUBJECT_LIMIT: Final = 120
FIGURES_LIMIT: Final = 15
MOST_LINES: Final = 30
SAMPLE_WORDS: Final = "SAMPLE DATA"


def clean_line(text: str, limit: int = LINE_LIMIT) -> str:
    """One line of printable characters: no line breaks of any kind, no control or direction marks, no surrogates.

    Args:
        text: anything.
        limit: characters; what is longer ends in `…`.
    """
    line = "".join(character for character in " ".join(text.split()) if character.isprintable())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def clean_text(text: str) -> str:
    """The same by line; line breaks stay, at most one empty line between paragraphs."""
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
    """Something that people are told of. Its texts are made harmless when it is made.

    Attributes:
        id: names what happened for ever; the same happening seen again has the same one.
        kind: one of `KINDS`.
        horizon: such as `7d`; None where it is of none.
        title: one line, at most 200 characters.
        words: what it says, at most 2,000 characters.
        figures: by name, as people read them; at most 15.
        happened_at: real time, with a time zone.
        is_sample: whether it is about the generated market.
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
        """The same with every text passed through `hide`, which blots out secrets."""
        figures = {name: hide(value) for name, value in self.figures.items()}
        return self.model_copy(update={"title": hide(self.title), "words": hide(self.words), "figures": figures})


@dataclass(frozen=True)
class Message:
    """What a channel sends.

    Attributes:
        id: the same for the same events, so that a receiver knows a repetition.
        subject: one line.
        words: what stands above the events; may be empty.
        events: what happened; none in a test message.
    """

    id: str
    subject: str
    words: str
    events: tuple[Event, ...]


class DeliveryError(Exception):
    """A message was not sent; the message says what the other side answered and what to do, and holds no secret.

    Attributes:
        is_uncertain: whether it may have arrived all the same, as when the connection broke after the last byte.
    """

    def __init__(self, reason: str, *, is_uncertain: bool = False) -> None:
        super().__init__(reason)
        self.is_uncertain = is_uncertain


class Channel(Protocol):
    """A way to people: mail, webhook."""

    @property
    def name(self) -> str:
        """`mail`, `webhook`: names its log."""
        ...

    def send(self, message: Message) -> str:
        """Send a message.

        Returns:
            What the other side answered, in words without secrets.

        Raises:
            DeliveryError: it was not sent, or nobody can tell.
        """
        ...


@dataclass(frozen=True)
class Repeated:
    """Events that say the same, as one entry of a message.

    Attributes:
        event: the newest of them.
        count: how many.
        first_at: when the oldest happened.
    """

    event: Event
    count: int
    first_at: datetime


def importance(event: Event) -> int:
    """Place in `KINDS`; less is told first."""
    return KINDS.index(event.kind)


def folded(events: Iterable[Event]) -> list[Repeated]:
    """Entries of a message: events of one kind, horizon, market and title are one; important ones first, then new."""
    groups = dict[tuple[str, str | None, bool, str], list[Event]]()
    for event in events:
        groups.setdefault((event.kind, event.horizon, event.is_sample, event.title), []).append(event)
    entries = [
        Repeated(max(group, key=_when), len(group), min(each.happened_at for each in group))
        for group in groups.values()
    ]
    newest_first = sorted(entries, key=lambda entry: entry.event.happened_at, reverse=True)
    return sorted(newest_first, key=lambda entry: importance(entry.event))


def message_id(events: Sequence[Event]) -> str:
    """The same for the same events in any order."""
    return hashlib.sha256("\n".join(sorted(event.id for event in events)).encode()).hexdigest()[:32]


def message_of(events: Sequence[Event]) -> Message:
    """A message on events, of which there is at least one."""
    count = len(events)
    words = f"{count} events; the same one more than once is one entry, with its count." if count > 1 else ""
    return Message(message_id(events), subject_of(events), words, tuple(events))


def subject_of(events: Sequence[Event]) -> str:
    """`[forex-assets] 7d deployed: …`, `[forex-assets] run failed, 100 events`; says SAMPLE DATA where any is of it."""
    kinds = list(dict.fromkeys(entry.event.kind for entry in folded(events)))
    if len(events) == 1:
        (event,) = events
        said = " ".join(part for part in (event.horizon, event.kind) if part) + f": {event.title}"
    else:
        said = f"{', '.join(kinds)}, {len(events)} events"
    marked = sum(event.is_sample for event in events)
    sample = "" if not marked else f"{SAMPLE_WORDS}: " if marked == len(events) else f"partly {SAMPLE_WORDS}: "
    return clean_line(f"[forex-assets] {sample}{said}", SUBJECT_LIMIT)


def trial_message(now: datetime) -> Message:
    """What `forex-assets mail test` sends.

    Args:
        now: real time, with a time zone.
    """
    words = "This is a test: nothing happened. Alerts of forex-assets arrive this way. ñ á é ü ¿ are Spanish letters."
    identity = hashlib.sha256(now.isoformat().encode()).hexdigest()[:32]
    return Message(identity, "[forex-assets] test message", words, ())


def _when(event: Event) -> datetime:
    return event.happened_at

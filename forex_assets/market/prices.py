"""What a price series is, what a source owes us, and which rows stand at a given instant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Protocol

import polars as pl


@dataclass(frozen=True)
class PriceSeries:
    """One series of the platform.

    Attributes:
        name: short name, also the stem of its stored history.
        value: price column, with its unit in the name.
        unit: unit in words.
        plausible: lowest and highest value that can be a price in this unit; else a bad tick or a wrong unit.
        calendar: name of the calendar of its sessions (`CLP` or `COMEX`).
    """

    name: str
    value: str
    unit: str
    plausible: tuple[float, float]
    calendar: str


USDCLP: Final = PriceSeries("usdclp", "clp_per_usd", "CLP per USD", (200.0, 3000.0), "CLP")
COPPER: Final = PriceSeries("copper_hgf_usd_lb", "close_usd_lb", "USD/lb", (0.5, 20.0), "COMEX")
COPPER_MONTHLY: Final = PriceSeries("copper_monthly_usd_lb", "close_usd_lb", "USD/lb", (0.5, 20.0), "COMEX")
"""Monthly averages: kept apart, so that they can never stand as a daily history."""
POUNDS_PER_TONNE: Final = 2204.62262


class SourceError(Exception):
    """A source gave nothing usable.

    Attributes:
        source: which one.
        reason: what it answered, without any secret.
        is_retryable: whether asking again soon can help (a time-out, a 429, a 5xx), or not (no key, a 404).
    """

    def __init__(self, source: str, reason: str, *, is_retryable: bool = False) -> None:
        super().__init__(f"{source}: {reason}")
        self.source = source
        self.reason = reason
        self.is_retryable = is_retryable


class PriceSource(Protocol):
    """Port: a service that gives one series under its own dating rule."""

    @property
    def name(self) -> str:
        """The `source` of its rows."""
        ...

    def fetch(self, start: date | None, as_of: datetime) -> pl.DataFrame:
        """Rows (`fetched_schema`) of sessions from `start` on (all where None) with `available_at` ≤ `as_of`.

        Raises:
            SourceError: nothing usable came.
        """
        ...


@dataclass(frozen=True)
class Attempt:
    """What one source said. `answer` is for people: `rows 4512, last 2023-12-28`, or why it was passed over."""

    source: str
    is_ok: bool
    answer: str
    seconds: float


def describe_attempts(attempts: Sequence[Attempt]) -> str:
    """One line for messages: every source tried and what it answered."""
    return "; ".join(f"{a.source}: {a.answer}" for a in attempts) or "no source tried"

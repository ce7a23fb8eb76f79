"""Price series, and the port of their sources."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Protocol

import polars as pl


@dataclass(frozen=True)
class PriceSeries:
    """One price series.

    Attributes:
        name: short name, also that of its stored history.
        value: price column, with its unit in the name.
        unit: unit in words.
        plausible: lowest and highest possible price; else a bad tick or wrong unit.
        calendar: name of its calendar (`CLP` or `COMEX`).
        tick: change below which a value is the same, in its unit.
    """

    name: str
    value: str
    unit: str
    plausible: tuple[float, float]
    calendar: str
    tick: float = 0.01


USDCLP: Final = PriceSeries("usdclp", "clp_per_usd", "CLP per USD", (200.0, 3000.0), "CLP")
COPPER: Final = PriceSeries("copper_hgf_usd_lb", "close_usd_lb", "USD/lb", (0.5, 20.0), "COMEX", 0.0005)
COPPER_MONTHLY: Final = PriceSeries("copper_monthly_usd_lb", "close_usd_lb", "USD/lb", (0.5, 20.0), "COMEX", 0.0005)
"""Monthly averages; apart, so that none passes for a daily price."""
OBSERVADO: Final = PriceSeries("observado", "clp_per_usd", "CLP per USD", (200.0, 3000.0), "CLP")
"""Dólar observado, by its own date."""
COPPER_LME: Final = PriceSeries("copper_lme", "london_usd_lb", "USD/lb", (0.5, 20.0), "CLP", 0.005)
"""London copper by the Banco Central's date; for what-if questions only."""
POLICY_RATE: Final = PriceSeries("policy_rate", "policy_rate_pct", "%", (0.01, 60.0), "CLP")
DOLLAR_INDEX: Final = PriceSeries("dollar_index", "dollar_index", "index", (50.0, 200.0), "COMEX")
BRL: Final = PriceSeries("brl_per_usd", "brl_per_usd", "BRL per USD", (1.0, 15.0), "CLP")
"""Brazilian reals; on the peso's sessions, which are the only ones used."""
POUNDS_PER_TONNE: Final = 2204.62262


class SourceError(Exception):
    """A source gave nothing usable.

    Attributes:
        source: its name.
        reason: its answer, without secrets.
        is_retryable: whether asking again soon can help (time-out, 429, 5xx).
    """

    def __init__(self, source: str, reason: str, *, is_retryable: bool = False) -> None:
        super().__init__(f"{source}: {reason}")
        self.source = source
        self.reason = reason
        self.is_retryable = is_retryable


class PriceSource(Protocol):
    """Port: a service with one series under its own dating rule."""

    @property
    def name(self) -> str:
        """Value of `source` in its rows."""
        ...

    def fetch(self, start: date | None, as_of: datetime) -> pl.DataFrame:
        """Fetches rows (`fetched_schema`) with `available_at` ≤ `as_of`.

        Args:
            start: first session; None for all.

        Raises:
            SourceError: the answer is unusable.
        """
        ...


@dataclass(frozen=True)
class Attempt:
    """Answer of one source.

    `answer` is for people: `rows 4512, last 2023-12-28`, or why it was passed over.
    """

    source: str
    is_ok: bool
    answer: str
    seconds: float


def describe_attempts(attempts: Sequence[Attempt]) -> str:
    """Returns every source and its answer in one line."""
    return "; ".join(f"{a.source}: {a.answer}" for a in attempts) or "no source tried"

"""Reads the stored policy rate."""

from dataclasses import dataclass
from datetime import date

import polars as pl

from forex_assets.core import names
from forex_assets.core.session import Session


@dataclass(frozen=True)
class PolicyRate:
    """Latest policy rate of the Banco Central.

    Attributes:
        day: its date.
        rate: simple yearly rate, .05 for 5 %.
    """

    day: date
    rate: float


def stored_policy_rate(session: Session) -> PolicyRate | None:
    """Returns the latest rate known; None if none is stored."""
    table = session.tables.read(names.DRIVERS)
    if table is None:
        return None
    known = table.filter((pl.col("available_at") <= session.now) & pl.col("policy_rate_pct").is_not_null())
    if known.is_empty():
        return None
    row = known.sort("session").row(-1, named=True)
    return PolicyRate(row["session"], row["policy_rate_pct"] / 100)

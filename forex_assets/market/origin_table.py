"""Table of the current origin, and the checks on it."""

from datetime import datetime
from typing import Any, Final

import polars as pl

from forex_assets.core.finding import Finding
from forex_assets.core.schemas import STARTING_LEVEL_SCHEMA
from forex_assets.market.origin import Origin, origin_words

OLD_AFTER: Final = 2
"""Age of the origin, sessions, from which the check warns."""


def origin_table(origin: Origin | None, issued_at: datetime) -> pl.DataFrame:
    """Returns the origin as one row (`STARTING_LEVEL_SCHEMA`); no row without one."""
    if origin is None:
        return pl.DataFrame(schema=STARTING_LEVEL_SCHEMA)
    row = {
        "issued_at": issued_at,
        "origin_session": origin.session,
        "origin_clp_per_usd": origin.level,
        "origin_kind": origin.kind,
        "origin_source": origin.source,
        "origin_dated": origin.dated,
        "origin_observed_at": origin.observed_at,
        "origin_age_hours": origin.age_hours,
        "origin_age_sessions": origin.age_sessions,
        "origin_disagreement_pct": origin.disagreement_pct,
        "is_origin_assumed": origin.is_assumed,
        "origin_tolerance_pct": origin.tolerance_pct,
    }
    return pl.DataFrame([row], schema=STARTING_LEVEL_SCHEMA)


def start_words(row: dict[str, Any]) -> str:
    """Returns a row's origin for people; empty without one.

    Args:
        row: of a fan or of `market/origin`.
    """
    if row["origin_kind"] is None:
        return ""
    level, kind, dated, age = (
        row[name] for name in ("origin_clp_per_usd", "origin_kind", "origin_dated", "origin_age_hours")
    )
    return origin_words(level, kind, dated, age, is_assumed=row["is_origin_assumed"])


def origin_is_recent(table: pl.DataFrame) -> Finding:
    """The starting price is less than two sessions old."""
    if table.is_empty():
        return Finding("origin_is_recent", False, "warn", "no price to start from", {"age_sessions": None})
    row = table.row(-1, named=True)
    age = row["origin_age_sessions"]
    values = {"age_sessions": age, "age_hours": row["origin_age_hours"], "limit_sessions": OLD_AFTER}
    message = f"the fan starts from {start_words(row)}, {age} sessions old"
    if age >= OLD_AFTER:
        message += "; see what the sources answer with `forex-assets doctor`"
    return Finding("origin_is_recent", age < OLD_AFTER, "warn", message, values)


def origin_agrees(table: pl.DataFrame) -> Finding:
    """Other prices of the session agree with the starting price."""
    if table.is_empty():
        return Finding("origin_agrees", False, "warn", "no price to start from", {"disagreement_pct": None})
    row = table.row(-1, named=True)
    apart, limit = row["origin_disagreement_pct"], row["origin_tolerance_pct"]
    values = {"disagreement_pct": apart, "limit_pct": limit}
    if apart is None:
        return Finding("origin_agrees", True, "warn", "no other price of the session to compare with", values)
    message = f"another price of the newest session is {apart:.2f} % away, the limit is {limit:.2f} %"
    return Finding("origin_agrees", apart <= limit, "warn", message, values)

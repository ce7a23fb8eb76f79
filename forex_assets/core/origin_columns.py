"""Unit and description of the columns on a fan's starting price."""

from typing import Final

ORIGIN_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "origin_kind": ("text", "How the starting price came about: last price, dólar observado, open or finished bar."),
    "origin_source": ("text", "Source of the starting price; returns and width are of `source`."),
    "origin_dated": ("date", "Date that its source gives the starting price; an observado's is the next banking day."),
    "origin_observed_at": ("UTC", "The starting price's own time."),
    "origin_age_hours": ("hours", "Age of the starting price when the fan was made."),
    "origin_age_sessions": ("sessions", "Sessions from that of the starting price to the day of issue."),
    "origin_disagreement_pct": ("%", "Largest difference to another price of the session; null without another."),
    "is_origin_assumed": ("true or false", "When the starting price could be known follows a rule; nobody noted it."),
}
"""Columns of `ORIGIN_SCHEMA` by name: unit, then description."""

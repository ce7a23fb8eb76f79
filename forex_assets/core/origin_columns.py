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
    "origin_tolerance_pct": ("%", "Difference between prices of one session that counts as disagreement."),
    "is_origin_assumed": ("true or false", "When the starting price could be known follows a rule; nobody noted it."),
}
"""Columns of a fan's origin by name: unit, then description."""

QUOTE_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "quote_kind": ("text", "How the price came about: last price, dólar observado, open of the unfinished bar."),
    "dated": ("date", "Date that the source gives the price; an observado's is the next banking day."),
    "observed_at": ("UTC", "The price's own time: moment of a last price, publication of an observado."),
    "seen_at": ("UTC", "When a run first fetched the price."),
    "is_assumed": ("true or false", "`available_at` follows a rule: the price was downloaded long after its time."),
}
"""Columns of the archive of quotes by name: unit, then description."""

ORIGIN_SCORE_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "stored_crps": ("CLP per USD", "CRPS of the fan from the last finished price, same paths; null in the ledger."),
    "mean_origin_age": ("sessions", "Mean age of the starting prices at issue; null if none is known."),
    "assumed_origins": ("share, 0 to 1", "Share of starting prices whose availability follows a rule."),
    "origin_gain": ("ratio", "1 - CRPS / stored_crps: what the starting price was worth; above 0 is better."),
    "origin_gain_low": ("ratio", "Lower end of the 95 % confidence interval of origin_gain; null without enough data."),
    "origin_gain_high": (
        "ratio",
        "Upper end of the 95 % confidence interval of origin_gain; null without enough data.",
    ),
}
"""Columns on the starting price's worth: unit, then description."""

"""Starting price of the next fan, for `status` and `dashboard`."""

from typing import Any, Final

from forex_assets.cli.tables import price
from forex_assets.cli.trial import readable
from forex_assets.core import names
from forex_assets.core.schemas import SAMPLE_SOURCE, STARTING_LEVEL_SCHEMA
from forex_assets.core.session import Session
from forex_assets.market.origin_table import OLD_AFTER
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import USDCLP

FIELDS: Final = ("price_clp_per_usd", "kind", "source", "dated", "session", "age_hours", "age_sessions")
DISPUTE: Final = ("disagreement_pct", "tolerance_pct", "is_availability_assumed")


def starting_price(session: Session) -> dict[str, Any]:
    """Newest starting price and its age at the clock.

    Returns:
        Price, kind, source, its date, its age in hours and sessions, the largest difference to another price of the
        session in per cent and the difference that counts as disagreement; None where nothing is known. `fault` names
        a damaged table.
    """
    table, fault = readable(lambda: session.tables.read(names.ORIGIN, schema=STARTING_LEVEL_SCHEMA))
    record: dict[str, Any] = {**dict.fromkeys((*FIELDS, *DISPUTE)), "fault": fault}
    if table is None or table.is_empty():
        return record
    row = table.row(-1, named=True)
    return record | {
        "price_clp_per_usd": row["origin_clp_per_usd"],
        "kind": row["origin_kind"],
        "source": row["origin_source"],
        "dated": str(row["origin_dated"]),
        "session": str(row["origin_session"]),
        "age_hours": round((session.now - row["origin_observed_at"]).total_seconds() / 3600, 1),
        "age_sessions": calendar_of(USDCLP).age(row["origin_session"], session.today),
        "disagreement_pct": row["origin_disagreement_pct"],
        "tolerance_pct": row["origin_tolerance_pct"],
        "is_availability_assumed": row["is_origin_assumed"],
    }


def starting_price_words(record: dict[str, Any]) -> str:
    """The record as one sentence and its cautions."""
    if record["fault"]:
        return "Starting price: damaged, see below."
    if record["price_clp_per_usd"] is None:
        return "Starting price: none yet; forex-assets ingest"
    sessions = record["age_sessions"]
    age = f"{record['age_hours']:.0f} h and {sessions} session{'s' * (sessions != 1)} old"
    assumed = ", availability assumed" if record["is_availability_assumed"] else ""
    apart, limit = record["disagreement_pct"], record["tolerance_pct"]
    if apart is None:
        others = "no other price of the session to compare with"
    else:
        verdict = "disagrees with" if apart > limit else "agrees with"
        others = f"{verdict} another price of the session: {apart:.2f} % apart, limit {limit:.2f} %"
    old = f" Stale from {OLD_AFTER} sessions: forex-assets ingest." if sessions >= OLD_AFTER else ""
    return (
        f"Starting price: {price(record['price_clp_per_usd'])}, {record['kind']} of {record['dated']} "
        f"({'sample' if record['source'] == SAMPLE_SOURCE else record['source']}), {age}{assumed}; {others}.{old}"
    )

"""Asset checks of ledger, scored rows and scorecard; none blocks."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

import dagster as dg
import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict

from forex_assets.accuracy.realized_store import RealizedStore
from forex_assets.accuracy.scorecard import SCORECARD_SCHEMA, coverage_is_within_its_interval
from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.checks import check_of
from forex_assets.core.finding import Finding
from forex_assets.core.holidays import market_calendar
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import LEDGER_SCHEMA, REALIZED_SCHEMA, USDCLP_SCHEMA, empty
from forex_assets.core.session import Session
from forex_assets.core.store.records import Records
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.forecasts.ledger_tail import Verified
from forex_assets.forecasts.realized import JOINED_BY, KEY, covers_every_due_forecast
from forex_assets.market.ingestion import truths

WHOLE_CHAIN_EVERY: Final = timedelta(days=7)
"""Longest time between two readings of a whole chain."""

RECENT: Final = timedelta(days=400)
"""Age up to which forecasts are checked every evening."""


class VerifiedPart(BaseModel):
    """Verified part of a chain.

    Attributes:
        count: number of entries.
        head: hash of the last of them.
        whole_at: when every entry was last read.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")  # older versions noted the state of the files

    count: int
    head: str
    whole_at: AwareDatetime


def _verify(session: Session, store: LedgerStore, horizon: str) -> Verified:
    """Checks new entries, and the last ones that were verified.

    All are read once a week: no cheaper look at each would cost the same for a long chain as for a short one.
    """
    notes = Records(session.tables.records.under(names.LEDGER_VERIFIED), VerifiedPart)
    try:
        known = notes.get(horizon)
    except WarehouseError:
        known = None  # a damaged note costs one reading of the whole chain
    now = datetime.now(UTC)
    count, head, whole_at = (known.count, known.head, known.whole_at) if known else (0, "", now)
    if not now - WHOLE_CHAIN_EVERY < whole_at <= now:
        whole_at = now
        if misfit := store.verify(horizon, [head]):
            return Verified(misfit, store.count(horizon), "")
    verified = store.verify_after(horizon, count, head)
    if verified.misfit is None and verified.count:
        notes.put(horizon, VerifiedPart(count=verified.count, head=verified.head, whole_at=whole_at))
    return verified


def _ledger_chain_is_intact(session: Session) -> Finding:
    """Checks entries since the last check; all of them weekly.

    `forex-assets ledger verify` reads every entry, and compares the chain's end with Dagster's records.
    """
    store = LedgerStore(session.tables)
    verified = {horizon: _verify(session, store, horizon) for horizon in HORIZONS}
    faults = [f"{horizon}: {result.misfit}" for horizon, result in verified.items() if result.misfit is not None]
    entries = {horizon: result.count for horizon, result in verified.items()}
    count = sum(entries.values())
    message = "; ".join(faults) or (
        f"{count} entries; new ones, and all once a week, are as written" if count else "no entry"
    )
    return Finding("ledger_chain_is_intact", count > 0 and not faults, "warn", message, entries)


def _realized_covers_every_due_forecast(session: Session) -> Finding:
    """Checks forecasts of 400 days; once a week, all."""
    store, tables = LedgerStore(session.tables), session.tables
    issued, scored = sorted({*KEY, *JOINED_BY}), [*KEY, "realized_clp_per_usd"]
    since = date.min if is_first_of_its_week(session.today) else session.today - RECENT
    is_wanted = pl.col("as_of") >= since
    entries = (store.read(horizon, issued, since=since) for horizon in HORIZONS)
    ledger = pl.concat([empty(LEDGER_SCHEMA).select(issued), *entries])
    stored = [RealizedStore(tables, names.REALIZED).read(horizon, scored, where=is_wanted) for horizon in HORIZONS]
    realized = pl.concat([empty(REALIZED_SCHEMA).select(scored), *(table for table in stored if table is not None)])
    prices = tables.read(names.USDCLP)
    known = truths(session, empty(USDCLP_SCHEMA) if prices is None else prices)
    return covers_every_due_forecast(ledger, realized, known, session.now)


def is_first_of_its_week(day: date) -> bool:
    """Whether no session since Monday came before a day."""
    return market_calendar("CLP").previous(day) < day - timedelta(days=day.weekday())


def _coverage_is_within_its_interval(session: Session) -> Finding:
    """Checks the stored scorecard."""
    card = session.tables.read(names.SCORECARD)
    return coverage_is_within_its_interval(empty(SCORECARD_SCHEMA) if card is None else card)


CHECKS: list[dg.AssetChecksDefinition] = [
    check_of(
        keys.LEDGER,
        "ledger_chain_is_intact",
        _ledger_chain_is_intact,
        "Every new entry of the ledger is unchanged and follows its predecessor, every entry once a week; the first "
        "fault is named.",
        blocks=False,
    ),
    check_of(
        keys.REALIZED,
        "realized_covers_every_due_forecast",
        _realized_covers_every_due_forecast,
        "Every forecast whose session has a price is scored against the current price: of the last 400 days, and in a "
        "week's first session of all years.",
        blocks=False,
    ),
    check_of(
        keys.SCORECARD,
        "coverage_is_within_its_interval",
        _coverage_is_within_its_interval,
        "The 95 % bands held 95 % of the prices, within the interval that the effective sample size allows.",
        blocks=False,
    ),
]

"""Asset checks of ledger, scored rows and scorecard; none blocks."""

from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg
import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict

from forex_assets.accuracy.scorecard import SCORECARD_SCHEMA, coverage_is_within_its_interval
from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.checks import check_of
from forex_assets.core.finding import Finding
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import LEDGER_SCHEMA, REALIZED_SCHEMA, USDCLP_SCHEMA, empty
from forex_assets.core.session import Session
from forex_assets.core.store.records import Records
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.forecasts.ledger import Misfit
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.forecasts.realized import JOINED_BY, KEY, covers_every_due_forecast
from forex_assets.market.ingestion import truths

WHOLE_CHAIN_EVERY: Final = timedelta(days=7)
"""Longest time between two readings of a whole chain."""


class Verified(BaseModel):
    """Verified part of a chain.

    Attributes:
        count: number of entries.
        head: hash of the last of them.
        files: digest of their names, sizes and times of change.
        whole_at: when every entry was last read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int
    head: str
    files: str
    whole_at: AwareDatetime


def _verify(session: Session, store: LedgerStore, horizon: str) -> Misfit | None:
    """Checks new entries against the verified head.

    All are read once a week, and where a file of the verified part was touched.
    """
    notes = Records(session.tables.records.under(names.LEDGER_VERIFIED), Verified)
    try:
        known = notes.get(horizon)
    except WarehouseError:
        known = None  # a damaged note costs one reading of the whole chain
    now = datetime.now(UTC)
    is_due = known is None or not now - WHOLE_CHAIN_EVERY < known.whole_at <= now
    if known is None or is_due or store.files_digest(horizon, known.count) != known.files:
        misfit, whole_at = store.verify(horizon, [known.head] if known else []), now
    else:
        misfit, whole_at = store.verify_after(horizon, known.count, known.head), known.whole_at
    head = store.head(horizon) if misfit is None else None
    if head is not None:
        count = store.count(horizon)
        files = store.files_digest(horizon, count)
        notes.put(horizon, Verified(count=count, head=head, files=files, whole_at=whole_at))
    return misfit


def _ledger_chain_is_intact(session: Session) -> Finding:
    """Checks entries since the last check; all of them weekly.

    `forex-assets ledger verify` reads every entry, and compares the chain's end with Dagster's records.
    """
    store = LedgerStore(session.tables)
    misfits = {horizon: _verify(session, store, horizon) for horizon in HORIZONS}
    faults = [f"{horizon}: {misfit}" for horizon, misfit in misfits.items() if misfit is not None]
    entries = {horizon: store.count(horizon) for horizon in HORIZONS}
    count = sum(entries.values())
    message = "; ".join(faults) or (f"{count} entries, every one as it was written" if count else "no entry")
    return Finding("ledger_chain_is_intact", count > 0 and not faults, "warn", message, entries)


def _realized_covers_every_due_forecast(session: Session) -> Finding:
    """Checks all horizons that have a ledger."""
    store, tables = LedgerStore(session.tables), session.tables
    issued, scored = sorted({*KEY, *JOINED_BY}), [*KEY, "realized_clp_per_usd"]
    ledger = pl.concat([empty(LEDGER_SCHEMA).select(issued), *(store.read(horizon, issued) for horizon in HORIZONS)])
    stored = [tables.read(names.REALIZED, horizon, columns=scored) for horizon in HORIZONS]
    realized = pl.concat([empty(REALIZED_SCHEMA).select(scored), *(table for table in stored if table is not None)])
    prices = tables.read(names.USDCLP)
    known = truths(session, empty(USDCLP_SCHEMA) if prices is None else prices)
    return covers_every_due_forecast(ledger, realized, known, session.now)


def _coverage_is_within_its_interval(session: Session) -> Finding:
    """Checks the stored scorecard."""
    card = session.tables.read(names.SCORECARD)
    return coverage_is_within_its_interval(empty(SCORECARD_SCHEMA) if card is None else card)


ALL: list[dg.AssetChecksDefinition] = [
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
        "Every forecast whose session has a price is scored against the current price.",
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

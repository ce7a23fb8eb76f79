"""Asset checks of ledger, scored rows and scorecard; none blocks."""

import dagster as dg
import polars as pl

from forex_assets.accuracy.scorecard import SCORECARD_SCHEMA, coverage_is_within_its_interval
from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.checks import check_of
from forex_assets.core.finding import Finding
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import LEDGER_SCHEMA, REALIZED_SCHEMA, USDCLP_SCHEMA, empty
from forex_assets.core.session import Session
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.forecasts.realized import covers_every_due_forecast
from forex_assets.market.ingestion import truths


def _ledger_chain_is_intact(session: Session) -> Finding:
    """Checks every entry of the chain.

    `forex-assets ledger verify` also compares its end with Dagster's records.
    """
    store = LedgerStore(session.tables)
    misfits = {horizon: store.verify(horizon) for horizon in HORIZONS}
    faults = [f"{horizon}: {misfit}" for horizon, misfit in misfits.items() if misfit is not None]
    entries = {horizon: store.count(horizon) for horizon in HORIZONS}
    count = sum(entries.values())
    message = "; ".join(faults) or (f"{count} entries, every one as it was written" if count else "no entry")
    return Finding("ledger_chain_is_intact", count > 0 and not faults, "warn", message, entries)


def _realized_covers_every_due_forecast(session: Session) -> Finding:
    """Checks all horizons that have a ledger."""
    store, tables = LedgerStore(session.tables), session.tables
    ledger = pl.concat([empty(LEDGER_SCHEMA), *(store.read(horizon) for horizon in HORIZONS)])
    scored = [tables.read(names.REALIZED, horizon) for horizon in HORIZONS]
    realized = pl.concat([empty(REALIZED_SCHEMA), *(table for table in scored if table is not None)])
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
        "Every entry of the ledger is unchanged and follows its predecessor; the first fault is named.",
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

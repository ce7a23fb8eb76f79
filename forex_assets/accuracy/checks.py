"""Asset checks on the record of forecasts and on what became of them; none stops a forecast."""

import dagster as dg
import polars as pl

from forex_assets.accuracy.scorecard import SCORECARD_SCHEMA, coverage_is_within_its_interval
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.checks import check_of
from forex_assets.core.dagster.keys import table_key
from forex_assets.core.finding import Finding
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import LEDGER_SCHEMA, REALIZED_SCHEMA, USDCLP_SCHEMA, empty
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.forecasts.realized import covers_every_due_forecast
from forex_assets.market.ingestion import truths
from forex_assets.platform import Platform, on_platform


def _ledger_chain_is_intact(platform: Platform) -> Finding:
    """The chain by itself; that its end is there, `forex-assets ledger verify` holds against Dagster's records."""
    store = LedgerStore(platform.warehouse)
    misfits = {horizon: store.verify(horizon) for horizon in HORIZONS}
    wrong = [f"{horizon}: {misfit}" for horizon, misfit in misfits.items() if misfit is not None]
    entries = {horizon: store.count(horizon) for horizon in HORIZONS}
    count = sum(entries.values())
    message = "; ".join(wrong) or (f"{count} entries, every one as it was written" if count else "no entry")
    return Finding("ledger_chain_is_intact", count > 0 and not wrong, "warn", message, entries)


def _realized_covers_every_due_forecast(platform: Platform) -> Finding:
    """All horizons that have a ledger."""
    store, warehouse = LedgerStore(platform.warehouse), platform.warehouse
    ledger = pl.concat([empty(LEDGER_SCHEMA), *(store.read(horizon) for horizon in HORIZONS)])
    tables = [warehouse.read(table_key(keys.REALIZED), horizon) for horizon in HORIZONS]
    realized = pl.concat([empty(REALIZED_SCHEMA), *(table for table in tables if table is not None)])
    prices = warehouse.read(table_key(keys.USDCLP))
    known = truths(platform.session, empty(USDCLP_SCHEMA) if prices is None else prices)
    return covers_every_due_forecast(ledger, realized, known, platform.now)


def _coverage_is_within_its_interval(platform: Platform) -> Finding:
    """The card as it is stored."""
    card = platform.warehouse.read(table_key(keys.SCORECARD))
    return coverage_is_within_its_interval(empty(SCORECARD_SCHEMA) if card is None else card)


ALL: list[dg.AssetChecksDefinition] = [
    check_of(
        keys.LEDGER,
        "ledger_chain_is_intact",
        on_platform(_ledger_chain_is_intact),
        "Every entry of the ledger is as it was written and follows the one before; the first that does not is named.",
        blocks=False,
    ),
    check_of(
        keys.REALIZED,
        "realized_covers_every_due_forecast",
        on_platform(_realized_covers_every_due_forecast),
        "Every forecast whose session has a price is scored, against the price that stands now.",
        blocks=False,
    ),
    check_of(
        keys.SCORECARD,
        "coverage_is_within_its_interval",
        on_platform(_coverage_is_within_its_interval),
        "The share of prices inside the 95 % band is 95 % as far as the independent forecasts can tell.",
        blocks=False,
    ),
]

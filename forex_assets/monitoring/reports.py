"""Reads the watched tables and makes both reports."""

import polars as pl

from forex_assets.core import names
from forex_assets.core.calendar import santiago_time
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import COPPER_SCHEMA, REALIZED_SCHEMA, USDCLP_SCHEMA, Schema, empty
from forex_assets.core.session import Session
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries
from forex_assets.market.quality import marked_anew
from forex_assets.monitoring.degradation import Degradation, degradation_report
from forex_assets.monitoring.drift import Drift, drift_report
from forex_assets.monitoring.series import drift_series

IDENTITY = ("engine", "model", "config_fingerprint")
"""Columns that identify the settings of a forecast."""


class NoPrices(Exception):
    """No prices are stored to watch; the message names the remedy."""


def drift_of(session: Session) -> Drift:
    """Makes the drift report of the inputs.

    Raises:
        NoPrices: no USD/CLP price is known at the clock.
    """
    peso = _known_prices(session, USDCLP, USDCLP_SCHEMA)
    if peso.is_empty():
        raise NoPrices(
            f"no USD/CLP prices in {session.tables.root} by {santiago_time(session.now)} in Santiago to watch; "
            "bring them in with `forex-assets ingest`"
        )
    realized = pl.concat([empty(REALIZED_SCHEMA), *(realized_of(session, horizon) for horizon in HORIZONS)])
    series = drift_series(peso, _known_prices(session, COPPER, COPPER_SCHEMA), realized)
    return drift_report(series, session.policy, session.today)


def degradation_of(session: Session, horizon: str) -> Degradation:
    """Makes the degradation report of one horizon."""
    return degradation_report(realized_of(session, horizon), session.policy, session.today, horizon=horizon)


def realized_of(session: Session, horizon: str) -> pl.DataFrame:
    """Reads the scored rows of the current settings; `REALIZED_SCHEMA`.

    Only rows with engine, model and settings of the ledger's newest entry, if there is one: a change of model is no
    degradation. Prices that were not available at the clock are left out.
    """
    tables = (session.tables.read(name, horizon) for name in (names.BACKTEST, names.REALIZED))
    rows = pl.concat([empty(REALIZED_SCHEMA), *(table for table in tables if table is not None)])
    rows = rows.filter((pl.col("realized_available_at") <= session.now) & ~pl.col("is_shadow"))
    ledger = LedgerStore(session.tables).read(horizon)
    issued = ledger.filter(~pl.col("is_shadow") & (pl.col("issued_at") <= session.now))
    if issued.is_empty():
        return rows
    newest = issued.row(-1, named=True)
    return rows.filter([pl.col(name) == newest[name] for name in IDENTITY])


def _known_prices(session: Session, series: PriceSeries, schema: Schema) -> pl.DataFrame:
    """Reads a price table as known at the clock, ticks marked."""
    prices = session.tables.read(f"market/{series.name}")
    if prices is None:
        return empty(schema)
    # A row without a daily close carries FRED's monthly level, no price of its session.
    known = prices.filter((pl.col("available_at") <= session.now) & pl.col(series.value).is_not_null())
    return marked_anew(known, series)

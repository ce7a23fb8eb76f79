"""Reads the watched tables and makes both reports."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Final

import polars as pl

from forex_assets.accuracy.backtest_run import Origins, choose_engine, run_backtest
from forex_assets.accuracy.realized_store import RealizedStore
from forex_assets.core import names
from forex_assets.core.calendar import santiago_time
from forex_assets.core.config_store import ConfigError
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.policy import Policy
from forex_assets.core.schemas import COPPER_SCHEMA, REALIZED_SCHEMA, USDCLP_SCHEMA, Schema, empty
from forex_assets.core.session import Session
from forex_assets.forecasts.engine import EngineError
from forex_assets.forecasts.engines import Engines
from forex_assets.forecasts.forecast import COVARIATE_ENGINES
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries
from forex_assets.market.quality import marked_anew
from forex_assets.monitoring.degradation import JUDGED_SCHEMA, Degradation, degradation_report
from forex_assets.monitoring.drift import Drift, drift_report
from forex_assets.monitoring.series import ERROR_COLUMNS, drift_series

DAILY_SESSIONS: Final = 90
"""Past sessions backtested where recent errors are lacking.

Recent window, baseline and the way to a month's target.
"""

IDENTITY = ("engine", "model", "config_fingerprint")
"""Columns that identify the settings of a forecast."""

_SELECTING: Final = ("record", "as_of", "step", "entry_hash", "is_shadow", "realized_available_at", *IDENTITY)
"""Columns by which `realized_of` selects rows."""


_LAST_DRIFT: list[tuple[dict[str, pl.DataFrame], Policy, date, Drift]] = []
"""Inputs and result of this process's last drift report.

A command makes the report in one run and decides in the next.
"""


class NoPrices(Exception):
    """No prices are stored to watch; the message names the remedy."""


def drift_of(session: Session) -> Drift:
    """Makes the drift report of the inputs; equal inputs are judged once.

    Raises:
        NoPrices: no USD/CLP price is known at the clock.
    """
    peso = _known_prices(session, USDCLP, USDCLP_SCHEMA)
    if peso.is_empty():
        raise NoPrices(
            f"no USD/CLP prices in {session.tables.place()} by {santiago_time(session.now)} in Santiago to watch; "
            "bring them in with `forex-assets ingest`"
        )
    realized = pl.concat([realized_of(session, horizon, columns=ERROR_COLUMNS) for horizon in HORIZONS])
    series = drift_series(peso, _known_prices(session, COPPER, COPPER_SCHEMA), realized)
    for last_series, policy, today, drift in _LAST_DRIFT:
        is_same = all(series[name].equals(last_series[name]) for name in series)
        if is_same and (policy, today) == (session.policy, session.today):
            return drift
    drift = drift_report(series, session.policy, session.today)
    _LAST_DRIFT[:] = [(series, session.policy, session.today, drift)]
    return drift


def degradation_of(session: Session, engines: Engines, horizon: str) -> Degradation:
    """Makes the degradation report of one horizon.

    Weekly past dates leave too few recent errors: where they are lacking, the last sessions are backtested, once.
    """
    report = partial(degradation_report, policy=session.policy, today=session.today, horizon=horizon)
    stored = report(realized_of(session, horizon, columns=tuple(JUDGED_SCHEMA)))
    is_possible = session.configs.exists(horizon) and session.tables.read(names.USDCLP) is not None
    if stored.n >= stored.n_needed or not is_possible:
        return stored
    try:
        daily = _daily_backtest(session, engines, horizon)
    except EngineError as error:  # evidence is lacking, which is no reason to act; forecasts report a broken engine
        return replace(stored, words=f"{stored.words}; recent dates could not be backtested: {error}")
    return report(realized_of(session, horizon, daily, columns=tuple(JUDGED_SCHEMA)))


def reads_copper(session: Session, engines: Engines, horizon: str) -> bool:
    """Whether current forecasts read copper; True if unknown."""
    try:
        engine, config = choose_engine(session, engines, horizon, "auto")
        return config.uses_copper and engine.name in COVARIATE_ENGINES
    except (ConfigError, EngineError):
        return True


def _daily_backtest(session: Session, engines: Engines, horizon: str) -> pl.DataFrame:
    """Scored forecasts from each of the last sessions.

    Stored ones are not made again.
    """
    days = calendar_of(USDCLP).between(session.today - timedelta(days=2 * DAILY_SESSIONS), session.today)
    days = [day for day in days if day < session.today][-DAILY_SESSIONS:]
    return run_backtest(session, engines, horizon, origins=Origins(days=tuple(days)))[0]


def realized_of(
    session: Session, horizon: str, more: pl.DataFrame | None = None, *, columns: Sequence[str] = tuple(REALIZED_SCHEMA)
) -> pl.DataFrame:
    """Reads the scored rows of the current settings.

    Only rows with engine, model and settings of the ledger's newest entry, if there is one: a change of model is no
    degradation. Prices that were not available at the clock are left out. Rows of `more` count as stored ones; a past
    date that is in both counts once.

    Args:
        columns: of `REALIZED_SCHEMA`, the only ones that are wanted; after years a table has a hundred thousand rows.
    """
    # Drift and degradation judge by different columns: a session that reads those of both reads a table once.
    wanted = {*columns, *ERROR_COLUMNS, *JUDGED_SCHEMA, *_SELECTING}
    needed = tuple(name for name in REALIZED_SCHEMA if name in wanted)
    tables = (RealizedStore(session.tables, name).read(horizon, needed) for name in (names.BACKTEST, names.REALIZED))
    given = None if more is None else more.select(needed)
    rows = pl.concat(
        [empty(REALIZED_SCHEMA).select(needed), *(table for table in (*tables, given) if table is not None)]
    )
    rows = rows.filter((pl.col("realized_available_at") <= session.now) & ~pl.col("is_shadow"))
    rows = rows.unique(["record", "as_of", "step", "entry_hash", *IDENTITY], keep="last", maintain_order=True)
    ledger = LedgerStore(session.tables).read(horizon, ("is_shadow", "issued_at", *IDENTITY))
    issued = ledger.filter(~pl.col("is_shadow") & (pl.col("issued_at") <= session.now))
    if not issued.is_empty():
        newest = issued.row(-1, named=True)
        rows = rows.filter([pl.col(name) == newest[name] for name in IDENTITY])
    return rows.select(columns)


def _known_prices(session: Session, series: PriceSeries, schema: Schema) -> pl.DataFrame:
    """Reads a price table as known at the clock, ticks marked."""
    prices = session.tables.read(f"market/{series.name}")
    if prices is None:
        return empty(schema)
    # A row without a daily close carries FRED's monthly level, no price of its session.
    known = prices.filter((pl.col("available_at") <= session.now) & pl.col(series.value).is_not_null())
    return marked_anew(known, series)

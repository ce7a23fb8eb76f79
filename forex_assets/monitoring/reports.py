"""What watching looks at: which tables, as known at the clock, and the two reports made from them."""

import dagster as dg
import polars as pl

from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import COPPER_SCHEMA, REALIZED_SCHEMA, USDCLP_SCHEMA, Schema, empty
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries
from forex_assets.market.quality import marked_anew
from forex_assets.monitoring.degradation import Degradation, degradation_report
from forex_assets.monitoring.drift import Drift, drift_report, drift_series
from forex_assets.platform import Platform

IDENTITY = ("engine", "model", "config_fingerprint")
"""Columns that say whose forecast it is."""


def drift_of(ready: Platform) -> Drift:
    """Drift of the inputs as known at the clock.

    Raises:
        dg.Failure: there are no prices to look at.
    """
    peso = _known_prices(ready, USDCLP, USDCLP_SCHEMA)
    if peso.is_empty():
        raise dg.Failure(
            f"no USD/CLP prices in {ready.warehouse.root} by {ready.now:%Y-%m-%d %H:%M} UTC to watch; bring them in "
            "with `forex-assets ingest`",
            allow_retries=False,
        )
    realized = pl.concat([empty(REALIZED_SCHEMA), *(realized_of(ready, horizon) for horizon in HORIZONS)])
    series = drift_series(peso, _known_prices(ready, COPPER, COPPER_SCHEMA), realized)
    return drift_report(series, ready.policy, ready.settings.as_of_date)


def degradation_of(ready: Platform, horizon: str) -> Degradation:
    """Degradation of one horizon's forecasts as known at the clock."""
    return degradation_report(realized_of(ready, horizon), ready.policy, ready.settings.as_of_date, horizon=horizon)


def realized_of(ready: Platform, horizon: str) -> pl.DataFrame:
    """What came true of the forecasts that are made now: the ledger's, before it the backtest's; `REALIZED_SCHEMA`.

    Only rows of the engine, model and settings that the ledger's newest entry has, where there is one: a change of
    model is no degradation. Truths that were not available at the clock are left out.
    """
    frames = [empty(REALIZED_SCHEMA)]
    for name in ("accuracy/backtest", "accuracy/realized"):
        frame = ready.warehouse.read(name, horizon)
        if frame is not None:
            frames.append(frame)
    rows = pl.concat(frames).filter((pl.col("realized_available_at") <= ready.now) & ~pl.col("is_shadow"))
    ledger = LedgerStore(ready.warehouse).read(horizon)
    issued = ledger.filter(~pl.col("is_shadow") & (pl.col("issued_at") <= ready.now))
    if issued.is_empty():
        return rows
    newest = issued.row(-1, named=True)
    return rows.filter([pl.col(name) == newest[name] for name in IDENTITY])


def _known_prices(ready: Platform, series: PriceSeries, schema: Schema) -> pl.DataFrame:
    """A price table as known at the clock, bad ticks marked; no rows where there is none."""
    prices = ready.warehouse.read(f"market/{series.name}")
    if prices is None:
        return empty(schema)
    # A row without a daily close is FRED's level, and no price of its session.
    known = prices.filter((pl.col("available_at") <= ready.now) & pl.col(series.value).is_not_null())
    return marked_anew(known, series)

"""Reads prices of the peso and its drivers from a session's tables."""

from typing import Final

import polars as pl

from forex_assets.core import names
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import FORECAST_SCHEMA
from forex_assets.core.session import Session
from forex_assets.desk.drivers import BRL, COPPER, DOLLAR_INDEX
from forex_assets.desk.observado import Fixings
from forex_assets.desk.outlook import DeskError
from forex_assets.market.prices import COPPER as COMEX
from forex_assets.market.prices import USDCLP, PriceSeries
from forex_assets.market.quality import usable

LONDON_LAG: Final = 2
"""Rows by which London copper's date is later than the move."""

FEWEST_LONDON: Final = 500
"""London prices without which COMEX stands in."""


def peso_prices(session: Session) -> pl.DataFrame:
    """Returns session and value of the stored peso.

    Raises:
        DeskError: none is stored.
    """
    table = session.tables.read(names.USDCLP)
    if table is None:
        raise DeskError("no peso prices are stored; bring them in with `forex-assets ingest`")
    return _values(table.filter(pl.col("available_at") <= session.now), USDCLP)


def driver_prices(session: Session) -> tuple[dict[str, pl.DataFrame], str]:
    """Returns session and value of each stored driver, and copper's market."""
    drivers = dict[str, pl.DataFrame]()
    table = session.tables.read(names.DRIVERS)
    if table is not None:
        known = table.filter(pl.col("available_at") <= session.now)
        for name, column in ((DOLLAR_INDEX, "dollar_index"), (BRL, "brl_per_usd")):
            drivers[name] = known.select("session", value=column).drop_nulls()
    london, comex = session.tables.read(names.COPPER_LME), session.tables.read(names.COPPER)
    if london is not None:
        rows = london.filter(~pl.col("is_quarantined") & (pl.col("available_at") <= session.now)).sort("session")
        if rows.height >= FEWEST_LONDON:
            drivers[COPPER] = rows.select(pl.col("session").shift(LONDON_LAG), value="london_usd_lb").drop_nulls()
            return drivers, "London"
    if comex is not None:
        drivers[COPPER] = _values(comex.filter(pl.col("available_at") <= session.now), COMEX)
    return drivers, "COMEX"


def stored_fixings(session: Session) -> Fixings:
    """Returns the observados known by the clock, and their issued fans."""
    table = session.tables.read(names.OBSERVADO)
    if table is None:
        return Fixings({})
    stored = {name: session.tables.read(names.OBSERVADO_FORECAST, name, FORECAST_SCHEMA) for name in HORIZONS}
    fans = {name: fan for name, fan in stored.items() if fan is not None}
    rows = table.filter(~pl.col("is_quarantined") & (pl.col("available_at") <= session.now)).sort("session")
    return Fixings(dict(zip(rows["session"].to_list(), rows["clp_per_usd"].to_list(), strict=True)), fans)


def _values(table: pl.DataFrame, series: PriceSeries) -> pl.DataFrame:
    return usable(table, series).select("session", value=series.value).drop_nulls()

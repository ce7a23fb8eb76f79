"""Drivers of the peso for what-if questions, by session.

All optional: a series that no source gives is a column of nulls.
"""

from collections.abc import Mapping

import polars as pl

from forex_assets.core.schemas import DRIVERS_SCHEMA, conform, empty
from forex_assets.market.prices import PriceSeries
from forex_assets.market.quality import usable


def drivers_table(prices: Mapping[PriceSeries, pl.DataFrame]) -> pl.DataFrame:
    """Joins the series by session.

    A row is known when the last of its prices is.

    Args:
        prices: `prices_schema` of each series; provisional and bad rows are left out.

    Returns:
        `DRIVERS_SCHEMA`, oldest first.
    """
    table = empty({"session": pl.Date, "available_at": DRIVERS_SCHEMA["available_at"]})
    for series, rows in prices.items():
        final = usable(rows, series).filter(~pl.col("is_provisional"))
        values = final.select("session", series.value, known="available_at")
        table = table.join(values, on="session", how="full", coalesce=True)
        table = table.with_columns(available_at=pl.max_horizontal("available_at", "known")).drop("known")
    sources = sorted({name for rows in prices.values() for name in rows["source"].unique()})
    table = table.with_columns(pl.lit(" + ".join(sources)).alias("source"))
    absent = [name for name in DRIVERS_SCHEMA if name not in table.columns]
    table = table.with_columns(pl.lit(None, dtype=DRIVERS_SCHEMA[name]).alias(name) for name in absent)
    return conform(table.sort("session").select(list(DRIVERS_SCHEMA)), DRIVERS_SCHEMA, "drivers")

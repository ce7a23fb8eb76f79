"""Plot of a price series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from forex_assets.core.plots import (
    BLUE,
    COPPER_BROWN,
    RED,
    add_legend,
    dress_axes,
    fix_layout,
    mark_provisional,
    no_data_figure,
    png_of,
    price_text,
    titled_figure,
)
from forex_assets.core.schemas import is_sample as has_sample_rows
from forex_assets.market.prices import USDCLP, PriceSeries

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def prices_plot(prices: pl.DataFrame, series: PriceSeries, title: str, is_sample: bool) -> bytes:
    """Draws a price series' closes as PNG.

    Bad ticks are red marks below the axes, so that they do not set the scale.

    Args:
        prices: `prices_schema(series.value)`, more columns allowed, oldest first.
        is_sample: shows the banner even if no row is generated.
    """
    return png_of(prices_figure(prices, series, title, is_sample))


def prices_figure(prices: pl.DataFrame, series: PriceSeries, title: str, is_sample: bool) -> Figure:
    """Draws the figure of `prices_plot`."""
    closes = prices.filter(pl.col(series.value).is_not_null())
    good = closes.filter(~pl.col("is_quarantined"))
    if good.is_empty():
        return no_data_figure(title, is_sample or has_sample_rows(prices))
    figure, axes = titled_figure(9.0, 3.6, title, is_sample or has_sample_rows(prices))
    colour = BLUE if series is USDCLP else COPPER_BROWN
    axes.plot(good["session"].to_list(), good[series.value].to_list(), color=colour, linewidth=1.2)
    mark_provisional(axes, good, series.value, colour)
    bad = closes.filter("is_quarantined")["session"].to_list()
    if bad:
        foot: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False, "zorder": 4}
        axes.plot(bad, [0.0] * len(bad), "^", color=RED, markersize=6, label=f"bad tick, left out ({len(bad)})", **foot)
    last = good.row(-1, named=True)
    note = f"{last['session']}   {price_text(last[series.value])} {series.unit}   {good.height:,} sessions"
    dress_axes(axes, series.unit, note)
    add_legend(figure, axes)
    fix_layout(figure, left=0.7, bottom=0.6 if figure.legends else 0.35, top=0.26)
    return figure


def drivers_plot(drivers: pl.DataFrame, title: str) -> bytes:
    """Draws dollar index and real as PNG, one above the other.

    Args:
        drivers: `DRIVERS_SCHEMA`.
    """
    if drivers.is_empty():
        return png_of(no_data_figure(title, False))
    figure, axes = titled_figure(9.0, 4.4, title, False, rows=2)
    units = {"dollar_index": "index", "brl_per_usd": "BRL per USD"}
    for axis, (name, unit) in zip(axes, units.items(), strict=True):
        rows = drivers.select("session", name).drop_nulls()
        axis.plot(rows["session"].to_list(), rows[name].to_list(), color=BLUE, linewidth=1.2)
        dress_axes(axis, unit, f"{rows['session'][-1]}   {rows[name][-1]:.2f}" if rows.height else "no data")
    return png_of(figure)

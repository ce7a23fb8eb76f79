"""Draws the report's charts as HTML fragments with plotly."""

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from forex_assets.market.prices import COPPER, USDCLP
from forex_assets.report.words import Say

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HISTORY: Final = (20, 60)
"""Fewest and most past sessions in a fan chart."""
COPPER_SESSIONS: Final = 252
"""Trading days in the copper chart."""

PRICE, MEDIAN, WALK, COPPER_BROWN = "#64748b", "#2563eb", "#f59e0b", "#b45309"
FAN_LEGEND: Final = (
    ("history", PRICE),
    ("median", MEDIAN),
    ("walk", WALK),
    ("band_50", "rgba(59,130,246,.88)"),
    ("band_80", "rgba(59,130,246,.46)"),
    ("band_95", "rgba(59,130,246,.18)"),
)
COPPER_LEGEND: Final = (("copper_price", COPPER_BROWN), ("copper_sma_20", MEDIAN), ("copper_sma_50", PRICE))
"""Text key and visible colour of each mark."""

BANDS: Final = (
    ("q025", "q975", "95", "rgba(59,130,246,.18)"),
    ("q10", "q90", "80", "rgba(59,130,246,.28)"),
    ("q25", "q75", "50", "rgba(59,130,246,.42)"),
)
"""Lower and upper column, percentage, fill. Stacked, they darken towards the middle."""


def library() -> str:
    """Plotly's whole script, so that the page needs no network."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def fan_chart(prices: pl.DataFrame, fan: pl.DataFrame, say: Say, name: str) -> str:
    """Draws history, fan and the no-change benchmark's 95 % band.

    Args:
        prices: usable rows of `market/usdclp`, oldest first.
        fan: `FORECAST_SCHEMA`, one horizon.
        name: id of the HTML element.
    """
    import plotly.graph_objects as go

    past, last = prices.tail(min(max(HISTORY[0], 2 * fan.height), HISTORY[1])), fan.row(0, named=True)
    start, price = last["origin_session"], last["origin_clp_per_usd"]
    days = [start, *fan["session"]]
    figure = go.Figure()
    for low, high, share, fill in BANDS:
        bounds = [price, *fan[low]], [price, *fan[high]]
        figure.add_scatter(x=days, y=bounds[0], mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip")
        band = {"fill": "tonexty", "fillcolor": fill, "line": {"width": 0}, "name": say(f"band_{share}")}
        figure.add_scatter(x=days, y=bounds[1], mode="lines", **band)
    for column in ("walk_q025", "walk_q975"):
        dashes = {"dash": "dot", "width": 1.2, "color": WALK}
        is_named = column == "walk_q025"
        figure.add_scatter(
            x=days, y=[price, *fan[column]], mode="lines", line=dashes, name=say("walk"), showlegend=is_named
        )
    figure.add_scatter(x=days, y=[price, *fan["q50"]], mode="lines", line={"color": MEDIAN}, name=say("median"))
    figure.add_scatter(
        x=past["session"].to_list(),
        y=past[USDCLP.value].to_list(),
        mode="lines",
        line={"color": PRICE, "width": 1.6},
        name=say("history"),
    )
    return _fragment(figure, name, "CLP/USD")


def copper_chart(prices: pl.DataFrame, features: pl.DataFrame, say: Say, name: str) -> str:
    """Draws a year of copper with its two averages.

    Args:
        prices: `market/copper_hgf_usd_lb`, oldest first.
        name: id of the HTML element.
    """
    import plotly.graph_objects as go

    usable = prices.filter(pl.col(COPPER.value).is_not_null() & ~pl.col("is_quarantined")).tail(COPPER_SESSIONS)
    figure = go.Figure()
    figure.add_scatter(
        x=usable["session"].to_list(),
        y=usable[COPPER.value].to_list(),
        mode="lines",
        line={"color": COPPER_BROWN, "width": 1.6},
        name=say("copper_price"),
    )
    recent = features.tail(COPPER_SESSIONS)
    for column, colour in COPPER_LEGEND[1:]:
        line = {"color": colour, "width": 1}
        days, values = recent["session"].to_list(), recent[column].to_list()
        figure.add_scatter(x=days, y=values, mode="lines", line=line, name=say(column))
    return _fragment(figure, name, "USD/lb")


def _fragment(figure: "Figure", name: str, unit: str) -> str:
    """The figure as an HTML element; the page sets its colours."""
    axis: dict[str, Any] = {"showgrid": True, "zeroline": False, "automargin": True}
    figure.update_layout(
        height=320,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,  # on a phone it would take half the height; the page has a legend
        hovermode="x unified",
        xaxis=axis,
        yaxis=axis | {"title": {"text": unit}, "tickformat": ",.2f" if unit == "USD/lb" else ",.0f"},
    )
    config = {"responsive": True, "displayModeBar": False, "displaylogo": False}
    return str(figure.to_html(full_html=False, include_plotlyjs=False, div_id=name, config=config))

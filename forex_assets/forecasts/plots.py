"""Pictures for metadata: a frame in, PNG bytes out. The only importer of matplotlib; no rule of the domain is here.

Figures are plain objects, never pyplot's, so that steps in threads share nothing and nothing is left open.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.features.copper import COPPER_FEATURES, Feature
from forex_assets.market.prices import USDCLP, PriceSeries

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI: Final = 90
BANNER_INCHES: Final = 0.3
TITLE_INCHES: Final = 0.34
COLOURS: Final = 48
"""Palette of the files: they are sent as text inside metadata, and a third of the size looks the same."""

FEATURE_SESSIONS: Final = 756
"""Three years: longer, and a daily return is a smear."""

INK: Final = "#1f2937"
FAINT: Final = "#6b7280"
GRID: Final = "#e5e7eb"
BLUE: Final = "#1d4ed8"
COPPER_BROWN: Final = "#b45309"
RED: Final = "#b91c1c"
BANDS: Final = (
    ("q25", "q75", "#6fa0f0", "50 %"),
    ("q10", "q90", "#a9c8f8", "80 %"),
    ("q025", "q975", "#dbeafe", "95 %"),
)
GUIDES: Final[dict[str, tuple[float, ...]]] = {
    "copper_rsi_14": (30.0, 70.0),
    **dict.fromkeys(("copper_ret_1d", "copper_ret_5d", "copper_ret_20d"), (0.0,)),
    "copper_usdclp_corr_90d": (0.0,),
}
"""Values that a reader of a feature looks for, drawn as thin lines."""


def prices_plot(prices: pl.DataFrame, series: PriceSeries, title: str, is_sample: bool) -> bytes:
    """PNG of a price series' closes; bad ticks are shown as red marks at the foot, so that they do not set the scale.

    Args:
        prices: `prices_schema(series.value)`, more columns allowed, oldest first.
        series: which one.
        title: of the plot.
        is_sample: puts up the banner even where no row says it.
    """
    return png_of(prices_figure(prices, series, title, is_sample))


def features_plot(features: pl.DataFrame) -> bytes:
    """PNG of the ten copper features (`FEATURES_SCHEMA`, oldest first) over their last three years, a panel each."""
    return png_of(features_figure(features))


def fan_plot(history: pl.DataFrame, forecast: pl.DataFrame, title: str) -> bytes:
    """PNG of one forecast fan after its history; beside corrected bands the model's own 95 % bounds, as lines.

    Args:
        history: `USDCLP_SCHEMA`, oldest first, 120 sessions or so; drawn are the last 40, or four times the steps.
        forecast: `FORECAST_SCHEMA`, one as_of and one horizon, by step.
        title: of the plot.

    Raises:
        ValueError: the forecast holds more than one fan.
    """
    return png_of(fan_figure(history, forecast, title))


def markdown_image(png: bytes, alt: str) -> str:
    """Markdown that carries the picture in itself; `alt` is what is read where pictures are not shown."""
    words = alt.replace("[", "(").replace("]", ")").replace("\n", " ")
    return f"![{words}](data:image/png;base64,{base64.b64encode(png).decode('ascii')})"


def prices_figure(prices: pl.DataFrame, series: PriceSeries, title: str, is_sample: bool) -> Figure:
    """The figure behind `prices_plot`."""
    closes = prices.filter(pl.col(series.value).is_not_null())
    good = closes.filter(~pl.col("is_quarantined"))
    if good.is_empty():
        return no_data_figure(title, is_sample or _is_sample(prices))
    figure, axes = titled_figure(9.0, 3.6, title, is_sample or _is_sample(prices))
    colour = BLUE if series is USDCLP else COPPER_BROWN
    axes.plot(good["session"].to_list(), good[series.value].to_list(), color=colour, linewidth=1.2)
    _mark_provisional(axes, good, series.value, colour)
    bad = closes.filter("is_quarantined")["session"].to_list()
    if bad:
        foot: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False, "zorder": 4}
        axes.plot(bad, [0.0] * len(bad), "^", color=RED, markersize=6, label=f"bad tick, left out ({len(bad)})", **foot)
    last = good.row(-1, named=True)
    note = f"{last['session']}   {_price(last[series.value])} {series.unit}   {good.height:,} sessions"
    _dress(axes, series.unit, note)
    _legend(figure, axes)
    return figure


def features_figure(features: pl.DataFrame) -> Figure:
    """The figure behind `features_plot`."""
    if features.is_empty():
        return no_data_figure("Copper features", False)
    recent = features.tail(FEATURE_SESSIONS)
    title = f"Copper features, last {recent.height} sessions to {recent['session'][-1]}"
    figure, panels = titled_figure(10.4, 6.4, title, _is_sample(features), rows=5, columns=2)
    sessions = recent["session"].to_list()
    for place, feature in enumerate(COPPER_FEATURES):
        axes = panels[place % 5][place // 5]
        _feature_panel(axes, feature, sessions, recent[feature.name].to_list())
        axes.tick_params(labelbottom=place % 5 == 4)
    return figure


def fan_figure(history: pl.DataFrame, forecast: pl.DataFrame, title: str) -> Figure:
    """The figure behind `fan_plot`."""
    from matplotlib.dates import DateFormatter

    is_sample = _is_sample(history) or _is_sample(forecast)
    if forecast.is_empty():
        return no_data_figure(title, is_sample)
    if forecast.select("as_of", "horizon").n_unique() > 1:
        raise ValueError("a fan's plot takes one as_of and one horizon; filter the forecast first")
    figure, axes = titled_figure(9.0, 4.2, title, is_sample)
    known = history.filter(pl.col(USDCLP.value).is_not_null() & ~pl.col("is_quarantined"))
    known = known.tail(max(40, 4 * forecast.height))  # more would squeeze a week's fan into a corner
    axes.plot(known["session"].to_list(), known[USDCLP.value].to_list(), color=INK, linewidth=1.3, label="close")
    _mark_provisional(axes, known, USDCLP.value, INK)
    _draw_fan(axes, forecast)
    _dress(axes, USDCLP.unit, _fan_note(forecast))
    axes.xaxis.set_major_formatter(DateFormatter("%d %b"))  # the years are in the note
    _legend(figure, axes)
    return figure


def png_of(figure: Figure, colours: int = COLOURS) -> bytes:
    """The figure as PNG with a palette of so many colours, of 256 at most."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
    out = io.BytesIO()
    # No dithering: it would speckle the flat bands and swell the file.
    picture.quantize(colours, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _is_sample(rows: pl.DataFrame) -> bool:
    return bool((rows["source"] == SAMPLE_SOURCE).any())


def titled_figure(
    width: float, height: float, title: str, is_sample: bool, rows: int = 1, columns: int = 1
) -> tuple[Figure, Any]:
    """A white figure with its title, the banner where the data are generated, and its axes (an array where many)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    band = BANNER_INCHES / height if is_sample else 0.0
    head = band + TITLE_INCHES / height
    figure.set_layout_engine("constrained", rect=(0.0, 0.0, 1.0, 1.0 - head))
    name = figure.text(
        0.1 / width, 1.0 - (band + head) / 2, title, va="center", fontsize=12, fontweight="bold", color=INK
    )
    name.set_in_layout(False)
    if is_sample:
        _banner(figure, band)
    return figure, figure.subplots(rows, columns, sharex=rows > 1)


def _banner(figure: Figure, band: float) -> None:
    from matplotlib.patches import Rectangle

    strip = Rectangle((0.0, 1.0 - band), 1.0, band, transform=figure.transFigure, facecolor=RED, edgecolor="none")
    figure.add_artist(strip)
    where: dict[str, Any] = {"ha": "center", "va": "center", "color": "white", "fontsize": 11, "fontweight": "bold"}
    figure.text(0.5, 1.0 - band / 2, SAMPLE_SOURCE, **where).set_in_layout(False)


def no_data_figure(title: str, is_sample: bool, words: str = "no data") -> Figure:
    """What is shown where there is nothing to draw."""
    figure, axes = titled_figure(9.0, 2.0, title, is_sample)
    axes.set_axis_off()
    axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=16, color=FAINT, transform=axes.transAxes)
    return figure


def _dress(axes: Axes, unit: str, note: str = "") -> None:
    """Grid, dates, unit and a small line of facts above the axes."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=4, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=9)
    axes.margins(x=0.01)
    axes.set_ylabel(unit, fontsize=9, color=INK)
    axes.set_title(note, loc="left", fontsize=9, color=FAINT)


def _legend(figure: Figure, axes: Axes) -> None:
    """Below the axes, where no line can run into it."""
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", fontsize=8, frameon=False, ncols=8)


def _mark_provisional(axes: Axes, rows: pl.DataFrame, value: str, colour: str) -> None:
    """Hollow points on prices that their finished bars will replace."""
    open_rows = rows.filter("is_provisional")
    if not open_rows.is_empty():
        look: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": colour, "markersize": 6, "zorder": 5}
        axes.plot(
            open_rows["session"].to_list(), open_rows[value].to_list(), "o", label="provisional", linestyle="", **look
        )


def _feature_panel(axes: Axes, feature: Feature, sessions: list[Any], values: list[float | None]) -> None:
    points = [float("nan") if value is None else value for value in values]
    for guide in GUIDES.get(feature.name, ()):
        axes.axhline(guide, color=FAINT, linewidth=0.8, linestyle=":")
    axes.plot(sessions, points, color=COPPER_BROWN, linewidth=0.9)
    _dress(axes, "")
    axes.set_title(f"{feature.name}  ({feature.unit})", loc="left", fontsize=9, color=INK)
    axes.tick_params(labelsize=8)
    if feature.name == "copper_trend_signal":
        axes.set_yticks([-1, 0, 1])


def _draw_fan(axes: Axes, forecast: pl.DataFrame) -> None:
    """Bands, median, the walk's bounds and, beside corrected bands, the model's; all open from the last known price."""
    first = forecast.row(0, named=True)
    origin = float(first["origin_clp_per_usd"])
    sessions = [first["origin_session"], *forecast["session"].to_list()]

    def line(column: str) -> list[float]:
        return [origin, *forecast[column].to_list()]

    axes.plot(sessions, line("q50"), color=BLUE, linewidth=1.8, label="median", zorder=3)
    for depth, (low, high, colour, name) in enumerate(BANDS):
        axes.fill_between(
            sessions, line(low), line(high), color=colour, linewidth=0, label=name, zorder=2 - 0.1 * depth
        )
    bounds = [("walk_q025", "random walk 95 %", FAINT, 1.1, "--"), ("walk_q975", None, FAINT, 1.1, "--")]
    if forecast["is_calibrated"].any():  # else the bands are the model's own, and the lines would be their edges
        bounds += [("model_q025", "model's own 95 %", BLUE, 0.8, "-"), ("model_q975", None, BLUE, 0.8, "-")]
    for column, label, colour, width, style in bounds:
        axes.plot(sessions, line(column), color=colour, linewidth=width, linestyle=style, label=label, zorder=3)


def _fan_note(forecast: pl.DataFrame) -> str:
    """Who forecast what, what it says about the target and, where bands are corrected, by how many past errors."""
    end = forecast.row(-1, named=True)
    low, mid, high = (_price(end[column]) for column in ("q025", "q50", "q975"))
    words = f"{end['model']}   as of {end['as_of']}   target {end['target_date']}: median {mid}, 95 % {low} to {high}"
    if not end["is_calibrated"]:
        return words
    return f"{words}\nbands corrected by {end['calibration_errors']:,} past errors at the target"


def _price(value: float) -> str:
    return f"{value:,.1f}" if value >= 100 else f"{value:.3f}"

"""Shared parts of every plot: figure, title, banner, axes, PNG.

Figures are matplotlib objects, never pyplot's global ones, so that steps in threads share nothing.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from forex_assets.core.schemas import SAMPLE_SOURCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI: Final = 90
BANNER_INCHES: Final = 0.3
TITLE_INCHES: Final = 0.34

INK: Final = "#1f2937"
FAINT: Final = "#6b7280"
GRID: Final = "#e5e7eb"
BLUE: Final = "#1d4ed8"
COPPER_BROWN: Final = "#b45309"
RED: Final = "#b91c1c"


def markdown_image(png: bytes, alt: str) -> str:
    """Returns Markdown with the PNG embedded.

    Args:
        alt: text for places that show no pictures; brackets become parentheses.
    """
    words = alt.replace("[", "(").replace("]", ")").replace("\n", " ")
    return f"![{words}](data:image/png;base64,{base64.b64encode(png).decode('ascii')})"


def png_of(figure: Figure) -> bytes:
    """Returns a figure as PNG bytes of 256 colours."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
    out = io.BytesIO()
    # An octree keeps the colour of a small mark, which median cut merges, in a tenth of its time. No dithering: it
    # would speckle the flat bands and swell the file.
    picture.quantize(method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(out, "PNG")
    return out.getvalue()


def titled_figure(
    width: float, height: float, title: str, is_sample: bool, rows: int = 1, columns: int = 1
) -> tuple[Figure, Any]:
    """Makes a figure with a title; generated data add a banner.

    Args:
        width: inches.
        height: inches.
        is_sample: whether the data are generated.

    Returns:
        The figure and its axes; an array of axes for several rows or columns.
    """
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
    """Returns a figure that only says there is no data."""
    figure, axes = titled_figure(9.0, 2.0, title, is_sample)
    axes.set_axis_off()
    axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=16, color=FAINT, transform=axes.transAxes)
    return figure


def fix_layout(
    figure: Figure, left: float, bottom: float, top: float, between_rows: float = 0.0, between_columns: float = 0.0
) -> None:
    """Fixes margins and ticks of a finished figure.

    Finding margins measures every text four times, and drawing once: over half of a picture's time.

    Args:
        left: inches of tick labels and unit.
        bottom: inches of tick labels and legend.
        top: inches of the note, below the title.
        between_rows: inches between the axes of one row and of the next.
        between_columns: inches between the axes of one column and of the next.
    """
    from matplotlib.ticker import FixedLocator

    engine = figure.get_layout_engine()
    head = 1.0 - engine.get()["rect"][3] if engine is not None else 0.0
    width, height = figure.get_size_inches()
    figure.set_layout_engine(None)
    rows, columns, *_ = figure.axes[0].get_subplotspec().get_geometry()  # type: ignore[union-attr]
    tall = ((1.0 - head) * height - top - bottom - (rows - 1) * between_rows) / rows
    wide = (width - 0.1 - left - (columns - 1) * between_columns) / columns
    figure.subplots_adjust(left / width, bottom / height, 1.0 - 0.1 / width, 1.0 - head - top / height)
    figure.subplots_adjust(wspace=between_columns / wide, hspace=between_rows / tall)
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if not isinstance(axis.get_major_locator(), FixedLocator):
            low, high = sorted(axis.get_view_interval())
            axis.set_major_locator(FixedLocator([place for place in axis.get_majorticklocs() if low <= place <= high]))


def dress_axes(axes: Axes, unit: str, note: str = "") -> None:
    """Sets grid, date ticks, unit label and note of axes."""
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
    axes.set_title(note, loc="left", fontsize=9, color=FAINT, y=1.0)  # a given height is not measured


def add_legend(figure: Figure, axes: Axes) -> None:
    """Adds a legend below the axes, where it covers no line."""
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", fontsize=8, frameon=False, ncols=8)


def mark_provisional(axes: Axes, rows: pl.DataFrame, value: str, colour: str) -> None:
    """Marks provisional prices as hollow points."""
    open_rows = rows.filter("is_provisional")
    if not open_rows.is_empty():
        look: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": colour, "markersize": 6, "zorder": 5}
        axes.plot(
            open_rows["session"].to_list(), open_rows[value].to_list(), "o", label="provisional", linestyle="", **look
        )


def price_text(value: float) -> str:
    """Formats a price: one decimal from 100 on, else three."""
    return f"{value:,.1f}" if value >= 100 else f"{value:.3f}"

"""Plot of a forecast fan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from forex_assets.core.plots import (
    BLUE,
    FAINT,
    INK,
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
from forex_assets.market.prices import USDCLP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BANDS: Final = (
    ("q25", "q75", "#6fa0f0", "50 %"),
    ("q10", "q90", "#a9c8f8", "80 %"),
    ("q025", "q975", "#dbeafe", "95 %"),
)


def fan_plot(history: pl.DataFrame, forecast: pl.DataFrame, title: str) -> bytes:
    """PNG of one fan after its history.

    Corrected bands come with the model's own 95 % bounds as lines.

    Args:
        history: `USDCLP_SCHEMA`, oldest first; the last 40 sessions are drawn, or four times the steps.
        forecast: `FORECAST_SCHEMA`, one as_of and one horizon, by step.

    Raises:
        ValueError: the forecast holds more than one fan.
    """
    return png_of(fan_figure(history, forecast, title))


def fan_figure(history: pl.DataFrame, forecast: pl.DataFrame, title: str) -> Figure:
    """The figure behind `fan_plot`."""
    from matplotlib.dates import DateFormatter

    is_sample = has_sample_rows(history) or has_sample_rows(forecast)
    if forecast.is_empty():
        return no_data_figure(title, is_sample)
    if forecast.select("as_of", "horizon").n_unique() > 1:
        raise ValueError("a fan's plot takes one as_of and one horizon; filter the forecast first")
    figure, axes = titled_figure(9.0, 4.2, title, is_sample)
    known = history.filter(pl.col(USDCLP.value).is_not_null() & ~pl.col("is_quarantined"))
    known = known.tail(max(40, 4 * forecast.height))  # more would squeeze a week's fan into a corner
    axes.plot(known["session"].to_list(), known[USDCLP.value].to_list(), color=INK, linewidth=1.3, label="close")
    mark_provisional(axes, known, USDCLP.value, INK)
    _draw_fan(axes, forecast)
    dress_axes(axes, USDCLP.unit, _fan_note(forecast))
    axes.xaxis.set_major_formatter(DateFormatter("%d %b"))  # the years are in the note
    add_legend(figure, axes)
    fix_layout(figure, left=0.7, bottom=0.6, top=0.42 if forecast["is_calibrated"].any() else 0.26)
    return figure


def _draw_fan(axes: Axes, forecast: pl.DataFrame) -> None:
    """Draws bands, median, and bounds of benchmark and model."""
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
    if forecast["is_calibrated"].any():  # uncorrected bands are the model's own: lines would be their edges
        bounds += [("model_q025", "model's own 95 %", BLUE, 0.8, "-"), ("model_q975", None, BLUE, 0.8, "-")]
    for column, label, colour, width, style in bounds:
        axes.plot(sessions, line(column), color=colour, linewidth=width, linestyle=style, label=label, zorder=3)


def _fan_note(forecast: pl.DataFrame) -> str:
    """Model, dates, values at the target, and number of past errors used."""
    end = forecast.row(-1, named=True)
    low, mid, high = (price_text(end[column]) for column in ("q025", "q50", "q975"))
    words = f"{end['model']}   as of {end['as_of']}   target {end['target_date']}: median {mid}, 95 % {low} to {high}"
    if not end["is_calibrated"]:
        return words
    return f"{words}\nbands corrected by {end['calibration_errors']:,} past errors at the target"

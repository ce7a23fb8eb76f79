"""Plot of a search: each candidate's gain with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from forex_assets.core.plots import BLUE, COPPER_BROWN, FAINT, GRID, INK, no_data_figure, png_of, titled_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CUT: Final = 50.0
"""Per cent beyond which a bar is cut.

One hopeless candidate must not hide the others.
"""


def candidates_plot(table: pl.DataFrame, title: str, is_sample: bool) -> bytes:
    """PNG of `candidates_figure`."""
    return png_of(candidates_figure(table, title, is_sample))


def candidates_figure(table: pl.DataFrame, title: str, is_sample: bool) -> Figure:
    """Gain in per cent by candidate, best first.

    The line at 0 is the current settings.

    Args:
        table: `CANDIDATES_SCHEMA`.
        title: of the plot.
        is_sample: puts up the banner.
    """
    rows = table.filter(pl.col("gain").is_not_null())
    if rows.is_empty():
        return no_data_figure(title, is_sample, words="nothing to compare")
    figure, axes = titled_figure(9.0, 3.6, title, is_sample)
    gain = np.clip(100 * rows["gain"].to_numpy(), -CUT, CUT)
    low, high = (np.clip(100 * rows[name].fill_null(0.0).to_numpy(), -CUT, CUT) for name in ("gain_low", "gain_high"))
    known = rows["gain_low"].is_not_null().to_numpy()
    at = np.arange(rows.height)
    axes.axhline(0.0, color=INK, linewidth=0.8)
    axes.errorbar(
        at[known],
        gain[known],
        [gain[known] - np.minimum(low[known], gain[known]), np.maximum(high[known], gain[known]) - gain[known]],
        fmt="o",
        color=FAINT,
        capsize=2,
        markersize=4,
        linewidth=1,
    )
    axes.plot(at[~known], gain[~known], "o", color=FAINT, markersize=4)
    for column, colour, name in (("is_incumbent", COPPER_BROWN, "live"), ("is_chosen", BLUE, "chosen")):
        marked = rows[column].to_numpy()
        axes.plot(at[marked], gain[marked], "o", color=colour, markersize=7, label=name)
    axes.set_xticks([])
    axes.set_ylabel("gain, %", color=INK, fontsize=8)
    axes.grid(color=GRID, linewidth=0.7, axis="y")
    axes.legend(fontsize=8, frameon=False)
    return figure

"""Plots of a validation: paired losses and current fans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from forex_assets.accuracy.compare import FEWEST, effective_size
from forex_assets.core.plots import BLUE, COPPER_BROWN, FAINT, GRID, INK, png_of, titled_figure
from forex_assets.forecasts.plots import fan_figure
from forex_assets.optimizer.paired_losses import CHALLENGER, CHAMPION, Evidence, student

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def differences_plot(evidence: Evidence, title: str, is_sample: bool) -> bytes:
    """PNG of `differences_figure`."""
    return png_of(differences_figure(evidence, title, is_sample))


def differences_figure(evidence: Evidence, title: str, is_sample: bool) -> Figure:
    """Paired CRPS differences by origin, and their sum.

    Args:
        evidence: both on the same origins.
        title: what is drawn.
        is_sample: whether the market is the generated one.
    """
    figure, (above, below) = titled_figure(9.0, 5.2, title, is_sample, rows=2)
    days = evidence.as_of.to_list()
    difference = evidence.crps[CHAMPION] - evidence.crps[CHALLENGER]
    mean = float(difference.mean())
    colours = np.where(difference >= 0, BLUE, COPPER_BROWN)
    above.vlines(days, 0, difference, colors=colours, linewidth=1.1)
    above.axhline(mean, color=INK, linewidth=1.4, label=f"mean {mean:+.3f} CLP")
    n_effective = effective_size(difference, evidence.overlap)
    if n_effective >= FEWEST:
        reach = student(n_effective) * float(np.std(difference)) / np.sqrt(n_effective)
        above.axhspan(mean - reach, mean + reach, color=FAINT, alpha=0.25, linewidth=0, label="95 % interval")
    above.legend(loc="upper left", fontsize=8, frameon=False, ncols=2)
    below.plot(days, np.cumsum(difference), color=BLUE, linewidth=1.4)
    notes = ("champion's CRPS less challenger's, above 0 the challenger is better", "the same, summed so far")
    for axes, note in zip((above, below), notes, strict=True):
        axes.axhline(0, color=FAINT, linewidth=0.8)
        axes.grid(color=GRID, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.set_ylabel("CLP per USD", fontsize=9, color=INK)
        axes.set_title(note, loc="left", fontsize=9, color=FAINT)
        axes.tick_params(colors=INK, labelsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return figure


def fans_plots(history: pl.DataFrame, fans: dict[str, pl.DataFrame]) -> dict[str, bytes]:
    """PNG of each fan from the newest prices, all to one scale.

    Args:
        history: `USDCLP_SCHEMA`, oldest first.
        fans: `FORECAST_SCHEMA` by title, one as_of and horizon each.
    """
    figures = {title: fan_figure(history, fan, title) for title, fan in fans.items()}
    limits = [figure.axes[0].get_ylim() for figure in figures.values()]
    for figure in figures.values():
        figure.axes[0].set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    return {title: png_of(figure) for title, figure in figures.items()}

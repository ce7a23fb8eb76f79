"""Pictures of the scorecard: skill with its intervals, coverage by year, and where prices fell in their fans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from forex_assets.adapters.plots import BLUE, COPPER_BROWN, FAINT, GRID, INK, no_data_figure, png_of, titled_figure
from forex_assets.domain.horizon import HORIZONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SKILLS: Final = (
    ("rmse_skill", "RMSE against no change", COPPER_BROWN, -0.1),
    ("crps_skill", "CRPS against the EWMA walk", BLUE, 0.1),
)
SHADES: Final = {"7d": "#93c5fd", "15d": "#3b82f6", "30d": "#1d4ed8", "90d": "#1e3a8a"}
BINS: Final = 10


def scorecard_plot(card: pl.DataFrame, realized: pl.DataFrame, title: str, is_sample: bool) -> bytes:
    """PNG of `scorecard_figure`."""
    return png_of(scorecard_figure(card, realized, title, is_sample))


def scorecard_figure(card: pl.DataFrame, realized: pl.DataFrame, title: str, is_sample: bool) -> Figure:
    """Three rows: skill by horizon, coverage by calendar year, PIT histogram by horizon.

    Args:
        card: `SCORECARD_SCHEMA` rows of one record and one engine a horizon.
        realized: `REALIZED_SCHEMA` rows behind it, of which those at the target are drawn.
        title: what is drawn.
        is_sample: whether any row is of the generated market.
    """
    whole = card.filter((pl.col("scope") == "all") & (pl.col("n") > 1))
    if whole.is_empty():
        return no_data_figure(title, is_sample)
    figure, _ = titled_figure(9.0, 8.4, title, is_sample)
    figure.delaxes(figure.axes[0])
    grid = figure.add_gridspec(3, len(HORIZONS))
    _draw_skill(figure.add_subplot(grid[0, :]), whole)
    _draw_coverage(figure.add_subplot(grid[1, :]), card.filter(pl.col("scope").str.contains(r"^\d{4}$")))
    for column, horizon in enumerate(HORIZONS):
        _draw_pit(figure.add_subplot(grid[2, column]), realized, horizon)
    return figure


def _draw_skill(axes: Axes, whole: pl.DataFrame) -> None:
    """Points with 95 % intervals, per cent; zero is the benchmark itself."""
    axes.axhline(0.0, color=INK, linewidth=0.8)
    for name, label, colour, offset in SKILLS:
        rows = whole.filter(pl.col(name).is_not_null())
        at = [HORIZONS.index(h) + offset for h in rows["horizon"]]
        value, low, high = (100 * rows[c].to_numpy() for c in (name, f"{name}_low", f"{name}_high"))
        axes.errorbar(at, value, [value - low, high - value], fmt="o", color=colour, capsize=3, label=label)
    sizes = dict(zip(whole["horizon"], zip(whole["n"], whole["n_effective"], strict=True), strict=True))
    names = [f"{h}\n{_sizes(sizes.get(h))}" for h in HORIZONS]
    axes.set_xticks(range(len(HORIZONS)), names)
    axes.set_xlim(-0.5, len(HORIZONS) - 0.5)
    axes.legend(fontsize=8, frameon=False, loc="best")
    _finish(axes, "skill, %", "above zero is better than the benchmark; bars are 95 % intervals")


def _sizes(pair: tuple[int, float | None] | None) -> str:
    if pair is None:
        return "none"
    return f"n = {pair[0]}" + ("" if pair[1] is None else f", worth {pair[1]:.0f}")


def _draw_coverage(axes: Axes, years: pl.DataFrame) -> None:
    """Share of prices inside the 95 % band, a line a horizon."""
    axes.axhline(95.0, color=INK, linewidth=0.8)
    for horizon in HORIZONS:
        rows = years.filter((pl.col("horizon") == horizon) & pl.col("coverage_95").is_not_null()).sort("scope")
        share = 100 * rows["coverage_95"].to_numpy()
        axes.plot(rows["scope"].to_list(), share, "o-", color=SHADES[horizon], linewidth=1.2, label=horizon)
    axes.legend(fontsize=8, frameon=False, ncols=4, loc="lower left")
    low = axes.get_ylim()[0]
    axes.set_ylim(min(low, 85.0), 101.0)
    _finish(axes, "%", "prices inside the 95 % band, by year of issue")


def _draw_pit(axes: Axes, realized: pl.DataFrame, horizon: str) -> None:
    """Tenths of the fan that prices fell into; flat is right, a hump is too wide, horns are too narrow."""
    rows = realized.filter((pl.col("horizon") == horizon) & pl.col("is_target"))
    counts, edges = np.histogram(rows["pit"].to_numpy(), bins=BINS, range=(0, 1))
    axes.bar(edges[:-1], counts, width=1 / BINS, align="edge", color=SHADES[horizon], edgecolor="white")
    axes.axhline(rows.height / BINS, color=INK, linewidth=0.8, linestyle="--")
    axes.set_xticks([0, 0.5, 1])
    _finish(axes, "", f"PIT {horizon}")


def _finish(axes: Axes, unit: str, note: str) -> None:
    axes.grid(color=GRID, linewidth=0.7, axis="y")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=INK, labelsize=8)
    axes.set_ylabel(unit, fontsize=9, color=INK)
    settings: dict[str, Any] = {"loc": "left", "fontsize": 9, "color": FAINT}
    axes.set_title(note, **settings)

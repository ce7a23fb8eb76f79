"""Pictures of the scorecard: skill, coverage by year, PIT histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from forex_assets.accuracy.scorecard import ALL, ENOUGH, GROUP, pit_histogram
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.plots import (
    BLUE,
    COPPER_BROWN,
    FAINT,
    GRID,
    INK,
    fix_layout,
    no_data_figure,
    png_of,
    titled_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SKILLS: Final = (
    ("rmse_skill", "RMSE against no change", COPPER_BROWN, -0.1),
    ("crps_skill", "CRPS against the EWMA walk", BLUE, 0.1),
)
SHADES: Final = {"7d": "#7dd3fc", "15d": "#3b82f6", "30d": "#1e40af", "90d": "#111827"}
CUT: Final = 30.0
"""Per cent of skill at which intervals are cut in the picture."""

YEARS_NAMED: Final = 15
"""Most years with a label each."""


def scorecard_plot(card: pl.DataFrame, realized: pl.DataFrame, title: str, is_sample: bool) -> bytes:
    """Draws `scorecard_figure` as PNG."""
    return png_of(scorecard_figure(card, realized, title, is_sample))


def scorecard_figure(card: pl.DataFrame, realized: pl.DataFrame, title: str, is_sample: bool) -> Figure:
    """Draws skill, coverage by calendar year and PIT histograms.

    One engine and model a horizon: of those with a skill, the last issued.

    Args:
        card: `SCORECARD_SCHEMA` rows of one record.
        realized: `REALIZED_SCHEMA` rows behind it, of which those that the card counts are drawn.
        title: what is drawn.
        is_sample: whether any row is of the generated market.
    """
    newest = _newest(card, realized)
    if newest.filter(pl.col("n") > 1).is_empty():
        count = int(card.filter(pl.col("scope") == ALL)["n"].sum())
        words = "no data" if count == 0 else f"forecasts come true: {count}, too few for a skill"
        return no_data_figure(title, is_sample, words)
    figure, _ = titled_figure(9.0, 8.6, title, is_sample)
    figure.delaxes(figure.axes[0])
    grid = figure.add_gridspec(3, len(HORIZONS), hspace=0.36, wspace=0.24)
    _draw_skill(figure.add_subplot(grid[0, :]), newest)
    is_year = pl.col("scope").str.contains(r"^\d{4}$")
    _draw_coverage(figure.add_subplot(grid[1, :]), card.filter(is_year).join(newest, on=GROUP, how="semi"))
    tenths = pit_histogram(realized).join(newest, on=GROUP, how="semi")
    for column, horizon in enumerate(HORIZONS):
        _draw_pit(figure.add_subplot(grid[2, column]), tenths.filter(pl.col("horizon") == horizon), horizon)
    fix_layout(figure, left=0.66, bottom=0.3, top=0.3)
    return figure


def _newest(card: pl.DataFrame, realized: pl.DataFrame) -> pl.DataFrame:
    """Selects one row a horizon: with a skill if any, last issued."""
    last = realized.group_by(GROUP).agg(issued_last=pl.col("as_of").max())
    whole = card.filter((pl.col("scope") == ALL) & (pl.col("n") > 0)).join(last, on=GROUP, how="left")
    whole = whole.with_columns(has_skill=pl.col("n") > 1)
    return whole.sort("has_skill", "issued_last", "n", "engine", "model").unique(
        "horizon", keep="last", maintain_order=True
    )


def _draw_skill(axes: Axes, whole: pl.DataFrame) -> None:
    """Draws skills in per cent with 95 % intervals."""
    axes.axhline(0.0, color=INK, linewidth=0.8)
    ends: list[float] = [0.0]
    for name, label, colour, offset in SKILLS:
        rows = whole.drop_nulls([name, f"{name}_low", f"{name}_high"])
        at = [HORIZONS.index(h) + offset for h in rows["horizon"]]
        value, low, high = (100 * rows[c].to_numpy() for c in (name, f"{name}_low", f"{name}_high"))
        axes.errorbar(at, value, [value - low, high - value], fmt="o", color=colour, capsize=3, label=label)
        ends += [*value, *np.clip(low, -CUT, CUT), *np.clip(high, -CUT, CUT)]
    low_end, high_end = axes.get_ylim()
    margin = 0.06 * max(max(ends) - min(ends), 1.0)
    axes.set_ylim(max(low_end, min(ends) - margin), min(high_end, max(ends) + margin))
    names = {row["horizon"]: _tick(row) for row in whole.iter_rows(named=True)}
    axes.set_xticks(range(len(HORIZONS)), [names.get(h, f"{h}\nnone") for h in HORIZONS])
    axes.set_xlim(-0.5, len(HORIZONS) - 0.5)
    is_cut = low_end < min(ends) - margin or high_end > max(ends) + margin
    _finish(axes, "skill, %", "95 % intervals, above zero is better" + (f"; cut at {CUT:g} %" if is_cut else ""))
    _key(axes)


def _tick(row: dict[str, Any]) -> str:
    """Label of a horizon: model, n, effective n."""
    worth = "" if row["n_effective"] is None else f" ({row['n_effective']:.0f} independent)"
    return f"{row['horizon']}: {row['model']}\nn = {row['n']}{worth}"


def _draw_coverage(axes: Axes, years: pl.DataFrame) -> None:
    """Draws coverage of the 95 % band by year.

    A hollow point marks a year with few forecasts.
    """
    axes.axhline(95.0, color=INK, linewidth=0.8)
    for place, horizon in enumerate(HORIZONS):
        rows = years.filter((pl.col("horizon") == horizon) & pl.col("coverage_95").is_not_null()).sort("scope")
        # Side by side: four horizons that all held 100 % are four points, not one.
        at = rows["scope"].cast(pl.Int64).to_numpy() + 0.06 * (place - (len(HORIZONS) - 1) / 2)
        share, colour = 100 * rows["coverage_95"].to_numpy(), SHADES[horizon]
        axes.plot(at, share, "o-", color=colour, linewidth=1.2, markersize=5, label=horizon)
        few = (rows["n"] < ENOUGH).to_numpy()
        axes.plot(at[few], share[few], "o", color=colour, markerfacecolor="white", markersize=5)
    first, last = (int(year) for year in (years["scope"].min(), years["scope"].max()))  # type: ignore[arg-type]
    axes.set_xlim(first - 0.5, last + 0.5)
    axes.set_xticks(range(first, last + 1, 1 + (last - first) // YEARS_NAMED))
    axes.set_ylim(min(axes.get_ylim()[0], 85.0), 101.0)
    _finish(axes, "%", f"prices inside the 95 % band, by their year; hollow: fewer than {ENOUGH} prices")
    _key(axes)


def _draw_pit(axes: Axes, tenths: pl.DataFrame, horizon: str) -> None:
    """Draws the PIT histogram.

    Flat: calibrated; a hump: fans too wide; horns: too narrow.
    """
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    if tenths.is_empty():
        axes.set_yticks([])
        axes.text(0.5, 0.5, "none", ha="center", va="center", fontsize=9, color=FAINT, transform=axes.transAxes)
    else:
        width = (tenths["high"] - tenths["low"]).to_numpy()
        bars: dict[str, Any] = {"align": "edge", "color": SHADES[horizon], "edgecolor": "white"}
        axes.bar(tenths["low"].to_numpy(), tenths["count"].to_numpy(), width=width, **bars)
        axes.axhline(float(tenths["count"].mean()), color=COPPER_BROWN, linewidth=1.2, linestyle="--")  # type: ignore[arg-type]
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    _finish(axes, "prices" if horizon == HORIZONS[0] else "", f"PIT {horizon}, in tenths")


def _key(axes: Axes) -> None:
    """Puts the legend above the axes, off all points."""
    axes.legend(fontsize=8, frameon=False, ncols=4, loc="lower right", bbox_to_anchor=(1.0, 1.01), borderaxespad=0.0)


def _finish(axes: Axes, unit: str, note: str) -> None:
    axes.grid(color=GRID, linewidth=0.7, axis="y")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=INK, labelsize=8)
    axes.set_ylabel(unit, fontsize=9, color=INK)
    settings: dict[str, Any] = {"loc": "left", "fontsize": 9, "color": FAINT}
    axes.set_title(note, **settings)

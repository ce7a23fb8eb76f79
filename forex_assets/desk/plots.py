"""Pictures of the desk's tables."""

from typing import Any, Final

import numpy as np
import polars as pl

from forex_assets.core.plots import BLUE, COPPER_BROWN, FAINT, GRID, INK, no_data_figure, png_of, titled_figure
from forex_assets.desk.reliability import ALL

FEWEST_SHOWN: Final = 20
"""Questions of a bin without which it is not drawn."""


def levels_plot(table: pl.DataFrame, title: str, is_sample: bool) -> bytes:
    """Draws chances by level and date.

    Args:
        table: `LEVELS_SCHEMA`.
    """
    rows = table.filter(pl.col("watch") == "")
    if rows.is_empty():
        return png_of(no_data_figure(title, is_sample))
    days = rows["by_date"].unique().sort().to_list()
    figure, axes = titled_figure(9.0, 3.6, title, is_sample, columns=len(days))
    for axis, day in zip(np.atleast_1d(axes), days, strict=True):
        part = rows.filter(pl.col("by_date") == day).sort("level")
        levels = part["level"].to_list()
        axis.plot(levels, (100 * part["chance_above"]).to_list(), "o-", color=BLUE, markersize=3, label="ends above")
        axis.plot(
            levels, (100 * part["chance_touch"]).to_list(), "s--", color=COPPER_BROWN, markersize=3, label="is touched"
        )
        axis.axvline(part["origin_clp_per_usd"][0], color=FAINT, linewidth=0.8)
        _dress(axis, f"by {day}", "CLP per USD", "chance, %" if day == days[0] else "")
        axis.set_ylim(0, 100)
    figure.legend(
        *np.atleast_1d(axes)[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=8,
    )
    return png_of(figure)


def scenarios_plot(table: pl.DataFrame, title: str, is_sample: bool) -> bytes:
    """Draws the 80 % band of each scenario beside the fan's.

    Args:
        table: `SCENARIOS_SCHEMA`.
    """
    if table.is_empty():
        return png_of(no_data_figure(title, is_sample, "no driver's prices are stored"))
    horizons = table["horizon"].unique(maintain_order=True).to_list()
    figure, axes = titled_figure(
        9.0, 0.9 + 0.28 * table.height / len(horizons) + 1.2, title, is_sample, columns=len(horizons)
    )
    for axis, horizon in zip(np.atleast_1d(axes), horizons, strict=True):
        part = table.filter(pl.col("horizon") == horizon).reverse()
        names = [f"{row['driver']} {100 * row['driver_move']:+.0f} %" for row in part.to_dicts()]
        axis.axvspan(part["fan_p10"][0], part["fan_p90"][0], color=GRID, label="fan, 80 %")
        axis.axvline(part["fan_median"][0], color=FAINT, linewidth=0.8)
        low, mid, high = (part[f"scenario_{name}"].to_numpy() for name in ("p10", "median", "p90"))
        axis.errorbar(
            mid,
            range(part.height),
            xerr=[mid - low, high - mid],
            fmt="o",
            color=COPPER_BROWN,
            markersize=4,
            capsize=2,
            label="scenario, 80 %",
        )
        axis.set_yticks(range(part.height), names if horizon == horizons[0] else [""] * part.height)
        _dress(axis, horizon, "CLP per USD", "")
    figure.legend(
        *np.atleast_1d(axes)[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=8,
    )
    return png_of(figure)


def reliability_plot(table: pl.DataFrame, title: str, is_sample: bool) -> bytes:
    """Draws observed shares against stated chances.

    Args:
        table: `RELIABILITY_SCHEMA`.
    """
    rows = table.filter((pl.col("bin") != ALL) & (pl.col("questions") >= FEWEST_SHOWN))
    if rows.is_empty():
        return png_of(no_data_figure(title, is_sample, "no fan has come true yet"))
    figure, axes = titled_figure(9.0, 4.4, title, is_sample, columns=2)
    for axis, question in zip(axes, ("above", "touch"), strict=True):
        axis.plot([0, 100], [0, 100], color=FAINT, linewidth=0.8)
        for key, part in rows.filter(pl.col("question") == question).group_by("record", "horizon", maintain_order=True):
            axis.plot(
                (100 * part["mean_chance"]).to_list(),
                (100 * part["observed_share"]).to_list(),
                "o-",
                markersize=3,
                linewidth=1,
                label=" ".join(map(str, key)),
            )
        _dress(
            axis, f"{question}: stated and observed", "stated chance, %", "came true, %" if question == "above" else ""
        )
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return png_of(figure)


def _dress(axis: Any, note: str, x: str, y: str) -> None:
    axis.grid(color=GRID, linewidth=0.7)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.tick_params(colors=INK, labelsize=8)
    axis.set_title(note, loc="left", fontsize=9, color=FAINT)
    axis.set_xlabel(x, fontsize=8, color=INK)
    axis.set_ylabel(y, fontsize=8, color=INK)

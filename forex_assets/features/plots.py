"""Plot of the copper features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from forex_assets.core.plots import (
    COPPER_BROWN,
    FAINT,
    INK,
    dress_axes,
    fix_layout,
    no_data_figure,
    png_of,
    titled_figure,
)
from forex_assets.core.schemas import is_sample
from forex_assets.features.copper import COPPER_FEATURES, Feature

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEATURE_SESSIONS: Final = 756
"""Sessions drawn: three years; daily returns over more are not legible."""

GUIDES: Final[dict[str, tuple[float, ...]]] = {
    "copper_rsi_14": (30.0, 70.0),
    **dict.fromkeys(("copper_ret_1d", "copper_ret_5d", "copper_ret_20d"), (0.0,)),
    "copper_usdclp_corr_90d": (0.0,),
}
"""Reference levels by feature, drawn as thin lines."""


def features_plot(features: pl.DataFrame) -> bytes:
    """Draws the last three years of `FEATURES_SCHEMA` rows (oldest first) as PNG."""
    return png_of(features_figure(features))


def features_figure(features: pl.DataFrame) -> Figure:
    """Draws the figure of `features_plot`."""
    if features.is_empty():
        return no_data_figure("Copper features", False)
    recent = features.tail(FEATURE_SESSIONS)
    title = f"Copper features, last {recent.height} sessions to {recent['session'][-1]}"
    figure, panels = titled_figure(10.4, 6.4, title, is_sample(features), rows=5, columns=2)
    sessions = recent["session"].to_list()
    for place, feature in enumerate(COPPER_FEATURES):
        axes = panels[place % 5][place // 5]
        _feature_panel(axes, feature, sessions, recent[feature.name].to_list())
        axes.tick_params(labelbottom=place % 5 == 4)
    fix_layout(figure, left=0.55, bottom=0.3, top=0.22, between_rows=0.3, between_columns=0.5)
    return figure


def _feature_panel(axes: Axes, feature: Feature, sessions: list[Any], values: list[float | None]) -> None:
    points = [float("nan") if value is None else value for value in values]
    for guide in GUIDES.get(feature.name, ()):
        axes.axhline(guide, color=FAINT, linewidth=0.8, linestyle=":")
    axes.plot(sessions, points, color=COPPER_BROWN, linewidth=0.9)
    dress_axes(axes, "")
    axes.set_title(f"{feature.name}  ({feature.unit})", loc="left", fontsize=9, color=INK)
    axes.tick_params(labelsize=8)
    if feature.name == "copper_trend_signal":
        axes.set_yticks([-1, 0, 1])

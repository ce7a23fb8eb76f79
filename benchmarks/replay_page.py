"""Text and picture of `replay.py`."""

import io
from collections.abc import Sequence
from typing import Any

import polars as pl

from forex_assets.core.horizon import HORIZONS
from forex_assets.replay.results import FIXED
from forex_assets.replay.strategies import NEVER

GAIN_ENDS = ("crps_gain_low", "crps_gain_high")
HEAD = (
    "| horizon | way | n | CRPS | CRPS against never tuning, % | RMSE, % | searches | challengers | "
    "alarms a year | of them without a change | deployments | rollbacks | days on worse settings | CPU min |\n"
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def markdown(
    loop: pl.DataFrame,
    changes: pl.DataFrame,
    evenings: pl.DataFrame,
    what: str,
    asked: str,
    spent: tuple[float, float],
) -> str:
    """The page's part: answers, ways, settings held, changes."""
    ways = loop.filter(~pl.col("strategy").str.starts_with(FIXED))
    held = loop.filter(pl.col("strategy").str.starts_with(FIXED))
    last = evenings.filter(pl.col("crps").is_not_null())["as_of"].max()
    lines = [
        f"Prices: {what}. {asked}; outcomes known for evenings up to {last}. This run took {spent[0] / 60:.0f} "
        f"minutes, {spent[1] / 60:.0f} of CPU; fans that a store held already are not in it.",
        "",
        *(_answer(loop, horizon) for horizon in HORIZONS if horizon in set(loop["horizon"])),
        "",
        HEAD,
        *(_way(row, evenings) for row in ways.iter_rows(named=True)),
        "",
        "Settings held throughout, against those that the replay began with, bands corrected by weekly past dates:",
        "",
        "| horizon | settings | CRPS | CRPS, % | RMSE, % |\n| --- | --- | ---: | ---: | ---: |",
        *(_held(row) for row in held.iter_rows(named=True)),
        "",
        _changes(changes),
    ]
    return "\n".join(lines)


def _answer(loop: pl.DataFrame, horizon: str) -> str:
    """One sentence a horizon."""
    rows = loop.filter((pl.col("horizon") == horizon) & ~pl.col("strategy").str.starts_with(FIXED))
    parts = []
    for row in rows.iter_rows(named=True):
        if row["searches"]:
            count = row["deployments"]
            parts.append(f"{row['strategy']} {_verdict(row)} ({_gain(row, 'crps')} %, {count} deployments)")
    span = f"{rows['first_evening'][0]} to {rows['last_evening'][0]}"
    return f"- **{horizon}**, {span}: {'; '.join(parts) or 'no search'}."


def _verdict(row: dict[str, Any]) -> str:
    """Whether tuning paid, by the interval of the CRPS gain."""
    if not row["deployments"]:
        return "changed nothing"
    low, high = row["crps_gain_low"], row["crps_gain_high"]
    if low is None or high is None:
        return "shows nothing on so few outcomes"
    return "pays" if low > 0 else "costs accuracy" if high < 0 else "shows no effect"


def _way(row: dict[str, Any], evenings: pl.DataFrame) -> str:
    is_reference = row["strategy"] == NEVER
    rows = evenings.filter((pl.col("strategy") == row["strategy"]) & (pl.col("horizon") == row["horizon"]))
    row = row | {"challengers": rows.filter(pl.col("verdict") != "").height if row["searches"] else None}
    counts = (
        "searches",
        "challengers",
        "alarms_per_year",
        "false_alarms_per_year",
        "deployments",
        "rollbacks",
        "worse_days",
    )
    figures = ["–" if row[name] is None or is_reference else f"{row[name]:.3g}" for name in counts]
    cpu = "–" if not row["search_cpu_seconds"] else f"{row['search_cpu_seconds'] / 60:.1f}"
    gains = ["–", "–"] if is_reference else [_gain(row, name) for name in ("crps", "rmse")]
    cells = [row["horizon"], row["strategy"], str(row["n"]), _number(row["crps"]), *gains, *figures, cpu]
    return f"| {' | '.join(cells)} |"


def _held(row: dict[str, Any]) -> str:
    settings = row["strategy"].removeprefix(FIXED)
    return f"| {row['horizon']} | {settings} | {_number(row['crps'])} | {_gain(row, 'crps')} | {_gain(row, 'rmse')} |"


def _changes(changes: pl.DataFrame) -> str:
    if changes.is_empty():
        return "No way of tuning changed any settings."
    head = (
        "Each change against the settings before it, on the evenings until the next change (regret: mean CRPS of the "
        "new settings less that of the old, CLP per USD; above 0 the change was a loss):\n\n"
        "| way | horizon | on | change | from | to | n | regret | CRPS, % |\n"
        "| --- | --- | --- | --- | --- | --- | ---: | ---: | ---: |"
    )
    rows = [
        f"| {row['strategy']} | {row['horizon']} | {row['changed_on']} | {row['change']} | {row['settings_before']} | "
        f"{row['settings_after']} | {row['n']} | {_signed(row['regret_clp'])} | {_gain(row, 'change')} |"
        for row in changes.iter_rows(named=True)
    ]
    return "\n".join([head, *rows])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"


def _gain(row: dict[str, Any], name: str) -> str:
    """`+1.2 [-.3, 2.7]`, in per cent."""
    names = ("change_gain", "change_gain_low", "change_gain_high")
    if name != "change":
        names = (f"{name}_gain", f"{name}_gain_low", f"{name}_gain_high")
    value, low, high = (row[column] for column in names)
    if value is None:
        return "–"
    interval = "" if low is None or high is None else f" [{100 * low:+.2f}, {100 * high:+.2f}]"
    return f"{100 * value:+.2f}{interval}"


def picture(loop: pl.DataFrame, what: str) -> bytes:
    """CRPS gains of every way and setting with their intervals (PNG)."""
    from matplotlib.figure import Figure

    horizons = [horizon for horizon in HORIZONS if horizon in set(loop["horizon"])]
    figure = Figure(figsize=(4.2 * len(horizons), 4.6), layout="constrained")
    panels: Sequence[Any] = figure.subplots(1, len(horizons), squeeze=False)[0]
    for panel, horizon in zip(panels, horizons, strict=True):
        rows = loop.filter((pl.col("horizon") == horizon) & pl.col("crps_gain").is_not_null())
        for place, row in enumerate(rows.iter_rows(named=True)):
            ends = [100 * (row[name] if row[name] is not None else row["crps_gain"]) for name in GAIN_ENDS]
            colour = "tab:grey" if row["strategy"].startswith(FIXED) else "tab:blue"
            panel.plot(ends, [place, place], color=colour, linewidth=2)
            panel.plot(100 * row["crps_gain"], place, "o", color=colour, markersize=4)
        panel.set_yticks(range(rows.height), [name.removeprefix(FIXED) for name in rows["strategy"]], fontsize=7)
        panel.invert_yaxis()
        panel.axvline(0, color="black", linewidth=0.8)
        panel.set_title(horizon, fontsize=9)
        panel.set_xlabel("CRPS gain, % [95 %]", fontsize=8)
    figure.suptitle(f"Gain against never tuning (blue) and against the first settings (grey). {what}", fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()

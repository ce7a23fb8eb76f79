"""Tables of the scorecard, 80 columns wide."""

import polars as pl
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from forex_assets.cli.render import banner
from forex_assets.core.horizon import HORIZONS

SCOPES = {"all": "all", "last year": "1 year", "last 60 days": "60 days"}
RECORDS = {
    "ledger": "issued at the time",
    "replay": "issued at a clock set back",
    "backtest": "made afterwards from what was available then",
}
LEGEND = (
    "n: forecasts that came true, and how many independent ones they are worth. Skill, % with its 95 % interval: RMSE "
    "better than no change, CRPS better than the EWMA benchmark. Inside: % of prices in the 80 % and in the 95 % band."
)


def scorecard(console: Console, card: pl.DataFrame, is_sample: bool) -> None:
    """One table a record and engine."""
    if is_sample:
        banner(console)
    order = pl.col("horizon").replace_strict({name: i for i, name in enumerate(HORIZONS)}, return_dtype=pl.Int64)
    card = card.sort(order, maintain_order=True)
    scored = card.filter(pl.col("n") > 0)
    if scored.is_empty():
        console.print("Nothing has come true yet: `forex-assets backtest` scores past dates.", highlight=False)
        return
    for record in (name for name in RECORDS if name in scored["record"]):
        own = scored.filter(pl.col("record") == record)
        for engine, model in own.select("engine", "model").unique().sort("engine", "model").iter_rows():
            rows = own.filter((pl.col("engine") == engine) & (pl.col("model") == model))
            name = engine if engine == model else f"{model} ({engine})"
            console.print(_table(f"Scorecard, {record}: {RECORDS[record]}; {escape(name)}", rows))
    console.print(LEGEND, highlight=False, soft_wrap=False)


def _table(title: str, rows: pl.DataFrame) -> Table:
    has_point_skill = rows.select((pl.col("rmse_skill") != 0).any()).item()
    names = ["", "span", "n", "RMSE", *(["skill of RMSE"] if has_point_skill else []), "skill of CRPS", "inside"]
    caption = None if has_point_skill else "Point forecast: no change (the median is the last price)."
    table = Table(
        title=title,
        title_justify="left",
        caption=caption,
        caption_justify="left",
        box=box.SIMPLE,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in names:
        table.add_column(name, justify="left" if name in ("", "span") else "right", no_wrap=True)
    shown = ""
    for row in rows.filter(pl.col("scope").is_in(list(SCOPES))).iter_rows(named=True):
        worth = "-" if row["n_effective"] is None else f"{row['n_effective']:.0f}"
        table.add_row(
            row["horizon"] if row["horizon"] != shown else "",
            SCOPES[row["scope"]],
            f"{row['n']}/{worth}",
            f"{row['rmse']:.1f}",
            *([_skill(row, "rmse_skill")] if has_point_skill else []),
            _skill(row, "crps_skill"),
            f"{100 * row['coverage_80']:.0f}/{100 * row['coverage_95']:.0f}",
        )
        shown = row["horizon"]
    return table


def _skill(row: dict[str, float | None], name: str) -> str:
    """Skill with its interval, per cent; "too few" without one."""
    value, low, high = (row[name + end] for end in ("", "_low", "_high"))
    if value is None or low is None or high is None:
        return "too few"
    return f"{_percent(value)} [{_percent(low)}, {_percent(high)}]"


def _percent(share: float) -> str:
    """Per cent: one decimal below ten, none above, no negative zero."""
    text = f"{100 * share:.1f}" if abs(share) < 0.0995 else f"{100 * share:.0f}"
    return "0.0" if text == "-0.0" else text

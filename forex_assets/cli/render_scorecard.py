"""Scorecard's tables and lines, 80 columns wide."""

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl
from rich.console import RenderableType

from forex_assets.accuracy.start_level import StartLevel
from forex_assets.cli.tables import MISSING, Column, banner, ends, estimate, fixed, gains, interval, percent, table
from forex_assets.core.horizon import HORIZONS

SCOPES: Final = {"all": "all", "last year": "1 y", "last 60 days": "60 d"}
RECORDS: Final = {
    "ledger": "issued at the time",
    "replay": "issued at a clock set back",
    "backtest": "made afterwards from what was available then",
}
SHOWN_SKILL: Final = 0.0005
"""Smallest skill that is not shown as 0.0 %."""

LEGEND: Final = (
    "n: forecasts that came true, and how many independent ones they are worth. Skill, % with its 95 % interval: RMSE "
    "better than no change, CRPS better than the EWMA benchmark; - with too few for an interval. Inside: % of prices "
    "in the 80 % and in the 95 % band. Age: mean sessions from the starting price to the day of issue."
)
NO_CHANGE: Final = "Point forecast: no change (the median is the last price)."


def scorecard(card: pl.DataFrame, is_sample: bool, level: StartLevel = "live") -> Iterator[RenderableType]:
    """One table a record and engine.

    Args:
        level: starting level of the scored fans.
    """
    if is_sample:
        yield banner()
    order = pl.col("horizon").replace_strict({name: i for i, name in enumerate(HORIZONS)}, return_dtype=pl.Int64)
    scored = card.sort(order, maintain_order=True).filter((pl.col("n") > 0) & pl.col("scope").is_in(list(SCOPES)))
    if scored.is_empty():
        yield "Nothing has come true yet: `forex-assets backtest` scores past dates."
        return
    for record in (name for name in RECORDS if name in scored["record"]):
        of_record = scored.filter(pl.col("record") == record)
        for (engine, model), rows in sorted(of_record.group_by("engine", "model", maintain_order=True)):
            name = model if engine == model else f"{model} ({engine})"
            how = RECORDS[record] if level == "live" else "from the last finished price, on the same dates"
            yield _scores(f"Scorecard, {record}: {how}; {name}", rows)
    yield LEGEND


def _scores(title: str, rows: pl.DataFrame) -> RenderableType:
    has_point_skill = rows.select((pl.col("rmse_skill").abs() >= SHOWN_SKILL).any()).item()
    is_first = rows.select((pl.col("horizon") != pl.col("horizon").shift()).fill_null(True).alias("is_first"))
    return table(
        rows.hstack(is_first).to_dicts(),
        [
            Column("", lambda row: row["horizon"] if row["is_first"] else " "),
            Column("span", lambda row: SCOPES[row["scope"]]),
            Column("n", lambda row: (row["n"], row["n_effective"]), _counts),
            Column("RMSE", "rmse", fixed(1)),
            *([Column("skill of RMSE", estimate("rmse_skill", needs_interval=True), gains)] if has_point_skill else []),
            Column("skill of CRPS", estimate("crps_skill", needs_interval=True), gains),
            Column("inside", ends("coverage_80", "coverage_95"), interval(percent(0), "/")),
            Column("age", "mean_origin_age", fixed(1)),
        ],
        title=title,
        caption=" ".join(filter(None, ["" if has_point_skill else NO_CHANGE, *_origin_words(rows)])),
    )


def _origin_words(rows: pl.DataFrame) -> Iterator[str]:
    """Worth of the starting price, and whether its time is assumed."""
    measured = rows.filter((pl.col("scope") == "all") & pl.col("origin_gain").is_not_null()).to_dicts()
    if not measured:
        return
    worth = gains([(row["origin_gain"], row["origin_gain_low"], row["origin_gain_high"]) for row in measured])
    listed = "; ".join(f"{row['horizon']} {text}" for row, text in zip(measured, worth, strict=True))
    yield f"Starting from what could be known, not the last finished price, improved CRPS by, %: {listed}."
    forecasts = sum(row["n"] for row in measured)
    assumed = sum(row["n"] * (row["assumed_origins"] or 0) for row in measured)
    if assumed:
        yield f"For {100 * assumed / forecasts:.0f} % of dates its publication rule says when it was known."


def _counts(pairs: Sequence[tuple[int, float | None]]) -> Iterator[str]:
    """Forecasts and how many independent ones they are worth."""
    return (f"{n}/{MISSING if worth is None else format(worth, '.0f')}" for n, worth in pairs)

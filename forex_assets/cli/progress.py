"""A backtest with a bar: how many origins are done, and how long the rest will take."""

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from forex_assets.resources.backtesting import Origins, run_backtest
from forex_assets.resources.platform import Platform

NAMED = 3


def run_backtests(
    console: Console, platform: Platform, horizons: list[str], engine: str, origins: Origins
) -> pl.DataFrame:
    """Backtests of several horizons, one after the other, with one bar each; says which origins were passed over."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tables, remarks = [], []
    # In a pipe the bar would leave an empty line behind.
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        for horizon in horizons:
            task = progress.add_task(f"backtest {horizon}", total=None)
            rows, skipped = run_backtest(
                platform,
                horizon,
                engine_name=engine,
                origins=origins,
                report=lambda done, total, task=task: progress.update(task, completed=done, total=total),  # type: ignore[misc]
            )
            tables.append(rows)
            if skipped:
                remarks.append(f"{horizon}: {len(skipped)} origins passed over, such as {'; '.join(skipped[:NAMED])}")
    for remark in remarks:
        console.print(remark, style="yellow", highlight=False, soft_wrap=True)
    return pl.concat(tables)

"""A backtest or a search with a bar: how many origins are done, and how long the rest will take."""

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from forex_assets.accuracy.backtest_run import Origins, run_backtest
from forex_assets.core.config_store import ConfigError
from forex_assets.core.policy_store import PolicyError
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.forecasts.engine import EngineError
from forex_assets.optimizer.search_run import run_search
from forex_assets.platform import Platform

NAMED = 3
COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def run_backtests(
    console: Console, platform: Platform, horizons: list[str], engine: str, origins: Origins
) -> pl.DataFrame:
    """Backtests of several horizons, one after the other, with one bar each; says which origins were passed over."""
    tables, remarks = [], []
    # In a pipe the bar would leave an empty line behind.
    with Progress(*COLUMNS, console=console, transient=True, disable=not console.is_terminal) as progress:
        for horizon in horizons:
            task = progress.add_task(f"backtest {horizon}", total=None)
            rows, skipped = run_backtest(
                platform.session,
                platform.engines,
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


def run_trials_together(console: Console, platform: Platform, horizons: list[str]) -> None:
    """The trials of several horizons' searches in one pass, which costs less than one after the other; they are kept.

    What goes wrong is left for the searches themselves to say, each for its own horizon.
    """
    with Progress(*COLUMNS, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"search {', '.join(horizons)}", total=None)
        try:
            run_search(
                platform, horizons, report=lambda done, total: progress.update(task, completed=done, total=total)
            )
        except (ConfigError, EngineError, PolicyError, WarehouseError) as error:
            console.print(f"not searched together: {error}", style="yellow", markup=False, soft_wrap=True)

"""Progress bars for backtests and searches."""

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from forex_assets.accuracy.backtest_run import Origins, renewed_words, run_backtest
from forex_assets.accuracy.start_level import StartLevel
from forex_assets.core.compute.opening import compute_of
from forex_assets.core.progress import listening
from forex_assets.core.session import Session
from forex_assets.forecasts.engines import engines_of

SHOWN_DATES = 3
COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def progress_bar(console: Console) -> Progress:
    """Bar that disappears when done; hidden in a pipe.

    A pipe would keep an empty line of it.
    """
    return Progress(*COLUMNS, console=console, transient=True, disable=not console.is_terminal)


def run_backtests(
    console: Console, session: Session, horizons: list[str], engine: str, origins: Origins, level: StartLevel = "live"
) -> pl.DataFrame:
    """Runs backtests with one bar for all; names skipped dates."""
    tables, remarks = [], []
    with compute_of(session.settings.compute_setting), progress_bar(console) as progress:
        task = progress.add_task("backtest", total=None)
        for place, horizon in enumerate(horizons):
            progress.update(task, description=f"backtest {horizon}")
            done = run_backtest(
                session,
                engines_of(session.settings),
                horizon,
                engine_name=engine,
                origins=origins,
                level=level,
                # Horizons have nearly as many origins each: what is left of all counts in those of this one.
                report=lambda done, total, place=place: progress.update(  # type: ignore[misc]
                    task, completed=place * total + done, total=len(horizons) * total
                ),
            )
            tables.append(done.rows)
            if words := renewed_words(done.renewed):
                remarks.append(f"{horizon}: {words}")
            if done.skipped:
                examples = "; ".join(done.skipped[:SHOWN_DATES])
                remarks.append(f"{horizon}: {len(done.skipped)} past dates left out, such as {examples}")
    for remark in remarks:
        console.print(remark, style="yellow", highlight=False, soft_wrap=True)
    return pl.concat(tables)


@contextmanager
def search_bar(console: Console, horizon: str) -> Iterator[None]:
    """Shows a bar for the search inside the block."""
    with progress_bar(console) as progress:
        task = progress.add_task(f"search and validation {horizon}", total=None)
        with listening(lambda done, total: progress.update(task, completed=done, total=total)):
            yield

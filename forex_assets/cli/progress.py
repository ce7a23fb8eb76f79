"""Progress bars for backtests and searches."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from forex_assets.accuracy.backtest_run import Origins, renewed_words, run_backtest
from forex_assets.accuracy.start_level import StartLevel
from forex_assets.core import names
from forex_assets.core.compute.opening import compute_of
from forex_assets.core.policy import Policy
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


class SearchBar:
    """One bar for searches and validations of horizons.

    Args:
        progress: shows it.
        policy: says how many past dates each part takes.
        horizons: searched one after the other.
    """

    def __init__(self, progress: Progress, policy: Policy, horizons: Sequence[str]) -> None:
        tables = {names.CANDIDATE_CONFIG: policy.search.origins, names.VALIDATION_REPORT: policy.validation.origins}
        self._sizes = {(name, table.split("/")[-1]): size for name in horizons for table, size in tables.items()}
        self._progress = progress
        self._task = progress.add_task("search and validation", total=sum(self._sizes.values()))

    @contextmanager
    def of(self, horizon: str) -> Iterator[None]:
        """Follows one horizon's work, done when the block ends."""
        self.say(f"search and validation {horizon}")
        try:
            with listening(lambda done, total, part: self._show((horizon, part), done / total if total else 0)):
                yield
        finally:
            self._show([key for key in self._sizes if key[0] == horizon][-1], 1)

    def say(self, words: str) -> None:
        """Names the work under way."""
        self._progress.update(self._task, description=words)

    def _show(self, current: tuple[str, str], share: float) -> None:
        """Moves the bar, never back.

        A search by suggestion reports its dates again and again.
        """
        order = list(self._sizes)
        if current in order:
            before = sum(self._sizes[key] for key in order[: order.index(current)])
            reached = max(before + share * self._sizes[current], self._progress.tasks[0].completed)
            self._progress.update(self._task, completed=reached)


@contextmanager
def search_bar(console: Console, policy: Policy, horizons: Sequence[str]) -> Iterator[SearchBar]:
    """Shows one bar for the searches in the block."""
    with progress_bar(console) as progress:
        yield SearchBar(progress, policy, horizons)

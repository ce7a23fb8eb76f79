"""Forecasts from past test dates, without look-ahead.

A fan's width and context come from finished prices, its starting level from quotes: what could be known at the origin,
as in a forecast that is issued. `forecasts.realized` scores the fans, `backtest_store` keeps them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from forex_assets.accuracy.history_view import SharedPrices, start_of, unfit
from forex_assets.core.calendar import SessionCalendar, issue_instant
from forex_assets.core.compute.port import THIS_PROCESS, Compute, batched, run_blocks
from forex_assets.core.fan import Array, Fan
from forex_assets.core.horizon import target_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import FORECAST_SCHEMA, empty
from forex_assets.forecasts.baselines import constant_volatility, origin_volatility
from forex_assets.forecasts.engine import Engine, EngineError, GridEngine, GridRequest, Origin, traits_of
from forex_assets.forecasts.forecast import (
    Request,
    align_covariates,
    covariates_for,
    data_fingerprint,
    forecast_table,
    labels_of,
    started_fan,
    started_fingerprint,
)
from forex_assets.market.gaps import per_session_prices
from forex_assets.market.origin import Origin as Start
from forex_assets.market.origin import QuoteBook

RUN: Final = ("as_of", "data_fingerprint", "config_fingerprint", "engine", "model")
"""Columns that determine a fan, the key of a stored run."""

BATCH: Final = 16
"""Origins in a call of the engine, which a kill loses."""


@dataclass(frozen=True, eq=False)
class _Fan:
    """One fan to make at an origin, from one starting level."""

    request: Request
    start: Start
    labels: dict[str, object]

    @property
    def run(self) -> tuple[object, ...]:
        """The fan's values of `RUN`."""
        return tuple(self.labels[name] for name in RUN)


@dataclass(frozen=True, eq=False)
class _Job:
    """One origin for the engine, and its fans."""

    rows: pl.DataFrame
    covariates: dict[str, Array]
    fans: tuple[_Fan, ...]


def _pass_over(as_of: date, why: str) -> None:
    """Ignores a skipped origin."""


def backtest(
    engine: Engine,
    config: InferenceConfig,
    prices: pl.DataFrame,
    features: pl.DataFrame | None,
    origins: Sequence[date],
    calendar: SessionCalendar,
    *,
    clock: Callable[[], float],
    book: QuoteBook | None = None,
    done: pl.DataFrame | None = None,
    batch: int = BATCH,
    on_skip: Callable[[date, str], None] = _pass_over,
) -> Iterator[pl.DataFrame]:
    """Yields fans at past origins, one batch at a time.

    Can be stopped after any batch and continued with `done`.

    Args:
        engine: called once a batch; fans are not calibrated.
        config: settings, of one horizon.
        prices: `USDCLP_SCHEMA`, oldest first.
        features: `FEATURES_SCHEMA` for engines with covariates; only rows known at the origin are used.
        origins: days of issue, in order of execution.
        calendar: the peso's sessions.
        clock: seconds from any start; a batch's time is shared evenly among its origins.
        book: quotes for the starting level; None for the last finished price.
        done: `FORECAST_SCHEMA`, earlier runs.
        batch: origins in a call of the engine.
        on_skip: called with each skipped origin and the reason: run before, fewer than 250 usable sessions, or a last
            price more than ten sessions old.

    Yields:
        `FORECAST_SCHEMA`, the rows of one batch, in the order of its origins.

    Raises:
        ValueError: `batch` is below 1, or a price was available before its session.
        EngineError: the engine cannot do what the config asks, or returns another number of fans.
    """
    done_runs = None if done is None else (done,)
    inputs = (engine, config, prices, features, origins, calendar)
    for tables in backtests(*inputs, books=(book,), clock=clock, done=done_runs, batch=batch, on_skip=on_skip):
        yield tables[0]


def backtests(
    engine: Engine,
    config: InferenceConfig,
    prices: pl.DataFrame,
    features: pl.DataFrame | None,
    origins: Sequence[date],
    calendar: SessionCalendar,
    *,
    books: Sequence[QuoteBook | None],
    clock: Callable[[], float],
    done: Sequence[pl.DataFrame] | None = None,
    batch: int = BATCH,
    on_skip: Callable[[date, str], None] = _pass_over,
    compute: Compute = THIS_PROCESS,
) -> Iterator[tuple[pl.DataFrame, ...]]:
    """Yields fans from several starting levels, made of the same paths.

    Args and errors as `backtest`; an origin is skipped if it was run from each of its starting levels.

    Args:
        books: quotes for the starting level, one a table.
        done: earlier runs, one table a book.
        compute: where batches run; elsewhere than in this process they arrive in any order.

    Yields:
        One table (`FORECAST_SCHEMA`) a book.
    """
    if batch < 1:
        raise ValueError(f"batch is {batch}; give the origins a call of the engine, 1 or more")
    finished = [set(table.select(RUN).unique().iter_rows()) for table in done or [empty(FORECAST_SCHEMA)] * len(books)]
    known = covariates_for(engine, config, features)
    inputs = BacktestInputs(engine, config, prices, known, tuple(books), calendar, clock)
    blocks = _blocks(inputs, origins, finished, batch, on_skip)
    for _, tables in run_blocks(compute, run_block, inputs, blocks, spreads=traits_of(engine).is_single_threaded):
        yield tables


@dataclass(frozen=True, eq=False)
class BacktestInputs(SharedPrices):
    """Inputs that all blocks of a backtest share, shipped once."""

    engine: Engine
    config: InferenceConfig
    prices: pl.DataFrame
    covariates: pl.DataFrame | None
    books: tuple[QuoteBook | None, ...]
    calendar: SessionCalendar
    clock: Callable[[], float]

    def job(self, as_of: date) -> _Job:
        """Prepares one origin's input, and the labels of its fans."""
        rows, fingerprint = self.past.at(as_of)
        return _job(self, as_of, rows, fingerprint)


@dataclass(frozen=True, eq=False)
class BacktestBlock:
    """Origins of one call of the engine.

    Attributes:
        days: days of issue.
        jobs: their inputs; a worker prepares its own, since days are cheaper to ship.
    """

    days: tuple[date, ...]
    jobs: tuple[_Job, ...] = ()

    def __getstate__(self) -> dict[str, object]:
        return {"days": self.days, "jobs": ()}


def _blocks(
    inputs: BacktestInputs,
    origins: Sequence[date],
    finished: Sequence[set[tuple[object, ...]]],
    size: int,
    on_skip: Callable[[date, str], None],
) -> Iterator[BacktestBlock]:
    """Blocks of the origins that can be run and were not."""
    for jobs in batched(_missing(inputs, origins, finished, on_skip), size):
        yield BacktestBlock(tuple(day for day, _ in jobs), tuple(job for _, job in jobs))


def _missing(
    inputs: BacktestInputs,
    origins: Sequence[date],
    finished: Sequence[set[tuple[object, ...]]],
    on_skip: Callable[[date, str], None],
) -> Iterator[tuple[date, _Job]]:
    """Origins that can be run and were not, in order."""
    for as_of in origins:
        rows, fingerprint = inputs.past.at(as_of)
        if why := unfit(rows, as_of, inputs.calendar):
            on_skip(as_of, why)
            continue
        job = _job(inputs, as_of, rows, fingerprint)
        if all(fan.run in runs for fan, runs in zip(job.fans, finished, strict=True)):
            on_skip(as_of, "run before")
            continue
        for fan, runs in zip(job.fans, finished, strict=True):
            runs.add(fan.run)
        yield as_of, job


def run_block(inputs: BacktestInputs, block: BacktestBlock) -> tuple[pl.DataFrame, ...]:
    """Runs one block; one table (`FORECAST_SCHEMA`) a starting level."""
    jobs = block.jobs or tuple(inputs.job(day) for day in block.days)
    return _run(inputs.engine, inputs.config, jobs, inputs.clock)


def _known(features: pl.DataFrame | None, as_of: date) -> pl.DataFrame | None:
    """Features known at an origin; None without any."""
    if features is None:
        return None
    known = features.filter(pl.col("available_at") <= issue_instant(as_of))
    return None if known.is_empty() else known


def _job(inputs: BacktestInputs, as_of: date, rows: pl.DataFrame, fingerprint: str) -> _Job:
    """Prepares one origin's input, and the labels of its fans."""
    engine, config, calendar = inputs.engine, inputs.config, inputs.calendar
    features = _known(inputs.covariates, as_of)
    covariates = {} if features is None else align_covariates(rows["session"].to_list(), features)
    data = fingerprint if features is None else data_fingerprint(rows, features)
    values = per_session_prices(rows)
    volatility = {"ewma_sd": origin_volatility(values), "constant_sd": constant_volatility(values)}
    fans = []
    for book in inputs.books:
        start = start_of(book, rows, volatility["ewma_sd"], as_of, calendar)
        request = Request(config, target_of(config.horizon, as_of, start.session, calendar))
        labels = labels_of(engine, request, rows, start) | volatility
        labels["data_fingerprint"] = started_fingerprint(data, rows, start)
        fans.append(_Fan(request, start, labels))
    return _Job(rows, covariates, tuple(fans))


def _run(
    engine: Engine, config: InferenceConfig, jobs: Sequence[_Job], clock: Callable[[], float]
) -> tuple[pl.DataFrame, ...]:
    """Runs one batch through the engine; one table a starting level."""
    started = clock()
    fans = _forecast(engine, config, jobs)
    seconds = (clock() - started) / len(jobs)
    tables = [
        [
            forecast_table(one.request, started_fan(fan, job.rows, one.start), one.labels | {"engine_seconds": seconds})
            for one, fan in zip(job.fans, engine_fans, strict=True)
        ]
        for job, engine_fans in zip(jobs, fans, strict=True)
    ]
    return tuple(pl.concat(column) for column in zip(*tables, strict=True))


def _forecast(engine: Engine, config: InferenceConfig, jobs: Sequence[_Job]) -> list[list[Fan]]:
    """The engine's own fans of each job."""
    steps = [[one.request.target.steps for one in job.fans] for job in jobs]
    prices = [per_session_prices(job.rows) for job in jobs]
    origins = [Origin(p, max(n), job.covariates) for p, n, job in zip(prices, steps, jobs, strict=True)]
    if isinstance(engine, GridEngine) and max(map(len, steps)) > 1:
        return engine.forecast_grid(origins, [[GridRequest(config, n) for n in counts] for counts in steps])
    fans = engine.forecast(origins, config)
    if len(fans) != len(jobs):
        raise EngineError(f"{engine.name} gave {len(fans)} fans for {len(jobs)} origins")
    # A benchmark's fan of fewer steps is the beginning of a longer one.
    return [[Fan(fan.mean[:n], fan.quantiles[:n]) for n in counts] for fan, counts in zip(fans, steps, strict=True)]

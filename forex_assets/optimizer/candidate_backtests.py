"""Backtests many settings on the same past dates, without look-ahead.

A trial is one setting's fan at one origin, of which the last step is kept: the target, which a horizon is judged by.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import polars as pl

from forex_assets.accuracy.backtest import RUN
from forex_assets.accuracy.history_view import SharedPrices, start_of, unfit
from forex_assets.core.calendar import SessionCalendar, issue_instant
from forex_assets.core.compute.port import THIS_PROCESS, Compute, batched, run_blocks
from forex_assets.core.fan import Array, Fan
from forex_assets.core.horizon import target_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import (
    FORECAST_SCHEMA,
    MODEL_QUANTILE_COLUMNS,
    QUANTILE_COLUMNS,
    WALK_QUANTILE_COLUMNS,
    conform,
)
from forex_assets.forecasts.baselines import constant_volatility, origin_volatility, random_walk
from forex_assets.forecasts.engine import Engine, GridRequest, Origin, forecast_grid, traits_of
from forex_assets.forecasts.forecast import (
    Request,
    align_covariates,
    covariates_for,
    data_fingerprint,
    labels_of,
    started_fingerprint,
)
from forex_assets.market.gaps import per_session_prices
from forex_assets.market.origin import QuoteBook

Configs = Mapping[str, Sequence[InferenceConfig]]
"""Settings to try, by horizon."""

BLOCK: Final = 4
"""Origins of a block, which a kill loses.

A block is one file a horizon.
"""


@dataclass(frozen=True, eq=False)
class TrialInputs(SharedPrices):
    """Inputs that all blocks of trials share, shipped once.

    Attributes:
        engine: makes the fans.
        configs: settings, by horizon; all of a horizon alike in `uses_copper`.
        prices: `USDCLP_SCHEMA`, oldest first.
        features: `FEATURES_SCHEMA` for engines that read covariates; rows that were not yet available are left out.
        calendar: the peso's sessions.
        clock: seconds from any start.
        book: quotes for the starting levels; None for the last finished price.
    """

    engine: Engine
    configs: Configs
    prices: pl.DataFrame
    features: pl.DataFrame | None
    calendar: SessionCalendar
    clock: Callable[[], float]
    book: QuoteBook | None = None


@dataclass(frozen=True)
class TrialBlock:
    """Origins of one call of the engine.

    Attributes:
        days: horizons wanted, by day of issue.
        finished: `RUN` and horizon of trials stored before.
    """

    days: Mapping[date, Sequence[str]]
    finished: frozenset[tuple[object, ...]] = frozenset()


def run_trials(
    inputs: TrialInputs,
    origins: Mapping[str, Sequence[date]],
    *,
    compute: Compute = THIS_PROCESS,
    done: pl.DataFrame | None = None,
    block: int = BLOCK,
    deadline: float | None = None,
) -> Iterator[tuple[TrialBlock, pl.DataFrame]]:
    """Yields target rows of all configs, a block of origins a time.

    A block is one call of the engine, of all horizons that want its origins: one path serves them all, and a model
    that reads many contexts at once is given them.

    Args:
        inputs: engine, settings and prices.
        origins: days of issue, by horizon.
        compute: where blocks run; elsewhere than in this process they arrive in any order.
        done: `FORECAST_SCHEMA`, trials run before.
        block: origins a table.
        deadline: on the clock; no block is handed out after it. None for none.

    Yields:
        The block, and `FORECAST_SCHEMA`, one row a trial: its last step, with the model's own quantiles.
        `engine_seconds` is the trial's even share of its block's call.

    Raises:
        EngineError: the engine cannot do what a config asks.
        ComputeError: workers died, or have other code.
    """
    blocks = _blocks(inputs, origins, done, block, deadline)
    yield from run_blocks(compute, run_block, inputs, blocks, spreads=traits_of(inputs.engine).is_single_threaded)


def _blocks(
    inputs: TrialInputs,
    origins: Mapping[str, Sequence[date]],
    done: pl.DataFrame | None,
    size: int,
    deadline: float | None,
) -> Iterator[TrialBlock]:
    """Blocks with a trial to run, until the deadline."""
    finished: dict[date, set[tuple[object, ...]]] = defaultdict(set)
    for row in () if done is None else done.select(*RUN, "horizon").iter_rows():
        finished[row[0]].add(row)
    for days in batched(sorted({day for wanted in origins.values() for day in wanted}), size):
        if deadline is not None and inputs.clock() >= deadline:
            return
        wanted = {day: tuple(horizon for horizon, some in origins.items() if day in some) for day in days}
        block = TrialBlock(wanted, frozenset().union(*(finished[day] for day in days)))
        # A day with nothing stored has work; only of the others it must be seen what is missing.
        if any(day not in finished or _at(inputs, block, day) for day in days):
            yield block


def run_block(inputs: TrialInputs, block: TrialBlock) -> pl.DataFrame:
    """Runs the missing trials of one block, `FORECAST_SCHEMA`."""
    rows = [_row(trial) for trial in trials_of(inputs, block)]
    return conform(pl.DataFrame(rows, schema=FORECAST_SCHEMA), FORECAST_SCHEMA, "trials")


@dataclass(frozen=True, eq=False)
class Trial:
    """One setting's whole fan at one origin.

    Attributes:
        request: settings and target.
        labels: constant columns of its rows: origin, engine, volatilities, fingerprints, seconds.
        fan: the model's own, from the starting level.
    """

    request: Request
    labels: Mapping[str, Any]
    fan: Fan


def trials_of(inputs: TrialInputs, block: TrialBlock) -> list[Trial]:
    """Runs the missing trials of one block."""
    jobs = [job for day in block.days for job in _at(inputs, block, day)]
    return _run(inputs.engine, jobs, inputs.clock) if jobs else []


@dataclass(frozen=True, eq=False)
class _Job:
    """One trial for the engine, with the labels of its row."""

    request: Request
    prices: Array
    factor: float  # starting level over the last price that the engine read
    covariates: dict[str, Array]
    labels: dict[str, object]


def _at(inputs: TrialInputs, block: TrialBlock, day: date) -> list[_Job]:
    """Trials still to be run at one origin, on shared arrays."""
    engine, calendar = inputs.engine, inputs.calendar
    known, fingerprint = inputs.past.at(day)
    if unfit(known, day, calendar):
        return []
    values = per_session_prices(known)
    volatility = {"ewma_sd": origin_volatility(values), "constant_sd": constant_volatility(values)}
    start, jobs = start_of(inputs.book, known, volatility["ewma_sd"], day, calendar), list[_Job]()
    for horizon in block.days[day]:
        tried = inputs.configs[horizon]
        target = target_of(horizon, day, start.session, calendar)
        given = covariates_for(engine, tried[0], _available(inputs.features, day))
        data = started_fingerprint(fingerprint if given is None else data_fingerprint(known, given), known, start)
        covariates = {} if given is None else align_covariates(known["session"].to_list(), given)
        for config in tried:
            if (day, data, config.fingerprint, engine.name, engine.model, horizon) in block.finished:
                continue
            request = Request(config, target)
            labels = {**labels_of(engine, request, known, start), "data_fingerprint": data, **volatility}
            jobs.append(_Job(request, values, start.level / float(values[-1]), covariates, labels))
    return jobs


def _run(engine: Engine, jobs: Sequence[_Job], clock: Callable[[], float]) -> list[Trial]:
    """Runs one block of trials.

    Origins differ by date and by whether covariates are read.
    """
    groups: dict[tuple[date, bool], list[_Job]] = {}
    for job in jobs:
        groups.setdefault((job.request.target.as_of, bool(job.covariates)), []).append(job)
    origins = [
        Origin(some[0].prices, max(job.request.target.steps for job in some), some[0].covariates)
        for some in groups.values()
    ]
    asks = [[GridRequest(job.request.config, job.request.target.steps) for job in some] for some in groups.values()]
    began = clock()
    fans = forecast_grid(engine, origins, asks)
    seconds = (clock() - began) / len(jobs)
    return [
        Trial(job.request, job.labels | {"engine_seconds": seconds}, fan.scaled(job.factor))
        for some, fans_of_origin in zip(groups.values(), fans, strict=True)
        for job, fan in zip(some, fans_of_origin, strict=True)
    ]


def _available(features: pl.DataFrame | None, day: date) -> pl.DataFrame | None:
    return None if features is None else features.filter(pl.col("available_at") <= issue_instant(day))


def _row(trial: Trial) -> dict[str, object]:
    """The last step of a fan, as a forecast's row."""
    request, labels, fan = trial.request, trial.labels, trial.fan
    quantiles = [float(value) for value in fan.quantiles[-1]]
    steps = request.target.steps
    walk = random_walk(labels["origin_clp_per_usd"], labels["ewma_sd"], steps).quantiles[-1]
    return {
        **labels,
        "step": steps,
        "session": request.target.sessions[-1],
        "mean": float(fan.mean[-1]),
        **dict(zip(QUANTILE_COLUMNS, quantiles, strict=True)),
        **dict(zip(MODEL_QUANTILE_COLUMNS, quantiles, strict=True)),
        **dict(zip(WALK_QUANTILE_COLUMNS, walk.tolist(), strict=True)),
        "is_calibrated": False,
        "calibration_errors": 0,
    }

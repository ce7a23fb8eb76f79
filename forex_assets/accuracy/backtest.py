"""Forecasts from past test dates, without look-ahead.

`forecasts.realized` scores the fans, `backtest_store` keeps them.
"""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import compress
from typing import Final, Literal

import numpy as np
import polars as pl

from forex_assets.core.calendar import SessionCalendar, issue_instant
from forex_assets.core.horizon import target_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import USDCLP_SCHEMA, conform
from forex_assets.forecasts.baselines import constant_volatility, origin_volatility
from forex_assets.forecasts.engine import Engine, EngineError, Origin
from forex_assets.forecasts.forecast import (
    Request,
    align_covariates,
    covariates_for,
    data_fingerprint,
    forecast_table,
    labels_of,
)
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import STALE_AFTER, marked_anew, usable

MIN_SESSIONS: Final = 250
"""Fewest usable sessions before an origin, one year."""

RUN: Final = ("as_of", "data_fingerprint", "config_fingerprint", "engine", "model")
"""Columns that determine a fan, the key of a stored run."""


@dataclass(frozen=True)
class Every:
    """Spacing of origins: each `count`-th session, week or month."""

    count: int
    unit: Literal["d", "w", "m"]


def parse_every(text: str) -> Every:
    """Parses a spacing such as `1d`, `1w`, `2w`, `1m`.

    Raises:
        ValueError: it is nothing of the kind.
    """
    match = re.fullmatch(r"([1-9][0-9]?)([dwm])", text)
    if match is None:
        raise ValueError(f"{text!r} is no interval between origins; give a number of d, w or m, such as 1d, 1w, 2w, 1m")
    return Every(int(match[1]), match[2])  # type: ignore[arg-type]  # the pattern allows no other letter


def origin_dates(calendar: SessionCalendar, first: date, last: date, every: Every) -> list[date]:
    """Lists the sessions from `first` through `last` to forecast from.

    Days: every `count`-th session from the first. Weeks (ISO) and months: their last session, counted from a fixed day,
    so that another `first` or `last` picks from the same origins. A period that ends after `last` gives none.
    """
    sessions = calendar.between(first - timedelta(days=1), last)
    if every.unit == "d":
        return sessions[:: every.count]
    dates = []
    for day in sessions:
        number, end = _period(day, every.unit)
        if number % every.count == 0 and not calendar.between(day, end):
            dates.append(day)
    return dates


def _period(day: date, unit: Literal["w", "m"]) -> tuple[int, date]:
    """Number of a day's week or month, and its last day."""
    if unit == "w":
        return (day.toordinal() - 1) // 7, day + timedelta(days=6 - day.weekday())
    in_the_next = day.replace(day=28) + timedelta(days=4)
    return 12 * day.year + day.month, in_the_next - timedelta(days=in_the_next.day)


def visible(prices: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Final prices known at an origin, bad ticks marked anew.

    Args:
        prices: `USDCLP_SCHEMA`, oldest first. Provisional rows are left out: the final price has replaced them.
        as_of: day of issue.
    """
    is_known = ~pl.col("is_provisional") & (pl.col("available_at") <= issue_instant(as_of))
    return marked_anew(prices.filter(is_known), USDCLP)


class HistoryView:
    """Usable prices and their fingerprint at many origins.

    Equal to `usable(visible(prices, as_of))`, without marking all rows at each origin. If sessions became available in
    their own order, an origin sees a prefix of the table, with the same marks: a bad tick is marked by the row that
    takes it back. Marks at the end of the prefix fall, since no later row has taken those moves back yet.

    Args:
        prices: `USDCLP_SCHEMA`, oldest first.
    """

    def __init__(self, prices: pl.DataFrame) -> None:
        self._prices = conform(prices, USDCLP_SCHEMA, USDCLP.name)
        finals = marked_anew(self._prices.filter(~pl.col("is_provisional")), USDCLP)
        self._finals = finals
        self._available = finals["available_at"].to_list()
        self._is_in_order = finals["available_at"].is_sorted()
        self._is_bad = finals["is_quarantined"].to_numpy()
        is_price = ~pl.col("is_suspect") & pl.col(USDCLP.value).is_between(*USDCLP.plausible)
        self._could_be_price = finals.select(is_price).to_series().to_numpy()
        columns = ["session", USDCLP.value, "source", "is_provisional"]
        # The part of each row that `data_fingerprint` digests.
        self._lines = [
            repr((row[0].isoformat(), float(row[1]).hex(), row[2], bool(row[3]))).encode()
            for row in finals.select(columns).iter_rows()
        ]

    def at(self, as_of: date) -> tuple[pl.DataFrame, str]:
        """Usable rows at an origin, and their `data_fingerprint`."""
        if not self._is_in_order:
            rows = usable(visible(self._prices, as_of))
            return rows, data_fingerprint(rows)
        n = bisect_right(self._available, issue_instant(as_of))
        is_good = ~self._is_bad[:n]
        for row in range(n - 1, -1, -1):
            if not self._could_be_price[row]:
                continue
            if is_good[row]:
                break
            is_good[row] = True
        rows = self._finals.head(n).with_columns(is_quarantined=pl.lit(False)).filter(pl.Series(is_good))
        return rows, hashlib.sha256(b"".join(compress(self._lines, is_good))).hexdigest()


@dataclass(frozen=True, eq=False)
class _Job:
    """One origin for the engine, with its row labels."""

    request: Request
    origin: Origin
    labels: dict[str, object]


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
    done: pl.DataFrame | None = None,
    batch: int = 32,
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
    if batch < 1:
        raise ValueError(f"batch is {batch}; give the origins a call of the engine, 1 or more")
    finished = set() if done is None else set(done.select(RUN).unique().iter_rows())
    covariates = covariates_for(engine, config, features)
    past, jobs = HistoryView(prices), list[_Job]()
    for as_of in origins:
        rows, fingerprint = past.at(as_of)
        if why := unfit(rows, as_of, calendar):
            on_skip(as_of, why)
            continue
        known = _known(covariates, as_of)
        data = fingerprint if known is None else data_fingerprint(rows, known)
        run = (as_of, data, config.fingerprint, engine.name, engine.model)  # as `RUN`
        if run in finished:
            on_skip(as_of, "run before")
            continue
        finished.add(run)
        request = Request(config, target_of(config.horizon, as_of, rows["session"][-1], calendar))
        jobs.append(_job(engine, request, rows, known, data))
        if len(jobs) == batch:
            yield _run(engine, config, jobs, clock)
            jobs = []
    if jobs:
        yield _run(engine, config, jobs, clock)


def unfit(rows: pl.DataFrame, as_of: date, calendar: SessionCalendar) -> str:
    """Reason why no forecast can start; empty if one can."""
    if rows.height < MIN_SESSIONS:
        return f"{rows.height} usable sessions, {MIN_SESSIONS} are needed"
    age = calendar.age(rows["session"][-1], as_of)
    return f"last price {rows['session'][-1]} is {age} sessions old" if age > STALE_AFTER else ""


def _known(features: pl.DataFrame | None, as_of: date) -> pl.DataFrame | None:
    """Features known at an origin; None without any."""
    if features is None:
        return None
    known = features.filter(pl.col("available_at") <= issue_instant(as_of))
    return None if known.is_empty() else known


def _job(engine: Engine, request: Request, rows: pl.DataFrame, features: pl.DataFrame | None, fingerprint: str) -> _Job:
    """Prepares one origin's input and labels."""
    covariates = {} if features is None else align_covariates(rows["session"].to_list(), features)
    values = rows[USDCLP.value].to_numpy().astype(np.float64)
    volatility = {"ewma_sd": origin_volatility(values), "constant_sd": constant_volatility(values)}
    labels = {**labels_of(engine, request, rows), "data_fingerprint": fingerprint, **volatility}
    return _Job(request, Origin(values, request.target.steps, covariates), labels)


def _run(engine: Engine, config: InferenceConfig, jobs: Sequence[_Job], clock: Callable[[], float]) -> pl.DataFrame:
    """Runs one batch through the engine."""
    started = clock()
    fans = engine.forecast([job.origin for job in jobs], config)
    seconds = (clock() - started) / len(jobs)
    if len(fans) != len(jobs):
        raise EngineError(f"{engine.name} gave {len(fans)} fans for {len(jobs)} origins")
    tables = [
        forecast_table(job.request, fan, {**job.labels, "engine_seconds": seconds})
        for job, fan in zip(jobs, fans, strict=True)
    ]
    return pl.concat(tables)

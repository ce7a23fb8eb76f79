"""What an engine would have said on past dates, each origin seeing only what was available at it. Pure.

How the fans turned out is `realized`'s affair, where they are kept the adapters'.
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
    usable,
)
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import STALE_AFTER, marked_anew

MIN_SESSIONS: Final = 250
"""Usable sessions, a year, below which an origin is passed over: volatilities need them, and so does any model."""

RUN: Final = ("as_of", "data_fingerprint", "config_fingerprint", "engine", "model")
"""What a fan is a function of: an origin that has been run with the same is not run again."""


@dataclass(frozen=True)
class Every:
    """How far origins are apart: each `count`-th day (session), week or month."""

    count: int
    unit: Literal["d", "w", "m"]


def parse_every(text: str) -> Every:
    """`1d`, `1w`, `2w`, `1m` as `Every`.

    Raises:
        ValueError: it is nothing of the kind.
    """
    match = re.fullmatch(r"([1-9][0-9]?)([dwm])", text)
    if match is None:
        raise ValueError(f"{text!r} is no interval between origins; give a number of d, w or m, such as 1d, 1w, 2w, 1m")
    return Every(int(match[1]), match[2])  # type: ignore[arg-type]  # the pattern allows no other letter


def origin_dates(calendar: SessionCalendar, first: date, last: date, every: Every) -> list[date]:
    """Origins from `first` through `last`, sessions all, ascending.

    Days are every `count`-th session from the first on. Weeks (ISO, from Monday) and months give their last session;
    they are counted from a fixed day, and one that ends after `last` gives none, so that another `first` or `last`
    picks from the same origins.
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
    """Number of the week or month that `day` is in, and its last calendar day."""
    if unit == "w":
        return (day.toordinal() - 1) // 7, day + timedelta(days=6 - day.weekday())
    in_the_next = day.replace(day=28) + timedelta(days=4)
    return 12 * day.year + day.month, in_the_next - timedelta(days=in_the_next.day)


def visible(prices: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """The finished prices that were available when the forecast of `as_of` was due, bad ticks judged from them alone.

    Args:
        prices: `USDCLP_SCHEMA`, oldest first; marks are made anew, and provisional rows left out: the price that stood
            for a session before its bar came has been replaced.
        as_of: day of issue.
    """
    is_known = ~pl.col("is_provisional") & (pl.col("available_at") <= issue_instant(as_of))
    return marked_anew(prices.filter(is_known), USDCLP)


class HistoryView:
    """`usable(visible(prices, as_of))` and its fingerprint for many origins, without judging every row at each.

    Where sessions became available in their own order, what an origin sees is the beginning of the whole, and so are
    its marks: a bad tick is one from the row on that takes it back. Only marks that reach up to the last row that
    could be a price fall, since nothing has taken those back yet.

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
        # What `data_fingerprint` digests of each row.
        self._lines = [
            repr((row[0].isoformat(), float(row[1]).hex(), row[2], bool(row[3]))).encode()
            for row in finals.select(columns).iter_rows()
        ]

    def at(self, as_of: date) -> tuple[pl.DataFrame, str]:
        """The usable rows that the origin sees, and their `data_fingerprint`."""
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
    """One origin, ready for the engine; `labels` are those of `forecast_table` less `engine_seconds`."""

    request: Request
    origin: Origin
    labels: dict[str, object]


def _pass_over(as_of: date, why: str) -> None:
    """Say nothing."""


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
    """Fans at past origins, a batch of origins at a time; stop after any batch and go on later with `done`.

    Args:
        engine: makes the fans, of which none is calibrated; called once a batch.
        config: settings, of one horizon.
        prices: `USDCLP_SCHEMA`, oldest first.
        features: `FEATURES_SCHEMA` for engines that read covariates; rows that were not yet available are left out.
        origins: days of issue, in the order in which they are to be run.
        calendar: the peso's sessions.
        clock: seconds from any start. A batch's time is shared out evenly among its origins.
        done: `FORECAST_SCHEMA`, what has been run before.
        batch: origins a call of the engine.
        on_skip: told of each origin that is passed over, and why: run before, fewer than 250 usable sessions, or the
            last price more than ten sessions old, from which no forecast would have been issued.

    Yields:
        `FORECAST_SCHEMA`, the rows of one batch, in the order of its origins.

    Raises:
        ValueError: a batch of less than one, or a price available before its own session.
        EngineError: the engine cannot do what the config asks, or gives another number of fans.
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
    """Why no forecast can start from these rows; empty where one can."""
    if rows.height < MIN_SESSIONS:
        return f"{rows.height} usable sessions, {MIN_SESSIONS} are needed"
    age = calendar.age(rows["session"][-1], as_of)
    return f"last price {rows['session'][-1]} is {age} sessions old" if age > STALE_AFTER else ""


def _known(features: pl.DataFrame | None, as_of: date) -> pl.DataFrame | None:
    """The features that were available; None where there are none."""
    if features is None:
        return None
    known = features.filter(pl.col("available_at") <= issue_instant(as_of))
    return None if known.is_empty() else known


def _job(engine: Engine, request: Request, rows: pl.DataFrame, features: pl.DataFrame | None, fingerprint: str) -> _Job:
    """What the engine is given at one origin, and what its rows will say of it."""
    covariates = {} if features is None else align_covariates(rows["session"].to_list(), features)
    values = rows[USDCLP.value].to_numpy().astype(np.float64)
    volatility = {"ewma_sd": origin_volatility(values), "constant_sd": constant_volatility(values)}
    labels = {**labels_of(engine, request, rows), "data_fingerprint": fingerprint, **volatility}
    return _Job(request, Origin(values, request.target.steps, covariates), labels)


def _run(engine: Engine, config: InferenceConfig, jobs: Sequence[_Job], clock: Callable[[], float]) -> pl.DataFrame:
    """One call of the engine, as rows."""
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

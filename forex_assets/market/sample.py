"""Generated market for machines without network.

Bivariate GARCH(1,1) with Student-t shocks on every weekday since a fixed date; each market shows its own sessions.
Draws belong to weekdays, so a later `as_of` shows the same past and more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forex_assets.core.calendar import NEW_YORK, SANTIAGO, SessionCalendar
from forex_assets.core.schemas import SAMPLE_SOURCE, conform, fetched_schema
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries
from forex_assets.market.quality import mark_bad_ticks

EPOCH: Final = date(2005, 1, 3)
"""First generated weekday, a Monday; moving it changes every value."""

DEFAULT_SEED: Final = 20145
"""Seed of the draws."""

SHOCK_CORRELATION: Final = -0.35
"""Correlation of daily shocks, close to the real one."""

DEGREES_OF_FREEDOM: Final = 6.0
"""Degrees of freedom of the Student-t shocks.

Scaled to variance 1, one mixing draw for both, so that the correlation holds.
"""

BAD_TICK_CHANCE: Final = 0.0015
BAD_TICK_SIZE: Final = (0.10, 0.18)
"""Log move of a bad tick, for one session, either way."""

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class SampleSeries:
    """Parameters of one generated series.

    Attributes:
        series: the imitated series.
        level: price towards which it is pulled.
        daily_volatility: long-run deviation of a weekday's log return.
        alpha: weight of the last squared shock in the next variance.
        beta: weight of the last variance; alpha + beta < 1.
        pull: daily share of the log distance to `level` that is closed; its half-life of about 170 sessions is too long
        to
            show in a 90-day forecast.
        decimals: digits quoted.
        zone: time zone of the close.
        close: local time from which a close can be known.
    """

    series: PriceSeries
    level: float
    daily_volatility: float
    alpha: float
    beta: float
    pull: float
    decimals: int
    zone: ZoneInfo
    close: time


SAMPLE_COPPER: Final = SampleSeries(COPPER, 3.9, 0.0125, 0.06, 0.92, 0.004, 4, NEW_YORK, time(17))
SAMPLE_USDCLP: Final = SampleSeries(USDCLP, 840.0, 0.0062, 0.07, 0.91, 0.004, 2, SANTIAGO, time(18))


@dataclass(frozen=True, eq=False)
class SampleMarket:
    """Generated rows of each series (`fetched_schema`)."""

    usdclp: pl.DataFrame
    copper: pl.DataFrame


def sample_market(
    as_of: datetime, calendars: Mapping[str, SessionCalendar], seed: int = DEFAULT_SEED, years: float = 8
) -> SampleMarket:
    """Generates the market as of an instant.

    A session's row is the same in every call with the same seed and holidays.

    Args:
        as_of: aware; rows with a later `available_at` are left out.
        calendars: sessions by name, `CLP` and `COMEX`, from `as_of` less `years` on.
        years: length of the history; never before `EPOCH`.

    Raises:
        ValueError: `as_of` is naive or not later than `EPOCH`, or a calendar is missing.
    """
    if as_of.tzinfo is None:
        raise ValueError(f"as_of {as_of} has no time zone; give an aware datetime")
    if as_of.date() <= EPOCH:
        raise ValueError(f"the sample market begins on {EPOCH}; as_of {as_of.date()} must be later")
    missing = {USDCLP.calendar, COPPER.calendar} - set(calendars)
    if missing:
        raise ValueError(f"no calendar {sorted(missing)} for the sample market; there are {sorted(calendars)}")
    weekdays = _weekdays(as_of.date() + timedelta(days=1))  # Santiago's day may be ahead of as_of's
    shocks, ticks = _draws(len(weekdays), seed)
    start = as_of.date() - timedelta(days=round(years * 365.25))
    frames = [
        _rows(spec, weekdays, _prices(spec, shocks[:, k], ticks[:, k]), calendars[spec.series.calendar], start, as_of)
        for k, spec in enumerate((SAMPLE_COPPER, SAMPLE_USDCLP))
    ]
    return SampleMarket(copper=frames[0], usdclp=frames[1])


def sample_observado(usdclp: pl.DataFrame, calendar: SessionCalendar) -> pl.DataFrame:
    """Returns the generated dólar observado by its own date.

    That of a day averages the two closes before it, like an average over the session between them, and is known when
    that session closes. A bad tick counts as the close before.

    Args:
        usdclp: generated peso (`fetched_schema`), oldest first.
    """
    close = pl.col(USDCLP.value)
    average = (close + close.shift(1)) / 2
    good = mark_bad_ticks(usdclp, USDCLP).with_columns(pl.when(~pl.col("is_quarantined")).then(close).forward_fill())
    rows = good.drop("is_quarantined").with_columns(average.round(2)).drop_nulls(USDCLP.value)
    days = [calendar.next(day) for day in rows["session"]]
    return conform(
        rows.with_columns(session=pl.Series(days, dtype=pl.Date)), fetched_schema(USDCLP.value), "sample observado"
    )


def _weekdays(through: date) -> list[date]:
    days = (EPOCH + timedelta(days=k) for k in range((through - EPOCH).days + 1))
    return [day for day in days if day.weekday() < 5]


def _draws(count: int, seed: int) -> tuple[_Array, _Array]:
    """Draws shocks and bad ticks of copper and peso, shapes (count, 2).

    Shocks are correlated, of unit variance; bad ticks are log moves, mostly 0. Each kind has its own stream, so the
    first rows do not depend on `count`.
    """
    normals, mixing, chances, sizes = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4))
    z = normals.standard_normal((count, 2))
    z[:, 1] = SHOCK_CORRELATION * z[:, 0] + np.sqrt(1 - SHOCK_CORRELATION**2) * z[:, 1]
    spread = np.sqrt((DEGREES_OF_FREEDOM - 2) / mixing.chisquare(DEGREES_OF_FREEDOM, count))
    low, high = BAD_TICK_SIZE
    moves = sizes.uniform(-1.0, 1.0, (count, 2))
    moves = np.sign(moves) * (low + (high - low) * np.abs(moves))
    is_bad = chances.uniform(size=(count, 2)) < BAD_TICK_CHANCE
    return z * spread[:, None], np.where(is_bad, moves, 0.0)


def _prices(spec: SampleSeries, shocks: _Array, ticks: _Array) -> _Array:
    """Quoted price of each weekday: GARCH(1,1) around a pulled log price.

    Shape (n,); Bollerslev (1986).
    """
    long_run = spec.daily_volatility**2
    omega = long_run * (1 - spec.alpha - spec.beta)
    variance, gap = long_run, 0.0
    gaps = np.empty_like(shocks)
    for t, shock in enumerate(shocks):
        move = float(shock) * variance**0.5
        gap += move - spec.pull * gap
        variance = omega + spec.alpha * move**2 + spec.beta * variance
        gaps[t] = gap
    return np.round(spec.level * np.exp(gaps + ticks), spec.decimals)


def _rows(
    spec: SampleSeries, weekdays: list[date], prices: _Array, calendar: SessionCalendar, start: date, as_of: datetime
) -> pl.DataFrame:
    """Returns rows of sessions from `start` known at `as_of`."""
    closes = pl.col("session").dt.combine(spec.close).dt.replace_time_zone(spec.zone.key)
    rows = (
        pl.DataFrame({"session": weekdays, spec.series.value: prices})
        .filter(pl.Series([calendar.is_session(day) for day in weekdays], dtype=pl.Boolean), pl.col("session") >= start)
        .with_columns(
            source=pl.lit(SAMPLE_SOURCE),
            is_provisional=pl.lit(False),
            is_suspect=pl.lit(False),
            available_at=closes.dt.convert_time_zone("UTC"),
        )
        .filter(pl.col("available_at") <= as_of)
    )
    return conform(rows, fetched_schema(spec.series.value), f"sample {spec.series.name}")

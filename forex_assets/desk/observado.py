"""The dólar observado on a date, and its average over a month."""

import calendar as months
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from forex_assets.core.fan import QUANTILE_SCORES
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import QUANTILE_COLUMNS
from forex_assets.desk.averages import mean_of_fixings, mean_of_issued
from forex_assets.desk.law import PriceLaw
from forex_assets.desk.outlook import DayLaw, Outlook, QuestionError, Reading
from forex_assets.forecasts.observado.fixing import deviation_of_fixing, trading_day, weight_of_fixing


@dataclass(frozen=True)
class Fixings:
    """Published observados by date, and the fans issued for the coming ones.

    Attributes:
        values: CLP per USD; may be empty.
        fans: `FORECAST_SCHEMA` by horizon, `session` is the fixing's date; may be empty.
    """

    values: Mapping[date, float]
    fans: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    @property
    def last_day(self) -> date | None:
        """Date of the newest one."""
        return max(self.values, default=None)

    def issued(self, outlook: Outlook, day: date) -> tuple[str, dict[str, Any]] | None:
        """Returns horizon and row of the shortest issued fan of a fixing.

        None if no fan has it, or they are of another issue than the peso's or older than the newest fixing.
        """
        for horizon in HORIZONS:
            fan = self.fans.get(horizon)
            if fan is None or fan.is_empty() or fan["origin_session"][0] != self.last_day:
                continue
            rows = fan.filter((pl.col("session") == day) & (pl.col("as_of") == outlook.basis().as_of))
            if rows.height:
                return horizon, rows.row(0, named=True)
        return None


@dataclass(frozen=True, eq=False)
class _Origin:
    """Price that observados are forecast from, and the last of them.

    Attributes:
        day: session of the price.
        price: CLP per USD.
        fixing: last observado.
        is_average: the price is an observado itself.
    """

    day: date
    price: float
    fixing: float
    is_average: bool


def _origin(outlook: Outlook, fixings: Fixings) -> _Origin:
    """Returns the price, or the last observado where it is newer."""
    basis = outlook.basis()
    last = fixings.last_day
    if last is None:
        return _Origin(basis.price_session, basis.price, basis.price, False)
    value, averaged = fixings.values[last], trading_day(last, outlook.calendar)
    is_same = averaged == basis.price_session and abs(value / basis.price - 1) < 1e-9
    if averaged > basis.price_session or is_same:
        return _Origin(averaged, value, value, True)
    return _Origin(basis.price_session, basis.price, value, False)


def observado_on(outlook: Outlook, fixings: Fixings, day: date) -> DayLaw:
    """Returns the distribution of the observado in force on a day.

    The fixing's own issued fan where there is one; else the peso's fan at the day of its trades, moved and scaled to
    the observado's centre and width.

    Raises:
        QuestionError: it is published already, or later than the fans reach.
    """
    fixing_day = outlook.calendar.roll_back(day)
    if fixing_day in fixings.values:
        value = fixings.values[fixing_day]
        raise QuestionError(f"{day}: the observado of {fixing_day} is published, {value:,.2f}; ask for a later date")
    origin, traded = _origin(outlook, fixings), trading_day(fixing_day, outlook.calendar)
    if traded < origin.day:
        raise QuestionError(f"{day}: the last known price is of {origin.day}, after the trades of that observado")
    ahead = float(outlook.calendar.age(origin.day, traded))
    sessions = max(1, int(ahead))
    if issued := fixings.issued(outlook, fixing_day):
        horizon, row = issued
        law, errors = PriceLaw(np.array([row[name] for name in QUANTILE_COLUMNS])), int(row["calibration_errors"])
        return DayLaw(day, fixing_day, sessions, law, (horizon,), errors, "issued")
    centre = origin.price * (origin.fixing / origin.price) ** float(weight_of_fixing(np.array([ahead]))[0])
    width = float(deviation_of_fixing(np.array([ahead]), is_from_average=origin.is_average)[0])
    horizons: tuple[str, ...] = (next(iter(outlook.fans)),)
    errors, shape = 0, outlook.sd * QUANTILE_SCORES
    if traded > outlook.basis().price_session:
        peso = outlook.at(traded)
        shape = np.log(peso.law.quantiles / outlook.price) / peso.sessions**0.5
        horizons, errors = peso.horizons, peso.past_errors
    law = PriceLaw(centre * np.exp(width * shape))
    return DayLaw(day, fixing_day, sessions, law, horizons, errors, "formula")


@dataclass(frozen=True, eq=False)
class MonthAverage:
    """Distribution of a month's average observado.

    Attributes:
        law: of the average.
        known: observados of the month that are published.
        unknown: those that are not.
        known_mean: mean of those published; None without any.
        reading: `issued` if fans of every coming fixing were issued, else `formula`.
        past_errors: errors behind the issued bands, the fewest; 0 by formula.
    """

    law: PriceLaw
    known: int
    unknown: int
    known_mean: float | None
    reading: Reading
    past_errors: int


def month_average(outlook: Outlook, fixings: Fixings, month: date) -> MonthAverage:
    """Returns the distribution of a month's average observado.

    Args:
        month: any day of it.

    Raises:
        QuestionError: the month is over, too far, or an observado of it is missing.
    """
    first = month.replace(day=1)
    last = month.replace(day=months.monthrange(month.year, month.month)[1])
    days = outlook.calendar.between(first - timedelta(days=1), last)
    known = [fixings.values[day] for day in days if day in fixings.values]
    open_days = [day for day in days if day not in fixings.values]
    if not open_days:
        raise QuestionError(f"{month:%Y-%m}: every observado is published; their average is {np.mean(known):,.2f}")
    origin = _origin(outlook, fixings)
    traded = [trading_day(day, outlook.calendar) for day in open_days]
    lacking = [day for day, trades in zip(open_days, traded, strict=True) if trades < origin.day]
    if lacking:
        raise QuestionError(
            f"{month:%Y-%m}: the observado of {lacking[0]} is not stored, nor {len(lacking) - 1} more; bring them in "
            "with `forex-assets ingest`"
        )
    if traded[-1] > outlook.last_day:
        raise QuestionError(f"{month:%Y-%m}: ends after the fans, which reach {outlook.last_day}")
    ahead = [outlook.calendar.age(origin.day, trades) for trades in traded]
    issued = [row for day in open_days if (row := fixings.issued(outlook, day))]
    reading: Reading = "issued" if len(issued) == len(open_days) else "formula"
    errors = 0
    if reading == "issued":
        quantiles = np.array([[row[name] for name in QUANTILE_COLUMNS] for _, row in issued])
        errors = min(int(row["calibration_errors"]) for _, row in issued)
        law = mean_of_issued(known, quantiles, ahead)
    else:
        law = mean_of_fixings(origin.price, origin.fixing, outlook.sd, known, ahead, is_from_average=origin.is_average)
    mean = float(np.mean(known)) if known else None
    return MonthAverage(law, len(known), len(open_days), mean, reading, errors)

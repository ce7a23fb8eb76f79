"""The dólar observado on a date, and its average over a month."""

import calendar as months
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from forex_assets.core.fan import QUANTILE_SCORES
from forex_assets.desk.averages import mean_of_fixings
from forex_assets.desk.law import PriceLaw
from forex_assets.desk.outlook import DayLaw, Outlook, QuestionError
from forex_assets.forecasts.observado.fixing import deviation_of_fixing, trading_day, weight_of_fixing


@dataclass(frozen=True)
class Fixings:
    """Published observados by date; may be empty.

    Attributes:
        values: CLP per USD.
    """

    values: Mapping[date, float]

    @property
    def last_day(self) -> date | None:
        """Date of the newest one."""
        return max(self.values, default=None)


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

    The fan's own shape at the day of its trades, about the observado's centre and width.

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
    centre = origin.price * (origin.fixing / origin.price) ** float(weight_of_fixing(np.array([ahead]))[0])
    width = float(deviation_of_fixing(np.array([ahead]), is_from_average=origin.is_average)[0])
    horizons: tuple[str, ...] = (next(iter(outlook.fans)),)
    errors, shape = 0, outlook.sd * QUANTILE_SCORES
    if traded > outlook.basis().price_session:
        peso = outlook.at(traded)
        shape = np.log(peso.law.quantiles / outlook.price) / peso.sessions**0.5
        horizons, errors = peso.horizons, peso.past_errors
    return DayLaw(day, fixing_day, max(1, int(ahead)), PriceLaw(centre * np.exp(width * shape)), horizons, errors)


@dataclass(frozen=True, eq=False)
class MonthAverage:
    """Distribution of a month's average observado.

    Attributes:
        law: of the average.
        known: observados of the month that are published.
        unknown: those that are not.
        known_mean: mean of those published; None without any.
    """

    law: PriceLaw
    known: int
    unknown: int
    known_mean: float | None


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
    law = mean_of_fixings(origin.price, origin.fixing, outlook.sd, known, ahead, is_from_average=origin.is_average)
    return MonthAverage(law, len(known), len(open_days), float(np.mean(known)) if known else None)

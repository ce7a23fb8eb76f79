"""Latest fans of one issue, as one distribution for each date.

A session up to the shortest horizon's target date is a row of that fan. Between the target dates of two horizons, each
quantile's log distance from the price per √sessions is interpolated linearly in sessions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import polars as pl

from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.fan import Array
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import QUANTILE_COLUMNS, SAMPLE_SOURCE
from forex_assets.desk.law import PriceLaw

Reading = Literal["close", "issued", "formula"]


class DeskError(Exception):
    """A question that cannot be answered; the message names the remedy."""


class QuestionError(DeskError):
    """A question with an impossible value."""


@dataclass(frozen=True)
class Basis:
    """Facts that every answer names.

    Attributes:
        price: last known price, CLP per USD; every answer starts from it.
        price_session: its market day.
        age: sessions since then, by the clock.
        is_provisional: the price was not final.
        as_of: day of the fans.
        model: name of the forecast's model, or several.
        past_errors: errors behind the bands, the fewest used; 0 means uncorrected bands.
        source: price source.
    """

    price: float
    price_session: date
    age: int
    is_provisional: bool
    as_of: date
    model: str
    past_errors: int
    source: str

    @property
    def is_sample(self) -> bool:
        """Whether the prices are generated."""
        return SAMPLE_SOURCE in self.source

    @property
    def data(self) -> str:
        """Kind of data: sample or real."""
        return "sample" if self.is_sample else "real"

    def words(self) -> str:
        """Returns one line for people."""
        age = "current" if self.age == 0 else f"{self.age} session{'s'[: self.age > 1]} old"
        state = ", provisional" if self.is_provisional else ""
        errors = f"bands from {self.past_errors} past errors" if self.past_errors else "bands not corrected"
        data = SAMPLE_SOURCE if self.is_sample else f"real prices ({self.source})"
        return f"Price {self.price:,.2f} of {self.price_session} ({age}{state}). Model {self.model}; {errors}. {data}."

    def facts(self) -> dict[str, Any]:
        """Returns the facts for programs."""
        return {
            "price_clp_per_usd": round(self.price, 4),
            "price_session": self.price_session.isoformat(),
            "price_age_sessions": self.age,
            "is_price_provisional": self.is_provisional,
            "as_of": self.as_of.isoformat(),
            "model": self.model,
            "past_errors": self.past_errors,
            "data": self.data,
        }


@dataclass(frozen=True, eq=False)
class DayLaw:
    """Distribution of the close on one session.

    Attributes:
        asked: date of the question.
        session: last session up to it.
        sessions: closes from the price to it, at least 1.
        law: distribution of that close.
        horizons: fans that it is read from.
        past_errors: errors behind the bands, the fewest of the rows read.
        reading: `close` from the peso's fans; of a fixing, `issued` from its own fans or by `formula` from the peso's.
    """

    asked: date
    session: date
    sessions: int
    law: PriceLaw
    horizons: tuple[str, ...]
    past_errors: int
    reading: Reading = "close"


@dataclass(frozen=True, eq=False)
class Outlook:
    """Fans of one issue, with their price and volatility.

    Args:
        fans: `FORECAST_SCHEMA` by horizon; all from one price.
        calendar: sessions of USD/CLP.
        today: day of the clock in Santiago.
    """

    fans: Mapping[str, pl.DataFrame]
    calendar: SessionCalendar
    today: date

    def __post_init__(self) -> None:
        if not self.fans:
            raise DeskError("no fan is stored yet; make them with `forex-assets forecast`")

    @property
    def sd(self) -> float:
        """EWMA(.97) deviation of a session's log return."""
        return float(self._first["ewma_sd"][0])

    @property
    def price(self) -> float:
        """Last known price, CLP per USD."""
        return float(self._first["origin_clp_per_usd"][0])

    @property
    def last_day(self) -> date:
        """Last session of the longest fan."""
        return max(_day(fan["session"][-1]) for fan in self.fans.values())

    @property
    def _first(self) -> pl.DataFrame:
        return next(iter(self._by_length.values()))

    @property
    def _by_length(self) -> dict[str, pl.DataFrame]:
        return {name: self.fans[name] for name in HORIZONS if name in self.fans}

    def basis(self, *laws: DayLaw) -> Basis:
        """Returns the facts behind an answer, of all fans without laws."""
        horizons = [name for name in self._by_length if not laws or any(name in law.horizons for law in laws)]
        used = [self.fans[name] for name in horizons]
        row = used[0].row(0, named=True)
        errors = [law.past_errors for law in laws] or [int(fan["calibration_errors"][-1]) for fan in used]
        return Basis(
            price=float(row["origin_clp_per_usd"]),
            price_session=row["origin_session"],
            age=self.calendar.age(row["origin_session"], self.today),
            is_provisional=bool(row["is_origin_provisional"]),
            as_of=row["as_of"],
            model=", ".join(dict.fromkeys(_short(str(fan["model"][0])) for fan in used)),
            past_errors=min(errors),
            source=str(row["source"]),
        )

    def at(self, day: date) -> DayLaw:
        """Returns the distribution of the last close up to a day.

        Raises:
            QuestionError: the day is not after the price's, or after the longest fan.
        """
        origin = _day(self._first["origin_session"][0])
        if day > self.last_day and self.calendar.roll_back(day) > self.last_day:
            raise QuestionError(
                f"{day}: the fans of {self._first['as_of'][0]} end on {self.last_day}; ask for a date up to it"
            )
        session = self.calendar.roll_back(day)
        sessions = self.calendar.age(origin, session) if session > origin else 0
        if sessions < 1:
            raise QuestionError(f"{day}: the last known price is of {origin}; ask for a later session")
        return self._law(day, session, sessions)

    def target(self, horizon: str) -> DayLaw:
        """Returns the distribution at a horizon's target date.

        Raises:
            QuestionError: its fan is not stored.
        """
        if horizon not in self.fans:
            have = ", ".join(self._by_length)
            raise QuestionError(f"no fan of {horizon} at the last issue (there is {have}); run `forex-assets forecast`")
        return self.at(_day(self.fans[horizon]["session"][-1]))

    def _law(self, day: date, session: date, sessions: int) -> DayLaw:
        before: tuple[str, pl.DataFrame] | None = None
        for name, fan in self._by_length.items():
            last = _day(fan["session"][-1])
            if session <= last:
                if before is None or session == last:
                    rows = fan.filter(pl.col("session") <= session)
                    quantiles = rows.select(QUANTILE_COLUMNS).row(-1)
                    errors = int(rows["calibration_errors"][-1])
                    return DayLaw(day, session, sessions, PriceLaw(np.array(quantiles)), (name,), errors)
                return self._between(day, session, sessions, before, (name, fan))
            before = name, fan
        raise QuestionError(f"{day}: no fan reaches it")  # a calendar with fewer sessions than the fan's

    def _between(
        self, day: date, session: date, sessions: int, short: tuple[str, pl.DataFrame], long: tuple[str, pl.DataFrame]
    ) -> DayLaw:
        """Interpolates between the targets of two horizons."""
        (a, slope_a), (b, slope_b) = (self._slopes(fan) for _, fan in (short, long))
        share = (sessions - a) / (b - a)
        slopes = (1 - share) * slope_a + share * slope_b
        errors = min(int(fan["calibration_errors"][-1]) for _, fan in (short, long))
        law = PriceLaw(self.price * np.exp(slopes * sessions**0.5))
        return DayLaw(day, session, sessions, law, (short[0], long[0]), errors)

    def _slopes(self, fan: pl.DataFrame) -> tuple[int, Array]:
        """Sessions to the target, and log distances per √session."""
        origin = _day(fan["origin_session"][0])
        sessions = self.calendar.age(origin, _day(fan["session"][-1]))
        quantiles = np.array(fan.select(QUANTILE_COLUMNS).row(-1))
        return sessions, np.log(quantiles / self.price) / sessions**0.5


def _short(model: str) -> str:
    """Model name without the digest of its weights."""
    return model.split("@")[0].strip()


def _day(value: Any) -> date:
    assert isinstance(value, date)
    return value

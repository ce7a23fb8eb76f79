"""Series with official daily values: observado, London copper, policy rate.

Dating rules. The dólar observado dated t averages the trades of the banking day before t. The Banco Central publishes
it at about 18:00 of that day; a publisher that shows nothing dated after the day is taken to show it from 09:00 on t,
as the other two series.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from datetime import time as clock_time
from math import isfinite
from typing import Final

from forex_assets.core.calendar import SANTIAGO, SessionCalendar
from forex_assets.market.prices import COPPER_LME, OBSERVADO, POLICY_RATE, USDCLP, PriceSeries
from forex_assets.market.sources.fetching import Row

PUBLISHED_AT: Final = clock_time(18, 0)
"""Time in Santiago at which the Banco Central publishes the next observado."""
SHOWN_AT: Final = clock_time(9, 0)
"""Time in Santiago at which other values count as known."""

Values = list[tuple[date, float]]


@dataclass(frozen=True)
class PublishedSeries:
    """One official series, and how its values become rows.

    Attributes:
        series: the series of the rows.
        code: name at the publisher, which the answer must repeat.
        unit: unit that the answer must name; None if it names none.
        is_of_day_before: whether a row's session is the banking day before the date.
        is_out_evening_before: whether a value is published on the banking day before its date.
    """

    series: PriceSeries
    code: str
    unit: str | None = None
    is_of_day_before: bool = False
    is_out_evening_before: bool = False

    def available_at(self, day: date, calendar: SessionCalendar) -> datetime:
        """Returns the instant from which the value dated `day` is known."""
        if self.is_out_evening_before:
            return datetime.combine(calendar.previous(day), PUBLISHED_AT, SANTIAGO)
        return datetime.combine(day, SHOWN_AT, SANTIAGO)


BANK_CLOSE: Final = PublishedSeries(USDCLP, "F073.TCO.PRE.Z.D", is_of_day_before=True, is_out_evening_before=True)
"""Observado as the price of the session that it averages."""
BANK_OBSERVADO: Final = PublishedSeries(OBSERVADO, "F073.TCO.PRE.Z.D", is_out_evening_before=True)
BANK_COPPER: Final = PublishedSeries(COPPER_LME, "F019.PPB.PRE.100.D")
BANK_POLICY_RATE: Final = PublishedSeries(POLICY_RATE, "F022.TPM.TIN.D001.NO.Z.D")
MINDICADOR_CLOSE: Final = PublishedSeries(USDCLP, "dolar", "Pesos", is_of_day_before=True)
MINDICADOR_OBSERVADO: Final = PublishedSeries(OBSERVADO, "dolar", "Pesos")
MINDICADOR_COPPER: Final = PublishedSeries(COPPER_LME, "libra_cobre", "Dólar")
MINDICADOR_POLICY_RATE: Final = PublishedSeries(POLICY_RATE, "tpm", "Porcentaje")

_NUMBER: Final = re.compile(r"\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
YEARS: Final = range(1900, 2200)
"""Years that a value can have; others are misprints."""


def number_of(value: object) -> float | None:
    """Reads a price; None for ND, NeuN or blank."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON knows no largest integer
        return None
    return number if isfinite(number) and number > 0 else None


def dated_values(pairs: Iterable[tuple[date | None, object]]) -> Values:
    """Returns readable values by date, ascending.

    An unreadable cell costs its own date only, and so does a date with two different values.
    """
    values_by_day: dict[date, set[float]] = {}
    for day, cell in pairs:
        number = number_of(cell)
        if day is not None and day.year in YEARS and number is not None:
            values_by_day.setdefault(day, set()).add(number)
    return [(day, values.pop()) for day, values in sorted(values_by_day.items()) if len(values) == 1]


def published_rows(values: Values, spec: PublishedSeries, calendar: SessionCalendar, as_of: datetime) -> list[Row]:
    """Dates values by the publisher's rule, one row a session.

    Weekends are left out. So is a bank holiday that repeats the value before it: publishers carry values forward.

    Args:
        values: (date, value), any order.
        calendar: Chile's banking days.
        as_of: rows known later are left out.
    """
    rows: dict[date, Row] = {}
    before: float | None = None
    for day, value in sorted(values):
        is_carried = value == before and not calendar.is_session(day)
        before = value
        if day.weekday() >= 5 or is_carried:
            continue
        session = calendar.previous(day) if spec.is_of_day_before else day
        row = Row(session, value, spec.available_at(day, calendar))
        # Two values can map to one session if the calendar has a holiday that the bank worked: the first is right.
        if row.available_at <= as_of:
            rows.setdefault(row.session, row)
    return list(rows.values())

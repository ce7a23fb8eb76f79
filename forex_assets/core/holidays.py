"""Calendars of the two markets, from the `holidays` library.

The peso trades on Chile's *banking* days: public holidays plus 31 December explain every weekday of 2015 to 2023
without a published dólar observado; `exchange_calendars`' XSGO differs on 3 days. Copper's bars follow New York's
stock exchange on all but 8 days of 2006 to 2023, with the day after Thanksgiving closed until 2006;
`exchange_calendars`' CMES differs on 118. On days of mourning and after disasters that exchange rests and COMEX may
trade (2001-09-11, 2001-09-14, 2007-01-02): such a day is a session where there is a bar.
"""

from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from typing import Final

from forex_assets.core.calendar import SessionCalendar, calendar_of

LAST_LONG_WEEKEND: Final = 2006
"""Last year in which COMEX rested after Thanksgiving."""
YEARS: Final = range(1990, 2101)
"""Years with holidays; loading all takes 0.2 s."""


@cache
def market_calendar(name: str) -> SessionCalendar:
    """Returns the sessions of `CLP` or `COMEX`, 1990 to 2100.

    Raises:
        ValueError: there is no such calendar.
    """
    try:
        closed = _HOLIDAYS[name]
    except KeyError:
        raise ValueError(f"no calendar {name!r}; there are {', '.join(_HOLIDAYS)}") from None
    return calendar_of(name, *closed())


def _clp() -> tuple[set[date], set[date]]:
    from holidays import country_holidays

    # Of the optional `bank` category only 31 December closes the peso's market.
    chilean = country_holidays("CL", years=YEARS, categories=("public",))
    return set(chilean) | {date(year, 12, 31) for year in YEARS}, set()


def _comex() -> tuple[set[date], set[date]]:
    from holidays import financial_holidays

    # Half days are sessions: they settle.
    exchange = financial_holidays("NYSE", years=YEARS, categories=("public",))
    special = {
        date(year, *day[:2])
        for year, days in exchange.special_public_holidays.items()
        if year in YEARS
        for day in (days if isinstance(days[0], tuple) else (days,))
    }
    thanksgiving = {
        day for day, name in exchange.items() if name == "Thanksgiving Day" and day.year <= LAST_LONG_WEEKEND
    }
    return set(exchange) | {day + timedelta(days=1) for day in thanksgiving}, special


_HOLIDAYS: Final[dict[str, Callable[[], tuple[set[date], set[date]]]]] = {"CLP": _clp, "COMEX": _comex}

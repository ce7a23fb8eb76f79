"""Calendars of the two markets, from the `holidays` library.

The peso trades on Chile's *banking* days: public holidays plus 31 December explain every weekday of 2015 to 2023
without a published dólar observado; `exchange_calendars`' XSGO differs on 3 days. Copper's bars follow New York's
financial holidays on all but 10 days of 2006 to 2023; `exchange_calendars`' CMES differs on 118.
"""

from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Final

from forex_assets.core.calendar import SessionCalendar, calendar_of

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
    return calendar_of(name, closed())


def _clp() -> set[date]:
    from holidays import country_holidays

    # Of the optional `bank` category only 31 December closes the peso's market.
    chilean = country_holidays("CL", years=YEARS, categories=("public",))
    return set(chilean) | {date(year, 12, 31) for year in YEARS}


def _comex() -> set[date]:
    from holidays import financial_holidays

    # Half days are sessions: they settle.
    return set(financial_holidays("NYSE", years=YEARS, categories=("public",)))


_HOLIDAYS: Final[dict[str, Callable[[], set[date]]]] = {"CLP": _clp, "COMEX": _comex}

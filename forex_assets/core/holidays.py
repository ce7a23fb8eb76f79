"""The two markets' calendars, from the `holidays` library: no network, no clock.

Why that library and not `exchange_calendars`: the peso trades on Chile's *banking* days, not on the stock exchange's.
Public holidays plus 31 December (a bank holiday) are every weekday of 2015 to 2023 without a published dólar observado;
the exchange's own calendar (XSGO) differs on 3 days. Copper's bars follow New York's financial holidays on all but 10
days of 2006 to 2023; `exchange_calendars`' CMES, which keeps electronic half-sessions open, differs on 118.
"""

from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Final

from forex_assets.core.calendar import SessionCalendar, calendar_of

YEARS: Final = range(1990, 2101)
"""All years at once take a fifth of a second; later ones count every weekday as a session."""


@cache
def market_calendar(name: str) -> SessionCalendar:
    """The sessions of `CLP` (Chilean banking days) or `COMEX` (New York financial holidays), 1990 to 2100.

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

    # `public` leaves out the optional `bank` category, of which only 31 December closes the peso's market.
    chilean = country_holidays("CL", years=YEARS, categories=("public",))
    return set(chilean) | {date(year, 12, 31) for year in YEARS}


def _comex() -> set[date]:
    from holidays import financial_holidays

    # `public` leaves out half days: a shortened session still settles.
    return set(financial_holidays("NYSE", years=YEARS, categories=("public",)))


_HOLIDAYS: Final[dict[str, Callable[[], set[date]]]] = {"CLP": _clp, "COMEX": _comex}

"""Dating rules of Yahoo's bars: session and availability of each bar.

`HG=F` and `DX-Y.NYB` bars carry their own date. A `CLP=X` or `BRL=X` bar dated t (London) carries the weekday *before*
t: taken at its date, copper would seem to lead the peso by a day.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from math import isfinite
from typing import Final
from zoneinfo import ZoneInfo

from forex_assets.core.calendar import LONDON, NEW_YORK, SANTIAGO, SessionCalendar, previous_weekday
from forex_assets.market.sources.fetching import Row


@dataclass(frozen=True)
class Bar:
    """One daily bar; missing prices are None."""

    day: date
    open: float | None
    close: float | None
    high: float | None = None
    low: float | None = None


@dataclass(frozen=True)
class LastPrice:
    """The chart's last price and its (aware) moment."""

    price: float
    at: datetime


@dataclass(frozen=True)
class YahooDating:
    """Dating rule of one symbol.

    Attributes:
        symbol: Yahoo's name.
        currency: of its prices.
        exchange: Yahoo's short name of the exchange.
        bar_zone: time zone of a bar's date.
        market_zone: time zone of the market's day, which dates the last price.
        is_weekday_late: whether a bar carries the weekday before its date; weekend bars are ignored.
        finished_days: days from the bar's date to its end.
        finished_time: time of that day, in `bar_zone`, from which the close is final.
        is_open_provisional: whether an unfinished bar's open is a provisional price.
        range_trusted_from: first bar whose price is suspect outside its low to high; None: never.
    """

    symbol: str
    currency: str
    exchange: str
    bar_zone: ZoneInfo
    market_zone: ZoneInfo
    is_weekday_late: bool
    finished_days: int
    finished_time: time
    is_open_provisional: bool
    range_trusted_from: date | None

    @property
    def asked(self) -> dict[str, str]:
        """Fields that a chart of this symbol names, by value."""
        return {
            "symbol": self.symbol,
            "currency": self.currency,
            "exchangeName": self.exchange,
            "exchangeTimezoneName": self.bar_zone.key,
            "dataGranularity": "1d",
        }

    def is_suspect(self, value: float, bar: Bar) -> bool:
        """Tells whether a price contradicts its bar's range."""
        if self.range_trusted_from is None or bar.day < self.range_trusted_from:
            return False
        if bar.low is None or bar.high is None or not (is_price(bar.low) and is_price(bar.high)):
            return False
        return not bar.low * (1 - RANGE_SLACK) <= value <= bar.high * (1 + RANGE_SLACK)

    def session(self, day: date, calendar: SessionCalendar) -> date | None:
        """Returns the session of a bar; None without one."""
        if day.weekday() >= 5:
            return None
        session = previous_weekday(day) if self.is_weekday_late else day
        return session if calendar.may_trade(session) else None

    def opened_at(self, day: date) -> datetime:
        """Returns the start of a bar."""
        return datetime.combine(day, time(), self.bar_zone)

    def finished_at(self, day: date) -> datetime:
        """Returns the instant from which a bar is final."""
        return datetime.combine(day + timedelta(days=self.finished_days), self.finished_time, self.bar_zone)


RANGE_SLACK: Final = 2e-4
"""Relative distance outside a bar's range due to rounding."""

# Monday bars of the peso often close on a stale quote of Sunday night. Of the 32 bars since 2018 that close outside
# their range, 26 are over .7 % off the market (of the rest, 20 in 1,457); used, they made the volatility of 2023 and
# every fan 16 % too large (`benchmarks/feed.py`). Before 2015 there is no market close to compare with.
# The peso's bar ends with London's day, plus a quarter of an hour for the last quote. Since 2020 its open equals its
# close on 82 to 100 % of days: both are the price at which the session before ended, so the open of an unfinished bar
# is that session's provisional price. Copper settles and closes at 17:00 New York.
YAHOO_DATING: Final[dict[str, YahooDating]] = {
    rule.symbol: rule
    for rule in (
        YahooDating("CLP=X", "CLP", "CCY", LONDON, SANTIAGO, True, 1, time(0, 15), True, date(2015, 1, 1)),
        YahooDating("BRL=X", "BRL", "CCY", LONDON, SANTIAGO, True, 1, time(0, 15), False, None),
        YahooDating("DX-Y.NYB", "USD", "NYB", NEW_YORK, NEW_YORK, False, 0, time(17, 15), False, None),
        YahooDating("HG=F", "USD", "CMX", NEW_YORK, NEW_YORK, False, 0, time(17, 0), False, None),
    )
}


def dating_of(symbol: str) -> YahooDating:
    """Returns the dating rule of a symbol.

    Raises:
        ValueError: there is no rule.
    """
    try:
        return YAHOO_DATING[symbol]
    except KeyError:
        raise ValueError(f"no dating rule for Yahoo's {symbol!r}; there are {', '.join(YAHOO_DATING)}") from None


def dated_rows(
    bars: Sequence[Bar], last: LastPrice | None, rule: YahooDating, calendar: SessionCalendar, as_of: datetime
) -> list[Row]:
    """Dates bars by their rule, as known at an instant.

    Final bars, then an open and the last price of sessions without one. A last price from before the open is kept too.

    Args:
        bars: any order; the later of two on one session wins.
        last: the chart's last price, or None.
        calendar: other days are left out.
        as_of: aware; later rows are left out.

    Returns:
        One row a session, two where an open and a last price stand for it; ascending by session and moment.
    """
    ordered = sorted(bars, key=lambda bar: bar.day)
    finished = _finished(ordered, rule, calendar, as_of)
    rows = list({**_openings(ordered, rule, calendar, as_of), **finished}.values())
    row = None if last is None else _last_row(last, rule, calendar, as_of)
    if row is not None and all(row.session > session for session in finished):
        # From the open on a quote may have moved: the bar will keep its open.
        opened = next((other.available_at for other in rows if other.session == row.session), None)
        rows += [row] if opened is None or row.available_at < opened else []
    return sorted(rows, key=lambda row: (row.session, row.available_at))


def _finished(bars: Iterable[Bar], rule: YahooDating, calendar: SessionCalendar, as_of: datetime) -> dict[date, Row]:
    rows = {}
    for bar in bars:
        session, known = rule.session(bar.day, calendar), rule.finished_at(bar.day)
        if session is not None and is_price(bar.close) and known <= as_of:
            close = float(bar.close or 0)
            rows[session] = Row(session, close, known, is_suspect=rule.is_suspect(close, bar))
    return rows


def _openings(bars: Iterable[Bar], rule: YahooDating, calendar: SessionCalendar, as_of: datetime) -> dict[date, Row]:
    """Returns opens of unfinished bars as provisional rows.

    Two in the quarter of an hour after a bar ends: in Chile's winter the hour of issue, 19:00 in Santiago, is midnight
    in London.
    """
    rows = {}
    for bar in bars if rule.is_open_provisional else ():
        session, known = rule.session(bar.day, calendar), rule.opened_at(bar.day)
        if session is not None and is_price(bar.open) and known <= as_of < rule.finished_at(bar.day):
            opening = float(bar.open or 0)
            suspect = rule.is_suspect(opening, bar)
            rows[session] = Row(session, opening, known, is_provisional=True, is_suspect=suspect)
    return rows


def _last_row(last: LastPrice, rule: YahooDating, calendar: SessionCalendar, as_of: datetime) -> Row | None:
    session = last.at.astimezone(rule.market_zone).date()
    if last.at > as_of or not calendar.is_session(session) or not is_price(last.price):
        return None
    return Row(session, last.price, last.at, is_provisional=True)


def is_price(value: float | None) -> bool:
    """Tells whether a value is finite and above zero."""
    return value is not None and isfinite(value) and value > 0

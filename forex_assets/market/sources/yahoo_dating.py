"""Which session a Yahoo bar is about and when it could be known: pure rules, declared once a symbol.

`HG=F` is dated as anyone would think. `CLP=X` is not: a bar dated t (London) carries the market of the weekday *before*
t. Taken at its date, copper would seem to lead the peso by a day, an artefact of the stamps.
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
    """One daily bar as served: its date in the bars' own zone and its prices; None where the service left one out."""

    day: date
    open: float | None
    close: float | None
    high: float | None = None
    low: float | None = None


@dataclass(frozen=True)
class LastPrice:
    """The chart's last price and the (aware) moment that it is of."""

    price: float
    at: datetime


@dataclass(frozen=True)
class YahooDating:
    """The dating rule of one symbol.

    Attributes:
        symbol: Yahoo's name.
        bar_zone: zone in which a bar's date is a date.
        market_zone: zone in which the market's day is a date; the last price is dated in it.
        is_weekday_late: whether a bar carries the weekday before its date; weekend bars carry nothing of their own.
        finished_days: days after the bar's date on which it is finished.
        finished_time: time of that day, in `bar_zone`, from which its close is a close.
        is_open_provisional: whether an unfinished bar's open may stand for its session until the bar is finished.
        range_trusted_from: from this bar on, a price outside its own bar's low to high is suspect; None: never.
    """

    symbol: str
    bar_zone: ZoneInfo
    market_zone: ZoneInfo
    is_weekday_late: bool
    finished_days: int
    finished_time: time
    is_open_provisional: bool
    range_trusted_from: date | None

    def is_suspect(self, value: float, bar: Bar) -> bool:
        """Whether a bar's open or close contradicts the bar's own range."""
        if self.range_trusted_from is None or bar.day < self.range_trusted_from:
            return False
        if bar.low is None or bar.high is None or not (is_price(bar.low) and is_price(bar.high)):
            return False
        return not bar.low * (1 - RANGE_SLACK) <= value <= bar.high * (1 + RANGE_SLACK)

    def session(self, day: date, calendar: SessionCalendar) -> date | None:
        """The session that a bar dated `day` is about; None where it is about none."""
        if day.weekday() >= 5:
            return None
        session = previous_weekday(day) if self.is_weekday_late else day
        return session if calendar.is_session(session) else None

    def opened_at(self, day: date) -> datetime:
        """When a bar dated `day` begins."""
        return datetime.combine(day, time(), self.bar_zone)

    def finished_at(self, day: date) -> datetime:
        """When a bar dated `day` can no longer change."""
        return datetime.combine(day + timedelta(days=self.finished_days), self.finished_time, self.bar_zone)


RANGE_SLACK: Final = 2e-4
"""How far outside its bar's range a price may lie: what rounding and single precision do, and no more."""

# Yahoo's Monday bars of the peso often close on a stale quote of Sunday night, below everything traded in them. Of the
# 32 bars since 2018 that close outside their own range, 26 are over .7 % off the market (of the rest, 20 in 1,457);
# used, they made the volatility of 2023 16 % too large, and every fan with it (`benchmarks/feed.py`). Before 2015 there
# is no market close to hold them against, and in some years most lie outside: the rule starts where it was measured.
# The peso's bar ends with London's day; a quarter of an hour is left for the last quote to arrive. Since 2020 its open
# equals its close on 82 to 100 % of days, because both are the price at which the session before had ended: hence the
# open of the running bar as that session's provisional price. Copper's settles and closes at 17:00 New York.
YAHOO_DATING: Final[dict[str, YahooDating]] = {
    rule.symbol: rule
    for rule in (
        YahooDating("CLP=X", LONDON, SANTIAGO, True, 1, time(0, 15), True, date(2015, 1, 1)),
        YahooDating("HG=F", NEW_YORK, NEW_YORK, False, 0, time(17, 0), False, None),
    )
}


def dating_of(symbol: str) -> YahooDating:
    """The rule of `symbol`.

    Raises:
        ValueError: nobody has measured how its bars are dated.
    """
    try:
        return YAHOO_DATING[symbol]
    except KeyError:
        raise ValueError(f"no dating rule for Yahoo's {symbol!r}; there are {', '.join(YAHOO_DATING)}") from None


def dated_rows(
    bars: Sequence[Bar], last: LastPrice | None, rule: YahooDating, calendar: SessionCalendar, as_of: datetime
) -> list[Row]:
    """What was known at `as_of`: finished bars, then an open and the last price for the sessions still without one.

    Args:
        bars: as served, any order; of two on one session the later in order of date, then of serving, wins.
        last: the chart's last price, None where it gave none.
        rule: the symbol's dating rule.
        calendar: the market's sessions; anything on another day is left out.
        as_of: aware instant; nothing known later is used.

    Returns:
        One row a session, ascending, without nulls.
    """
    ordered = sorted(bars, key=lambda bar: bar.day)
    finished = _finished(ordered, rule, calendar, as_of)
    rows = {**_openings(ordered, rule, calendar, as_of), **finished}
    if last is not None:
        row = _last_row(last, rule, calendar, as_of)
        # An open stays before the last price: it is what the bar will say, while a quote after midnight may have moved.
        if row is not None and row.session not in rows and all(row.session > session for session in finished):
            rows[row.session] = row
    return [rows[session] for session in sorted(rows)]


def _finished(bars: Iterable[Bar], rule: YahooDating, calendar: SessionCalendar, as_of: datetime) -> dict[date, Row]:
    rows = {}
    for bar in bars:
        session, known = rule.session(bar.day, calendar), rule.finished_at(bar.day)
        if session is not None and is_price(bar.close) and known <= as_of:
            close = float(bar.close or 0)
            rows[session] = Row(session, close, known, is_suspect=rule.is_suspect(close, bar))
    return rows


def _openings(bars: Iterable[Bar], rule: YahooDating, calendar: SessionCalendar, as_of: datetime) -> dict[date, Row]:
    """Opens of running bars: one, or two in the quarter of an hour in which the last bar has ended but is not finished.

    That quarter matters: in Chile's winter 19:00 in Santiago, the hour of issue, is midnight in London.
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
    """Whether `value` can be a price at all: there, finite and above zero."""
    return value is not None and isfinite(value) and value > 0

"""Yahoo's dating rules through the real client and socket."""

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forex_assets.core.calendar import calendar_of, issue_instant
from forex_assets.core.holidays import market_calendar
from forex_assets.core.schemas import conform, fetched_schema
from forex_assets.market.prices import COPPER, USDCLP, SourceError
from forex_assets.market.sources.yahoo import YahooSource
from forex_assets.market.sources.yahoo_dating import Bar, LastPrice, dated_rows, dating_of
from forex_assets_tests.market.market_server import MarketServer, serving, walk, weekdays

CLP, COMEX = market_calendar("CLP"), market_calendar("COMEX")
PESO, METAL = dating_of("CLP=X"), dating_of("HG=F")
FIRST, LAST = date(2023, 8, 1), date(2024, 4, 30)
SANTIAGO, LONDON, NEW_YORK = ZoneInfo("America/Santiago"), ZoneInfo("Europe/London"), ZoneInfo("America/New_York")
# Written out, not looked up: weekdays of FIRST to LAST on which Chile's banks were closed.
CHILE_CLOSED = {
    date(2023, 8, 15), date(2023, 9, 18), date(2023, 9, 19), date(2023, 10, 9), date(2023, 10, 27), date(2023, 11, 1),
    date(2023, 12, 8), date(2023, 12, 25), date(2024, 1, 1), date(2024, 3, 29),
}  # fmt: skip


def late_bars(truth: dict[date, float]) -> list[tuple[date, float, float]]:
    """Bars as Yahoo stamps them, a weekday late, with Sunday quotes.

    A weekday after a holiday carries that holiday's: an indicative price which is no session's close.
    """
    bars, carried = [], 0.0
    for k in range((LAST - FIRST).days + 2):
        day = FIRST + timedelta(days=k)
        if day.weekday() == 6:
            bars.append((day, 777.0, 777.0))
        elif day.weekday() < 5:
            if carried:
                bars.append((day, carried, carried))
            carried = truth.get(day, 555.0)
    return bars


@pytest.fixture(scope="module")
def truth() -> dict[date, float]:
    return walk([day for day in weekdays(FIRST, LAST) if day not in CHILE_CLOSED], 900.0, seed=7)


@pytest.fixture
def market(truth: dict[date, float]) -> Iterator[MarketServer]:
    with serving(MarketServer(bars={"CLP=X": list(late_bars(truth))})) as server:
        yield server


def peso(market: MarketServer, **limits: float) -> YahooSource:
    return YahooSource(USDCLP, "CLP=X", market.url, CLP, **limits)


def as_dict(frame: pl.DataFrame, value: str) -> dict[date, float]:
    return dict(zip(frame["session"], frame[value], strict=True))


def test_bars_dated_a_business_day_late_come_back_on_their_true_sessions(
    market: MarketServer, truth: dict[date, float]
) -> None:
    frame = peso(market).fetch(None, datetime(2024, 6, 1, tzinfo=UTC))
    assert as_dict(frame, "clp_per_usd") == truth
    assert not frame["is_provisional"].any()
    assert frame["session"].is_sorted()
    assert frame["session"].is_unique().all()
    conform(frame, fetched_schema("clp_per_usd"), "peso")
    assert frame["source"].unique().to_list() == ["yahoo"]


def correlations(one: dict[date, float], two: dict[date, float]) -> dict[int, float]:
    """Correlation of log returns at lags -2 to 2, by loop."""
    days = sorted(set(one) & set(two))
    x, y = ([math.log(p[b] / p[a]) for a, b in pairwise(days)] for p in (one, two))
    by_lag = {}
    for lag in range(-2, 3):
        pairs = [(x[i], y[i + lag]) for i in range(len(x)) if 0 <= i + lag < len(y)]
        mx, my = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
        cov = sum((a - mx) * (b - my) for a, b in pairs)
        by_lag[lag] = cov / math.sqrt(sum((a - mx) ** 2 for a, _ in pairs) * sum((b - my) ** 2 for _, b in pairs))
    return by_lag


def test_copper_moves_with_the_peso_on_the_same_day_and_only_the_stamps_made_it_lead(
    market: MarketServer, truth: dict[date, float]
) -> None:
    metal = {day: 4.0 * (900.0 / price) ** 2 for day, price in truth.items() if COMEX.is_session(day)}
    market.bars["HG=F"] = [(day, price, price) for day, price in metal.items()]
    as_of = datetime(2024, 6, 1, tzinfo=UTC)
    copper = as_dict(YahooSource(COPPER, "HG=F", market.url, COMEX).fetch(None, as_of), "close_usd_lb")

    dated = correlations(copper, as_dict(peso(market).fetch(None, as_of), "clp_per_usd"))
    as_stamped = correlations(copper, {day: close for day, _, close in market.bars["CLP=X"] if close in truth.values()})

    assert dated[0] == pytest.approx(-1)
    assert max(abs(dated[lag]) for lag in (-2, -1, 1, 2)) < 0.3
    # The control: taken at their stamps the same bars make copper lead by a day.
    assert abs(as_stamped[1]) > 0.6 > 0.3 > abs(as_stamped[0])


def test_copper_bars_are_of_their_own_date_and_known_at_five_in_new_york(market: MarketServer) -> None:
    prices = walk([day for day in weekdays(FIRST, LAST) if COMEX.is_session(day)], 4.0, seed=3)
    market.bars["HG=F"] = [(day, price * 0.99, price) for day, price in prices.items()]
    frame = YahooSource(COPPER, "HG=F", market.url, COMEX).fetch(None, datetime(2024, 6, 1, tzinfo=UTC))
    assert as_dict(frame, "close_usd_lb") == prices
    known = dict(zip(frame["session"], frame["available_at"], strict=True))
    assert known[date(2024, 1, 8)] == datetime(2024, 1, 8, 22, tzinfo=UTC)  # winter: five hours behind UTC
    assert known[date(2024, 4, 8)] == datetime(2024, 4, 8, 21, tzinfo=UTC)  # summer: four


def test_a_running_copper_bar_is_not_a_price(market: MarketServer) -> None:
    market.bars["HG=F"] = [(date(2024, 1, 8), 3.8, 3.9), (date(2024, 1, 9), 3.9, 4.0)]
    source = YahooSource(COPPER, "HG=F", market.url, COMEX)
    before, at = (datetime(2024, 1, 9, 16, 59, tzinfo=NEW_YORK), datetime(2024, 1, 9, 17, tzinfo=NEW_YORK))
    assert as_dict(source.fetch(None, before), "close_usd_lb") == {date(2024, 1, 8): 3.9}
    assert as_dict(source.fetch(None, at), "close_usd_lb") == {date(2024, 1, 8): 3.9, date(2024, 1, 9): 4.0}


def test_friday_evening_knows_wednesdays_close_thursdays_opening_and_fridays_last_price(market: MarketServer) -> None:
    friday = date(2024, 1, 12)
    thursday, wednesday = friday - timedelta(days=1), friday - timedelta(days=2)
    market.bars["CLP=X"] = [(thursday, 910.0, 911.0), (friday, 920.0, 925.0)]
    market.last["CLP=X"] = (930.0, datetime.combine(friday, time(16), SANTIAGO))
    frame = peso(market).fetch(None, issue_instant(friday))
    assert frame.select("session", "clp_per_usd", "is_provisional", "available_at").rows() == [
        (wednesday, 911.0, False, datetime(2024, 1, 12, 0, 15, tzinfo=UTC)),
        (thursday, 920.0, True, datetime(2024, 1, 12, 0, 0, tzinfo=UTC)),
        (friday, 930.0, True, datetime(2024, 1, 12, 19, 0, tzinfo=UTC)),
    ]


def test_in_chiles_winter_the_hour_of_issue_falls_on_londons_midnight_and_no_session_is_lost(
    market: MarketServer,
) -> None:
    friday = date(2023, 8, 25)
    market.bars["CLP=X"] = [(date(2023, 8, 24), 850.0, 851.0), (friday, 860.0, 865.0)]
    market.last["CLP=X"] = (870.0, datetime.combine(friday, time(17), SANTIAGO))
    assert issue_instant(friday).astimezone(LONDON) == datetime(2023, 8, 26, tzinfo=LONDON)
    rows = peso(market).fetch(None, issue_instant(friday)).select("session", "clp_per_usd", "is_provisional").rows()
    assert rows == [
        (date(2023, 8, 23), 851.0, False),
        (date(2023, 8, 24), 860.0, True),
        (friday, 870.0, True),
    ]


def test_the_bar_takes_the_place_of_the_opening_a_quarter_past_londons_midnight(market: MarketServer) -> None:
    market.bars["CLP=X"] = [(date(2024, 1, 12), 920.0, 925.0)]
    midnight = datetime(2024, 1, 13, tzinfo=LONDON)
    before, after = (
        peso(market).fetch(None, midnight + timedelta(minutes=minutes)).select("clp_per_usd", "is_provisional").rows()
        for minutes in (14, 15)
    )
    assert (before, after) == ([(920.0, True)], [(925.0, False)])


def test_a_last_price_from_before_the_open_of_its_session_s_bar_is_kept_beside_it() -> None:
    bars = [Bar(date(2024, 1, 11), 910.0, 911.0), Bar(date(2024, 1, 12), 920.0, 925.0)]
    afternoon = datetime(2024, 1, 11, 17, tzinfo=SANTIAGO)  # the bar of the 12th opens at 21:00 in Chile's summer
    rows = dated_rows(bars, LastPrice(919.0, afternoon), PESO, CLP, issue_instant(date(2024, 1, 12)))
    assert [(row.session, row.value, row.is_provisional) for row in rows[-2:]] == [
        (date(2024, 1, 11), 919.0, True),
        (date(2024, 1, 11), 920.0, True),
    ]


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (datetime(2024, 1, 12, 19, 1, tzinfo=SANTIAGO), "later than the moment of asking"),
        (datetime(2024, 1, 10, 12, tzinfo=SANTIAGO), "of a session with a finished bar"),
        (datetime(2024, 1, 9, 12, tzinfo=SANTIAGO), "older than the last finished bar"),
        (datetime(2024, 1, 7, 12, tzinfo=SANTIAGO), "of a Sunday"),
        (datetime(2024, 1, 11, 22, tzinfo=SANTIAGO), "of a session that has its opening"),
    ],
)
def test_a_last_price_is_left_out_when_it_is(at: datetime, why: str) -> None:
    bars = [Bar(date(2024, 1, 11), 910.0, 911.0), Bar(date(2024, 1, 12), 920.0, 925.0)]
    as_of = issue_instant(date(2024, 1, 12))
    without = dated_rows(bars, None, PESO, CLP, as_of)
    assert dated_rows(bars, LastPrice(999.0, at), PESO, CLP, as_of) == without, why


def test_a_last_price_of_chilean_evening_is_of_the_chilean_day_though_london_is_at_the_next() -> None:
    at = datetime(2024, 1, 11, 22, tzinfo=SANTIAGO)
    (row,) = dated_rows([], LastPrice(930.0, at), PESO, CLP, at)
    assert (row.session, row.available_at, row.is_provisional) == (date(2024, 1, 11), at, True)


def test_a_last_price_on_a_chilean_holiday_is_of_no_session() -> None:
    at = datetime(2023, 9, 18, 12, tzinfo=SANTIAGO)
    assert dated_rows([], LastPrice(930.0, at), PESO, CLP, at + timedelta(hours=1)) == []


def test_closes_that_are_no_prices_are_dropped(market: MarketServer) -> None:
    market.bars["HG=F"] = [(date(2024, 1, 8), 3.8, 3.9), (date(2024, 1, 9), 3.9, None), (date(2024, 1, 10), 3.9, 0.0)]
    frame = YahooSource(COPPER, "HG=F", market.url, COMEX).fetch(None, datetime(2024, 2, 1, tzinfo=UTC))
    assert as_dict(frame, "close_usd_lb") == {date(2024, 1, 8): 3.9}


def test_of_two_bars_on_one_session_the_last_finished_one_stands() -> None:
    day = date(2024, 1, 8)
    bars = [Bar(day, 1.0, 3.9), Bar(day, 1.0, 4.0), Bar(day, 1.0, None)]
    (row,) = dated_rows(bars, None, METAL, COMEX, datetime(2024, 2, 1, tzinfo=UTC))
    assert row.value == 4.0


def test_nothing_later_than_the_moment_of_asking_is_asked_for_or_given(
    market: MarketServer, truth: dict[date, float]
) -> None:
    as_of = datetime(2024, 2, 14, 15, 30, tzinfo=UTC)
    frame = peso(market).fetch(None, as_of)
    assert frame["available_at"].max() <= as_of
    assert float(market.queries["yahoo"][0]["period2"]) == as_of.timestamp()
    final = as_dict(frame.filter(~pl.col("is_provisional")), "clp_per_usd")
    assert final == {day: price for day, price in truth.items() if day <= date(2024, 2, 12)}


def test_a_start_gives_the_tail_of_the_whole_history_even_where_it_is_today(market: MarketServer) -> None:
    as_of = issue_instant(date(2024, 1, 12))
    whole = peso(market).fetch(None, as_of)
    for start in (date(2023, 9, 20), date(2024, 1, 8), date(2024, 1, 12)):
        assert peso(market).fetch(start, as_of).equals(whole.filter(pl.col("session") >= start))


def test_one_fetch_costs_one_request_and_asks_no_other_host_or_path(market: MarketServer) -> None:
    peso(market).fetch(None, datetime(2024, 6, 1, tzinfo=UTC))
    assert market.requests == {"yahoo": 1}


def test_a_changed_bar_is_seen_by_the_next_fetch_of_the_same_closed_range(market: MarketServer) -> None:
    source, as_of = peso(market), datetime(2024, 6, 1, tzinfo=UTC)
    source.fetch(None, as_of)
    market.bars["CLP=X"] = [(date(2024, 1, 9), 1.0, 901.5)]
    assert as_dict(source.fetch(None, as_of), "clp_per_usd") == {date(2024, 1, 8): 901.5}


def test_bars_of_which_none_is_a_known_session_are_a_failure_that_says_so(market: MarketServer) -> None:
    market.bars["CLP=X"] = [(date(2024, 1, 7), 900.0, 900.0)]
    with pytest.raises(SourceError, match="1 bars for CLP=X, none of a session"):
        peso(market).fetch(None, datetime(2024, 1, 8, 12, tzinfo=UTC))


def test_a_symbol_without_a_measured_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="no dating rule for Yahoo's 'EURUSD=X'"):
        YahooSource(USDCLP, "EURUSD=X", None, CLP)


days = st.dates(date(2023, 1, 1), date(2024, 12, 31))
prices = st.one_of(st.none(), st.floats(100, 2000), st.just(math.nan))
bars = st.lists(st.builds(Bar, days, prices, prices), max_size=30)
instants = st.datetimes(datetime(2023, 1, 1), datetime(2025, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(bars, st.one_of(st.none(), st.builds(LastPrice, st.floats(100, 2000), instants)), instants)
def test_rows_are_known_unique_ascending_prices_of_sessions_whatever_is_served(
    served: list[Bar], last: LastPrice | None, as_of: datetime
) -> None:
    for rule, calendar in ((PESO, CLP), (METAL, COMEX), (PESO, calendar_of("every weekday", []))):
        rows = dated_rows(served, last, rule, calendar, as_of)
        sessions = [row.session for row in rows]
        assert sessions == sorted(set(sessions))
        assert all(calendar.is_session(session) for session in sessions)
        assert all(row.available_at <= as_of and math.isfinite(row.value) for row in rows)
        # What was known before stays as it was, whatever is known since: final rows only ever get more.
        final = {row for row in rows if not row.is_provisional}
        later = dated_rows(served, last, rule, calendar, as_of + timedelta(days=3))
        assert {row.session for row in final} <= {row.session for row in later}


def test_a_peso_price_outside_its_own_bars_range_is_suspect_and_coppers_is_not_judged() -> None:
    bars = [
        Bar(date(2024, 1, 9), 900.0, 900.0, high=905.0, low=895.0),  # of the 8th
        Bar(date(2024, 1, 10), 860.0, 860.0, high=912.0, low=901.0),  # a stale quote
        Bar(date(2024, 1, 11), 911.9, 912.1, high=912.0, low=901.0),  # a rounding away: .011 %
        Bar(date(2024, 1, 12), 870.0, 905.0, high=912.0, low=901.0),  # running: its open is stale
    ]
    as_of = datetime(2024, 1, 12, 22, tzinfo=UTC)
    peso = dated_rows(bars, None, dating_of("CLP=X"), market_calendar("CLP"), as_of)
    assert [(row.session.day, row.value, row.is_suspect) for row in peso] == [
        (8, 900.0, False),
        (9, 860.0, True),
        (10, 912.1, False),
        (11, 870.0, True),
    ]
    copper = dated_rows(bars, None, dating_of("HG=F"), market_calendar("COMEX"), as_of)
    assert not any(row.is_suspect for row in copper)
    before_it_was_measured = [Bar(date(2014, 1, 9), 860.0, 860.0, high=912.0, low=901.0)]
    (old,) = dated_rows(before_it_was_measured, None, dating_of("CLP=X"), market_calendar("CLP"), as_of)
    assert not old.is_suspect

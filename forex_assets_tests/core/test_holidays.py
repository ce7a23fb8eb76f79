"""The two calendars against dates written out by hand."""

from datetime import date, timedelta

import pytest

from forex_assets.core.holidays import market_calendar


def closed_weekdays(name: str, year: int) -> set[date]:
    calendar = market_calendar(name)
    days = (date(year, 1, 1) + timedelta(days=k) for k in range(366))
    return {day for day in days if day.year == year and day.weekday() < 5 and not calendar.is_session(day)}


def dates(year: int, *days: tuple[int, int]) -> set[date]:
    return {date(year, month, day) for month, day in days}


def test_chiles_banks_rest_on_public_holidays_and_on_the_last_day_of_the_year() -> None:
    # 2024: 20 September was a holiday by the rule of the bridge day; 27 October and 8 December were Sundays.
    assert closed_weekdays("CLP", 2024) == dates(
        2024, (1, 1), (3, 29), (5, 1), (5, 21), (6, 20), (7, 16), (8, 15), (9, 18), (9, 19), (9, 20), (10, 31), (11, 1),
        (12, 25), (12, 31),
    )  # fmt: skip


def test_copper_rests_with_new_york() -> None:
    assert closed_weekdays("COMEX", 2024) == dates(
        2024, (1, 1), (1, 15), (2, 19), (3, 29), (5, 27), (6, 19), (7, 4), (9, 2), (11, 28), (12, 25)
    )


@pytest.mark.parametrize("day", [date(2007, 1, 2), date(2018, 12, 5), date(2025, 1, 9), date(2012, 10, 29)])
def test_on_a_day_of_mourning_or_storm_copper_may_trade_and_need_not(day: date) -> None:
    copper = market_calendar("COMEX")
    assert (copper.is_session(day), copper.may_trade(day)) == (False, True)
    assert not copper.may_trade(date(2024, 12, 25))
    assert not copper.may_trade(date(2024, 6, 15))  # a Saturday


def test_copper_rested_on_the_day_after_thanksgiving_until_2006() -> None:
    copper = market_calendar("COMEX")
    fridays = [date(2005, 11, 25), date(2006, 11, 24), date(2007, 11, 23)]
    assert [copper.is_session(day) for day in fridays] == [False, False, True]


def test_half_days_are_sessions() -> None:
    assert market_calendar("COMEX").is_session(date(2023, 11, 24))  # the day after Thanksgiving, closed at noon
    assert market_calendar("CLP").is_session(date(2024, 9, 17))  # the eve of the national holidays


def test_every_christmas_of_the_years_covered_is_closed_in_both_markets() -> None:
    for name in ("CLP", "COMEX"):
        calendar = market_calendar(name)
        assert not [year for year in range(1990, 2101) if calendar.is_session(date(year, 12, 25))]


def test_one_calendar_is_made_once() -> None:
    assert market_calendar("CLP") is market_calendar("CLP")
    assert market_calendar("CLP").name == "CLP"


def test_an_unknown_calendar_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no calendar 'LME'; there are CLP, COMEX"):
        market_calendar("LME")

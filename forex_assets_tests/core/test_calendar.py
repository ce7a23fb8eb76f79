"""Sessions around weekends, holidays and the two changes of the clock."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forex_assets.core.calendar import SessionCalendar, calendar_of, issue_instant, previous_weekday

# Chilean holidays by hand: the national days of 2023 and the turn of the year.
CLP = calendar_of("CLP", [date(2023, 9, 18), date(2023, 9, 19), date(2023, 12, 25), date(2024, 1, 1)])
days = st.dates(date(2023, 1, 1), date(2024, 12, 31))


def test_weekends_and_holidays_are_no_sessions() -> None:
    assert CLP.is_session(date(2023, 12, 29))
    assert not CLP.is_session(date(2023, 12, 30))
    assert not CLP.is_session(date(2023, 12, 31))
    assert not CLP.is_session(date(2024, 1, 1))


def test_rolling_back_crosses_holidays_and_weekends_together() -> None:
    assert CLP.roll_back(date(2023, 9, 19)) == date(2023, 9, 15)
    assert CLP.roll_back(date(2023, 9, 20)) == date(2023, 9, 20)
    assert CLP.previous(date(2023, 9, 20)) == date(2023, 9, 15)
    assert CLP.previous(date(2024, 1, 2)) == date(2023, 12, 29)


def test_sessions_between_leave_out_the_start_and_keep_the_end() -> None:
    assert CLP.between(date(2023, 12, 29), date(2024, 1, 3)) == [date(2024, 1, 2), date(2024, 1, 3)]
    assert CLP.between(date(2024, 1, 3), date(2024, 1, 3)) == []
    assert CLP.between(date(2024, 1, 3), date(2024, 1, 1)) == []
    assert CLP.age(date(2023, 12, 29), date(2024, 1, 3)) == 2


@given(days, st.integers(0, 40))
def test_between_is_every_session_of_a_plain_loop(start: date, length: int) -> None:
    end = start + timedelta(days=length)
    expected = []
    day = start
    while day < end:
        day += timedelta(days=1)
        if day.weekday() not in (5, 6) and day not in CLP.holidays:
            expected.append(day)
    assert CLP.between(start, end) == expected


@given(days)
def test_rolling_back_gives_the_latest_session_not_after_the_day(day: date) -> None:
    back = CLP.roll_back(day)
    assert CLP.is_session(back)
    assert back <= day
    assert CLP.between(back, day) == []


@pytest.mark.parametrize(
    ("day", "before"),
    [
        (date(2024, 1, 8), date(2024, 1, 5)),  # Monday
        (date(2024, 1, 7), date(2024, 1, 5)),  # Sunday
        (date(2024, 1, 6), date(2024, 1, 5)),  # Saturday
        (date(2024, 1, 5), date(2024, 1, 4)),
    ],
)
def test_the_weekday_before_skips_weekends_only(day: date, before: date) -> None:
    assert previous_weekday(day) == before


def test_a_date_is_issued_at_19_in_santiago_in_summer_and_winter() -> None:
    assert issue_instant(date(2023, 12, 29)) == datetime(2023, 12, 29, 22, tzinfo=UTC)  # UTC-3
    assert issue_instant(date(2023, 7, 3)) == datetime(2023, 7, 3, 23, tzinfo=UTC)  # UTC-4


def test_calendars_are_equal_by_value() -> None:
    assert calendar_of("X", [date(2024, 1, 1)] * 2) == SessionCalendar("X", frozenset({date(2024, 1, 1)}))

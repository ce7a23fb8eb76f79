"""Targets and steps around weekends, holidays and year ends."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forex_assets.core.calendar import calendar_of
from forex_assets.core.horizon import HORIZONS, days_of, target_of

PLAIN = calendar_of("no holidays", [])
# By hand: Chile's national days and All Saints, the turn of the year, Good Friday; Thanksgiving and Independence Day.
CLP = calendar_of("CLP", [date(2023, 9, 18), date(2023, 9, 19), date(2023, 11, 1), date(2024, 1, 1), date(2024, 3, 29)])
COMEX = calendar_of("COMEX", [date(2023, 11, 23), date(2023, 7, 4), date(2024, 1, 1)])


def test_seven_days_from_a_monday_are_five_steps() -> None:
    target = target_of("7d", date(2024, 1, 8), date(2024, 1, 8), PLAIN)
    assert target.target_date == date(2024, 1, 15)
    assert target.steps == 5
    assert target.sessions[0] == date(2024, 1, 9)


@given(st.dates(date(2020, 1, 1), date(2025, 12, 31)).filter(lambda day: day.weekday() < 5))
def test_without_holidays_the_horizons_have_their_known_steps(as_of: date) -> None:
    steps = {name: target_of(name, as_of, as_of, PLAIN).steps for name in HORIZONS}
    assert steps["7d"] == 5
    assert steps["15d"] in {10, 11}
    assert steps["30d"] in {20, 21, 22}
    assert steps["90d"] in {64, 65}


@pytest.mark.parametrize("as_of", [date(2024, 1, 5), date(2024, 1, 6), date(2024, 1, 7)])
def test_a_weekend_as_of_counts_its_own_calendar_days_from_fridays_price(as_of: date) -> None:
    target = target_of("7d", as_of, date(2024, 1, 5), PLAIN)
    assert target.target_date == date(2024, 1, 12)
    assert target.steps == 5


def test_a_target_on_chiles_national_days_rolls_back_over_the_weekend() -> None:
    target = target_of("7d", date(2023, 9, 12), date(2023, 9, 12), CLP)
    assert target.target_date == date(2023, 9, 15)
    assert target.sessions == (date(2023, 9, 13), date(2023, 9, 14), date(2023, 9, 15))


def test_a_united_states_holiday_is_a_session_in_chile_and_none_in_new_york() -> None:
    as_of = date(2023, 11, 16)
    assert target_of("7d", as_of, as_of, CLP).target_date == date(2023, 11, 23)
    assert target_of("7d", as_of, as_of, COMEX).target_date == date(2023, 11, 22)


def test_a_year_end_leaves_new_years_day_out() -> None:
    target = target_of("7d", date(2023, 12, 28), date(2023, 12, 28), CLP)
    assert target.sessions == (
        date(2023, 12, 29),
        date(2024, 1, 2),
        date(2024, 1, 3),
        date(2024, 1, 4),
    )
    # 90 days from there lie behind Good Friday: 2024-03-27 is a plain Wednesday.
    assert target_of("90d", date(2023, 12, 28), date(2023, 12, 28), CLP).target_date == date(2024, 3, 27)


def test_a_stale_price_makes_more_steps_to_the_same_target() -> None:
    fresh = target_of("7d", date(2024, 1, 12), date(2024, 1, 12), PLAIN)
    stale = target_of("7d", date(2024, 1, 12), date(2024, 1, 9), PLAIN)
    assert stale.target_date == fresh.target_date
    assert stale.steps == fresh.steps + 3
    assert stale.sessions[0] == date(2024, 1, 10)


@given(st.dates(date(2023, 1, 1), date(2024, 12, 1)), st.sampled_from(HORIZONS))
def test_steps_run_from_the_session_after_the_last_known_one_through_the_target(as_of: date, horizon: str) -> None:
    last = CLP.roll_back(as_of)
    target = target_of(horizon, as_of, last, CLP)
    assert list(target.sessions) == sorted(set(target.sessions))
    assert all(CLP.is_session(day) for day in target.sessions)
    assert CLP.previous(target.sessions[0]) == last
    assert target.sessions[-1] == target.target_date
    assert CLP.between(target.target_date, as_of + timedelta(days=int(horizon[:-1]))) == []


def test_a_price_later_than_the_forecasts_date_is_refused() -> None:
    with pytest.raises(ValueError, match="2024-01-09 is later than the forecast's date 2024-01-08"):
        target_of("7d", date(2024, 1, 8), date(2024, 1, 9), PLAIN)


def test_a_target_without_a_session_after_the_price_is_refused() -> None:
    closed = calendar_of("closed", [date(2024, 1, 8) + timedelta(days=k) for k in range(1, 8)])
    with pytest.raises(ValueError, match="no session after 2024-01-08"):
        target_of("7d", date(2024, 1, 8), date(2024, 1, 8), closed)


def test_an_unknown_horizon_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'8d'; there are 7d, 15d, 30d, 90d"):
        days_of("8d")

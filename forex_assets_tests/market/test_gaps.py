"""A gap of several sessions is not taken for one return."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from forex_assets.core.volatility import ewma_volatility
from forex_assets.market.gaps import per_session_prices, sessions_between

DAYS = [date(2024, 9, 16), date(2024, 9, 17), date(2024, 9, 23), date(2024, 9, 24), date(2024, 9, 27)]
"""18 to 20 September are holidays: the first three are neighbours; two sessions are missing before the last."""


def rows(*prices: float, days: list[date] = DAYS) -> pl.DataFrame:
    return pl.DataFrame({"session": days[: len(prices)], "clp_per_usd": list(prices)})


def test_weekends_and_holidays_are_no_gap_and_missing_sessions_are() -> None:
    assert sessions_between(rows(900, 901, 902, 903, 904)).tolist() == [1, 1, 1, 3]


def test_without_a_gap_prices_are_left_as_they_are() -> None:
    assert per_session_prices(rows(900, 901, 905, 903)).tolist() == [900, 901, 905, 903]


def test_a_return_over_three_sessions_counts_as_one_of_a_third_of_the_variance() -> None:
    prices = per_session_prices(rows(900, 909, 900, 909, 945))
    returns = np.diff(np.log(prices))
    assert prices[-1] == 945
    assert returns[:3] == pytest.approx(np.log([909 / 900, 900 / 909, 909 / 900]))
    assert returns[3] == pytest.approx(np.log(945 / 909) / 3**0.5)


def test_volatility_is_that_of_the_whole_walk_however_many_sessions_are_lost() -> None:
    generator = np.random.default_rng(5)
    days = pl.date_range(date(2015, 1, 1), date(2023, 12, 29), eager=True)
    from forex_assets.core.holidays import market_calendar

    sessions = [day for day in days if market_calendar("CLP").is_session(day)]
    path = 900 * np.exp(np.cumsum(generator.normal(0, 0.006, len(sessions))))
    table = pl.DataFrame({"session": sessions, "clp_per_usd": path})
    thinned = table[::5]  # one session a week
    raw = ewma_volatility(thinned["clp_per_usd"].to_numpy(), decay=0.999)
    assert raw == pytest.approx(0.006 * 5**0.5, rel=0.1)
    assert ewma_volatility(per_session_prices(thinned), decay=0.999) == pytest.approx(0.006, rel=0.1)

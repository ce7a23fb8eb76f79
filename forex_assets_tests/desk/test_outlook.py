"""Distributions by date: rows of a fan, dates between horizons, and what an answer names."""

import math
from datetime import date
from statistics import NormalDist

import pytest

from forex_assets.desk.odds import odds, round_levels
from forex_assets.desk.outlook import DeskError, Outlook, QuestionError
from forex_assets_tests.desk.worlds import CALENDAR, PRICE, SD, fan, outlook

NORMAL = NormalDist()


@pytest.mark.parametrize(
    ("day", "sessions", "horizons"),
    [
        (date(2025, 6, 18), 3, ("7d",)),
        (date(2025, 6, 27), 9, ("15d",)),
        (date(2025, 6, 25), 7, ("7d", "15d")),
        (date(2025, 7, 8), 16, ("15d", "30d")),
    ],
)
def test_a_log_normal_fan_is_log_normal_on_every_date(day: date, sessions: int, horizons: tuple[str, ...]) -> None:
    """20 June 2025 is a Chilean holiday; sessions are counted by hand on a calendar."""
    answer = outlook().at(day)
    assert answer.horizons == horizons
    assert answer.sessions == sessions
    expected = 1 - NORMAL.cdf(math.log(960 / PRICE) / (SD * math.sqrt(sessions)))
    assert answer.law.probability_above(960) == pytest.approx(expected, abs=1e-9)


def test_between_two_horizons_the_width_moves_from_one_to_the_other() -> None:
    """A 15-day fan of twice the volatility: halfway in sessions, the width per √session lies halfway."""
    mixed = Outlook({"7d": fan("7d"), "15d": fan("15d") .with_columns(fan("15d", sd=2 * SD).select("^q.*$"))},
                    CALENDAR, date(2025, 6, 13))  # fmt: skip
    first, last = mixed.target("7d").sessions, mixed.target("15d").sessions
    day = mixed.at(date(2025, 6, 25))
    share = (day.sessions - first) / (last - first)
    width = math.log(day.law.quantile(0.841345) / PRICE) / math.sqrt(day.sessions)
    assert width == pytest.approx((1 + share) * SD, rel=1e-4)


def test_a_weekend_means_the_session_before() -> None:
    assert outlook().at(date(2025, 6, 28)).session == date(2025, 6, 27)


@pytest.mark.parametrize(
    ("day", "words"), [(date(2025, 6, 13), "later session"), (date(2025, 12, 31), "end on 2025-09-11")]
)
def test_dates_without_a_fan_are_refused(day: date, words: str) -> None:
    with pytest.raises(QuestionError, match=words):
        outlook().at(day)


def test_an_answer_names_price_age_model_errors_and_data() -> None:
    words = outlook(today=date(2025, 6, 18)).basis().words()
    assert words == (
        "Price 940.00 of 2025-06-13 (3 sessions old). Model ewma; bands from 120 past errors. real prices (yahoo)."
    )
    sample = outlook(source="SAMPLE DATA, not market prices", calibration_errors=0, is_origin_provisional=True)
    assert sample.basis().data == "sample"
    assert "provisional" in sample.basis().words()
    assert "bands not corrected" in sample.basis().words()
    assert "SAMPLE DATA" in sample.basis().words()


def test_no_fan_is_an_error_that_says_how_to_make_one() -> None:
    with pytest.raises(DeskError, match="forex-assets forecast"):
        Outlook({}, CALENDAR, date(2025, 6, 13))


def test_round_levels_span_the_band_and_are_round() -> None:
    day = outlook().target("30d")
    levels = round_levels(day)
    assert levels[0] <= day.law.quantiles[0]
    assert levels[-1] >= day.law.quantiles[-1]
    assert all(level % 20 == 0 for level in levels)
    assert len(levels) <= 12


def test_odds_above_and_below_add_up_and_touches_are_no_rarer() -> None:
    view = outlook()
    for result in odds(view, [880, 930, 940, 950, 1000], view.target("30d")):
        assert result.above + result.below == pytest.approx(1)
        assert result.touch >= (result.above if result.level >= PRICE else result.below)


@pytest.mark.parametrize("level", [0, 9.4, 94_000, float("nan")])
def test_an_impossible_level_is_refused(level: float) -> None:
    with pytest.raises(QuestionError, match="a price of the dollar"):
        odds(outlook(), [level], outlook().target("7d"))

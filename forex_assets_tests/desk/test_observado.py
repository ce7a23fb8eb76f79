"""Which observado a date means, and what of a month is known."""

import math
from datetime import date

import numpy as np
import polars as pl
import pytest

from forex_assets.desk.answers import average_answer, odds_answer
from forex_assets.desk.exposure_answer import exposure_answer
from forex_assets.desk.flows import Flow
from forex_assets.desk.observado import Fixings, month_average, observado_on
from forex_assets.desk.outlook import QuestionError
from forex_assets_tests.desk.worlds import CALENDAR, ORIGIN, SD, fan, outlook

MONDAY, TUESDAY = date(2025, 6, 16), date(2025, 6, 17)


def june(through: date, value: float = 930.0) -> Fixings:
    """Observados of June at one value, published through a date."""
    return Fixings(dict.fromkeys(CALENDAR.between(date(2025, 5, 30), through), value))


def test_tomorrows_observado_averages_todays_trades() -> None:
    """The price is Friday's; Monday's observado is of Friday's trades and leans to the last one: 27 %."""
    law = observado_on(outlook(), june(ORIGIN), MONDAY).law
    assert law.median == pytest.approx(940 * (930 / 940) ** 0.27)
    assert math.log(law.quantile(0.841345) / law.median) == pytest.approx(0.72 / math.sqrt(3) * SD, rel=1e-4)


def test_the_day_after_averages_the_next_sessions_trades() -> None:
    law = observado_on(outlook(), june(ORIGIN), TUESDAY).law
    assert law.median == pytest.approx(940)
    assert math.log(law.quantile(0.841345) / 940) == pytest.approx(1.36 * math.sqrt(1 / 3) * SD, rel=1e-3)


def test_a_fixing_of_todays_trades_replaces_a_noisy_price_only_where_it_is_newer() -> None:
    """Tuesday's observado, of Monday's trades, is newer than Friday's price: it stands alone."""
    fixings = Fixings({**june(MONDAY).values, TUESDAY: 950.0})
    law = observado_on(outlook(), fixings, date(2025, 6, 18)).law
    assert law.median == pytest.approx(950)


def test_a_published_observado_is_no_question() -> None:
    with pytest.raises(QuestionError, match=r"of 2025-06-13 is published, 930.00"):
        observado_on(outlook(), june(ORIGIN), date(2025, 6, 14))


def test_a_month_counts_published_days_as_they_are() -> None:
    """June 2025 has 20 banking days, ten of them by the 13th: (10·930 + 10·940)/20, less the leans."""
    result = month_average(outlook(), june(ORIGIN), date(2025, 6, 1))
    assert (result.known, result.unknown) == (10, 10)
    monday = 940 * (930 / 940) ** 0.27
    assert result.law.median == pytest.approx((10 * 930 + monday + 9 * 940) / 20, abs=0.3)
    assert result.known_mean == pytest.approx(930)


def test_a_gap_in_the_month_is_named() -> None:
    with pytest.raises(QuestionError, match=r"observado of 2025-06-02 is not stored"):
        month_average(outlook(), Fixings({ORIGIN: 930.0}), date(2025, 6, 1))


@pytest.mark.parametrize(
    ("month", "words"), [(date(2025, 5, 1), "not stored"), (date(2025, 12, 1), "ends after the fans")]
)
def test_months_without_an_answer_are_refused(month: date, words: str) -> None:
    with pytest.raises(QuestionError, match=words):
        month_average(outlook(), june(ORIGIN), month)


def test_a_month_that_is_over_has_its_average() -> None:
    with pytest.raises(QuestionError, match=r"every observado is published; their average is 930.00"):
        month_average(outlook(), june(date(2025, 6, 30)), date(2025, 6, 1))


def issued(horizon: str = "30d", last: date = ORIGIN, **changes: object) -> dict[str, pl.DataFrame]:
    """Fans of the fixing around 950, issued on Friday after the observado of `last`."""
    rows = fan(horizon, price=950.0, sd=0.009, **{"calibration_errors": 77, **changes})
    return {horizon: rows.with_columns(origin_session=pl.lit(last), origin_clp_per_usd=930.0)}


def test_an_issued_fan_of_the_fixing_is_the_answer_where_there_is_one() -> None:
    """Two steps of the fan: Monday and Tuesday; its own median, width and past errors, not the formula's."""
    fixings = Fixings(june(ORIGIN).values, issued())
    day = observado_on(outlook(), fixings, TUESDAY)
    assert (day.reading, day.horizons, day.past_errors) == ("issued", ("30d",), 77)
    assert day.law.median == pytest.approx(950)
    assert math.log(day.law.quantile(0.9) / 950) == pytest.approx(0.009 * math.sqrt(2) * 1.2815516, rel=1e-6)
    assert "the observado's own issued fan, 30d" in odds_answer(outlook(), [day], [950], is_observado=True).notes[0]


def test_of_several_issued_fans_the_shortest_that_has_the_day_counts() -> None:
    both = {**issued("90d"), **issued("7d", calibration_errors=5)}
    assert observado_on(outlook(), Fixings(june(ORIGIN).values, both), TUESDAY).horizons == ("7d",)
    assert observado_on(outlook(), Fixings(june(ORIGIN).values, both), date(2025, 7, 15)).horizons == ("90d",)


@pytest.mark.parametrize(
    "fans",
    [{}, issued(last=date(2025, 6, 12)), issued(as_of=date(2025, 6, 12)), {"7d": issued("7d")["7d"].head(1)}],
    ids=["none", "of an older fixing", "of another issue", "that end before"],
)
def test_without_a_fan_of_the_same_issue_the_formula_answers_and_says_so(fans: dict[str, pl.DataFrame]) -> None:
    day = observado_on(outlook(), Fixings(june(ORIGIN).values, fans), TUESDAY)
    assert day.reading == "formula"
    assert day.law.median == pytest.approx(940)
    assert "no fan of this observado is issued" in odds_answer(outlook(), [day], [950], is_observado=True).notes[0]


def test_a_months_average_of_issued_fans_is_that_of_simulated_fixings() -> None:
    """Ten fixings of June are out; the others are drawn as day averages of one walk, widened as their fans say."""
    fixings = Fixings(june(ORIGIN).values, issued())
    result = month_average(outlook(), fixings, date(2025, 6, 1))
    assert (result.reading, result.past_errors, result.unknown) == ("issued", 77, 10)
    rng = np.random.default_rng(5)
    n, ticks = 20_000, 20
    averages = np.cumsum(rng.normal(0, ticks**-0.5, (n, 9 * ticks)), axis=1).reshape(n, 9, ticks).mean(axis=2)
    scores = np.column_stack([rng.normal(size=n), averages / averages.std(axis=0)])  # Monday's is of Friday's trades
    simulated = 950 * np.exp(0.009 * np.sqrt(np.arange(1, 11)) * scores)
    means = (10 * 930 + simulated.sum(axis=1)) / 20
    assert result.law.median == pytest.approx(float(np.median(means)), abs=0.3)
    for level in (0.05, 0.9, 0.975):
        gap = result.law.quantile(level) - result.law.median
        assert gap == pytest.approx(float(np.quantile(means, level) - np.median(means)), rel=0.05)


def test_the_averages_words_agree_with_their_numbers() -> None:
    through = Fixings({**june(ORIGIN).values, **dict.fromkeys(CALENDAR.between(ORIGIN, date(2025, 6, 27)), 930.0)})
    later = outlook(origin=date(2025, 6, 27), today=date(2025, 6, 27))
    words = average_answer(later, through, date(2025, 6, 1)).notes[0]
    assert words == "19 observados are published, mean 930.00; 1 is to come."


def test_an_exposure_says_how_many_of_its_dates_are_of_issued_fans() -> None:
    fixings, view = Fixings(june(ORIGIN).values, issued("7d")), outlook()
    flows = [Flow(day, 1000, "pay") for day in (TUESDAY, date(2025, 7, 15))]
    for count, words in ((2, "1 of 2 dates from its issued fans, the others by formula"), (1, "1 of 1 dates")):
        answer = exposure_answer(view, flows[:count], lambda day: observado_on(view, fixings, day), rates=None)
        (note,) = [note for note in answer.notes if "observado" in note]
        assert words in note
        assert ("formula" in note) == (count == 2)

"""Which observado a date means, and what of a month is known."""

import math
from datetime import date

import pytest

from forex_assets.desk.observado import Fixings, month_average, observado_on
from forex_assets.desk.outlook import QuestionError
from forex_assets_tests.desk.worlds import CALENDAR, ORIGIN, SD, outlook

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

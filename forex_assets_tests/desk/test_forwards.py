"""Forwards against QuantLib's curves."""

from datetime import date

import pytest

from forex_assets.desk.forwards import forward_rate


@pytest.mark.parametrize(("peso", "dollar"), [(0.0475, 0.041), (0.1125, 0.0525), (0.005, 0.0525)])
@pytest.mark.parametrize("days", [7, 30, 90])
def test_forwards_are_those_of_quantlib(peso: float, dollar: float, days: int) -> None:
    ql = pytest.importorskip("QuantLib")
    today = ql.Date(13, 6, 2025)
    ql.Settings.instance().evaluationDate = today
    factors = []
    for rate in (peso, dollar):
        simple = ql.InterestRate(rate, ql.Actual360(), ql.Simple, ql.Annual)
        factors.append(simple.discountFactor(today, today + days))
    assert forward_rate(940, peso, dollar, days) == pytest.approx(940 * factors[1] / factors[0], rel=1e-12)


def test_a_forward_by_hand() -> None:
    """940 · (1 + .06/4) / (1 + .04/4) over 90 of 360 days."""
    assert forward_rate(940, 0.06, 0.04, 90) == pytest.approx(944.6535, abs=1e-4)


def test_a_rate_in_per_cent_is_refused() -> None:
    with pytest.raises(ValueError, match=r"peso rate is 4\.75, or 475 % a year"):
        forward_rate(940, 4.75, 0.04, 90)


def test_a_past_delivery_is_spot() -> None:
    from forex_assets.desk.forwards import days_to

    assert days_to(date(2025, 6, 13), date(2025, 6, 10)) == 0
    assert forward_rate(940, 0.06, 0.04, 0) == 940

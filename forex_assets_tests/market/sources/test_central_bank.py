"""Banco Central's dólar observado, over a real socket."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from forex_assets.core.calendar import calendar_of
from forex_assets.core.holidays import market_calendar
from forex_assets.core.schemas import conform, fetched_schema
from forex_assets.market.prices import SourceError
from forex_assets.market.sources.central_bank import CentralBankSource, observed_rows
from forex_assets_tests.market.market_server import PASSWORD, SECRETS, USER, MarketServer, serving

CLP = market_calendar("CLP")
FRIDAY, TUESDAY, WEDNESDAY = date(2023, 9, 15), date(2023, 9, 19), date(2023, 9, 20)


@pytest.fixture
def market() -> Iterator[MarketServer]:
    observed = [
        (date(2023, 9, 14), "880.10", "OK"),
        (FRIDAY, "885.20", "OK"),
        (date(2023, 9, 18), "NaN", "ND"),  # Chile's national holidays, Monday and Tuesday
        (TUESDAY, "NaN", "OK"),
        (WEDNESDAY, "890.30", "OK"),
        (date(2023, 9, 21), "895.40", "REVISING"),
        (date(2023, 9, 22), "900.50", "OK"),
    ]
    with serving(MarketServer(observed=observed)) as server:
        yield server


def bank(market: MarketServer, user: str | None = USER, password: str | None = PASSWORD) -> CentralBankSource:
    return CentralBankSource(user, password, market.url, CLP)


def test_a_value_is_of_the_banking_day_before_its_date_over_weekends_and_holidays(market: MarketServer) -> None:
    frame = bank(market).fetch(None, datetime(2023, 10, 1, tzinfo=UTC))
    conform(frame, fetched_schema("clp_per_usd"), "peso")
    assert frame.select("session", "clp_per_usd", "source", "is_provisional").rows() == [
        (date(2023, 9, 13), 880.10, "central_bank", False),
        (date(2023, 9, 14), 885.20, "central_bank", False),
        (FRIDAY, 890.30, "central_bank", False),  # dated Wednesday, after two holidays and a weekend
        (date(2023, 9, 21), 900.50, "central_bank", False),
    ]


def test_a_value_is_known_from_nine_in_santiago_on_its_date_and_not_a_moment_before(market: MarketServer) -> None:
    nine = datetime(2023, 9, 20, 12, tzinfo=UTC)  # summer time: three hours behind UTC
    assert bank(market).fetch(None, nine)["session"][-1] == FRIDAY
    assert bank(market).fetch(None, nine)["available_at"][-1] == nine
    assert bank(market).fetch(None, nine.replace(hour=11, minute=59))["session"][-1] == date(2023, 9, 14)


def test_the_series_and_the_range_are_asked_for_by_name_and_never_past_the_day_of_asking(market: MarketServer) -> None:
    frame = bank(market).fetch(date(2023, 9, 14), datetime(2023, 9, 22, 2, tzinfo=UTC))
    assert frame["session"].to_list() == [date(2023, 9, 14), FRIDAY]
    asked = market.queries["central_bank"][0]
    assert asked["timeseries"] == "F073.TCO.PRE.Z.D"
    assert asked["function"] == "GetSeries"
    assert (asked["firstdate"], asked["lastdate"]) == ("2023-09-14", "2023-09-21")  # still Thursday in Santiago


@pytest.mark.parametrize(("user", "password"), [(None, None), ("", PASSWORD), (USER, None)])
def test_without_an_account_nothing_is_asked(user: str | None, password: str | None, market: MarketServer) -> None:
    with pytest.raises(SourceError, match="no BCCH_USER/BCCH_PASSWORD set") as caught:
        bank(market, user, password).fetch(None, datetime(2023, 10, 1, tzinfo=UTC))
    assert not caught.value.is_retryable
    assert not market.requests


def test_a_refused_account_is_told_once_and_without_the_account(market: MarketServer) -> None:
    with pytest.raises(SourceError, match="refused with code -5") as caught:
        bank(market, USER, "p&ss wrong").fetch(None, datetime(2023, 10, 1, tzinfo=UTC))
    assert caught.value.reason == "refused with code -5: Invalid username or password: *** ***"
    assert [secret for secret in SECRETS if secret in repr(caught.value)] == []
    assert market.requests["central_bank"] == 1


def test_a_range_without_values_is_a_failure(market: MarketServer) -> None:
    market.observed = []
    source = CentralBankSource(USER, PASSWORD, market.url, CLP, attempts=1)
    with pytest.raises(SourceError, match="no observations"):
        source.fetch(None, datetime(2023, 10, 1, tzinfo=UTC))


def test_a_value_on_a_day_unknown_to_the_calendar_does_not_push_out_the_session_before_it() -> None:
    calendar = calendar_of("one holiday", [date(2024, 1, 10)])
    values = [(date(2024, 1, 11), 903.0), (date(2024, 1, 10), 902.0), (date(2024, 1, 9), 901.0)]
    rows = observed_rows(values, calendar, datetime(2024, 2, 1, tzinfo=UTC))
    assert [(row.session, row.value) for row in rows] == [(date(2024, 1, 8), 901.0), (date(2024, 1, 9), 902.0)]

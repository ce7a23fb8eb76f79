"""Banco Central's dólar observado, over a real socket."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from forex_assets.core.calendar import calendar_of
from forex_assets.core.holidays import market_calendar
from forex_assets.core.schemas import conform, fetched_schema
from forex_assets.market.prices import SourceError
from forex_assets.market.sources.central_bank import CentralBankSource, bank_values
from forex_assets.market.sources.published import BANK_CLOSE, BANK_COPPER, BANK_OBSERVADO, published_rows
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


def test_a_value_is_known_from_the_evening_of_the_banking_day_before_its_date(market: MarketServer) -> None:
    six = datetime(2023, 9, 15, 21, tzinfo=UTC)  # Friday 18:00, summer time; the value is dated Wednesday
    assert bank(market).fetch(None, six)["session"][-1] == FRIDAY
    assert bank(market).fetch(None, six)["available_at"][-1] == six
    assert bank(market).fetch(None, six.replace(hour=20, minute=59))["session"][-1] == date(2023, 9, 14)


def test_the_observado_by_its_own_date_shows_tomorrow_in_the_evening(market: MarketServer) -> None:
    source = CentralBankSource(USER, PASSWORD, market.url, CLP, BANK_OBSERVADO)
    evening = source.fetch(date(2023, 9, 14), datetime(2023, 9, 15, 22, tzinfo=UTC))
    assert evening.select("session", "clp_per_usd").rows() == [
        (date(2023, 9, 14), 880.10),
        (FRIDAY, 885.20),
        (WEDNESDAY, 890.30),  # the next banking day
    ]


def test_another_series_than_the_one_asked_for_is_refused_by_name(market: MarketServer) -> None:
    market.faults["central_bank"] = [
        '{"Codigo": 0, "Series": {"seriesId": "F073.TCO.PRE.Z.D", "Obs": '
        '[{"indexDateString": "14-09-2023", "value": "880.10", "statusCode": "OK"}]}}'
    ]
    source = CentralBankSource(USER, PASSWORD, market.url, CLP, BANK_COPPER)
    with pytest.raises(SourceError, match=r"answered with seriesId 'F073.TCO.PRE.Z.D', asked for 'F019.PPB.PRE.100.D'"):
        source.fetch(None, datetime(2023, 10, 1, tzinfo=UTC))
    assert market.queries["central_bank"][0]["timeseries"] == "F019.PPB.PRE.100.D"


@pytest.mark.parametrize("cell", ["NeuN", "ND", "", None, "NaN", "-880", "0", True, "8_80", "1e999", [880], "881,20"])
def test_an_unreadable_value_costs_that_day_and_no_other(cell: object) -> None:
    days = ["13-09-2023", "14-09-2023", "2023-09-15", "18-09-2023"]  # the third date is in another format
    cells = ["880.10", cell, "881", "882.5"]
    observations = [{"indexDateString": d, "value": v, "statusCode": "OK"} for d, v in zip(days, cells, strict=True)]
    text = json.dumps({"Codigo": 0, "Series": {"seriesId": "A", "Obs": observations}})
    assert bank_values(text, "A", str) == [(date(2023, 9, 13), 880.10), (date(2023, 9, 18), 882.5)]


def test_a_day_with_two_different_values_is_left_out_and_one_said_twice_is_taken() -> None:
    cells = [("13-09-2023", "880"), ("14-09-2023", "881"), ("13-09-2023", "880"), ("14-09-2023", "882")]
    observations = [{"indexDateString": d, "value": v, "statusCode": "OK"} for d, v in cells]
    text = json.dumps({"Codigo": 0, "Series": {"seriesId": "A", "Obs": observations}})
    assert bank_values(text, "A", str) == [(date(2023, 9, 13), 880.0)]


def test_values_carried_over_a_weekend_or_holiday_are_no_values_of_their_own() -> None:
    days = [FRIDAY, date(2023, 9, 16), date(2023, 9, 17), date(2023, 9, 18), TUESDAY, WEDNESDAY]
    values = list(zip(days, [885.2] * 5 + [890.3], strict=True))
    rows = published_rows(values, BANK_CLOSE, CLP, datetime(2023, 10, 1, tzinfo=UTC))
    assert [(row.session, row.value) for row in rows] == [(date(2023, 9, 14), 885.2), (FRIDAY, 890.3)]


def test_the_series_and_the_range_are_asked_for_by_name_and_past_the_day_of_asking(market: MarketServer) -> None:
    frame = bank(market).fetch(date(2023, 9, 14), datetime(2023, 9, 22, 2, tzinfo=UTC))
    assert frame["session"].to_list() == [date(2023, 9, 14), FRIDAY, date(2023, 9, 21)]
    asked = market.queries["central_bank"][0]
    assert asked["timeseries"] == "F073.TCO.PRE.Z.D"
    assert asked["function"] == "GetSeries"
    assert (asked["firstdate"], asked["lastdate"]) == (
        "2023-09-14",
        "2023-10-01",
    )  # asked on the 21st


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
    rows = published_rows(values, BANK_CLOSE, calendar, datetime(2024, 2, 1, tzinfo=UTC))
    assert [(row.session, row.value) for row in rows] == [(date(2024, 1, 8), 901.0), (date(2024, 1, 9), 902.0)]

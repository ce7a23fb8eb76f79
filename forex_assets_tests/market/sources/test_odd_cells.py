"""One cell that nobody can read costs its own value, in every publisher's answer."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from forex_assets.core.holidays import market_calendar
from forex_assets.market.sources.central_bank import bank_values
from forex_assets.market.sources.fred import fred_client, readable_observations
from forex_assets.market.sources.mindicador import indicator_values
from forex_assets.market.sources.published import BANK_CLOSE, MINDICADOR_CLOSE, published_rows
from forex_assets.market.sources.yahoo_answer import held_chart
from forex_assets.market.sources.yahoo_dating import dating_of

DAYS = [date(2023, 6, 1) + timedelta(days=k) for k in range(29)]
NOW = datetime(2023, 6, 30, 23, tzinfo=UTC)
CLP = market_calendar("CLP")
HUGE = 10**400
"""JSON has no largest integer; no float holds this one."""


def observation(day: str, value: object) -> dict[str, object]:
    return {"indexDateString": day, "value": value, "statusCode": "OK"}


@pytest.mark.parametrize(
    "odd",
    [None, "x", [1], observation("01-01-0001", "800"), observation("31-12-9999", "800"),
     observation("05-06-2022", HUGE), observation("05-06-2022", {"a": 1}), observation([1], "800"),
     {"indexDateString": "05-06-2022", "statusCode": []}],
    ids=str,
)  # fmt: skip
def test_the_bank(odd: Any) -> None:
    observations = [observation(f"{day:%d-%m-%Y}", "800.5") for day in DAYS]
    answer = {"Codigo": 0, "Series": {"seriesId": BANK_CLOSE.code, "Obs": [odd, *observations]}}
    values = bank_values(json.dumps(answer), BANK_CLOSE.code, str)
    assert [day for day, _ in values] == DAYS
    assert len(published_rows(values, BANK_CLOSE, CLP, NOW)) > 15


@pytest.mark.parametrize(
    "odd",
    [None, {"fecha": "0001-01-01T00:00:00+14:00", "valor": 800}, {"fecha": "9999-12-31T23:00:00-12:00", "valor": 800},
     {"fecha": 5, "valor": 800}, {"fecha": "2023-06-30T04:00:00Z", "valor": HUGE}],
    ids=lambda odd: str(odd)[:40],
)  # fmt: skip
def test_mindicador(odd: Any) -> None:
    entries = [{"fecha": f"{day}T04:00:00.000Z", "valor": 800.5} for day in DAYS]
    answer = {"codigo": "dolar", "unidad_medida": "Pesos", "serie": [odd, *entries]}
    assert [day for day, _ in indicator_values(json.dumps(answer), MINDICADOR_CLOSE, 2023)] == DAYS


@pytest.mark.parametrize("odd", ['date="0001-01-01" value="8"', 'date="9999-12-01" value="8"', 'date="2001-01-01"'])
def test_fred(odd: str) -> None:
    good = "".join(f'<observation date="2010-{month:02d}-01" value="8000.5"/>' for month in range(1, 13))
    answer = f'<observations units="lin"><observation {odd}/>{good}</observations>'
    series = fred_client(lambda url: readable_observations(answer), "k" * 32, None).get_series("PCOPPUSDM")
    assert series.tolist() == [8000.5] * 12


@pytest.mark.parametrize("stamp", [10**18, -(10**15), HUGE, "x", None, True])
def test_a_bars_moment_at_yahoo(stamp: Any) -> None:
    """The bar with the odd moment is lost, those beside it stand; a price too large for a float loses its price."""
    rule = dating_of("CLP=X")
    stamps: list[Any] = [int(datetime(day.year, day.month, day.day, tzinfo=rule.bar_zone).timestamp()) for day in DAYS]
    quote: dict[str, list[Any]] = {name: [800.0] * len(DAYS) for name in ("open", "high", "low", "close")}
    quote["close"][7] = HUGE
    body = {"chart": {"result": [{"meta": rule.asked, "timestamp": [*stamps[:5], stamp, *stamps[6:]],
                                  "indicators": {"quote": [quote]}}]}}  # fmt: skip
    held = held_chart(body, rule)["chart"]["result"][0]
    assert held["timestamp"] == [*stamps[:5], *stamps[6:]]
    closes = held["indicators"]["quote"][0]["close"]
    assert [close is None for close in closes] == [index == 6 for index in range(len(DAYS) - 1)]

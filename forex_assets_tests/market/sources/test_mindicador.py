"""mindicador.cl's series, over a real socket."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from forex_assets.core.holidays import market_calendar
from forex_assets.core.schemas import conform, fetched_schema
from forex_assets.market.prices import SourceError
from forex_assets.market.sources.mindicador import MindicadorSource, indicator_values
from forex_assets.market.sources.published import (
    MINDICADOR_CLOSE,
    MINDICADOR_COPPER,
    MINDICADOR_OBSERVADO,
    MINDICADOR_POLICY_RATE,
    PublishedSeries,
)
from forex_assets_tests.market.market_server import MarketServer, serving

CLP = market_calendar("CLP")
DOLLARS = {date(2023, 12, 28): 880.1, date(2023, 12, 29): 885, date(2024, 1, 2): 890.3, date(2024, 1, 3): 895.4}
NIGHT = datetime(2024, 1, 4, 1, tzinfo=UTC)  # 22:00 of the 3rd in Chile's summer


@pytest.fixture
def market() -> Iterator[MarketServer]:
    indicators: dict[str, tuple[str, dict[date, Any]]] = {
        "dolar": ("Pesos", dict(DOLLARS)),
        "libra_cobre": ("Dólar", {date(2024, 1, 2): 3.88}),
        "tpm": ("Porcentaje", {date(2024, 1, 2): 8.25}),
    }
    with serving(MarketServer(indicators=indicators)) as server:
        yield server


def source(market: MarketServer, series: PublishedSeries = MINDICADOR_OBSERVADO, **limits: Any) -> MindicadorSource:
    return MindicadorSource(market.url + "/mindicador", CLP, series, **limits)


def test_the_observado_comes_by_its_own_date_over_the_turn_of_the_year(market: MarketServer) -> None:
    frame = source(market).fetch(date(2023, 12, 29), NIGHT)
    conform(frame, fetched_schema("clp_per_usd"), "observado")
    assert frame.select("session", "clp_per_usd").rows() == [
        (date(2023, 12, 29), 885.0),
        (date(2024, 1, 2), 890.3),
        (date(2024, 1, 3), 895.4),
    ]
    assert market.requests["mindicador"] == 2  # one a calendar year


def test_as_a_stand_in_each_value_is_of_the_banking_day_before(market: MarketServer) -> None:
    frame = source(market, MINDICADOR_CLOSE).fetch(date(2023, 12, 28), NIGHT)
    assert frame["session"].to_list() == [date(2023, 12, 28), date(2023, 12, 29), date(2024, 1, 2)]
    assert frame["available_at"][-1] == datetime(2024, 1, 3, 12, tzinfo=UTC)  # 09:00 of its own date


def test_copper_and_the_policy_rate_have_columns_of_their_own(market: MarketServer) -> None:
    assert source(market, MINDICADOR_COPPER).fetch(date(2024, 1, 1), NIGHT)["london_usd_lb"].to_list() == [3.88]
    assert source(market, MINDICADOR_POLICY_RATE).fetch(date(2024, 1, 1), NIGHT)["policy_rate_pct"].to_list() == [8.25]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"codigo": "dolar_intercambio"}, "codigo 'dolar_intercambio', asked for 'dolar'"),
        ({"unidad_medida": "Dólar"}, "unidad_medida 'Dólar', asked for 'Pesos'"),
        ({"serie": {"valor": 880}}, "no observations"),
    ],
)
def test_an_answer_to_another_question_is_refused_by_name(change: dict[str, Any], words: str) -> None:
    answer = {"codigo": "dolar", "unidad_medida": "Pesos", "serie": [{"fecha": "2024-01-02T03:00:00.000Z", "valor": 9}]}
    assert indicator_values(json.dumps(answer), MINDICADOR_OBSERVADO, 2024)
    with pytest.raises(SourceError, match=words):
        indicator_values(json.dumps(answer | change), MINDICADOR_OBSERVADO, 2024)


@pytest.mark.parametrize("cell", [None, "ND", "", True, -1, 0, [], {}, "NaN"])
def test_an_unreadable_value_costs_that_day_and_no_other(market: MarketServer, cell: object) -> None:
    market.indicators["dolar"][1][date(2024, 1, 2)] = cell
    frame = source(market).fetch(date(2023, 12, 29), NIGHT)
    assert frame["session"].to_list() == [date(2023, 12, 29), date(2024, 1, 3)]


def test_unreadable_days_and_days_of_another_year_are_left_out() -> None:
    days = ["2024-01-02T03:00:00.000Z", "02-01-2024", None, 5, "2024-01-03", "2023-12-29T03:00:00.000Z"]
    entries = [*({"fecha": day, "valor": 900} for day in days), "no entry"]
    answer = {"codigo": "dolar", "unidad_medida": "Pesos", "serie": entries}
    assert indicator_values(json.dumps(answer), MINDICADOR_OBSERVADO, 2024) == [(date(2024, 1, 2), 900.0)]


def test_years_that_answered_are_not_asked_again_after_one_failed(market: MarketServer) -> None:
    market.faults["mindicador"] = ["ok", "500", "ok"]
    assert source(market, sleep=lambda _: None).fetch(date(2023, 12, 29), NIGHT).height == 3
    assert market.requests["mindicador"] == 3


@pytest.mark.parametrize("fault", ["404", "html", "truncated", "empty", "dropped"])
def test_a_failed_answer_is_a_source_error(market: MarketServer, fault: str) -> None:
    market.faults["mindicador"] = [fault]
    with pytest.raises(SourceError):
        source(market, attempts=1).fetch(date(2023, 12, 29), NIGHT)


def test_without_any_value_the_answer_is_refused(market: MarketServer) -> None:
    market.indicators["dolar"] = ("Pesos", {})
    with pytest.raises(SourceError, match="no observations"):
        source(market).fetch(date(2023, 12, 29), NIGHT)

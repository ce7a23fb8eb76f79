"""Yahoo's chart held to the question, and cleaned of what is no bar."""

import copy
import json
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from forex_assets.core.calendar import calendar_of
from forex_assets.market.prices import USDCLP, SourceError
from forex_assets.market.sources.yahoo import YahooSource
from forex_assets.market.sources.yahoo_answer import held_chart
from forex_assets.market.sources.yahoo_dating import YAHOO_DATING
from forex_assets_tests.market.market_server import MarketServer, serving, weekdays

LONDON = ZoneInfo("Europe/London")
DAYS = weekdays(date(2024, 6, 3), date(2024, 6, 7))
META = {
    "symbol": "CLP=X",
    "currency": "CLP",
    "exchangeName": "CCY",
    "exchangeTimezoneName": "Europe/London",
    "dataGranularity": "1d",
}


def midnight(day: date) -> int:
    return int(datetime.combine(day, time(), LONDON).timestamp())


def chart(meta: dict[str, Any] = META, closes: list[Any] | None = None, stamps: list[Any] | None = None) -> Any:
    values = closes or [900.0, 901.0, 902.0, 903.0, 904.0]
    quote = {name: list(values) for name in ("open", "high", "low", "close")} | {"volume": [0] * len(values)}
    times = stamps or [midnight(day) for day in DAYS]
    return {"chart": {"result": [{"meta": meta, "timestamp": times, "indicators": {"quote": [quote]}}], "error": None}}


def closes_of(body: Any) -> list[tuple[Any, Any]]:
    (result,) = held_chart(copy.deepcopy(body), YAHOO_DATING["CLP=X"])["chart"]["result"]
    return list(zip(result["timestamp"], result["indicators"]["quote"][0]["close"], strict=True))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("symbol", "ARS=X"),
        ("currency", "ARS"),
        ("exchangeName", "NYM"),
        ("exchangeTimezoneName", "America/New_York"),
        ("dataGranularity", "1wk"),
    ],
)
def test_a_chart_of_something_else_is_refused_by_name_and_one_that_is_silent_is_not(field: str, value: str) -> None:
    with pytest.raises(SourceError, match=f"answered with {field} '{value}', asked for '{META[field]}'"):
        closes_of(chart(META | {field: value}))
    silent = {name: entry for name, entry in META.items() if name != field}
    assert closes_of(chart(silent)) == closes_of(chart())


def test_another_chart_is_refused_over_a_real_socket_and_asked_for_once() -> None:
    body = json.dumps(chart(META | {"symbol": "EURCLP=X"}))
    with serving(MarketServer(faults={"yahoo": [body]}, bars={"CLP=X": []})) as server:
        source = YahooSource(USDCLP, "CLP=X", server.url, calendar_of("CLP", []), sleep=lambda _: None)
        with pytest.raises(SourceError, match="answered with symbol 'EURCLP=X'"):
            source.fetch(None, datetime(2024, 6, 7, 23, tzinfo=UTC))
        assert server.requests["yahoo"] == 1


@pytest.mark.parametrize("cell", [None, "ND", "", True, "902", [902], float("inf"), float("nan")])
def test_an_unreadable_cell_costs_its_own_bar_and_no_other(cell: Any) -> None:
    rows = closes_of(chart(closes=[900.0, 901.0, cell, 903.0, 904.0]))
    assert [close for _, close in rows] == [900.0, 901.0, None, 903.0, 904.0]


def test_bars_come_in_order_and_a_stamp_that_is_no_time_costs_its_own_bar() -> None:
    stamps: list[Any] = [midnight(day) for day in DAYS]
    rows = closes_of(chart(stamps=[stamps[1], stamps[0], None, "soon", stamps[4]]))
    assert rows == [(stamps[0], 901.0), (stamps[1], 900.0), (stamps[4], 904.0)]


def test_the_running_days_flat_row_is_left_out_whether_or_not_the_days_bar_is_there() -> None:
    stamps = [midnight(day) for day in DAYS]
    live = int(datetime(2024, 6, 7, 20, 59, 7, tzinfo=UTC).timestamp())
    assert closes_of(chart(closes=[900.0, 901.0, 902.0, 903.0, 904.0, 999.0], stamps=[*stamps, live])) == [
        *zip(stamps, [900.0, 901.0, 902.0, 903.0, 904.0], strict=True)
    ]
    assert closes_of(chart(stamps=[*stamps[:4], live])) == [*zip(stamps[:4], [900.0, 901.0, 902.0, 903.0], strict=True)]


def test_a_running_row_with_a_range_of_its_own_stands_for_the_days_bar() -> None:
    live = int(datetime(2024, 6, 7, 20, 59, 7, tzinfo=UTC).timestamp())
    body = chart(stamps=[*(midnight(day) for day in DAYS[:4]), live])
    body["chart"]["result"][0]["indicators"]["quote"][0]["low"][-1] = 890.0
    assert closes_of(body)[-1] == (midnight(DAYS[4]), 904.0)


@pytest.mark.parametrize("body", [None, {}, {"chart": {"result": None}}, {"chart": {"result": [{"meta": {}}]}}, [1]])
def test_what_is_no_chart_is_left_to_the_client(body: Any) -> None:
    assert held_chart(copy.deepcopy(body), YAHOO_DATING["CLP=X"]) == body

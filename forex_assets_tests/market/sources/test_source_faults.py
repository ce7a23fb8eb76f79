"""Service failures over real sockets: reported without secrets, and forgotten."""

import logging
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

import pytest

from forex_assets.core.holidays import market_calendar
from forex_assets.market.prices import COPPER, USDCLP, PriceSource, SourceError
from forex_assets.market.sources.central_bank import CentralBankSource
from forex_assets.market.sources.fetching import RefusedError, ask, redact
from forex_assets.market.sources.fred import FredMonthly
from forex_assets.market.sources.yahoo import YahooSource
from forex_assets_tests.market.market_server import (
    KEY,
    PASSWORD,
    SECRETS,
    USER,
    MarketServer,
    serving,
    walk,
    weekdays,
)

AS_OF = datetime(2024, 3, 1, 22, tzinfo=UTC)
DAYS = weekdays(date(2024, 1, 2), date(2024, 3, 1))
SOURCES = ("yahoo", "fred", "central_bank")
REASONS = {
    "429": "HTTP 429 Too Many Requests",
    "500": "HTTP 500 Internal Server Error",
    "404": "HTTP 404 Not Found",
    "html": "answer is not",
    "truncated": "answer is not",
    "empty": "empty answer",
    "dropped": "connection failed",
    "stalled": "no answer within ",
}


def at_once(_: float) -> None:
    """A wait that does not."""


@pytest.fixture
def market() -> Iterator[MarketServer]:
    prices = walk(DAYS, 900.0, seed=1)
    content = MarketServer(
        bars={symbol: [(day, price, price) for day, price in prices.items()] for symbol in ("CLP=X", "HG=F")},
        monthly={date(2023, month, 1): 8000.0 + month for month in range(1, 13)},
        observed=[(day, str(price), "OK") for day, price in prices.items()],
    )
    with serving(content) as server:
        yield server


def source_of(name: str, market: MarketServer, *, deadline_s: float = 10.0) -> PriceSource:
    limits = {"deadline_s": deadline_s, "sleep": at_once}
    if name == "fred":
        return FredMonthly(api_key=KEY.replace(" ", "-"), root_url=f"{market.url}/fred", **limits)
    if name == "central_bank":
        return CentralBankSource(USER, PASSWORD, market.url, market_calendar("CLP"), **limits)
    return YahooSource(USDCLP, "CLP=X", market.url, market_calendar("CLP"), **limits)


def failure_of(source: PriceSource) -> SourceError:
    with pytest.raises(SourceError) as caught:
        source.fetch(None, AS_OF)
    return caught.value


def everything_said(error: BaseException) -> str:
    """Text, form and traceback of an error and its causes."""
    parts, seen, waiting = [], set(), [error]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            parts += [str(one), repr(one), *map(repr, vars(one).items()), *traceback.format_exception(one)]
            waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
    return "\n".join(parts)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("fault", [*REASONS])
def test_each_fault_of_each_source_is_told_without_secrets_and_forgotten_when_it_clears(
    name: str, fault: str, market: MarketServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    source = source_of(name, market, deadline_s=1.0 if fault == "stalled" else 10.0)
    market.faults[name] = [fault]

    error = failure_of(source)

    expected = REASONS[fault]
    if (name, fault) == ("fred", "html"):  # well-formed or not, a page is never FRED's observations
        expected = "answer"
    assert expected in error.reason  # the time that was left of the deadline: on a busy machine part of it is gone
    assert str(error) == f"{name}: {error.reason}"
    output = everything_said(error) + caplog.text + "".join(capfd.readouterr())
    assert [secret for secret in SECRETS if secret in output] == []

    market.faults[name] = ["ok"]
    well = source if fault != "stalled" else source_of(name, market)
    assert source.fetch(None, AS_OF).equals(well.fetch(None, AS_OF))
    assert well.fetch(None, AS_OF).height > 0


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize(
    ("fault", "asked"),
    [("429", 3), ("500", 3), ("404", 1), ("html", 3), ("truncated", 3), ("empty", 3), ("dropped", 3)],
)
def test_what_may_pass_is_asked_three_times_and_what_will_not_once(
    name: str, fault: str, asked: int, market: MarketServer
) -> None:
    market.faults[name] = [fault]
    assert failure_of(source_of(name, market)).is_retryable == (asked == 3)
    assert market.requests == {name: asked}


@pytest.mark.parametrize("status", ["401", "403"])
def test_yahoo_forbidding_a_chart_is_asked_once_more_with_another_cookie(status: str, market: MarketServer) -> None:
    undisturbed = source_of("yahoo", market).fetch(None, AS_OF)
    market.faults["yahoo"] = [status, "ok"]
    assert source_of("yahoo", market).fetch(None, AS_OF).equals(undisturbed)
    market.faults["yahoo"] = [status]
    error = failure_of(source_of("yahoo", market))
    assert error.reason.startswith(f"HTTP {status}")
    assert not error.is_retryable
    assert market.requests == {"yahoo": 1 + 2 + 2}


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        (
            "yahoo",
            '{"chart": {"result": [{"meta": {}, "indicators": {"quote": [{"close": [1]}]}}], "error": null}}',
            "chart",
        ),
        ("yahoo", '{"chart": {"result": null, "error": {"description": "Will be back"}}}', "Will be back"),
        ("central_bank", '{"Codigo": 0, "Series": {"Obs": [{"statusCode": "OK"}]}}', "no observations"),
        ("central_bank", "{}", "no observations"),
    ],
)
def test_well_formed_answers_of_another_shape_are_failures(
    name: str, body: str, reason: str, market: MarketServer
) -> None:
    market.faults[name] = [body]
    assert reason in failure_of(source_of(name, market)).reason


@pytest.mark.parametrize("name", SOURCES)
def test_a_fault_that_passes_within_the_attempts_is_not_noticed(name: str, market: MarketServer) -> None:
    undisturbed = source_of(name, market).fetch(None, AS_OF)
    market.faults[name] = ["429", "truncated", "ok"]
    assert source_of(name, market).fetch(None, AS_OF).equals(undisturbed)


@pytest.mark.parametrize("name", SOURCES)
def test_a_service_that_is_not_there_is_told_as_such(name: str, market: MarketServer) -> None:
    with serving(MarketServer()) as gone:
        pass
    error = failure_of(source_of(name, gone))
    assert "connection failed" in error.reason
    assert [secret for secret in SECRETS if secret in everything_said(error)] == []


def test_yahoo_failing_prints_nothing_in_a_process_that_configures_no_logging(market: MarketServer) -> None:
    market.faults["yahoo"] = ["500"]
    program = (
        "from datetime import UTC, datetime\n"
        "from forex_assets.market.sources.yahoo import YahooSource\n"
        "from forex_assets.core.calendar import calendar_of\n"
        "from forex_assets.market.prices import COPPER, SourceError\n"
        f"source = YahooSource(COPPER, 'HG=F', {market.url!r}, calendar_of('none', []), attempts=1)\n"
        "try:\n    source.fetch(None, datetime(2024, 3, 1, 22, tzinfo=UTC))\n"
        "except SourceError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("yahoo: HTTP 500 Internal Server Error\n", "")


def test_a_call_that_never_returns_is_left_behind_and_does_not_keep_the_interpreter_alive() -> None:
    program = (
        "import threading\n"
        "from forex_assets.market.sources.fetching import ask\n"
        "from forex_assets.market.prices import SourceError\n"
        "try:\n    ask('deaf', lambda left_s: threading.Event().wait(), deadline_s=0.1)\n"
        "except SourceError as error:\n    print(error, error.is_retryable)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("deaf: no answer within 0.1 s False\n", "")


def failing(errors: list[Exception], answer: str = "prices") -> Callable[[float], str]:
    """A call that raises each of `errors` in turn and then answers."""

    def call(_: float) -> str:
        if errors:
            raise errors.pop(0)
        return answer

    return call


def test_waits_grow_and_vary_and_are_never_shorter_than_the_service_asked() -> None:
    waits: list[float] = []
    again = SourceError("s", "busy", is_retryable=True)
    later = RefusedError("s", "HTTP 429", is_retryable=True, retry_after_s=7)
    assert ask("s", failing([again, again, later]), attempts=4, sleep=waits.append) == "prices"
    first, second, third = waits
    assert 0.5 <= first <= 1.0 <= second <= 1.5
    assert third == 7


def test_a_service_that_wants_to_be_left_alone_past_the_deadline_is() -> None:
    waits: list[float] = []
    later = RefusedError("s", "HTTP 429", is_retryable=True, retry_after_s=31)
    with pytest.raises(RefusedError, match="HTTP 429"):
        ask("s", failing([later]), sleep=waits.append)
    assert waits == []


@pytest.mark.parametrize("name", SOURCES)
def test_retry_after_is_read_from_the_answer(name: str, market: MarketServer) -> None:
    market.faults[name], market.retry_after = ["429"], "3600"
    error = failure_of(source_of(name, market))
    assert isinstance(error, RefusedError)
    assert error.retry_after_s == 3600
    assert market.requests == {name: 1}


def test_a_mistake_of_ours_is_not_taken_for_the_service() -> None:
    with pytest.raises(ZeroDivisionError):
        ask("s", lambda _: 1 / 0)


def test_redaction_finds_every_form_of_a_secret() -> None:
    text = "user=desk%40example.org&pass=p%26ss+w%C3%B6rd desk@example.org p%26ss%20w%C3%B6rd p&ss wörd"
    assert redact(text, USER, PASSWORD, None, "") == "user=***&pass=*** *** *** ***"


def test_copper_and_peso_remember_nothing_of_each_other(market: MarketServer) -> None:
    market.faults["yahoo"] = ["empty"]
    failure_of(source_of("yahoo", market))
    market.faults["yahoo"] = ["ok"]
    copper = YahooSource(COPPER, "HG=F", market.url, market_calendar("COMEX"), sleep=at_once)
    assert copper.fetch(None, AS_OF)["close_usd_lb"][-1] == market.bars["HG=F"][-1][2]

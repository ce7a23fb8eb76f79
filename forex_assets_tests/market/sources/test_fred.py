"""FRED's monthly copper over a real socket."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from forex_assets.core.schemas import conform, fetched_schema
from forex_assets.market.prices import SourceError
from forex_assets.market.sources.fred import FredMonthly, readable_observations, refusal_words
from forex_assets_tests.market.market_server import KEY, MarketServer, serving


@pytest.fixture
def market() -> Iterator[MarketServer]:
    monthly = {
        date(2023, 10, 1): 8818.49048,
        date(2023, 11, 1): None,
        date(2023, 12, 1): 2204.62262,
        date(2024, 1, 1): 8400.0,
    }
    with serving(MarketServer(monthly=monthly)) as server:
        yield server


def fred(market: MarketServer) -> FredMonthly:
    return FredMonthly("PCOPPUSDM", "key", f"{market.url}/fred")


def test_tonnes_become_pounds_and_months_keep_their_first_day_and_gaps_are_left_out(market: MarketServer) -> None:
    frame = fred(market).fetch(None, datetime(2024, 2, 1, tzinfo=UTC))
    conform(frame, fetched_schema("close_usd_lb"), "copper")
    assert frame.select("session", "source", "is_provisional").rows() == [
        (date(2023, 10, 1), "fred", False),  # a Sunday: the date is a month's name, not a session
        (date(2023, 12, 1), "fred", False),
    ]
    assert frame["close_usd_lb"].to_list() == pytest.approx([4.0, 1.0], rel=1e-12)


def test_a_month_is_known_forty_five_days_after_its_date_and_not_a_moment_before(market: MarketServer) -> None:
    published = datetime(2024, 2, 15, 5, tzinfo=UTC)  # midnight in New York of 1 January plus 45 days
    at = fred(market).fetch(None, published)
    before = fred(market).fetch(None, published.replace(hour=4, minute=59))
    assert at["available_at"][-1] == published
    assert at["session"][-1] == date(2024, 1, 1)
    assert before["session"][-1] == date(2023, 12, 1)


def test_nothing_later_than_the_day_of_asking_is_asked_for(market: MarketServer) -> None:
    fred(market).fetch(None, datetime(2024, 2, 1, 3, tzinfo=UTC))
    assert market.queries["fred"][0]["observation_end"] == "2024-01-31"  # still January in New York


def test_a_start_within_a_month_keeps_that_month(market: MarketServer) -> None:
    frame = fred(market).fetch(date(2023, 12, 20), datetime(2024, 3, 1, tzinfo=UTC))
    assert frame["session"].to_list() == [date(2023, 12, 1), date(2024, 1, 1)]


@pytest.mark.parametrize("key", [None, "", "  "])
def test_without_a_key_nothing_is_asked(key: str | None, market: MarketServer) -> None:
    with pytest.raises(SourceError, match="no FRED_API_KEY set") as caught:
        FredMonthly(api_key=key, root_url=f"{market.url}/fred").fetch(None, datetime(2024, 2, 1, tzinfo=UTC))
    assert not caught.value.is_retryable
    assert not market.requests


def test_fredapi_builds_the_question_and_the_answer_comes_within_the_deadline(market: MarketServer) -> None:
    """The question is fredapi's, with the last day of New York."""
    FredMonthly(api_key="key", root_url=f"{market.url}/fred/").fetch(None, datetime(2024, 2, 1, 3, tzinfo=UTC))
    expected = {"series_id": "PCOPPUSDM", "observation_end": "2024-01-31", "api_key": "key"}
    assert market.queries["fred"] == [expected]
    market.faults["fred"] = ["stalled"]
    with pytest.raises(SourceError):
        FredMonthly(api_key="key", root_url=f"{market.url}/fred", attempts=1, deadline_s=1.0).fetch(
            None, datetime(2024, 2, 1, tzinfo=UTC)
        )


def test_a_series_without_a_single_value_is_a_failure(market: MarketServer) -> None:
    market.monthly = {date(2023, 11, 1): None}
    with pytest.raises(SourceError, match="no observations"):
        FredMonthly(api_key="key", root_url=f"{market.url}/fred", attempts=1).fetch(
            None, datetime(2024, 2, 1, tzinfo=UTC)
        )


@pytest.mark.parametrize("cell", ["ND", "", ".", "NaN", "-8400", "1e999", "True", "8,400.0"])
def test_an_unreadable_value_or_date_costs_its_own_month_and_no_other(cell: str) -> None:
    rows = [("2023-10-01", "8818.5"), ("2023-11-01", cell), ("2023-12", "8000"), ("2024-01-01", "8400")]
    items = "".join(f'<observation date="{day}" value="{value}"/>' for day, value in rows)
    root = readable_observations(f'<observations units="lin">{items}</observations>')
    assert [child.attrib for child in root] == [
        {"date": "2023-10-01", "value": "8818.5"},
        {"date": "2024-01-01", "value": "8400.0"},
    ]


def test_daily_dates_are_no_months_and_transformed_units_are_refused() -> None:
    days = "".join(f'<observation date="2024-01-{day:02}" value="8400"/>' for day in range(2, 20))
    with pytest.raises(SourceError, match="no observations"):
        readable_observations(f'<observations units="lin">{days}</observations>')
    with pytest.raises(SourceError, match="answered with units 'pch', asked for 'lin'"):
        readable_observations('<observations units="pch"><observation date="2024-01-01" value="1.2"/></observations>')


def test_what_fred_says_of_a_bad_request_is_told_without_the_key() -> None:
    message = f"Bad Request.  The value for variable api_key {KEY} is not registered."
    body = f'<?xml version="1.0" encoding="utf-8" ?>\n<error code="400" message="{message}"/>'
    assert refusal_words(body) == message
    assert refusal_words("error 400") == ""

"""Drivers joined by session, each optional."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from forex_assets.core.schemas import DRIVERS_SCHEMA, empty, prices_schema
from forex_assets.market.drivers import drivers_table
from forex_assets.market.prices import BRL, DOLLAR_INDEX, PriceSeries
from forex_assets.market.sources.yahoo_dating import Bar, dated_rows, dating_of
from forex_assets_tests.desk.worlds import CALENDAR

SEEN = datetime(2025, 6, 13, 22, tzinfo=UTC)


def rows(series: PriceSeries, values: dict[date, float], **flags: bool) -> pl.DataFrame:
    marks = dict.fromkeys(("is_provisional", "is_suspect", "is_quarantined"), False) | flags
    frame = pl.DataFrame({"session": list(values), series.value: list(values.values())})
    instants = [pl.lit(SEEN).dt.cast_time_unit("us").alias(name) for name in ("available_at", "fetched_at")]
    labelled = frame.with_columns(pl.lit("yahoo").alias("source"), *instants)
    return labelled.with_columns(pl.lit(value).alias(name) for name, value in marks.items()).select(
        list(prices_schema(series.value))
    )


def test_series_are_joined_by_session_and_gaps_stay_null() -> None:
    thursday, friday = date(2025, 6, 12), date(2025, 6, 13)
    table = drivers_table({DOLLAR_INDEX: rows(DOLLAR_INDEX, {thursday: 98.0, friday: 98.5}),
                           BRL: rows(BRL, {friday: 5.5})})  # fmt: skip
    assert table.schema == DRIVERS_SCHEMA
    assert table["session"].to_list() == [thursday, friday]
    assert table["brl_per_usd"].to_list() == [None, 5.5]
    assert table["policy_rate_pct"].to_list() == [None, None]
    assert table["source"].unique().to_list() == ["yahoo"]


def test_provisional_and_bad_prices_are_left_out() -> None:
    day = {date(2025, 6, 13): 5.5}
    assert drivers_table({BRL: rows(BRL, day, is_provisional=True)}).is_empty()
    assert drivers_table({BRL: rows(BRL, day, is_quarantined=True)}).is_empty()


def test_no_source_gives_an_empty_table() -> None:
    assert drivers_table({BRL: empty(prices_schema(BRL.value))}).schema == DRIVERS_SCHEMA


@pytest.mark.parametrize(("symbol", "session"), [("BRL=X", date(2025, 6, 12)), ("DX-Y.NYB", date(2025, 6, 13))])
def test_a_bar_of_the_real_is_dated_a_weekday_late_and_the_index_is_not(symbol: str, session: date) -> None:
    far = datetime(2100, 1, 1, tzinfo=UTC)
    (row,) = dated_rows([Bar(date(2025, 6, 13), 5.0, 5.0)], None, dating_of(symbol), CALENDAR, far)
    assert row.session == session

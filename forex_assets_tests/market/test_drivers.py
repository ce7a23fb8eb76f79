"""Drivers joined by session, each optional."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.dagster import keys
from forex_assets.core.schemas import DRIVERS_SCHEMA, empty, prices_schema
from forex_assets.locations.forecasting import build
from forex_assets.market.checks import DRIVER_RULES
from forex_assets.market.drivers import (
    drivers_are_current,
    drivers_are_ordered_and_in_range,
    drivers_have_no_gaps,
    drivers_table,
)
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


WEEKDAYS = CALENDAR.between(date(2024, 5, 31), date(2025, 6, 13))


def two_drivers() -> pl.DataFrame:
    """A year of index and real on the peso's sessions, through Friday, 13 June 2025."""
    return drivers_table({series: rows(series, dict.fromkeys(WEEKDAYS, value)) for series, value in
                          ((DOLLAR_INDEX, 98.0), (BRL, 5.5))})  # fmt: skip


def calendars(series: PriceSeries) -> SessionCalendar:
    return CALENDAR


def test_a_whole_years_drivers_pass_and_a_rate_that_nobody_gave_is_named() -> None:
    table, monday = two_drivers(), date(2025, 6, 16)
    assert drivers_are_ordered_and_in_range(table).passed
    assert drivers_have_no_gaps(table, calendars).passed
    finding = drivers_are_current(table, calendars, monday)
    assert finding.passed
    assert "brl_per_usd is 1 session old" in finding.message
    assert "no policy_rate: no source has given any" in finding.message


def test_old_lost_repeated_and_impossible_values_are_named() -> None:
    """The 25 sessions after the 13th; one lost day of the real; a row twice; an index of 980."""
    table, lost = two_drivers(), date(2025, 6, 10)
    assert not drivers_are_current(table, calendars, date(2025, 7, 21)).passed
    gap = table.with_columns(brl_per_usd=pl.when(pl.col("session") != lost).then("brl_per_usd"))
    finding = drivers_have_no_gaps(gap, calendars)
    assert not finding.passed
    assert finding.message == "brl_per_usd: 1 session missing, 2025-06-10"
    twice = drivers_are_ordered_and_in_range(pl.concat([table, table.tail(1)]))
    assert "2025-06-13 has more than one row" in twice.message
    assert "sessions do not ascend" in drivers_are_ordered_and_in_range(table.reverse()).message
    tenfold = table.with_columns(dollar_index=pl.col("dollar_index") * 10)
    assert "dollar_index 980 of" in drivers_are_ordered_and_in_range(tenfold).message


def test_the_drivers_checks_are_in_the_graph_and_block_nothing() -> None:
    graph = build().resolve_asset_graph()
    checks = [key for key in graph.asset_check_keys if key.asset_key == keys.DRIVERS]
    assert {key.name for key in checks} == {rule.__name__ for rule in DRIVER_RULES}
    assert not any(graph.get(key).blocking for key in checks)

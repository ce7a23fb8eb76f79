"""Generated market: labelled, repeatable, without look-ahead, realistic."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forex_assets.core.calendar import SessionCalendar, calendar_of
from forex_assets.core.schemas import SAMPLE_SOURCE, fetched_schema
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries
from forex_assets.market.sample import sample_market, sample_observado

PESO_RESTS = [date(year, 9, day) for year in range(2005, 2031) for day in (18, 19)]
COPPER_RESTS = [date(year, 7, 4) for year in range(2005, 2031)]
CALENDARS = {"CLP": calendar_of("CLP", PESO_RESTS), "COMEX": calendar_of("COMEX", COPPER_RESTS)}
AS_OF = datetime(2023, 12, 29, 22, tzinfo=UTC)
MARKET = sample_market(AS_OF, CALENDARS, years=12)
BOTH = pytest.mark.parametrize(
    ("series", "rows"), [(USDCLP, MARKET.usdclp), (COPPER, MARKET.copper)], ids=["peso", "copper"]
)

instants = st.datetimes(datetime(2006, 1, 1), datetime(2029, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def bad_ticks(rows: pl.DataFrame, value: str) -> pl.DataFrame:
    """Rows that move over 8 % and revert the next session."""
    move = pl.col(value).log().diff()
    return rows.filter((move.abs() > 0.08) & (move.shift(-1).abs() > 0.08) & (move * move.shift(-1) < 0))


def without_bad_ticks(rows: pl.DataFrame, value: str) -> pl.DataFrame:
    return rows.join(bad_ticks(rows, value), on="session", how="anti", maintain_order="left")


@BOTH
def test_every_row_says_that_it_is_no_market_price(series: PriceSeries, rows: pl.DataFrame) -> None:
    assert rows.schema == pl.Schema(fetched_schema(series.value))
    assert rows["source"].unique().to_list() == [SAMPLE_SOURCE]
    assert not rows["is_provisional"].any()
    assert sum(rows.null_count().row(0)) == 0


@BOTH
def test_each_market_trades_on_all_its_own_sessions_and_no_others(series: PriceSeries, rows: pl.DataFrame) -> None:
    expected = CALENDARS[series.calendar].between(rows["session"][0] - timedelta(days=1), date(2023, 12, 29))
    assert rows["session"].to_list() == expected
    assert rows.height > 12 * 255


def test_closes_are_known_at_18_in_santiago_and_17_in_new_york() -> None:
    for rows, hour, zone in ((MARKET.usdclp, 18, "America/Santiago"), (MARKET.copper, 17, "America/New_York")):
        expected = [datetime.combine(day, time(hour), ZoneInfo(zone)).astimezone(UTC) for day in rows["session"]]
        assert rows["available_at"].to_list() == expected


@given(instants, st.timedeltas(timedelta(0), timedelta(days=900)))
@settings(max_examples=25, deadline=None)
def test_a_later_clock_only_appends(as_of: datetime, later: timedelta) -> None:
    early, late = (sample_market(moment, CALENDARS, years=100) for moment in (as_of, as_of + later))
    for before, after in ((early.usdclp, late.usdclp), (early.copper, late.copper)):
        assert before["available_at"].max() <= as_of  # type: ignore[operator]
        assert after.head(before.height).equals(before)
        assert (after["available_at"][before.height :] > as_of).all()


def test_asking_for_fewer_years_gives_the_same_prices_of_fewer_sessions() -> None:
    short = sample_market(AS_OF, CALENDARS, years=2)
    assert short.copper.equals(MARKET.copper.tail(short.copper.height))
    assert short.copper["session"][0] == date(2021, 12, 29)


def test_a_holiday_hides_a_session_and_moves_no_other_price() -> None:
    rest = date(2020, 3, 4)
    shut = {**CALENDARS, "CLP": SessionCalendar("CLP", CALENDARS["CLP"].holidays | {rest})}
    market = sample_market(AS_OF, shut, years=12)
    assert market.usdclp.equals(MARKET.usdclp.filter(pl.col("session") != rest))
    assert market.copper.equals(MARKET.copper)


def test_the_seed_decides_the_market() -> None:
    assert sample_market(AS_OF, CALENDARS, seed=1).copper.equals(sample_market(AS_OF, CALENDARS, seed=1).copper)
    assert not sample_market(AS_OF, CALENDARS, seed=2).copper.equals(sample_market(AS_OF, CALENDARS, seed=1).copper)


def test_levels_are_believable_in_usd_per_pound_and_pesos_per_dollar() -> None:
    copper, peso = without_bad_ticks(MARKET.copper, "close_usd_lb"), without_bad_ticks(MARKET.usdclp, "clp_per_usd")
    assert 2.0 < copper["close_usd_lb"].min() < copper["close_usd_lb"].max() < 7.0  # type: ignore[operator]
    assert 600 < peso["clp_per_usd"].min() < peso["clp_per_usd"].max() < 1200  # type: ignore[operator]


@BOTH
def test_a_few_bad_ticks_leave_and_come_back(series: PriceSeries, rows: pl.DataFrame) -> None:
    ticks = bad_ticks(rows, series.value)
    assert 1 <= ticks.height <= 12
    for day in ticks["session"]:
        before, at, after = rows[series.value].to_list()[(k := rows["session"].to_list().index(day)) - 1 : k + 2]
        assert abs(np.log(at / before)) > 0.05
        assert abs(np.log(after / before)) < 0.08


def test_shocks_move_together_on_the_same_day_and_on_no_other() -> None:
    copper, peso = without_bad_ticks(MARKET.copper, "close_usd_lb"), without_bad_ticks(MARKET.usdclp, "clp_per_usd")
    joint = copper.join(peso, on="session", maintain_order="left")
    r, q = (np.diff(np.log(joint[name].to_numpy())) for name in ("close_usd_lb", "clp_per_usd"))
    same_day = np.corrcoef(r, q)[0, 1]
    assert same_day == pytest.approx(-0.35, abs=0.06)
    assert abs(np.corrcoef(r[:-1], q[1:])[0, 1]) < 0.06
    assert abs(np.corrcoef(r[1:], q[:-1])[0, 1]) < 0.06


@BOTH
def test_returns_have_fat_tails_and_clustered_volatility(series: PriceSeries, rows: pl.DataFrame) -> None:
    prices = without_bad_ticks(rows, series.value)[series.value].to_numpy()
    r = np.diff(np.log(prices))
    assert np.mean((r - r.mean()) ** 4) / r.var() ** 2 > 3.8  # a normal has 3
    size = np.abs(r)
    assert np.corrcoef(size[:-1], size[1:])[0, 1] > 0.05
    assert np.corrcoef(size[:-10], size[10:])[0, 1] > 0.05
    assert abs(np.corrcoef(r[:-1], r[1:])[0, 1]) < 0.06


def test_a_clock_without_a_zone_or_before_the_market_or_without_calendars_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        sample_market(AS_OF.replace(tzinfo=None), CALENDARS)
    with pytest.raises(ValueError, match="begins on 2005-01-03; as_of 2005-01-03 must be later"):
        sample_market(datetime(2005, 1, 3, 12, tzinfo=UTC), CALENDARS)
    with pytest.raises(ValueError, match=r"no calendar \['COMEX'\]"):
        sample_market(AS_OF, {"CLP": CALENDARS["CLP"]})


def test_the_generated_observado_averages_the_two_closes_before_its_date() -> None:
    days = [date(2024, 9, 16), date(2024, 9, 17), date(2024, 9, 20), date(2024, 9, 23), date(2024, 9, 24)]
    peso = pl.DataFrame({
        "session": days,
        "clp_per_usd": [900.0, 910.0, 1100.0, 905.0, 915.0],  # the third is a bad tick
        "source": [SAMPLE_SOURCE] * 5,
        "is_provisional": [False] * 5,
        "is_suspect": [False] * 5,
        "available_at": [datetime.combine(day, time(21), UTC) for day in days],
    }, schema=fetched_schema("clp_per_usd"))  # fmt: skip
    rows = sample_observado(peso, CALENDARS["CLP"])
    assert rows.select("session", "clp_per_usd").rows() == [
        (date(2024, 9, 20), 905.0),  # the 18th and 19th are holidays
        (date(2024, 9, 23), 910.0),
        (date(2024, 9, 24), 907.5),
        (date(2024, 9, 25), 910.0),
    ]
    assert rows["available_at"].to_list() == peso["available_at"].to_list()[1:]

"""The ten copper features against TA-Lib, pandas, hand-worked values and laws.

`golden_copper.csv` holds 300 generated prices of copper and the peso and what TA-Lib and pandas make of them, at full
precision. `python -m forex_assets_tests.features.test_copper` writes it anew.
"""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forex_assets.core.holidays import market_calendar
from forex_assets.core.schemas import COPPER_SCHEMA, SAMPLE_SOURCE, USDCLP_SCHEMA, empty
from forex_assets.features.copper import (
    COPPER_FEATURES,
    CROSSOVER,
    FEATURE_NAMES,
    FEATURES_SCHEMA,
    copper_features,
    wilder_rsi,
)

GOLDEN = Path(__file__).with_name("golden_copper.csv")
FIRST_DAY = date(2020, 1, 1)
TOLERANCES = {
    **dict.fromkeys(("copper_ret_1d", "copper_ret_5d", "copper_ret_20d"), 1e-12),
    **dict.fromkeys(("copper_vol_20d", "copper_vol_60d", "copper_sma_20", "copper_sma_50"), 1e-10),
    "copper_trend_signal": 0.0,
    "copper_rsi_14": 1e-8,
    "copper_usdclp_corr_90d": 1e-10,
}


def golden_table() -> pl.DataFrame:
    """Generated prices and oracle features by TA-Lib and pandas.

    300 sessions of a seeded random walk, correlated -.35, rounded as markets quote. TA-Lib's STDDEV is ddof 0, hence
    the factor; pandas gives the correlation and the trend's sign.
    """
    import pandas as pd
    import talib

    z = np.random.default_rng(20240229).standard_normal((300, 2))
    moves = np.column_stack((0.013 * z[:, 0], 0.006 * (-0.35 * z[:, 0] + math.sqrt(1 - 0.35**2) * z[:, 1])))
    price, peso = (
        np.round(level * np.exp(np.cumsum(moves[:, k])), d) for k, (level, d) in enumerate([(4, 4), (850, 2)])
    )
    returns = {n: np.log1p(talib.ROCP(price, n)) for n in (1, 5, 20)}
    pandas_price, pandas_peso = pd.Series(price), pd.Series(peso)
    spread = np.sign(pandas_price.rolling(20).mean() - pandas_price.rolling(50).mean())
    daily, daily_peso = (np.log(s / s.shift(1)) for s in (pandas_price, pandas_peso))
    columns = {
        "close_usd_lb": price,
        "clp_per_usd": peso,
        **{f"copper_ret_{n}d": values for n, values in returns.items()},
        **{
            f"copper_vol_{n}d": np.append(np.nan, talib.STDDEV(returns[1][1:], n) * math.sqrt(252 * n / (n - 1)))
            for n in (20, 60)
        },
        **{f"copper_sma_{n}": talib.SMA(price, n) for n in (20, 50)},
        "copper_trend_signal": spread.to_numpy(),
        "copper_rsi_14": talib.RSI(price, 14),
        "copper_usdclp_corr_90d": daily.rolling(90).corr(daily_peso).to_numpy(),
    }
    return pl.DataFrame(columns).fill_nan(None)


def days(count: int, start: date = FIRST_DAY) -> list[date]:
    return [start + timedelta(days=k) for k in range(count)]


def _prices(
    column: str,
    schema: dict[str, pl.DataType],
    values: Sequence[float | None],
    sessions: Sequence[date] | None,
    hour: int,
) -> pl.DataFrame:
    sessions = days(len(values)) if sessions is None else sessions
    known = [datetime.combine(day, time(hour), UTC) for day in sessions]
    row = {
        "source": "yahoo",
        "is_provisional": False,
        "is_suspect": False,
        "is_quarantined": False,
        "monthly_level_usd_lb": None,
    }
    data = {"session": sessions, column: values, "available_at": known, "fetched_at": known}
    return pl.DataFrame({name: data.get(name, [row.get(name)] * len(values)) for name in schema}, schema=schema)


def copper_table(values: Sequence[float | None], sessions: Sequence[date] | None = None) -> pl.DataFrame:
    return _prices("close_usd_lb", COPPER_SCHEMA, values, sessions, 21)


def peso_table(values: Sequence[float | None], sessions: Sequence[date] | None = None) -> pl.DataFrame:
    return _prices("clp_per_usd", USDCLP_SCHEMA, values, sessions, 22)


NO_PESO = peso_table([])


def walk(count: int, seed: int = 0, level: float = 4.0, size: float = 0.01) -> list[float]:
    return (level * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, size, count)))).tolist()


def assert_close(actual: pl.Series, expected: Sequence[float | None], tolerance: float) -> None:
    assert [v is None for v in actual] == [v is None for v in expected], actual.name
    worst = max((abs(a - e) for a, e in zip(actual, expected, strict=True) if a is not None), default=0.0)
    assert worst <= tolerance, (actual.name, worst)


# --- golden vectors and independent libraries


@pytest.mark.parametrize("name", FEATURE_NAMES)
def test_every_feature_equals_the_committed_golden_values(name: str) -> None:
    golden = pl.read_csv(GOLDEN, schema_overrides=dict.fromkeys(FEATURE_NAMES, pl.Float64))
    assert golden.height == 300
    features = copper_features(
        copper_table(golden["close_usd_lb"].to_list()), peso_table(golden["clp_per_usd"].to_list())
    )
    assert_close(features[name], golden[name].to_list(), TOLERANCES[name])


def test_the_golden_file_is_what_its_generator_makes() -> None:
    table = golden_table()
    stored = pl.read_csv(GOLDEN, schema_overrides=table.schema)
    assert stored.columns == table.columns
    for name in table.columns:
        assert_close(stored[name], table[name].to_list(), 1e-9)


def test_volatility_and_averages_equal_pandas_and_a_plain_loop() -> None:
    import pandas as pd

    prices = walk(400, seed=3)
    features = copper_features(copper_table(prices), NO_PESO)
    returns = np.diff(np.log(prices))
    for n in (20, 60):
        by_pandas = (pd.Series(np.append(np.nan, returns)).rolling(n).std() * math.sqrt(252)).tolist()
        assert_close(features[f"copper_vol_{n}d"], [None if math.isnan(v) else v for v in by_pandas], 1e-10)
    for n in (20, 50):
        by_loop = [None if t < n - 1 else sum(prices[t - n + 1 : t + 1]) / n for t in range(400)]
        assert_close(features[f"copper_sma_{n}"], by_loop, 1e-10)


@given(st.integers(0, 2**32 - 1), st.integers(15, 300))
@settings(max_examples=30, deadline=None)
def test_the_rsi_equals_talib_on_any_walk(seed: int, count: int) -> None:
    import talib

    prices = np.array(walk(count, seed))
    np.testing.assert_allclose(wilder_rsi(prices)[14:], talib.RSI(prices, 14)[14:], rtol=0, atol=1e-8)


def test_crossovers_equal_a_plain_loop_over_the_two_averages() -> None:
    prices = walk(900, seed=11, size=0.02)
    features = copper_features(copper_table(prices), NO_PESO)
    fast = [sum(prices[t - 19 : t + 1]) / 20 for t in range(49, 900)]
    slow = [sum(prices[t - 49 : t + 1]) / 50 for t in range(49, 900)]
    above = [f > s for f, s in zip(fast, slow, strict=True)]
    events = [int(now) - int(before) for before, now in pairwise(above)]
    assert features[CROSSOVER].to_list() == [None] * 50 + events
    assert {-1, 0, 1} == set(events)


# --- hand-worked values


def test_the_returns_of_three_prices_worked_by_hand() -> None:
    features = copper_features(copper_table([4.0, 4.2, 3.78]), NO_PESO)
    assert_close(features["copper_ret_1d"], [None, 0.04879016416943204, -0.10536051565782628], 1e-15)  # ln 1.05, ln 0.9


def test_the_rsi_of_seven_gains_and_seven_losses_worked_by_hand() -> None:
    # Gains of 3 and losses of 1 in turn: means 1.5 and .5, hence 75. Then a loss of 1: (13*1.5)/14 = 19.5/14 against
    # (13*.5 + 1)/14 = 7.5/14, hence 100*19.5/27.
    prices = np.cumsum([100.0] + [3.0, -1.0] * 7 + [-1.0])
    np.testing.assert_allclose(wilder_rsi(prices)[14:], [75.0, 100 * 19.5 / 27], rtol=0, atol=1e-12)


def test_the_volatility_of_alternating_returns_worked_by_hand() -> None:
    # Ten returns of +1 % and ten of -1 %: mean 0, variance 20*.0001/19, times 252.
    prices = [4.0 * math.exp(0.01 * (k % 2)) for k in range(21)]
    features = copper_features(copper_table(prices), NO_PESO)
    assert features["copper_vol_20d"][20] == pytest.approx(math.sqrt(252 * 20 * 1e-4 / 19), abs=1e-12)


# --- where values stand


def test_every_feature_first_stands_on_the_price_that_it_declares() -> None:
    features = copper_features(copper_table(walk(120)), peso_table(walk(120, 1, 850)))
    for feature in COPPER_FEATURES:
        is_null = features[feature.name].is_null().to_list()
        assert is_null == [True] * (feature.first_valid - 1) + [False] * (121 - feature.first_valid), feature.name
    assert features[CROSSOVER].is_null().to_list() == [True] * 50 + [False] * 70


def test_there_are_ten_features_in_the_order_of_the_schema() -> None:
    assert [f.first_valid for f in COPPER_FEATURES] == [2, 6, 21, 21, 61, 20, 50, 50, 15, 91]
    assert list(FEATURES_SCHEMA) == ["session", "available_at", "source", *FEATURE_NAMES, CROSSOVER]


def test_no_copper_gives_an_empty_table_of_the_same_schema() -> None:
    features = copper_features(empty(COPPER_SCHEMA), peso_table(walk(50, 1, 850)))
    assert features.is_empty()
    assert features.schema == pl.Schema(FEATURES_SCHEMA)


def test_no_pesos_leave_only_the_correlation_null() -> None:
    last = copper_features(copper_table(walk(120)), NO_PESO).row(-1, named=True)
    assert [name for name, value in last.items() if value is None] == ["copper_usdclp_corr_90d"]


# --- laws


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 3.0))
@settings(max_examples=15, deadline=None)
def test_scaling_the_price_doubles_the_averages_and_changes_nothing_else(seed: int, factor: float) -> None:
    prices, peso = walk(130, seed), peso_table(walk(130, seed + 1, 850))
    plain = copper_features(copper_table(prices), peso)
    scaled = copper_features(copper_table([factor * p for p in prices]), peso)
    for name in FEATURE_NAMES:
        ratio = factor if name.startswith("copper_sma") else 1.0
        assert_close(scaled[name], [None if v is None else ratio * v for v in plain[name]], 1e-8)


def test_twice_the_price_gives_the_same_bits() -> None:
    prices, peso = walk(200, 5), peso_table(walk(200, 6, 850))
    plain = copper_features(copper_table(prices), peso)
    doubled = copper_features(copper_table([2 * p for p in prices]), peso)
    averages = ["copper_sma_20", "copper_sma_50"]
    assert doubled.drop(averages).equals(plain.drop(averages))
    assert doubled.select(averages).equals(plain.select(pl.col(averages) * 2))


@given(st.integers(0, 2**32 - 1), st.integers(0, 250))
@settings(max_examples=30, deadline=None)
def test_truncating_the_future_changes_no_bit_of_the_past(seed: int, kept: int) -> None:
    copper, peso = copper_table(walk(250, seed)), peso_table(walk(250, seed + 1, 850))
    whole = copper_features(copper, peso)
    early = copper_features(copper.head(kept), peso.filter(pl.col("session") < FIRST_DAY + timedelta(days=kept)))
    assert early.equals(whole.head(kept), null_equal=True)


@given(st.sets(st.integers(0, 199), max_size=80))
@settings(max_examples=20, deadline=None)
def test_missing_and_quarantined_and_monthly_rows_are_as_if_they_were_not_there(gone: set[int]) -> None:
    prices, peso = walk(200, 7), peso_table(walk(200, 8, 850))
    index = pl.int_range(pl.len())
    copper = copper_table(prices).with_columns(
        close_usd_lb=pl.when(index.is_in([k for k in gone if k % 3 == 0])).then(None).otherwise("close_usd_lb"),
        is_quarantined=index.is_in([k for k in gone if k % 3 == 1]),
        source=pl.when(index.is_in([k for k in gone if k % 3 == 2])).then(pl.lit("fred")).otherwise("source"),
    )
    # What should be left out is also wrong, so that a leak shows.
    copper = copper.with_columns(
        close_usd_lb=pl.when(pl.col("is_quarantined") | (pl.col("source") == "fred"))
        .then(8000.0)
        .otherwise("close_usd_lb")
    )
    stay = [k for k in range(200) if k not in gone]
    expected = copper_features(copper_table([prices[k] for k in stay], [days(200)[k] for k in stay]), peso)
    assert copper_features(copper, peso).equals(expected, null_equal=True)


@pytest.mark.parametrize(("step", "rsi"), [(0.0, 50.0), (0.01, 100.0), (-0.01, 0.0)])
def test_a_price_that_stands_still_or_only_rises_or_falls_has_an_exact_rsi(step: float, rsi: float) -> None:
    features = copper_features(copper_table([4 + step * k for k in range(120)]), peso_table(walk(120, 1, 850)))
    assert set(features["copper_rsi_14"].drop_nulls()) == {rsi}


def test_a_price_that_stands_still_has_no_spread_no_trend_and_no_correlation() -> None:
    features = copper_features(copper_table([4.1] * 120), peso_table(walk(120, 1, 850)))
    assert set(features["copper_vol_20d"].drop_nulls()) == {0.0}
    assert set(features["copper_trend_signal"].drop_nulls()) == {0.0}
    assert features["copper_usdclp_corr_90d"].null_count() == 120


def test_the_correlation_is_null_while_the_peso_stands_still() -> None:
    peso = walk(100, 1, 850)
    features = copper_features(copper_table(walk(300)), peso_table(peso + [peso[-1]] * 100 + walk(100, 2, 850)))
    # Returns 100 to 199 are nought; a whole window of 90 of them ends on the rows 189 to 199.
    assert [t for t in range(91, 300) if features["copper_usdclp_corr_90d"][t] is None] == list(range(189, 200))


# --- the correlation's sessions, and when things were known


def test_the_correlation_runs_over_joint_sessions_with_returns_across_the_holes() -> None:
    import pandas as pd

    prices, pesos = walk(260, 21), walk(260, 22, 850)
    calendars = [market_calendar("COMEX"), market_calendar("CLP")]
    sessions = [set(calendar.between(FIRST_DAY, date(2021, 6, 30))) for calendar in calendars]
    all_days = sorted(set.intersection(*sessions))[:260]
    copper_days = [k for k in range(260) if k % 7 != 3]
    peso_days = [k for k in range(260) if k % 11 != 5]
    features = copper_features(
        copper_table([prices[k] for k in copper_days], [all_days[k] for k in copper_days]),
        peso_table([pesos[k] for k in peso_days], [all_days[k] for k in peso_days]),
    )
    joint = [k for k in copper_days if k in peso_days]
    ends = pairwise(all_days[k] for k in joint)
    apart = [1] + [max(1, min(len(calendar.between(a, b)) for calendar in calendars)) for a, b in ends]
    assert max(apart) > 1
    r, q = (np.log(pd.Series([s[k] for k in joint])).diff() / np.sqrt(apart) for s in (prices, pesos))
    expected = {all_days[k]: v for k, v in zip(joint, r.rolling(90).corr(q), strict=True) if not math.isnan(v)}
    actual = {row["session"]: row["copper_usdclp_corr_90d"] for row in features.iter_rows(named=True)}
    assert_close(features["copper_usdclp_corr_90d"], [expected.get(day) for day in actual], 1e-10)


def test_a_return_over_missing_sessions_counts_as_one_of_a_sessions_variance_and_a_holiday_is_no_gap() -> None:
    """COMEX rests on Thanksgiving, 28 November 2024; from Monday, 2, to Monday, 9 December, four sessions are lost."""
    sessions = [date(2024, 11, 27), date(2024, 11, 29), date(2024, 12, 2), date(2024, 12, 9), date(2024, 12, 10)]
    logs = np.array([1.40, 1.41, 1.43, 1.53, 1.52])
    features = copper_features(copper_table(np.exp(logs).tolist(), sessions), NO_PESO)
    assert_close(features["copper_ret_1d"], [None, 0.01, 0.02, 0.10 / math.sqrt(5), -0.01], 1e-12)
    before = walk(30, 3)
    days_before = market_calendar("COMEX").between(date(2024, 10, 1), date(2024, 11, 26))[-30:]
    long = copper_features(copper_table([*before, *np.exp(logs).tolist()], [*days_before, *sessions]), NO_PESO)
    daily = [*np.diff(np.log(before)), logs[0] - math.log(before[-1]), 0.01, 0.02, 0.10 / math.sqrt(5), -0.01]
    assert long["copper_ret_5d"][-1] == pytest.approx(sum(daily[-5:]), abs=1e-12)
    assert long["copper_vol_20d"][-1] == pytest.approx(np.std(daily[-20:], ddof=1) * math.sqrt(252), rel=1e-9)


def test_a_quarantined_peso_takes_no_part_in_the_correlation() -> None:
    copper, peso = copper_table(walk(150)), peso_table(walk(150, 1, 850))
    is_bad = pl.int_range(pl.len()) == 120
    bad = peso.with_columns(is_quarantined=is_bad, clp_per_usd=pl.when(is_bad).then(5.0).otherwise("clp_per_usd"))
    expected = copper_features(copper, peso.filter(pl.col("session") != FIRST_DAY + timedelta(days=120)))
    assert copper_features(copper, bad).equals(expected, null_equal=True)


def test_a_row_is_available_when_the_last_price_that_went_into_it_was() -> None:
    copper, peso = copper_table(walk(100)), peso_table(walk(100, 1, 850))
    late = datetime(2020, 1, 30, 9, tzinfo=UTC)  # session 21 came in days after
    copper = copper.with_columns(
        available_at=pl.when(pl.int_range(pl.len()) == 20).then(pl.lit(late)).otherwise("available_at")
    )
    known = copper_features(copper, peso)["available_at"].to_list()
    at = [datetime.combine(day, time(21), UTC) for day in days(100)]
    assert known[:20] == at[:20]
    assert known[20:29] == [late] * 9
    assert known[29:90] == at[29:90]
    assert known[90:] == [moment.replace(hour=22) for moment in at[90:]]  # the peso's hour, once it takes part


def test_a_peso_that_came_late_holds_back_every_correlation_made_with_it() -> None:
    late = datetime(2020, 4, 6, 9, tzinfo=UTC)  # session 93 is 2020-04-03
    peso = peso_table(walk(100, 1, 850)).with_columns(
        available_at=pl.when(pl.int_range(pl.len()) == 93).then(pl.lit(late)).otherwise("available_at")
    )
    known = copper_features(copper_table(walk(100)), peso)["available_at"].to_list()
    at = [datetime.combine(day, time(22), UTC) for day in days(100)]
    assert known[90:] == [*at[90:93], late, late, late, *at[96:]]


def test_rows_with_a_correlation_made_from_generated_pesos_say_so() -> None:
    peso = peso_table(walk(100, 1, 850)).with_columns(source=pl.lit(SAMPLE_SOURCE))
    assert copper_features(copper_table(walk(100)), peso)["source"].to_list() == ["yahoo"] * 90 + [SAMPLE_SOURCE] * 10


# --- what is refused


@pytest.mark.parametrize("price", [385.0, 8500.0, 0.3, float("nan"), -1.0])
def test_a_price_that_cannot_be_usd_per_pound_is_refused_by_name(price: float) -> None:
    with pytest.raises(ValueError, match=r"2020-01-03 from 'yahoo' cannot be USD/lb .*cents/lb by 100, USD/t by 2204"):
        copper_features(copper_table([4.0, 4.0, price]), NO_PESO)


def test_sessions_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="sessions must strictly increase"):
        copper_features(copper_table([4.0, 4.1], [FIRST_DAY, FIRST_DAY]), NO_PESO)


if __name__ == "__main__":
    golden_table().write_csv(GOLDEN)

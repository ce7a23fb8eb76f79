"""Realized prices are joined once known and scored by row; updates equal full computations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forex_assets.core.calendar import calendar_of, issue_instant
from forex_assets.core.horizon import target_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import (
    MODEL_QUANTILE_COLUMNS,
    QUANTILE_COLUMNS,
    REALIZED_SCHEMA,
    USDCLP_SCHEMA,
    WALK_QUANTILE_COLUMNS,
)
from forex_assets.core.scores import crps, pit
from forex_assets.forecasts.baselines import EwmaEngine, random_walk
from forex_assets.forecasts.forecast import make_forecast
from forex_assets.forecasts.realized import (
    KEY,
    as_issued,
    covers_every_due_forecast,
    join_realized,
    realize,
    score_rows,
)

CALENDAR = calendar_of("no holidays", [])
SESSIONS = CALENDAR.between(date(2023, 10, 31), date(2024, 2, 2))
VALUES = np.round(900 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.006, len(SESSIONS)))), 2)
CONFIG = InferenceConfig.model_validate({"horizon": "7d", "model": "m", "context_length": 180})
FOREVER = datetime(2030, 1, 1, tzinfo=UTC)


def prices_of(values: dict[int, float], provisional: Sequence[int] = (), bad: Sequence[int] = ()) -> pl.DataFrame:
    """Prices by index of their session, each available an hour before that session's forecast."""
    rows = {
        "session": [SESSIONS[i] for i in sorted(values)],
        "clp_per_usd": [values[i] for i in sorted(values)],
        "source": "yahoo",
        "is_provisional": [i in provisional for i in sorted(values)],
        "is_suspect": False,
        "available_at": [issue_instant(SESSIONS[i]) - timedelta(hours=1) for i in sorted(values)],
        "fetched_at": FOREVER,
        "is_quarantined": [i in bad for i in sorted(values)],
    }
    return pl.DataFrame(rows, schema=USDCLP_SCHEMA)


ALL = prices_of(dict(enumerate(VALUES)))


def forecast_of(origin: int, seed: int = 0, version: int = 1, widen: float = 1.0) -> pl.DataFrame:
    """A ledger forecast issued after session `origin`, with a widened published fan."""
    target = target_of("7d", SESSIONS[origin], SESSIONS[origin], CALENDAR)
    config = CONFIG.model_copy(update={"seed": seed})
    table = make_forecast(EwmaEngine(), config, target, ALL.head(origin + 1), clock=lambda: 0.0)
    q50 = pl.col("q50")
    return table.drop("engine_seconds").with_columns(
        *((q50 * (pl.col(name) / q50).pow(widen)).alias(name) for name in QUANTILE_COLUMNS),
        issued_at=pl.lit(issue_instant(SESSIONS[origin]), REALIZED_SCHEMA["issued_at"]),
        version=pl.lit(version, pl.Int64),
        is_shadow=pl.lit(False),
        is_replay=pl.lit(False),
        entry_hash=pl.lit(f"{origin}-{seed}-{version}"),
    )


def bits(frame: pl.DataFrame) -> list[object]:
    """A table in which equality is to the last bit."""
    floats = [frame[name].to_numpy().tobytes() for name, dtype in frame.schema.items() if dtype == pl.Float64]
    return [frame.schema, frame.select(pl.exclude(pl.Float64)).rows(), floats]


def test_a_step_is_realized_by_the_price_of_its_own_session() -> None:
    forecast = forecast_of(40)
    table = realize(forecast, ALL, FOREVER)
    assert table.schema == REALIZED_SCHEMA
    assert table["step"].to_list() == [1, 2, 3, 4, 5]
    assert table["realized_clp_per_usd"].to_list() == VALUES[41:46].tolist()
    assert table["realized_available_at"].to_list() == [issue_instant(d) - timedelta(hours=1) for d in SESSIONS[41:46]]
    assert table["is_target"].to_list() == [False] * 4 + [True]
    assert table["record"].unique().to_list() == ["ledger"]
    columns = [name for name in forecast.columns if name in table.columns]
    assert table.select(columns).equals(forecast.select(columns))
    assert table["error"].to_list() == (VALUES[41:46] - VALUES[40]).tolist()


def test_a_price_counts_from_the_instant_at_which_it_is_available() -> None:
    instant = issue_instant(SESSIONS[43]) - timedelta(hours=1)
    assert join_realized(forecast_of(40), ALL, instant)["step"].to_list() == [1, 2, 3]
    assert join_realized(forecast_of(40), ALL, instant - timedelta(microseconds=1))["step"].to_list() == [1, 2]
    late = ALL.with_columns(available_at=pl.col("available_at") + timedelta(days=5))
    assert join_realized(forecast_of(40), late, instant).height == 0


def test_provisional_and_quarantined_prices_are_no_truth() -> None:
    prices = prices_of(dict(enumerate(VALUES)), provisional=[42], bad=[44])
    table = join_realized(forecast_of(40), prices, FOREVER)
    assert table["session"].to_list() == [SESSIONS[i] for i in (41, 43, 45)]


def test_the_scores_are_the_kernels_of_the_right_fans() -> None:
    table = realize(pl.concat([forecast_of(41, widen=1.7), forecast_of(40)]), ALL, FOREVER)
    assert table.height == 10
    for row in table.iter_rows(named=True):
        y = np.array([row["realized_clp_per_usd"]])
        published, model, walk = (
            np.array([[row[name] for name in columns]])
            for columns in (QUANTILE_COLUMNS, MODEL_QUANTILE_COLUMNS, WALK_QUANTILE_COLUMNS)
        )
        constant = random_walk(row["origin_clp_per_usd"], row["constant_sd"], row["step"]).quantiles[-1:]
        expected = {"crps": published, "model_crps": model, "walk_crps": walk, "constant_crps": constant}
        for name, fan in expected.items():
            assert row[name] == pytest.approx(crps(y, fan)[0], rel=1e-12)
        assert (row["pit"], row["model_pit"]) == (pit(y, published)[0], pit(y, model)[0])
        assert (row["crps"] == row["model_crps"]) == (row["as_of"] == SESSIONS[40])


def test_rows_are_ordered_and_nothing_due_is_an_empty_table() -> None:
    forecasts = pl.concat([forecast_of(i, seed, 2 - seed) for i in (44, 40, 42) for seed in (1, 0)])
    table = realize(forecasts.sample(fraction=1.0, shuffle=True, seed=3), ALL, FOREVER)
    assert table.select(KEY).rows() == sorted(table.select(KEY).rows())
    nothing = realize(forecast_of(40), ALL.head(41), FOREVER, previous=table)
    assert nothing.schema == REALIZED_SCHEMA
    assert nothing.height == 0


@given(cuts=st.lists(st.integers(0, 900), max_size=6))
@settings(max_examples=25, deadline=None)
def test_a_rows_scores_do_not_depend_on_the_rows_beside_it(cuts: list[int]) -> None:
    whole = join_realized(MANY, ALL, FOREVER)
    bounds = sorted({0, whole.height, *(cut for cut in cuts if cut < whole.height)})
    parts = [score_rows(whole.slice(low, high - low)) for low, high in pairwise(bounds)]
    assert bits(pl.concat(parts)) == bits(score_rows(whole))


MANY = pl.concat([forecast_of(i, seed) for i in range(20, 60) for seed in (0, 1)])
POOL = [forecast_of(i, seed, 1, widen) for i in (40, 41, 43) for seed in (0, 1) for widen in (1.0, 1.5)]


@dataclass
class Market:
    """Prices that arrive, are revised, become final and are marked, under a running clock."""

    values: dict[int, float]
    provisional: set[int]
    bad: set[int]
    today: int

    def prices(self) -> pl.DataFrame:
        return prices_of(self.values, sorted(self.provisional), sorted(self.bad))

    def now(self) -> datetime:
        return issue_instant(SESSIONS[self.today])


index = st.integers(40, 49)
events = st.one_of(
    st.tuples(st.just("issue"), st.integers(0, len(POOL) - 1)),
    st.tuples(st.just("price"), index),
    st.tuples(st.just("provisional"), index),
    st.tuples(st.just("finish"), index),
    st.tuples(st.just("revise"), index),
    st.tuples(st.just("mark"), index),
    st.tuples(st.just("wait"), st.integers(1, 3)),
)


def happen(event: str, i: int, market: Market, ledger: list[pl.DataFrame]) -> None:
    """One event."""
    if event == "issue" and not any(POOL[i]["entry_hash"][0] == entry["entry_hash"][0] for entry in ledger):
        ledger.append(POOL[i])
    elif event in ("price", "provisional"):
        market.values.setdefault(i, float(VALUES[i]))
        (market.provisional.add if event == "provisional" else market.provisional.discard)(i)
    elif event == "finish" and i in market.provisional:
        market.provisional.discard(i)
        market.values[i] += 0.25
    elif event == "revise" and i in market.values:
        market.values[i] += 1.5
    elif event == "mark":
        market.bad ^= {i}
    elif event == "wait":
        market.today = min(market.today + i, len(SESSIONS) - 1)


@settings(max_examples=30, deadline=None)
@given(history=st.lists(st.lists(events, min_size=1, max_size=5), min_size=1, max_size=8))
def test_bringing_up_to_date_is_starting_anew_to_the_last_bit(history: list[list[tuple[str, int]]]) -> None:
    market, ledger = Market(dict(enumerate(VALUES[:44].tolist())), set(), set(), 42), [POOL[0]]
    table = None
    for day in history:
        for event, i in day:
            happen(event, i, market, ledger)
        given_ = pl.concat(ledger), market.prices(), market.now()
        table = realize(*given_, previous=table)
        assert bits(table) == bits(realize(*given_))
        assert covers_every_due_forecast(given_[0], table, *given_[1:]).passed


def test_scores_are_taken_over_only_where_forecast_and_price_are_the_same() -> None:
    forecasts = pl.concat([forecast_of(40), forecast_of(41)])
    before = realize(forecasts, ALL, FOREVER).with_columns(crps=pl.lit(-1.0))
    values = dict(enumerate(VALUES.tolist()))
    values[43] += 1
    other = pl.concat([forecast_of(40), forecast_of(41, widen=1.2)])
    after = realize(other, prices_of(values), FOREVER, previous=before)
    is_old = (pl.col("as_of") == SESSIONS[40]) & (pl.col("session") != SESSIONS[43])
    assert after.filter(is_old)["crps"].unique().to_list() == [-1.0]
    assert after.filter(~is_old)["crps"].min() > 0  # type: ignore[operator]


def test_a_clock_that_was_set_by_hand_makes_a_replay_and_what_was_never_issued_is_a_backtest() -> None:
    forecast = forecast_of(40)
    assert set(realize(forecast.with_columns(is_replay=True), ALL, FOREVER)["record"]) == {"replay"}
    assert set(realize(forecast.drop("is_replay"), ALL, FOREVER)["record"]) == {"backtest"}


def test_a_backtests_rerun_on_other_data_is_a_later_version_issued_at_its_own_instant() -> None:
    columns = ["issued_at", "version", "is_shadow", "entry_hash"]
    tables = [forecast_of(i).drop(*columns, "is_replay").with_columns(engine_seconds=0.0) for i in (40, 41, 40)]
    tables[2] = tables[2].with_columns(data_fingerprint=pl.lit("revised"))
    other = tables[0].with_columns(engine=pl.lit("random-walk"), model=pl.lit("random-walk"))
    issued = as_issued(pl.concat([*tables, other]))
    assert issued.drop(columns).equals(pl.concat([*tables, other]))
    assert issued["version"].to_list() == [v for v, table in zip((1, 1, 2, 1), [*tables, other], strict=True)
                                           for _ in range(table.height)]  # fmt: skip
    assert issued["issued_at"].to_list() == [issue_instant(day) for day in issued["as_of"]]
    table = realize(issued, ALL, FOREVER)
    assert table.height == issued.height
    assert bits(realize(issued, ALL, FOREVER, previous=table)) == bits(table)


def test_a_session_with_two_prices_is_refused() -> None:
    with pytest.raises(pl.exceptions.ComputeError, match="m:1"):
        join_realized(forecast_of(40), pl.concat([ALL, ALL]), FOREVER)


def test_what_is_due_and_missing_is_named() -> None:
    forecasts = pl.concat([forecast_of(40), forecast_of(41)])
    table = realize(forecasts, ALL, FOREVER)
    judged = covers_every_due_forecast(forecasts, table, ALL, FOREVER)
    assert judged.passed
    assert judged.message == "10 steps due"
    gone = covers_every_due_forecast(forecasts, table.slice(1), ALL, FOREVER)
    assert not gone.passed
    assert gone.message == f"10 steps due, 1 missing or outdated: 7d of {SESSIONS[40]}, step 1 ({SESSIONS[41]})"
    values = dict(enumerate(VALUES.tolist()))
    values[42] += 1
    assert covers_every_due_forecast(forecasts, table, prices_of(values), FOREVER).values["missing"] == 2


def test_sessions_that_never_traded_are_counted_and_no_fault() -> None:
    prices = ALL.filter(pl.col("session") != SESSIONS[43])
    table = realize(forecast_of(40), prices, FOREVER)
    judged = covers_every_due_forecast(forecast_of(40), table, prices, FOREVER)
    assert judged.passed
    assert judged.message == "4 steps due; 1 forecast sessions never traded"
    young = covers_every_due_forecast(forecast_of(40), table.clear(), prices.head(41), FOREVER)
    assert (young.passed, young.message, young.values["sessions_never_traded"]) == (True, "0 steps due", 0)


def test_no_forecast_is_never_green() -> None:
    nothing = forecast_of(40).clear()
    table = realize(nothing, ALL, FOREVER)
    assert not covers_every_due_forecast(nothing, table, ALL, FOREVER).passed

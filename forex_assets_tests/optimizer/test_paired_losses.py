"""Champion and challenger side by side: what is joined and refused, the walk's rows, and the gain's interval."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forex_assets.accuracy.backtest import backtest
from forex_assets.accuracy.compare import skill
from forex_assets.core.calendar import SessionCalendar, issue_instant
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import USDCLP_SCHEMA
from forex_assets.forecasts.baselines import EwmaEngine, RandomWalkEngine
from forex_assets.forecasts.realized import as_issued, join_realized, score_rows
from forex_assets.optimizer.paired_losses import WALK, evidence_of, gain, walk_rows
from forex_assets_tests.optimizer.rows import realized_rows

NOTHING_TIMED = np.empty((2, 0))
CALENDAR = SessionCalendar("weekdays", frozenset())


def prices(n: int = 420, seed: int = 0) -> pl.DataFrame:
    """A walk on weekdays, each price known in its own evening."""
    days = CALENDAR.between(date(2019, 1, 1), date(2019, 1, 1) + timedelta(days=2 * n))[:n]
    walk = 800 * np.exp(np.cumsum(0.006 * np.random.default_rng(seed).standard_normal(n)))
    known = [issue_instant(day) - timedelta(hours=1) for day in days]
    return pl.DataFrame(
        {"session": days, "clp_per_usd": walk, "available_at": known, "fetched_at": known},
        schema_overrides={"available_at": USDCLP_SCHEMA["available_at"], "fetched_at": USDCLP_SCHEMA["fetched_at"]},
    ).with_columns(
        source=pl.lit("test"), is_provisional=pl.lit(False), is_suspect=pl.lit(False), is_quarantined=pl.lit(False)
    ).select(list(USDCLP_SCHEMA))  # fmt: skip


def scored(engine: object, table: pl.DataFrame, every: int = 10) -> pl.DataFrame:
    """A backtest of the last hundred sessions, as realized rows."""
    config = InferenceConfig(horizon="7d", model="any", context_length=90, is_calibrated=False)
    days = table["session"].to_list()[300:400:every]
    batches = backtest(engine, config, table, None, days, CALENDAR, clock=lambda: 0.0)  # type: ignore[arg-type]
    return score_rows(join_realized(as_issued(pl.concat(list(batches))), table, issue_instant(date(2022, 1, 1))))


def test_the_walks_rows_are_those_of_its_engine() -> None:
    table = prices()
    walk = evidence_of(scored(EwmaEngine(), table), walk_rows(scored(RandomWalkEngine(), table)), NOTHING_TIMED)
    assert walk.n == 10
    for pair in (walk.errors, walk.crps, walk.hits):
        np.testing.assert_allclose(pair[0], pair[1])
    assert set(walk_rows(scored(RandomWalkEngine(), table))["config_fingerprint"]) == {WALK}


def test_only_targets_on_dates_that_both_have_are_compared() -> None:
    one, other = realized_rows([900, 910, 920], [1, 2, 3]), realized_rows([900, 910, 920], [4, 5, 6])
    on_the_way = one.head(1).with_columns(is_target=pl.lit(False), step=pl.lit(1, pl.Int64))
    sample = evidence_of(pl.concat([on_the_way, one.head(2)]), other.tail(2), NOTHING_TIMED)
    assert sample.as_of.to_list() == other["as_of"][1:2].to_list()
    assert sample.errors.tolist() == [[2.0], [5.0]]
    assert (sample.n, sample.overlap) == (1, 1.0)


def test_the_overlap_is_read_off_the_dates() -> None:
    rows = realized_rows(np.full(40, 900.0), np.ones(40), days=30, every=7)
    assert evidence_of(rows, rows, NOTHING_TIMED).overlap == pytest.approx(30 / 7)


def test_what_does_not_fit_is_refused() -> None:
    one = realized_rows([900, 910], [1, 2])
    with pytest.raises(ValueError, match="different prices"):
        evidence_of(one, realized_rows([900, 911], [1, 2]), NOTHING_TIMED)
    with pytest.raises(ValueError, match="above 0"):
        evidence_of(one, one, np.array([[1.0], [0.0]]))
    with pytest.raises(pl.exceptions.ComputeError):
        evidence_of(pl.concat([one, one]), one, NOTHING_TIMED)


def test_a_hit_is_a_price_inside_the_band_bounds_included() -> None:
    rows = realized_rows([900.0, 900.0, 900.0], [5.0, 20.0, 21.0], half_width=20.0)
    assert evidence_of(rows, rows, NOTHING_TIMED).hits[1].tolist() == [True, True, False]


def test_a_gain_is_that_of_the_means_and_its_interval_agrees_with_resampling() -> None:
    rng = np.random.default_rng(5)
    reference = rng.gamma(2, 1, 300)
    loss = 0.9 * reference * np.exp(0.3 * rng.standard_normal(300))
    result, resampled = gain(loss, reference, 1.0), skill(loss, reference, overlap=1.0)
    assert result.value == pytest.approx(1 - loss.mean() / reference.mean())
    assert result.low == pytest.approx(resampled.low, abs=0.012)
    assert result.high == pytest.approx(resampled.high, abs=0.012)
    rooted = gain(loss, reference, 1.0, root=True)
    assert rooted.value == pytest.approx(1 - np.sqrt(loss.mean() / reference.mean()))
    # The interval of a root is the root of the interval.
    assert (rooted.low, rooted.high) == pytest.approx(
        tuple(1 - np.sqrt(1 - bound) for bound in (result.low, result.high))
    )


@given(st.floats(0.01, 100), st.integers(0, 50))
def test_a_gain_knows_no_unit(factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    loss, reference = rng.gamma(2, 1, 40), rng.gamma(2, 1, 40)
    one, other = gain(loss, reference, 2.0), gain(factor * loss, factor * reference, 2.0)
    assert (other.value, other.low, other.high) == pytest.approx((one.value, one.low, one.high))


def test_nothing_lost_and_too_few_have_no_interval() -> None:
    assert gain(np.zeros(9), np.ones(9), 1.0).value is None
    assert gain(np.empty(0), np.empty(0), 1.0).value is None
    few = gain(np.array([1.0, 2.0, 1.0]), np.array([2.0, 2.0, 2.0]), 1.0)
    assert few.value == pytest.approx(1 / 3)
    assert few.low is None


def test_the_intervals_of_equal_forecasts_hold_nothing_in_nineteen_cases_of_twenty() -> None:
    rng, outside = np.random.default_rng(8), 0
    for _ in range(400):
        shared = rng.gamma(2, 1, 120)
        result = gain(*(shared * np.exp(0.3 * rng.standard_normal(120)) for _ in range(2)), 1.0)
        outside += result.low > 0 or result.high < 0  # type: ignore[operator]
    assert outside / 400 < 0.085

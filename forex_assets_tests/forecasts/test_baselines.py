"""The walk against scipy's log-normal and against plain loops."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import lognorm

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import QUANTILE_LEVELS
from forex_assets.core.volatility import ewma_volatility
from forex_assets.forecasts.baselines import EwmaEngine, random_walk
from forex_assets.forecasts.engine import EngineError, Origin

CONFIG = InferenceConfig(horizon="7d", model="ewma", context_length=64)


def walk_prices(n: int, seed: int = 0, sd: float = 0.006) -> np.ndarray:
    return 900 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, sd, n)))


def plain_volatility(prices: list[float], decay: float) -> float:
    squares = [math.log(b / a) ** 2 for a, b in itertools.pairwise(prices)]
    first = squares[:20]
    variance = sum(first) / len(first)
    for square in squares[20:]:
        variance = decay * variance + (1 - decay) * square
    return math.sqrt(variance)


@pytest.mark.parametrize("n", [2, 3, 20, 21, 22, 300])
@pytest.mark.parametrize("decay", [0.97, 0.8])
def test_volatility_is_that_of_a_plain_loop(n: int, decay: float) -> None:
    prices = walk_prices(n)
    assert ewma_volatility(prices, decay) == pytest.approx(plain_volatility(prices.tolist(), decay), rel=1e-12)


def test_volatility_of_two_returns_worked_by_hand() -> None:
    # Log returns .03 and -.04: mean square .00125.
    prices = np.array([1.0, math.exp(0.03), math.exp(-0.01)])
    assert ewma_volatility(prices) == pytest.approx(math.sqrt(0.00125), rel=1e-12)


@given(st.floats(1e-3, 1e3), st.integers(2, 80))
def test_volatility_does_not_depend_on_the_unit_of_the_price(unit: float, n: int) -> None:
    prices = walk_prices(n)
    assert ewma_volatility(prices * unit) == pytest.approx(ewma_volatility(prices), rel=1e-6)


def test_volatility_of_a_price_that_never_moved_is_zero_and_its_fan_a_line() -> None:
    assert ewma_volatility(np.full(30, 800.0)) == 0.0
    assert (random_walk(800.0, 0.0, 3).quantiles == 800.0).all()


@pytest.mark.parametrize("prices", [[900.0], [], [900.0, 0.0], [900.0, -1.0], [900.0, math.nan], [900.0, math.inf]])
def test_impossible_prices_are_refused(prices: list[float]) -> None:
    with pytest.raises(ValueError, match=r"two prices|positive, finite"):
        ewma_volatility(np.array(prices))
    with pytest.raises(EngineError, match=f"origin of {len(prices)} prices"):
        EwmaEngine().forecast([Origin(np.array(prices), 5, {})], CONFIG)


def test_walk_has_the_quantiles_and_the_mean_of_scipys_log_normal() -> None:
    fan = random_walk(912.5, 0.007, 65)
    for step in (1, 5, 22, 65):
        law = lognorm(s=0.007 * math.sqrt(step), scale=912.5)
        np.testing.assert_allclose(fan.quantiles[step - 1], law.ppf(QUANTILE_LEVELS), rtol=1e-12)
        assert fan.mean[step - 1] == pytest.approx(law.mean(), rel=1e-12)
    assert (fan.median == 912.5).all()


def test_engine_walks_from_the_last_price_with_the_last_500_sessions() -> None:
    calm = walk_prices(500, seed=1)
    wild = walk_prices(300, seed=2, sd=0.2)
    fans = EwmaEngine().forecast([Origin(calm, 5, {}), Origin(np.concatenate([wild, calm]), 5, {})], CONFIG)
    expected = random_walk(float(calm[-1]), ewma_volatility(calm), 5)
    for fan in fans:
        assert (fan.quantiles == expected.quantiles).all()
    assert EwmaEngine().name == EwmaEngine().model == "ewma"

"""Scores against `scoringrules`, scipy, plain loops and their properties."""

import math

import numpy as np
import pytest
import scoringrules
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from forex_assets.core import scores
from forex_assets.core.schemas import QUANTILE_LEVELS
from forex_assets.forecasts.representation import complete_quantiles

Z = norm.ppf(QUANTILE_LEVELS)


def log_normal(median: np.ndarray, sd: np.ndarray) -> np.ndarray:
    return np.asarray(median)[:, None] * np.exp(np.asarray(sd)[:, None] * Z)


def market(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Prices that came true and lopsided fans, none of them log-normal."""
    rng = np.random.default_rng(seed)
    quantiles = rng.uniform(600, 1000, (n, 1)) * np.exp(np.sort(rng.normal(0, 0.05, (n, 9)), axis=1))
    return quantiles[:, 4] * np.exp(rng.normal(0, 0.08, n)), quantiles


fans = st.tuples(
    st.floats(300, 1500),
    st.lists(st.floats(-0.3, 0.3), min_size=9, max_size=9),
).map(lambda drawn: drawn[0] * np.exp(np.sort(drawn[1]))[None])
# Two quantiles as good as one leave no way back.
wide_fans = fans.map(lambda fan: fan * np.exp(0.01 * np.arange(9)))
prices = st.floats(200, 2000)


def plain_quantile_function(quantiles: np.ndarray, z: float) -> float:
    """The law between nine quantiles, from its definition."""
    logs = [math.log(q) for q in quantiles]
    if z < Z[0]:
        return math.exp(logs[4] + (logs[0] - logs[4]) * z / Z[0])
    if z > Z[-1]:
        return math.exp(logs[4] + (logs[-1] - logs[4]) * z / Z[-1])
    i = max(k for k in range(8) if Z[k] <= z)
    return math.exp(logs[i] + (logs[i + 1] - logs[i]) * (z - Z[i]) / (Z[i + 1] - Z[i]))


def test_pinball_is_that_of_scoringrules_and_of_a_plain_loop() -> None:
    y, quantiles = market(50)
    result = scores.pinball(y, quantiles)
    for j, level in enumerate(QUANTILE_LEVELS):
        np.testing.assert_allclose(result[:, j], scoringrules.quantile_score(y, quantiles[:, j], level), rtol=1e-12)
        for i in range(50):
            off = y[i] - quantiles[i, j]
            assert result[i, j] == pytest.approx(level * off if off > 0 else (level - 1) * off, rel=1e-12)


def test_pinball_refuses_as_many_levels_as_the_fan_has_not() -> None:
    with pytest.raises(ValueError, match=r"\(2, 9\) for 2 prices and 3 levels"):
        scores.pinball(np.ones(2), np.ones((2, 9)), (0.1, 0.5, 0.9))


def test_interval_score_is_that_of_scoringrules_and_of_two_pinballs() -> None:
    y, quantiles = market(200)
    low, high = quantiles[:, 0], quantiles[:, -1]
    result = scores.interval_score(y, low, high, 0.05)
    np.testing.assert_allclose(result, scoringrules.interval_score(y, low, high, 0.05), rtol=1e-12)
    losses = scores.pinball(y, quantiles)
    np.testing.assert_allclose(result, (losses[:, 0] + losses[:, -1]) / 0.025, rtol=1e-9)
    assert scores.interval_score(np.array([9.0]), np.array([10.0]), np.array([14.0]), 0.2) == 4 + 10  # by hand


@pytest.mark.parametrize("alpha", [0, 1, 95])
def test_an_alpha_that_is_no_chance_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match=r"\.05 for the 95 % interval"):
        scores.interval_score(np.ones(1), np.ones(1), np.ones(1), alpha)


def test_an_interval_covers_its_bounds() -> None:
    bound = np.full(4, 1.0), np.full(4, 2.0)
    assert scores.covered(np.array([0.99, 1.0, 2.0, 2.01]), *bound).tolist() == [False, True, True, False]


def test_crps_of_a_log_normal_fan_is_that_of_scoringrules_to_one_in_a_thousand() -> None:
    rng = np.random.default_rng(1)
    n = 10_000  # more than two chunks
    median, sd = rng.uniform(500, 1000, n), rng.uniform(0.003, 0.15, n)
    y = median * np.exp(sd * rng.normal(0, 1.5, n))
    result, exact = scores.crps(y, log_normal(median, sd)), scoringrules.crps_lognormal(y, np.log(median), sd)
    np.testing.assert_allclose(result, exact, rtol=1e-3)
    assert result.mean() == pytest.approx(exact.mean(), rel=3e-4)


def test_crps_of_any_fan_is_the_integral_over_its_quantile_function() -> None:
    y, quantiles = market(6, seed=3)
    for price, row, result in zip(y, quantiles, scores.crps(y, quantiles), strict=True):

        def integrand(z: float, price: float = price, row: np.ndarray = row) -> float:
            off = price - plain_quantile_function(row, z)
            level = norm.cdf(z)
            return 2 * max(level * off, (level - 1) * off) * norm.pdf(z)

        exact, _ = quad(integrand, -8, 8, points=Z, limit=500)
        assert result == pytest.approx(exact, rel=2e-3)


def test_crps_is_twice_the_mean_pinball_over_ninety_nine_levels() -> None:
    y, quantiles = market(5)
    levels = [(i + 0.5) / 99 for i in range(99)]
    for price, row, result in zip(y, quantiles, scores.crps(y, quantiles), strict=True):
        total = 0.0
        for level in levels:
            off = price - plain_quantile_function(row, norm.ppf(level))
            total += max(level * off, (level - 1) * off)
        assert result == pytest.approx(2 * total / 99, rel=1e-10)


@given(prices, fans, st.floats(0.01, 100))
@settings(deadline=None)
def test_crps_and_pinball_are_in_the_prices_unit(y: float, fan: np.ndarray, scale: float) -> None:
    price = np.array([y])
    for kernel in (scores.crps, scores.pinball):
        np.testing.assert_allclose(kernel(scale * price, scale * fan), scale * kernel(price, fan), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(scores.pit(scale * price, scale * fan), scores.pit(price, fan), atol=1e-6)


@given(prices, fans, st.floats(-100, 1000))
@settings(deadline=None)
def test_pinball_and_interval_score_do_not_know_the_level(y: float, fan: np.ndarray, shift: float) -> None:
    price = np.array([y])
    moved = scores.pinball(price + shift, fan + shift)
    np.testing.assert_allclose(moved, scores.pinball(price, fan), atol=1e-8)
    moved = scores.interval_score(price + shift, fan[:, 0] + shift, fan[:, -1] + shift, 0.05)
    np.testing.assert_allclose(moved, scores.interval_score(price, fan[:, 0], fan[:, -1], 0.05), atol=1e-7)


def test_crps_is_smallest_for_the_fan_that_tells_the_truth() -> None:
    rng = np.random.default_rng(5)
    y, median = 900 * np.exp(rng.normal(0, 0.02, 20_000)), np.full(20_000, 900.0)
    losses = {sd: scores.crps(y, log_normal(median, np.full(20_000, sd))).mean() for sd in (0.014, 0.02, 0.028)}
    assert min(losses, key=losses.__getitem__) == 0.02
    assert losses[0.02] < scores.crps(y, log_normal(median * 1.01, np.full(20_000, 0.02))).mean()


def test_pit_and_normal_score_of_a_log_normal_fan_are_exact_far_into_the_tails() -> None:
    z = np.linspace(-30, 30, 601)
    fan = log_normal(np.full(601, 870.0), np.full(601, 0.03))
    y = 870 * np.exp(0.03 * z)
    np.testing.assert_allclose(scores.normal_score(y, fan), z, atol=1e-10)
    np.testing.assert_allclose(scores.pit(y, fan), norm.cdf(z), atol=1e-12)


@given(wide_fans, st.floats(-6, 6))
@settings(deadline=None)
def test_pit_turns_the_quantile_function_back(fan: np.ndarray, z: float) -> None:
    y = np.array([plain_quantile_function(fan[0], z)])
    assert scores.normal_score(y, fan)[0] == pytest.approx(z, abs=1e-6)
    assert scores.pit(y, fan)[0] == pytest.approx(norm.cdf(z), abs=1e-6)


@given(fans, prices, prices)
@settings(deadline=None)
def test_pit_never_falls_as_the_price_rises(fan: np.ndarray, one: float, other: float) -> None:
    both = np.array(sorted([one, other]))
    low, high = scores.pit(both, np.repeat(fan, 2, axis=0))
    assert 0 <= low <= high <= 1


def test_a_quantile_itself_has_its_level_as_pit() -> None:
    _, quantiles = market(20)
    for j, level in enumerate(QUANTILE_LEVELS):
        np.testing.assert_allclose(scores.pit(quantiles[:, j], quantiles), level, rtol=1e-12)


def test_a_fan_without_width_scores_the_distance_and_has_pit_zero_half_or_one() -> None:
    y, fan = np.array([890.0, 900.0, 915.0]), np.full((3, 9), 900.0)
    np.testing.assert_allclose(scores.crps(y, fan), [10, 0, 15], rtol=1e-12)
    assert scores.pit(y, fan).tolist() == [0, 0.5, 1]
    assert scores.normal_score(y, fan).tolist() == [-np.inf, 0, np.inf]


def test_quantiles_that_coincide_give_the_middle_of_the_jump() -> None:
    low, inner = np.array([[900.0] * 5 + [901, 902, 903, 904]]), np.array([[1, 2, 3, 4, 5, 5, 5, 8, 9.0]])
    assert scores.pit(np.array([900.0]), low)[0] == pytest.approx(0.25)  # from 0 to the median
    assert scores.normal_score(np.array([900.0]), low)[0] == pytest.approx(norm.ppf(0.25))
    assert scores.pit(np.array([899.0]), low).tolist() == [0]
    assert scores.pit(np.array([5.0]), inner)[0] == pytest.approx((0.5 + 0.9) / 2)


@given(prices, st.lists(st.sampled_from([500.0, 500.0000000000001, 700.0, 900.0]), min_size=9, max_size=9))
@settings(deadline=None)
def test_no_fan_makes_a_kernel_return_nan(y: float, drawn: list[float]) -> None:
    fan = np.sort(drawn)[None]
    for price in (y, *fan[0]):
        at = np.array([price])
        assert np.isfinite(scores.crps(at, fan)).all()
        assert np.isfinite(scores.pit(at, fan)).all()
        assert not np.isnan(scores.normal_score(at, fan)).any()


def test_completion_reads_a_fan_as_the_platform_completes_one() -> None:
    _, quantiles = market(10)
    levels = [0.001, 0.02, 0.025, 0.2, 0.5, 0.7, 0.975, 0.999]
    result = np.exp(np.log(quantiles) @ scores.completion(norm.ppf(levels)).T)
    np.testing.assert_allclose(result, complete_quantiles(quantiles, QUANTILE_LEVELS, levels), rtol=1e-9)
    np.testing.assert_allclose(scores.completion(Z), np.eye(9), atol=1e-12)


@pytest.mark.parametrize("kernel", [scores.crps, scores.pit, scores.normal_score])
def test_what_is_no_price_and_what_is_no_fan_is_refused(kernel: object) -> None:
    assert callable(kernel)
    fan = np.arange(1.0, 10.0)[None]
    for bad in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="a price that came true is"):
            kernel(np.array([bad]), fan)
    with pytest.raises(ValueError, match="a quantile is 0"):
        kernel(np.ones(1), fan - 1)
    with pytest.raises(ValueError, match="cross in row 0"):
        kernel(np.ones(1), fan[:, ::-1])
    with pytest.raises(ValueError, match=r"wanted \(n,\) and \(n, 9\)"):
        kernel(np.ones(2), fan)
    assert kernel(np.empty(0), np.empty((0, 9))).shape == (0,)


def test_summaries_are_those_of_a_hand_worked_sample() -> None:
    errors, y = np.array([3.0, -1.0, -4.0, 4.0]), np.array([100.0, 50.0, 400.0, 80.0])
    assert scores.rmse(errors) == pytest.approx(math.sqrt(42 / 4))
    assert scores.mae(errors) == 3
    assert scores.bias(errors) == 0.5
    assert scores.mape(errors, y) == pytest.approx((3 + 2 + 1 + 5) / 4)
    assert scores.sharpness(np.array([1.0, 2.0]), np.array([2.0, 5.0])) == 2


@pytest.mark.parametrize("summary", [scores.rmse, scores.mae, scores.bias])
def test_a_summary_of_nothing_is_refused(summary: object) -> None:
    assert callable(summary)
    with pytest.raises(ValueError, match="mean of no scores"):
        summary(np.empty(0))

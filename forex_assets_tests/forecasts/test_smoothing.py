"""Smoothing against loops, exact Gaussian walks and laws of any fan."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from forex_assets.core.schemas import QUANTILE_LEVELS
from forex_assets.forecasts.smoothing import kernel, mirrored_moves, smooth_fan, smoothed, steps_to_draw

Z = stats.norm.ppf(QUANTILE_LEVELS)
ROOT = np.sqrt(np.arange(1, 65))[:, None]


def plain_average(values: list[float], step: int, bandwidth: float) -> float:
    """Weighted mean of the values within two bandwidths of log steps."""
    total = weights = 0.0
    for other, value in enumerate(values, start=1):
        distance = abs(math.log(other / step)) / bandwidth
        if distance <= 2:
            weight = math.exp(-distance * distance / 2)
            total, weights = total + weight * value, weights + weight
    return total / weights


@pytest.mark.parametrize(("known", "wanted", "bandwidth"), [(1, 1, 0.2), (9, 5, 0.2), (64, 64, 0.2), (64, 67, 0.4)])
def test_the_kernel_averages_neighbours_in_log_steps(known: int, wanted: int, bandwidth: float) -> None:
    values = np.random.default_rng(0).normal(size=known)
    expected = [plain_average(values.tolist(), step, bandwidth) for step in range(1, wanted + 1)]
    np.testing.assert_allclose(kernel(known, wanted, bandwidth) @ values, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("steps", "drawn"), [(1, 1), (5, 7), (20, 29), (43, 64), (60, 64), (64, 64), (70, 64), (71, 71)]
)
def test_as_many_steps_are_drawn_as_the_last_ones_kernel_holds(steps: int, drawn: int) -> None:
    """Two bandwidths of .2 in log steps are a factor of e^.4 = 1.49; a model of 64 steps is continued up to 70."""
    assert steps_to_draw(steps, 64) == drawn


def test_a_fan_that_grows_with_the_root_of_time_stays_as_it_is() -> None:
    moves = 0.007 * ROOT * Z
    np.testing.assert_allclose(smoothed(moves, 64), moves, atol=1e-15)
    np.testing.assert_allclose(smoothed(moves, 67)[-1], 0.007 * math.sqrt(67) * Z, rtol=1e-12)


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.3), st.floats(-0.01, 0.01))
def test_no_band_narrows_no_quantiles_cross_and_a_fan_begins_as_a_longer_one(
    seed: int, noise: float, drift: float
) -> None:
    rng = np.random.default_rng(seed)
    moves = np.sort(0.01 * ROOT * Z * np.exp(noise * rng.normal(size=(64, 9))) + drift * ROOT**2, axis=1)
    whole = smoothed(moves, 67)
    assert (np.diff(whole[:, 5:] - whole[:, [4]], axis=0) >= -1e-12).all()
    assert (np.diff(whole[:, [4]] - whole[:, :4], axis=0) >= -1e-12).all()
    assert (np.diff(whole, axis=1) >= -1e-12).all()
    for steps in (1, 5, 21, 43):
        np.testing.assert_allclose(smoothed(moves[: steps_to_draw(steps, 64)], steps), whole[:steps], atol=1e-12)


def test_noise_from_step_to_step_is_averaged_out() -> None:
    """At step 40 two bandwidths hold about 38 steps, so independent noise shrinks several times."""
    noisy = np.stack([
        smoothed(0.01 * ROOT * Z * np.exp(0.1 * np.random.default_rng(seed).normal(size=(64, 1))), 64)[39, -1]
        for seed in range(200)
    ])  # fmt: skip
    assert np.std(np.log(noisy)) < 0.1 / 4


def draws(paths: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((paths, 64))


def plain_garch(uniform: np.ndarray) -> np.ndarray:
    """The control variate in loops: variance .03 + .1 r² + .87 h, from 1, with normal shocks."""
    walks = []
    for row in uniform:
        variance, total, walk = 1.0, 0.0, []
        for u in row:
            move = math.sqrt(variance) * stats.norm.ppf(u)
            variance = 0.03 + 0.1 * move**2 + 0.87 * variance
            total += move
            walk.append(total)
        walks.append(walk)
    return np.array(walks)


def test_a_model_that_is_the_control_variate_has_no_sampling_error() -> None:
    """Two samples of 30 pairs give one fan, whose first step is a normal law, up to the error of 40,000 paths."""
    one, two = (mirrored_moves(3 * plain_garch(draws(30, seed)), draws(30, seed)) for seed in (1, 2))
    np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one[0], 3 * Z, rtol=0.03, atol=1e-12)
    assert (one[63, 8] / math.sqrt(64) > one[0, 8]).all(), "volatility that varies fattens the tails"


def test_the_first_steps_of_more_draws_are_those_of_fewer() -> None:
    uniform = draws(50, 2)
    paths = np.cumsum(stats.t(5).ppf(uniform), axis=1)
    np.testing.assert_allclose(mirrored_moves(paths, uniform)[:9], mirrored_moves(paths[:, :9], uniform[:, :9]))


def test_fat_tails_are_kept_and_most_of_the_sampling_error_goes() -> None:
    """Student's t with 5 degrees, against exact quantiles at step 1 and 100,000 paths at step 10."""
    law = stats.t(5)
    many = np.cumsum(law.rvs((100_000, 10), random_state=9), axis=1)
    for step, exact in ((1, law.ppf(QUANTILE_LEVELS)), (10, np.quantile(many[:, -1], QUANTILE_LEVELS))):
        plain, corrected = [], []
        for seed in range(30):
            uniform = draws(100, seed)[:, :step]
            paths = np.cumsum(law.ppf(uniform), axis=1)
            plain.append(np.quantile(np.concatenate([paths, -paths])[:, -1], QUANTILE_LEVELS))
            corrected.append(mirrored_moves(paths, uniform)[-1])
        sides = [0, 1, 2, 3, 5, 6, 7, 8]
        np.testing.assert_allclose(np.mean(corrected, axis=0)[sides], exact[sides], rtol=0.05)
        assert np.std(np.array(corrected)[:, -1]) < 0.6 * np.std(np.array(plain)[:, -1])


def test_draws_of_zero_and_paths_that_never_move_give_finite_fans() -> None:
    uniform = draws(20, 3)
    uniform[0] = 0.0
    assert np.isfinite(mirrored_moves(np.cumsum(stats.norm.ppf(draws(20, 3)), axis=1), uniform)).all()
    assert np.abs(mirrored_moves(np.zeros((20, 64)), uniform)).max() < 1e-3


def test_the_mean_of_a_lognormal_fan_is_its_own() -> None:
    """exp(k·σ²/2) above the median, for a log-normal walk."""
    fan = smooth_fan(0.01 * ROOT * Z, 900.0, 64)
    np.testing.assert_allclose(fan.median, 900.0)
    np.testing.assert_allclose(fan.mean / 900.0 - 1, np.arange(1, 65) * 0.01**2 / 2, rtol=0.01)

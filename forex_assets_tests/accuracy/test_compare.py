"""Skill, its interval and the effective size: against `arch`, plain loops, and samples whose truth is known."""

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from forex_assets.accuracy.compare import (
    block_of,
    coverage_interval,
    effective_size,
    skill,
    skills,
    stationary_indices,
)

losses = st.lists(st.floats(0.1, 100), min_size=2, max_size=40).map(np.array)


def overlapping(rng: np.random.Generator, n: int, overlap: int) -> np.ndarray:
    """Errors of forecasts that share all but one of their shocks with their neighbour."""
    shocks = rng.normal(size=n + overlap - 1)
    return np.convolve(shocks, np.ones(overlap), mode="valid")


def persistent(rng: np.random.Generator, n: int, memory: float) -> np.ndarray:
    """An AR(1) of variance 1."""
    values = [rng.normal()]
    for shock in rng.normal(size=n - 1) * np.sqrt(1 - memory**2):
        values.append(memory * values[-1] + shock)
    return np.array(values)


def test_blocks_are_geometric_with_the_mean_asked_for_and_wrap_around() -> None:
    places = stationary_indices(400, 6.0, 500, np.random.default_rng(0))
    assert places.shape == (500, 400)
    assert (places.min(), places.max()) == (0, 399)
    follows = (np.diff(places, axis=1) % 400) == 1
    # A new block starts with chance 1/6, and by chance 1/400 where the old one would have gone on.
    assert 1 - follows.mean() == pytest.approx(1 / 6 * (1 - 1 / 400), rel=0.01)
    assert ((places[:, 1:] == 0) & (places[:, :-1] == 399)).any()
    np.testing.assert_allclose(np.bincount(places.ravel(), minlength=400) / 500, 1, atol=0.5)
    assert np.corrcoef(follows[:, :-1].ravel(), follows[:, 1:].ravel())[0, 1] == pytest.approx(0, abs=0.02)


def test_resampled_means_vary_as_those_of_arch() -> None:
    series = persistent(np.random.default_rng(1), 300, 0.8)
    ours = series[stationary_indices(300, 12.0, 4000, np.random.default_rng(2))].mean(axis=1)
    theirs = StationaryBootstrap(12, series, seed=3).apply(np.mean, 4000).ravel()
    assert ours.std() == pytest.approx(theirs.std(), rel=0.06)
    assert ours.mean() == pytest.approx(theirs.mean(), abs=4 * theirs.std() / np.sqrt(2000))
    np.testing.assert_allclose(np.quantile(ours, [0.05, 0.95]), np.quantile(theirs, [0.05, 0.95]), atol=0.03)


def test_blocks_of_one_are_independent_draws() -> None:
    places = stationary_indices(50, 1.0, 2000, np.random.default_rng(4))
    assert np.corrcoef(places[:, 0], places[:, 1])[0, 1] == pytest.approx(0, abs=0.08)


@pytest.mark.parametrize(("n", "block"), [(0, 1.0), (5, 0.5)])
def test_no_series_and_blocks_under_one_are_refused(n: int, block: float) -> None:
    with pytest.raises(ValueError, match="blocks of 1 or more"):
        stationary_indices(n, block, 2, np.random.default_rng(0))


def test_a_block_is_one_and_a_half_overlaps_and_at_least_one() -> None:
    assert (block_of(5), block_of(0.2)) == (7.5, 1)


def plain_effective_size(errors: list[float], overlap: float) -> float:
    """From the docstring, by loops."""
    n = len(errors)
    mean = sum(errors) / n
    reach = min(int(-(-3 * overlap // 1)), n)
    total = variance = sum((e - mean) ** 2 for e in errors) / n
    for k in range(1, reach):
        total += 2 * (1 - k / reach) * sum((errors[i] - mean) * (errors[i - k] - mean) for i in range(k, n)) / n
    b = reach / n
    long_run = max(total, 0) / (1 - b + b * b / 3)
    inflation = long_run / (variance + long_run / n)
    weight = (n / overlap) / (n / overlap + 5)
    return min(max(n / (weight * inflation + (1 - weight) * overlap), 1), n)


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=60), st.floats(1, 30))
@settings(deadline=None)
def test_effective_size_is_that_of_the_plain_loop(errors: list[int], overlap: float) -> None:
    values = [float(e) for e in errors]
    if len(set(values)) > 1:
        size = effective_size(np.array(values), overlap)
        assert size == pytest.approx(plain_effective_size(values, overlap), rel=1e-9)
        assert 1 <= size <= len(values)


def test_white_noise_is_all_of_it_independent() -> None:
    rng = np.random.default_rng(5)
    assert np.mean([effective_size(rng.normal(size=400), 1.0) for _ in range(50)]) > 0.93 * 400


@pytest.mark.parametrize(("n", "overlap"), [(14, 5), (60, 5), (250, 5), (250, 22), (2500, 64)])
def test_overlapping_errors_count_as_many_as_pin_down_their_mean(n: int, overlap: int) -> None:
    rng = np.random.default_rng(6)
    samples = [overlapping(rng, n, overlap) for _ in range(200)]
    # The truth, by hand: var of the mean of an MA(h-1) with autocorrelations 1 - k/h.
    truth = n / (1 + 2 * sum((1 - k / overlap) * (1 - k / n) for k in range(1, overlap)))
    assert np.median([effective_size(sample, overlap) for sample in samples]) == pytest.approx(truth, rel=0.25)


def test_errors_that_never_change_count_by_the_overlap_alone() -> None:
    assert effective_size(np.ones(100), 5) == pytest.approx(20)
    assert effective_size(np.full(100, 0.1), 5) == pytest.approx(20)
    assert effective_size(np.ones(3), 5) == 1


def test_no_error_and_one_error_count_for_themselves() -> None:
    assert effective_size(np.empty(0), 5) == 0
    assert effective_size(np.ones(1), 5) == 1


def test_errors_that_alternate_count_no_more_than_they_are() -> None:
    assert effective_size(np.tile([1.0, -1.0], 50), 3) == 100


def test_skill_is_one_less_the_ratio_by_hand() -> None:
    loss, reference = np.array([1.0, 2.0, 6.0]), np.array([4.0, 4.0, 4.0])
    assert skill(loss, reference, overlap=1).value == pytest.approx(0.25)
    assert skill(loss, reference, overlap=1, root=True).value == pytest.approx(1 - np.sqrt(0.75))


@given(losses, st.floats(1, 80), st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_thing_has_no_skill_against_itself_beyond_any_doubt(loss: np.ndarray, overlap: float, root: bool) -> None:
    result = skill(loss, loss, overlap=overlap, root=root, repetitions=100)
    assert result.value == 0
    assert (result.low, result.high) == ((0, 0) if result.n_effective >= 4 else (None, None))


@given(losses, st.floats(0.01, 100), st.floats(1, 20), st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_skill_does_not_know_the_unit(loss: np.ndarray, scale: float, overlap: float, seed: int) -> None:
    reference = np.random.default_rng(seed).uniform(0.5, 2, len(loss)) * loss
    one = skill(loss, reference, overlap=overlap, repetitions=100)
    other = skill(scale * loss, scale * reference, overlap=overlap, repetitions=100)
    for name in ("value", "low", "high", "n_effective"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert (mine is None) == (theirs is None)
        assert mine is None or mine == pytest.approx(theirs, rel=1e-6, abs=1e-7)
    assert one.value is not None
    if one.n_effective >= 4:
        assert one.low <= one.value <= one.high <= 1  # type: ignore[operator]


@pytest.mark.parametrize(("n", "overlap", "least"), [(250, 5, 0.86), (250, 64, 0.90), (300, 1, 0.90)])
def test_the_interval_holds_no_skill_about_as_often_as_it_says(n: int, overlap: int, least: float) -> None:
    # y is what comes, s and -s two forecasts of it that know nothing: equal in truth, unequal in every sample.
    rng, held, samples = np.random.default_rng(7), 0, 150
    for i in range(samples):
        y, s = overlapping(rng, n, overlap), 0.15 * np.sqrt(overlap) * persistent(rng, n, 0.97)
        result = skill((y - s) ** 2, (y + s) ** 2, overlap=overlap, root=True, repetitions=300, seed=i)
        assert result.low is not None
        assert result.high is not None
        held += result.low <= 0 <= result.high
    assert held / samples >= least


def test_a_real_gain_is_seen_and_its_interval_narrows_with_the_sample() -> None:
    rng = np.random.default_rng(8)
    results = []
    for n in (200, 2000):
        reference = rng.chisquare(1, n)
        results.append(skill(0.8 * reference * rng.uniform(0.8, 1.2, n), reference, overlap=1))
    assert all(0.15 < one.low < 0.2 < one.high < 0.25 for one in results)  # type: ignore[operator]
    assert results[1].high - results[1].low < (results[0].high - results[0].low) / 2  # type: ignore[operator]


def test_skills_together_are_those_one_by_one_and_the_same_every_time() -> None:
    rng = np.random.default_rng(9)
    a, b, c = rng.uniform(0, 2, (3, 80))
    together = skills([(a, b, True), (c, b, False)], overlap=4)
    assert together == [skill(a, b, overlap=4, root=True), skill(c, b, overlap=4)]
    assert skill(a, b, overlap=4, seed=1) != skill(a, b, overlap=4)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_forecasts_have_no_skill_to_speak_of(n: int) -> None:
    result = skill(np.ones(n), np.ones(n), overlap=5)
    assert (result.value, result.low, result.high, result.n) == (None, None, None, n)


def test_a_reference_that_lost_nothing_leaves_no_skill() -> None:
    assert skill(np.ones(5), np.zeros(5), overlap=1).value is None


def test_losses_of_zero_and_few_forecasts_still_give_finite_bounds() -> None:
    cases = [(np.zeros(9), np.ones(9)), (np.ones(9), np.eye(9)[0]), (np.tile([1e-9, 1e9], 5), np.tile([1e9, 1e-9], 5))]
    for loss, reference in cases:
        result = skill(loss, reference, overlap=1)
        assert np.isfinite([result.value, result.low, result.high]).all()
    assert skill(np.zeros(5), np.ones(5), overlap=1).value == 1


def test_forecasts_that_share_nearly_all_have_a_skill_and_no_interval() -> None:
    result = skill(np.array([1.0, 3.0]), np.array([2.0, 2.5]), overlap=1000)
    assert result.n_effective == 1
    assert result.value == pytest.approx(1 - 4 / 4.5)
    assert (result.low, result.high) == (None, None)


def test_losses_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="a loss is nan"):
        skill(np.array([1.0, np.nan]), np.ones(2), overlap=1)
    with pytest.raises(ValueError, match="a loss is -1"):
        skill(np.ones(2), -np.ones(2), overlap=1)
    with pytest.raises(ValueError, match=r"\[2, 3\] forecasts"):
        skill(np.ones(2), np.ones(3), overlap=1)


def test_the_interval_of_a_coverage_is_clopper_pearsons() -> None:
    low, high = coverage_interval(0.9, 40)
    assert low == pytest.approx(beta.ppf(0.025, 36, 5))
    assert high == pytest.approx(beta.ppf(0.975, 37, 4))
    assert coverage_interval(1.0, 20) == (pytest.approx(0.025 ** (1 / 20)), 1)
    assert coverage_interval(0.0, 20) == (0, pytest.approx(1 - 0.025 ** (1 / 20)))


def test_the_interval_of_a_coverage_holds_for_overlapping_forecasts() -> None:
    rng, held, naive, bound = np.random.default_rng(10), 0, 0, 1.959964 * np.sqrt(10)
    for _ in range(300):
        hits = (np.abs(overlapping(rng, 400, 10)) < bound).astype(float)
        for_real = coverage_interval(hits.mean(), effective_size(hits, 10))
        as_if = coverage_interval(hits.mean(), 400)
        held += for_real[0] <= 0.95 <= for_real[1]
        naive += as_if[0] <= 0.95 <= as_if[1]
    assert held / 300 > 0.9
    assert naive / 300 < 0.75  # what it would be without the effective size

"""Every statistic against a plain loop, another library or a value worked out by hand, and the laws that they keep."""

import bisect
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from forex_assets.monitoring.statistics import (
    correlation,
    ewma_log_variance_ratio,
    fisher_z,
    ks,
    ks_distance,
    lead_lag_excess,
    log_variance_ratio,
    psi,
    window_pairs,
)

RNG = np.random.default_rng(4)
HEAVY = RNG.standard_t(4, 200)
COARSE = np.round(RNG.normal(size=200) * 2) / 2  # many ties

# Sums and products of such numbers are exact, so that a law holds to the last bit.
whole = st.integers(-50, 50).map(float)
samples = st.lists(whole, min_size=3, max_size=40).map(np.array)
scales = st.sampled_from([0.25, 0.5, 2.0, 8.0])


@pytest.mark.parametrize("values", [HEAVY, COARSE], ids=["heavy tails", "ties"])
def test_rolling_ks_is_scipys_in_every_window(values: np.ndarray) -> None:
    recent, reference = window_pairs(values, 30, 90)
    distances = ks_distance(recent, reference)
    expected = [stats.ks_2samp(values[i - 30 : i], values[i - 120 : i - 30]).statistic for i in range(120, 201)]
    assert distances == pytest.approx(expected, abs=1e-15)


def test_ks_of_samples_apart_has_the_p_that_counting_gives() -> None:
    # Of the 20 ways to place three of six values, two set them wholly apart.
    assert ks(np.array([1.0, 2, 3]), np.array([4.0, 5, 6])) == (1.0, pytest.approx(2 / 20))
    assert ks(np.array([1.0, 2, 3]), np.array([1.0, 2, 3])) == (0.0, pytest.approx(1.0))


def loop_psi(recent: list[float], reference: list[float], bins: int, floor: float) -> float:
    ordered = sorted(reference)
    edges = [ordered[math.ceil(len(ordered) * k / bins) - 1] for k in range(1, bins)]
    total = 0.0
    for k in range(bins):
        p = sum(bisect.bisect_left(edges, value) == k for value in recent)
        q = sum(bisect.bisect_left(edges, value) == k for value in reference)
        if p or q:
            p_share, q_share = max(p, floor) / len(recent), max(q, floor) / len(reference)
            total += (p_share - q_share) * math.log(p_share / q_share)
    return total


@pytest.mark.parametrize("values", [HEAVY, COARSE], ids=["heavy tails", "ties"])
@pytest.mark.parametrize("bins", [2, 5, 7, 10])
def test_rolling_psi_is_a_plain_loops_in_every_window(values: np.ndarray, bins: int) -> None:
    result = psi(*window_pairs(values, 30, 90), bins, 0.5)
    expected = [
        loop_psi(values[i - 30 : i].tolist(), values[i - 120 : i - 30].tolist(), bins, 0.5) for i in range(120, 201)
    ]
    assert result == pytest.approx(expected, abs=1e-12)


def test_psi_of_a_case_worked_by_hand() -> None:
    # Two bins at the reference's median 2: it has half in each, the recent values a quarter and three quarters.
    result = psi(np.array([1.0, 3, 3, 3]), np.array([1.0, 2, 3, 4]), bins=2)
    assert result == pytest.approx((0.25 - 0.5) * math.log(0.25 / 0.5) + (0.75 - 0.5) * math.log(0.75 / 0.5))
    # An empty bin counts as half a value of four.
    emptied = psi(np.array([3.0, 3, 3, 3]), np.array([1.0, 2, 3, 4]), bins=2)
    assert emptied == pytest.approx((0.125 - 0.5) * math.log(0.125 / 0.5) + (1 - 0.5) * math.log(1 / 0.5))


def test_psi_of_like_samples_is_by_chance_what_its_docstring_says() -> None:
    draws = np.random.default_rng(1).normal(size=(4000, 120))
    by_chance = psi(draws[:, :30], draws[:, 30:], 5).mean()
    assert by_chance == pytest.approx(0.20, abs=0.01)
    assert by_chance == pytest.approx(4 * (1 / 30 + 1 / 90), rel=0.15)


@given(samples, samples, scales, whole)
def test_ks_and_psi_do_not_change_with_the_unit_or_the_zero(
    x: np.ndarray, y: np.ndarray, scale: float, shift: float
) -> None:
    assert ks_distance(x * scale + shift, y * scale + shift) == ks_distance(x, y)
    assert psi(x * scale + shift, y * scale + shift) == psi(x, y)


@given(samples, samples)
def test_ks_is_the_same_both_ways_and_a_distance_up_to_one(x: np.ndarray, y: np.ndarray) -> None:
    assert ks_distance(x, y) == ks_distance(y, x)
    assert 0 <= ks_distance(x, y) <= 1
    assert ks_distance(x, x) == 0


@given(samples, samples, st.integers(2, 8))
def test_psi_is_never_negative_and_nought_for_the_same_sample(x: np.ndarray, y: np.ndarray, bins: int) -> None:
    assert psi(x, y, bins) >= 0
    assert psi(y, y, bins) == 0


def test_a_variance_ratio_is_worked_out_about_the_references_mean() -> None:
    # About 1: the reference's squares are 1, 1; the recent ones 0, 4.
    assert log_variance_ratio(np.array([1.0, 3.0]), np.array([0.0, 2.0])) == pytest.approx(math.log(2))


def test_rolling_variance_ratio_is_a_plain_loops() -> None:
    ratios = log_variance_ratio(*window_pairs(HEAVY, 5, 120))
    assert len(ratios) == 76
    for i, value in zip(range(125, 201), ratios, strict=True):
        reference, recent = HEAVY[i - 125 : i - 5].tolist(), HEAVY[i - 5 : i].tolist()
        mean = sum(reference) / 120
        above, below = (sum((r - mean) ** 2 for r in rows) / len(rows) for rows in (recent, reference))
        assert value == pytest.approx(math.log(above / below), abs=1e-12)


@given(samples, samples, scales, whole)
def test_the_variance_ratio_does_not_change_with_the_unit_or_the_zero(
    x: np.ndarray, y: np.ndarray, scale: float, shift: float
) -> None:
    moved = log_variance_ratio(x * scale + shift, y * scale + shift)
    assert moved == pytest.approx(log_variance_ratio(x, y), abs=1e-9)


def test_ewma_ratio_is_a_plain_recursions() -> None:
    ratios, sums, weights = ewma_log_variance_ratio(HEAVY), {0.8: 0.0, 0.99: 0.0}, {0.8: 0.0, 0.99: 0.0}
    for value, r in zip(ratios, HEAVY, strict=True):
        for decay in sums:
            sums[decay] = decay * sums[decay] + r * r
            weights[decay] = decay * weights[decay] + 1
        assert value == pytest.approx(math.log(sums[0.8] / weights[0.8] / (sums[0.99] / weights[0.99])), abs=1e-10)


def test_what_stands_still_has_a_finite_ratio_of_the_right_sign() -> None:
    still, moving = np.full(90, 0.1), HEAVY[:90]
    assert log_variance_ratio(still[:5], still) == 0
    assert log_variance_ratio(np.full(5, moving.mean()), moving) == -20
    assert log_variance_ratio(moving[:5], still) == 20
    assert ewma_log_variance_ratio(np.zeros(5)).tolist() == [0] * 5
    assert ks_distance(still[:5], still) == psi(still[:5], still) == 0


@given(st.floats(-0.99, 0.99), st.floats(-0.99, 0.99), st.integers(4, 500), st.integers(4, 500))
def test_fisher_z_is_scipys_normal_of_the_transformed_difference(r1: float, r2: float, n1: int, n2: int) -> None:
    z, p = fisher_z(r1, n1, r2, n2)
    expected = (math.atanh(r1) - math.atanh(r2)) / math.sqrt(1 / (n1 - 3) + 1 / (n2 - 3))
    assert z == pytest.approx(expected)
    assert p == pytest.approx(2 * stats.norm.sf(abs(expected)), abs=1e-14)


def test_fisher_z_agrees_with_scipys_interval_of_one_correlation() -> None:
    x = RNG.normal(size=(2, 40))
    result = stats.pearsonr(*x)
    low = result.confidence_interval(0.95).low
    z, _ = fisher_z(result.statistic, 40, low, 10**12)
    assert z == pytest.approx(stats.norm.ppf(0.975), abs=1e-4)


def test_fisher_z_wants_four_pairs_and_has_no_value_without_a_correlation() -> None:
    with pytest.raises(ValueError, match="3 and 90 pairs"):
        fisher_z(0.1, 3, 0.2, 90)
    z, p = fisher_z(np.array([math.nan, 1.0]), 30, np.array([0.5, 1.0]), 90)
    assert np.isnan(z[0])
    assert np.isnan(p[0])
    assert z[1] == 0


def test_rolling_correlation_is_scipys_and_missing_where_a_series_stands_still() -> None:
    (x, _), (y, _) = window_pairs(HEAVY, 30, 10), window_pairs(COARSE, 30, 10)
    expected = [stats.pearsonr(a, b).statistic for a, b in zip(x, y, strict=True)]
    assert correlation(x, y) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(correlation(np.full(30, 0.1), HEAVY[:30]))


def test_lead_lag_tells_a_series_that_is_dated_a_session_off() -> None:
    x = HEAVY[:60]
    assert lead_lag_excess(x[:-1], x[:-1]) < -0.5
    assert lead_lag_excess(x[1:], x[:-1]) > 0.5
    assert lead_lag_excess(x[:-1], x[1:]) > 0.5
    by_hand = max(abs(np.corrcoef(x[:-1], COARSE[1:60])[0, 1]), abs(np.corrcoef(x[1:], COARSE[:59])[0, 1]))
    expected = by_hand - abs(np.corrcoef(x, COARSE[:60])[0, 1])
    assert lead_lag_excess(x, COARSE[:60]) == pytest.approx(expected, abs=1e-12)


def test_windows_end_with_today_and_a_short_series_has_none() -> None:
    recent, reference = window_pairs(np.arange(6.0), 2, 3)
    assert recent.tolist() == [[3, 4], [4, 5]]
    assert reference.tolist() == [[0, 1, 2], [1, 2, 3]]
    assert [part.shape for part in window_pairs(np.arange(4.0), 2, 3)] == [(0, 2), (0, 3)]

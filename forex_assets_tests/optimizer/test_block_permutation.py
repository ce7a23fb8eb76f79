"""The exchange of labels: hand-worked p-values, every exchange in a plain loop, and its size where errors overlap."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from forex_assets.optimizer.block_permutation import block_length, block_sums, boundary_factor, exchanges, p_values
from simulated_markets import many_worlds

differences = st.lists(st.integers(-50, 50), min_size=2, max_size=16).map(lambda v: np.array(v, dtype=float))


BY_HAND = {1.0: (2, 1.0), 2.0: (3, math.sqrt(2 / (1 + 2 / 3))), 4.0: (6, math.sqrt(4 / (1 + 5 / 4 + 2 / 3 + 1 / 4)))}
"""Block of 1.5 overlaps, and the factor: Σ w over Σ w (1 - k / block), w = 1, then 2 (1 - k / overlap)."""


def p_by_loop(values: np.ndarray, overlap: float) -> float:
    """All exchanges of whole blocks, one after the other."""
    length, factor = BY_HAND[overlap]
    count = max(1, len(values) // length)
    blocks = [values[length * b : (None if b == count - 1 else length * (b + 1))].sum() for b in range(count)]
    sums = [
        sum(s * b for s, b in zip(signs, blocks, strict=True)) for signs in itertools.product((1, -1), repeat=count)
    ]
    return float(np.mean([factor * total >= sum(blocks) - 1e-9 for total in sums]))


def test_two_equal_blocks_are_as_good_in_one_exchange_of_four() -> None:
    assert p_values(np.ones((4, 1)), 1.0)[0] == 0.25
    assert p_values(-np.ones((4, 1)), 1.0)[0] == 1.0
    assert p_values(np.array([[3.0], [0.0], [-1.0], [0.0]]), 1.0)[0] == 0.5  # 2 of {2, 4, -4, -2}


@given(differences, st.sampled_from(list(BY_HAND)))
def test_the_p_value_is_the_share_of_all_exchanges(values: np.ndarray, overlap: float) -> None:
    assert p_values(values[:, None], overlap)[0] == pytest.approx(p_by_loop(values, overlap))


def test_the_best_of_two_pays_for_the_other_worked_by_hand() -> None:
    # Six blocks, one measure always better and its mirror image always worse: 2 of 64 exchanges show as much in either.
    mirrored = np.stack([np.ones(12), -np.ones(12)], axis=1)
    assert p_values(mirrored, 1.0).tolist() == [2 / 64, 1.0]
    assert p_values(mirrored[:, :1], 1.0).tolist() == [1 / 64]


@given(differences, st.floats(0.01, 100))
def test_a_p_value_knows_no_unit(values: np.ndarray, factor: float) -> None:
    assert p_values(values[:, None], 1.0) == pytest.approx(p_values(factor * values[:, None], 1.0))


@given(differences, differences)
def test_each_of_two_measures_pays_for_the_other(one: np.ndarray, other: np.ndarray) -> None:
    n = min(len(one), len(other))
    both = p_values(np.stack([one[:n], other[:n]], axis=1), 1.0)
    alone = [p_values(measure[:n, None], 1.0)[0] for measure in (one, other)]
    assert (both >= np.array(alone) - 1e-12).all()
    twice = p_values(np.stack([one, 3 * one], axis=1), 1.0)
    assert twice == pytest.approx(p_values(one[:, None], 1.0).repeat(2))  # the same measure again costs nothing


@pytest.mark.parametrize("overlap", [2, 3, 13, 22])
def test_the_factor_gives_back_what_the_boundaries_cut_off(overlap: int) -> None:
    length = -(-3 * overlap // 2)  # 1.5 overlaps, rounded up
    n = 60 * length
    lags = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    covariance = np.clip(1 - lags / overlap, 0, None)
    block = np.arange(n) // length
    within = covariance[block[:, None] == block[None, :]].sum()
    assert boundary_factor(overlap) == pytest.approx(np.sqrt(covariance.sum() / within), rel=0.01)
    assert boundary_factor(1.0) == 1.0


def test_up_to_twelve_blocks_each_exchange_stands_once_and_beyond_they_are_drawn() -> None:
    assert len({tuple(row) for row in exchanges(12).tolist()}) == 4096
    assert (exchanges(12)[0] == 1).all()
    many = exchanges(40)
    assert (many[0] == 1).all()
    assert abs(many.mean()) < 0.01
    assert (exchanges(40) == many).all()


@pytest.mark.parametrize(("overlap", "n"), [(1, 60), (3, 126), (13, 252)])
def test_equal_forecasts_are_told_apart_no_more_often_than_the_level_says(overlap: int, n: int) -> None:
    count, level = 600, 0.05
    rejected = sum(
        p_values((losses[0] - losses[1])[:, None], worlds.overlap)[0] <= level
        for worlds in many_worlds(count, n, 5 * overlap, 17, candidates=1)
        for losses in worlds.crps
    )
    assert rejected <= binom.ppf(0.999, count, level)


def test_a_forecast_that_is_truly_better_is_found() -> None:
    rejections = [
        p_values((losses[0] - losses[1])[:, None], worlds.overlap)[0] <= 0.05
        for worlds in many_worlds(50, 252, 5, 18, candidates=1, gain=0.1)
        for losses in worlds.crps
    ]
    assert np.mean(rejections) > 0.8


@settings(max_examples=25)
@given(st.integers(1, 60), st.sampled_from([1.0, 2.2, 13.0]))
def test_blocks_lose_no_origin(n: int, overlap: float) -> None:
    values = np.arange(2.0 * n).reshape(n, 2)
    sums = block_sums(values, overlap)
    np.testing.assert_allclose(sums.sum(axis=0), values.sum(axis=0))
    assert len(sums) == max(1, n // block_length(overlap))

"""A fan refuses what is no distribution."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forex_assets.core.fan import Fan, fan_of_paths
from forex_assets.core.schemas import QUANTILE_LEVELS


def plain_quantile(values: list[float], level: float) -> float:
    """Linear interpolation of order statistics, from its definition."""
    ordered = sorted(values)
    place = level * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


@given(st.lists(st.lists(st.floats(500, 1500), min_size=3, max_size=3), min_size=1, max_size=40))
def test_a_fan_of_paths_has_the_quantiles_and_means_of_a_plain_loop(paths: list[list[float]]) -> None:
    fan = fan_of_paths(np.array(paths))
    for step in range(3):
        column = [path[step] for path in paths]
        logs = [math.log(value) for value in column]
        expected = [math.exp(plain_quantile(logs, level)) for level in QUANTILE_LEVELS]
        np.testing.assert_allclose(fan.quantiles[step], expected, rtol=1e-12)
        assert fan.mean[step] == pytest.approx(sum(column) / len(column), rel=1e-12)


def test_the_median_is_the_middle_column() -> None:
    assert Fan(np.array([5.0]), np.arange(9.0)[None]).median.tolist() == [4.0]


def test_crossing_quantiles_are_refused() -> None:
    with pytest.raises(ValueError, match="cross"):
        Fan(np.ones(1), np.array([[1, 2, 3, 4, 5, 6, 7, 9, 8.0]]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        Fan(np.array([bad]), np.ones((1, 9)))
    with pytest.raises(ValueError, match="not finite"):
        Fan(np.ones(1), np.array([[1.0] * 8 + [bad]]))


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 9\) for 1 steps"):
        Fan(np.ones(1), np.ones((2, 9)))

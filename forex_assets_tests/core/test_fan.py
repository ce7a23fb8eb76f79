"""A fan refuses what is no distribution."""

import numpy as np
import pytest

from forex_assets.core.fan import Fan


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

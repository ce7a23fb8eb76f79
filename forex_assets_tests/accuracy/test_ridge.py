"""The ridge against a closed form, an augmented least squares, and values worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forex_assets.accuracy.ridge import CLIP, PENALTIES, ridge_predictions


def test_one_input_worked_by_hand() -> None:
    # Mean 2, spread √(2/3); s = (-1.5^.5, 0, 1.5^.5); z less its mean: (-2, 1, 1).
    # s'z/n = 1.5^.5 · 3 / 3 = 1.5^.5, s's/n = 1; at x = 3: s = 1.5^.5; prediction 1.5 / (1 + penalty).
    predicted = ridge_predictions(np.array([[1.0], [2.0], [3.0]]), np.array([0.0, 3.0, 3.0]), np.array([3.0]))
    assert predicted == pytest.approx([1.5 / (1 + penalty) for penalty in PENALTIES], abs=1e-14)


def test_it_is_least_squares_on_rows_augmented_by_the_penalty() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((60, 4)) @ rng.standard_normal((4, 4))
    z, at = rng.standard_normal(60) + 0.3, rng.standard_normal(4)
    s, s_at = (x - x.mean(0)) / x.std(0), (at - x.mean(0)) / x.std(0)
    for penalty, predicted in zip(PENALTIES, ridge_predictions(x, z, at), strict=True):
        rows = np.vstack([s, np.sqrt(60 * penalty) * np.eye(4)])
        beta, *_ = np.linalg.lstsq(rows, np.r_[z - z.mean(), np.zeros(4)], rcond=None)
        assert predicted == pytest.approx(s_at @ beta, abs=1e-11)


def test_an_input_that_never_moves_counts_for_nothing() -> None:
    rng = np.random.default_rng(4)
    x, z, at = rng.standard_normal((50, 2)), rng.standard_normal(50), np.array([0.4, -1.0])
    still = ridge_predictions(np.column_stack([x, np.full(50, 0.1 + 0.2)]), z, np.r_[at, 7.0])
    assert still == pytest.approx(ridge_predictions(x, z, at), abs=1e-13)


def test_an_input_of_a_bad_day_is_cut() -> None:
    rng = np.random.default_rng(5)
    x, z = rng.standard_normal((50, 1)), rng.standard_normal(50)
    limit = x.mean(0) + CLIP * x.std(0)
    assert ridge_predictions(x, z, limit + 100) == pytest.approx(ridge_predictions(x, z, limit), abs=1e-13)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-50, 50), st.floats(-3, 3))
def test_units_of_the_inputs_and_a_drift_of_the_errors_change_nothing(
    seed: int, scale: float, shift: float, drift: float
) -> None:
    rng = np.random.default_rng(seed)
    x, z, at = rng.standard_t(1.2, (40, 3)), rng.standard_normal(40), rng.standard_normal(3)  # some are cut
    other = ridge_predictions(scale * x + shift, z + drift, scale * at + shift)
    assert other == pytest.approx(ridge_predictions(x, z, at), abs=1e-6)

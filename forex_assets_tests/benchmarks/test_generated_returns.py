"""Generated returns: known moments, known variances, and the facts of exchange rates that they are to show."""

import numpy as np
import pytest

from generated_returns import garch, generated_returns


def autocorrelation(x: np.ndarray, lag: int) -> float:
    """Mean over the rows of each row's own autocorrelation."""
    x = x - x.mean(axis=1, keepdims=True)
    return float(((x[:, lag:] * x[:, :-lag]).mean(axis=1) / (x**2).mean(axis=1)).mean())


def test_the_same_seed_gives_the_same_series_and_another_seed_others() -> None:
    one, again, other = (generated_returns(50, 300, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_series_have_the_length_asked_for_and_no_hole() -> None:
    returns = generated_returns(64, 123, np.random.default_rng(0))
    assert returns.shape == (64, 123)
    assert np.isfinite(returns).all()


def test_variances_of_a_garch_are_those_of_a_plain_loop() -> None:
    known = garch(3, 400, np.random.default_rng(5), alpha=0.07, beta=0.9)
    for returns, variances in zip(known.returns, known.variances, strict=True):
        for t in range(1, 400):
            expected = 0.03 + 0.07 * returns[t - 1] ** 2 + 0.9 * variances[t - 1]
            assert variances[t] == pytest.approx(expected, rel=1e-9)


def test_shocks_of_a_garch_have_variance_one_and_the_tails_of_their_t() -> None:
    known = garch(2000, 100, np.random.default_rng(6), freedom=6)
    shocks = known.returns / np.sqrt(known.variances)
    assert shocks.var() == pytest.approx(1.0, abs=0.02)
    # By hand: 3 sd are 3·sqrt(1.5) = 3.674 in units of the t; P(|t6| > 3.674) = .0104.
    assert (np.abs(shocks) > 3).mean() == pytest.approx(0.0104, abs=0.001)


def test_returns_are_hardly_correlated_and_their_squares_are() -> None:
    returns = generated_returns(600, 800, np.random.default_rng(7))
    assert abs(autocorrelation(returns, 1)) < 0.02
    assert autocorrelation(np.abs(returns), 1) > 0.05
    assert autocorrelation(np.abs(returns), 20) > 0.02


def test_there_are_heavy_tails_and_days_that_stand_still_and_no_side_is_preferred() -> None:
    returns = generated_returns(1500, 500, np.random.default_rng(8))
    assert (returns**4).mean() / (returns**2).mean() ** 2 > 4
    still = (returns == 0).mean(axis=1)
    # 15 % of the series, of which those with a share near nothing show no such day.
    assert (still > 0).mean() == pytest.approx(0.15, abs=0.03)
    assert abs(returns.mean()) < 0.01
    assert np.median(returns) == pytest.approx(0.0, abs=0.01)

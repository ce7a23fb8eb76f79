"""Hansen's test: small where one is better, uniform enough where none is, None where there is nothing to test."""

import numpy as np
import pytest

from forex_assets.accuracy.superiority import spa_p_value

FEW = 200


def losses(seed: int, n: int = 300) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n) ** 2


def test_a_better_forecast_has_a_small_p_value_and_a_worse_one_a_large() -> None:
    loss = losses(1)
    better = 0.9 * loss + 0.02 * np.random.default_rng(2).standard_normal(300)
    assert spa_p_value(loss, better, 1.5, FEW) < 0.01  # type: ignore[operator]
    assert spa_p_value(better, loss, 1.5, FEW) > 0.4  # type: ignore[operator]


def test_the_same_losses_give_the_same_p_value() -> None:
    assert spa_p_value(losses(3), losses(4), 2.2, FEW) == spa_p_value(losses(3), losses(4), 2.2, FEW)


def test_equal_forecasts_are_rejected_about_as_often_as_the_level_says() -> None:
    p = [spa_p_value(losses(2 * seed, 80), losses(2 * seed + 1, 80), 1.0, FEW) for seed in range(40)]
    assert np.mean(np.array(p) < 0.1) < 0.25
    assert 0.3 < np.mean(np.array(p) < 0.5) < 0.7


def test_of_several_the_best_is_tested_and_pays_for_the_choice() -> None:
    loss = losses(5)
    noise = [loss + 0.5 * np.random.default_rng(100 + k).standard_normal(300) for k in range(10)]
    alone = [spa_p_value(loss, one, 1.0, FEW) for one in noise]
    assert spa_p_value(loss, np.stack(noise, axis=1), 1.0, FEW) > 2 * min(p for p in alone if p is not None)  # type: ignore[operator]


@pytest.mark.parametrize("n", [2, 200])
def test_nothing_to_test_is_none(n: int) -> None:
    loss = losses(6, n)
    assert spa_p_value(loss, loss + (0.1 if n == 2 else 0.0), 1.0, FEW) is None

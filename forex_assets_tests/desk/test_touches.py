"""Touches and extremes against simulated daily closes, averages against simulated walks."""

import math

import numpy as np
import pytest

from forex_assets.desk.averages import fixing_law, mean_of_closes, mean_of_fixings
from forex_assets.desk.law import lognormal_law
from forex_assets.desk.touches import highest_close, lowest_close, touch_by, touch_probability

SD, PATHS = 0.008, 40_000


@pytest.fixture(scope="module")
def closes() -> np.ndarray:
    """Daily closes of a driftless walk from 900, shape (paths, 42)."""
    steps = np.random.default_rng(5).normal(0, SD, (PATHS // 2, 42))
    return 900 * np.exp(np.cumsum(np.vstack([steps, -steps]), axis=1))


@pytest.mark.parametrize("sessions", [5, 11, 21, 42])
@pytest.mark.parametrize("distance", [-0.05, -0.02, 0.01, 0.03, 0.06])
def test_touch_chances_are_those_of_simulated_closes(closes: np.ndarray, sessions: int, distance: float) -> None:
    level = 900 * math.exp(distance)
    part = closes[:, :sessions]
    share = np.mean(part.max(axis=1) >= level) if distance > 0 else np.mean(part.min(axis=1) <= level)
    assert touch_probability(900, level, SD, sessions) == pytest.approx(share, abs=0.015)


@pytest.mark.parametrize("probability", [0.5, 0.8, 0.9, 0.975])
def test_the_highest_and_the_lowest_close_are_those_of_simulated_closes(closes: np.ndarray, probability: float) -> None:
    part = closes[:, :21]
    assert highest_close(900, SD, 21, probability) == pytest.approx(
        np.quantile(part.max(axis=1), probability), rel=2e-3
    )
    assert lowest_close(900, SD, 21, 1 - probability) == pytest.approx(
        np.quantile(part.min(axis=1), 1 - probability), rel=2e-3
    )


def test_a_touch_is_never_rarer_than_ending_beyond() -> None:
    """A fan three times as wide as the walk: the closed form alone would say less than the fan's own end."""
    wide = lognormal_law(900, 3 * SD * math.sqrt(21))
    assert touch_by(wide, 900, 1000, SD, 21) == pytest.approx(wide.probability_above(1000))
    assert touch_by(wide, 900, 800, SD, 21) == pytest.approx(1 - wide.probability_above(800))
    assert touch_probability(900, 1000, SD, 21) < wide.probability_above(1000)


@pytest.mark.parametrize("sessions", [1, 5, 21])
def test_the_mean_of_coming_closes_has_the_simulated_spread(closes: np.ndarray, sessions: int) -> None:
    means = closes[:, :sessions].mean(axis=1)
    law = mean_of_closes(900, SD, sessions)
    for probability in (0.1, 0.5, 0.9, 0.975):
        assert law.quantile(probability) == pytest.approx(np.quantile(means, probability), rel=1.5e-3)


def test_a_months_average_has_the_simulated_spread_of_day_averages() -> None:
    """Ten known observados of 900, ten to come; a day's average is of 30 trades spread over it."""
    ticks, days, paths = 30, 10, 20_000
    steps = np.random.default_rng(6).normal(0, SD / math.sqrt(ticks), (paths, days * ticks))
    averages = (900 * np.exp(np.cumsum(steps, axis=1))).reshape(paths, days, ticks).mean(axis=2)
    month = (10 * 900 + averages.sum(axis=1)) / 20
    law = mean_of_fixings(900, 900, SD, [900.0] * 10, list(range(1, 11)))
    spread = np.std(np.log(month))
    # The measured factors widen each day by 9 to 36 % over the formula that the simulation follows.
    assert spread < math.log(law.quantile(0.841345) / 900) < 1.36 * spread
    assert law.median == pytest.approx(month.mean(), rel=1e-3)


def test_published_observados_leave_no_doubt() -> None:
    """Nineteen at 900 and tomorrow's to come: by hand (19·900 + 900)/20, sd .72/√3·σ/20."""
    law = mean_of_fixings(900, 900, SD, [900.0] * 19, [0])
    assert law.median == pytest.approx(900)
    assert math.log(law.quantile(0.841345) / 900) == pytest.approx(0.72 / math.sqrt(3) * SD / 20, rel=1e-4)


def test_tomorrows_observado_leans_to_the_last_one() -> None:
    assert fixing_law(900, 910, SD, 0).median == pytest.approx(900 * (910 / 900) ** 0.27)
    assert fixing_law(900, 910, SD, 1).median == pytest.approx(900)

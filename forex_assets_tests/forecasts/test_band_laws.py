"""Laws of the shipped model's bands that a desk can see, on a generated market."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from forex_assets.core.fan import Fan
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.forecasts.baselines import ewma_volatility
from forex_assets.forecasts.chronos.finder import EMBEDDED_FOLDER
from forex_assets.forecasts.chronos.model import ChronosEngine
from forex_assets.forecasts.engine import GridRequest, Origin
from forex_assets_tests.forecasts.chronos.tiny_models import build_t5

STEPS = 64


def market(length: int = 700) -> np.ndarray:
    """Prices with GARCH(1,1) volatility and Student's t shocks."""
    rng, variance, returns = np.random.default_rng(3), 1.0, []
    for shock in rng.standard_t(6, length) / np.sqrt(1.5):
        returns.append(0.006 * np.sqrt(variance) * shock)
        variance = 0.05 + 0.08 * variance * shock**2 + 0.87 * variance
    return np.asarray(900 * np.exp(np.cumsum(returns)))


PRICES = market()
EVENINGS = range(600, 612)


def config(seed: int = 0) -> InferenceConfig:
    return InferenceConfig(
        horizon="90d", model="embedded", context_length=256, num_samples=200, temperature=1.0,
        representation="returns", seed=seed,
    )  # fmt: skip


def fans(seed: int, ends: list[int]) -> list[Fan]:
    origins = [Origin(PRICES[:end], STEPS, {}) for end in ends]
    return ChronosEngine(str(EMBEDDED_FOLDER)).forecast(origins, config(seed))


@pytest.fixture(scope="module")
def evenings() -> list[Fan]:
    """Fans of consecutive evenings."""
    return fans(0, list(EVENINGS))


def width(fan: Fan) -> np.ndarray:
    return np.asarray(np.log(fan.quantiles[:, 8] / fan.quantiles[:, 0]))


def test_no_band_narrows_from_one_session_to_the_next(evenings: list[Fan]) -> None:
    for fan in evenings:
        for low, high in ((0, 8), (1, 7), (2, 6), (3, 5)):
            assert (np.diff(fan.quantiles[:, high] - fan.quantiles[:, low]) > 0).all()


def test_two_seeds_agree_on_the_width_of_every_step(evenings: list[Fan]) -> None:
    others = fans(1, list(EVENINGS)[::3])
    gaps = [np.abs(np.log(width(a) / width(b))) for a, b in zip(evenings[::3], others, strict=True)]
    assert np.median(gaps, axis=0).max() < 0.05
    assert np.min(gaps) > 0, "another seed draws other paths"


def test_a_dates_band_hardly_changes_overnight_in_units_of_volatility(evenings: list[Fan]) -> None:
    """Width over σ√k, tonight's step k + 1 against tomorrow's step k."""
    root = np.sqrt(np.arange(1, STEPS + 1))
    unit = [
        np.log(width(fan) / (root * ewma_volatility(PRICES[:end][-500:])))
        for fan, end in zip(evenings, EVENINGS, strict=True)
    ]
    changes = [np.abs(later[:-1] - earlier[1:]) for earlier, later in itertools.pairwise(unit)]
    assert np.quantile(changes, 0.95) < 0.06


def test_the_horizons_of_one_evening_are_the_beginning_of_one_fan(evenings: list[Fan]) -> None:
    grid = ChronosEngine(str(EMBEDDED_FOLDER)).forecast_grid(
        [Origin(PRICES[:600], 1, {})], [[GridRequest(config(), steps) for steps in (5, 11, 21)]]
    )[0]
    for steps, fan in zip((5, 11, 21), grid, strict=True):
        np.testing.assert_allclose(fan.quantiles, evenings[0].quantiles[:steps], rtol=1e-6)


def test_400_paths_of_a_t5_on_anchored_prices_hold_the_same_laws(tmp_path: Path) -> None:
    """Random weights in the library's format; the price's log ratio is what cannot narrow where a median drifts."""
    engine = ChronosEngine(str(build_t5(tmp_path / "t5", context_length=512, prediction_length=64)))
    origins = [Origin(PRICES[:end], STEPS, {}) for end in (500, 700)]
    settings = {"horizon": "90d", "model": "t5", "context_length": 256, "num_samples": 400, "temperature": 1.0}
    both = [
        engine.forecast(origins, InferenceConfig(**settings, representation="anchored", seed=seed)) for seed in (0, 1)
    ]
    widths = np.array([[width(fan) for fan in seed] for seed in both])
    assert (np.diff(widths) >= -1e-12).all()
    gaps = np.abs(np.log(widths[0] / widths[1]))
    assert 0 < np.median(gaps, axis=0).max() < 0.05

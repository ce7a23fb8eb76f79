"""Round trips to model space and back, and quantiles against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from forex_assets.core.inference_config import Representation
from forex_assets.core.schemas import QUANTILE_LEVELS
from forex_assets.core.volatility import ewma_volatility
from forex_assets.forecasts.engine import EngineError
from forex_assets.forecasts.representation import (
    Encoded,
    complete_quantiles,
    decode_paths,
    decode_quantiles,
    encode,
    fan_of_quantiles,
)

REPRESENTATIONS: list[Representation] = ["anchored", "returns", "levels"]
DECILES = [i / 10 for i in range(1, 10)]

histories = st.lists(st.floats(-0.05, 0.05), min_size=2, max_size=60).map(lambda r: 900 * np.exp(np.cumsum(r)))


@given(histories, histories, st.sampled_from(REPRESENTATIONS))
def test_a_future_that_is_encoded_by_hand_comes_back_as_it_was(
    past: np.ndarray, future: np.ndarray, representation: Representation
) -> None:
    encoded = encode(past, representation, 400)
    paths = {
        "anchored": np.log(future / past[-1]) / encoded.scale,
        "returns": np.diff(np.log(np.concatenate([past[-1:], future]))) / encoded.scale,
        "levels": future,
    }
    np.testing.assert_allclose(decode_paths(paths[representation][None], encoded)[0], future, rtol=1e-9)


@given(histories)
def test_the_context_itself_decodes_to_the_prices(past: np.ndarray) -> None:
    anchored = encode(past, "anchored", 400)
    np.testing.assert_allclose(decode_paths(anchored.values[None], anchored)[0], past, rtol=1e-9)
    returns = encode(past, "returns", 400)
    from_the_start = Encoded(returns.values, "returns", float(past[0]), returns.scale)
    np.testing.assert_allclose(decode_paths(returns.values[None], from_the_start)[0], past[1:], rtol=1e-9)
    assert (encode(past, "levels", 400).values == past).all()


@given(histories, st.floats(0.01, 100), st.sampled_from(["anchored", "returns"]))
def test_the_unit_of_the_price_does_not_reach_the_model(
    past: np.ndarray, unit: float, representation: Representation
) -> None:
    scale = encode(past, representation, 30).scale
    # The log of a price moves by a last bit with the unit; in volatilities that is a last bit over the scale.
    np.testing.assert_allclose(
        encode(past * unit, representation, 30).values,
        encode(past, representation, 30).values,
        atol=1e-12 / scale,
        rtol=1e-6,
    )


def test_values_worked_by_hand() -> None:
    prices = np.array([100.0, 110.0, 99.0])
    scale = np.sqrt((np.log(1.1) ** 2 + np.log(0.9) ** 2) / 2)
    np.testing.assert_allclose(encode(prices, "anchored", 2).values, [np.log(110 / 99) / scale, 0.0])
    np.testing.assert_allclose(encode(prices, "returns", 2).values, [np.log(1.1) / scale, np.log(0.9) / scale])
    np.testing.assert_allclose(encode(prices, "returns", 1).values, [np.log(0.9) / scale])


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_a_context_longer_than_the_history_is_all_there_is(representation: Representation) -> None:
    prices = np.array([100.0, 101.0, 99.0, 100.5])
    assert len(encode(prices, representation, 999).values) == (3 if representation == "returns" else 4)
    assert len(encode(prices, representation, 2).values) == 2


def test_the_scale_does_not_depend_on_the_context_length() -> None:
    prices = 900 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, 600)))
    scales = {encode(prices, "anchored", length).scale for length in (16, 180, 600)}
    assert scales == {ewma_volatility(prices[-500:])}


def test_a_price_that_never_moved_has_zero_values_and_a_finite_way_back() -> None:
    encoded = encode(np.full(30, 800.0), "anchored", 20)
    assert (encoded.values == 0).all()
    np.testing.assert_allclose(decode_paths(np.array([[15.0]]), encoded), 800.0, rtol=1e-4)


@pytest.mark.parametrize("representation", ["anchored", "levels"])
@given(rows=st.lists(st.lists(st.floats(-50, 1500), min_size=9, max_size=9), min_size=1, max_size=5))
def test_quantiles_are_ordered_and_positive_even_where_the_models_cross(
    rows: list[list[float]], representation: Representation
) -> None:
    prices = decode_quantiles(np.array(rows), DECILES, Encoded(np.zeros(3), representation, 900.0, 0.005))
    assert (np.diff(prices, axis=1) >= 0).all()
    assert (prices > 0).all()


def test_quantiles_of_independent_normal_returns_add_up_to_those_of_their_sum() -> None:
    means, sds = np.array([0.3, -0.2, 0.1]), np.array([1.0, 0.5, 2.0])
    native = means[:, None] + sds[:, None] * norm.ppf(DECILES)
    prices = decode_quantiles(native, DECILES, Encoded(np.zeros(3), "returns", 900.0, 0.006))
    for k in range(3):
        law = norm(means[: k + 1].sum(), np.sqrt((sds[: k + 1] ** 2).sum()))
        np.testing.assert_allclose(prices[k], 900 * np.exp(0.006 * law.ppf(DECILES)), rtol=1e-12)


def test_a_log_normal_known_at_deciles_is_completed_to_all_nine_levels_and_its_mean() -> None:
    native = 900 * np.exp(0.05 * norm.ppf(DECILES))[None]
    expected = 900 * np.exp(0.05 * norm.ppf(QUANTILE_LEVELS))
    np.testing.assert_allclose(complete_quantiles(native, DECILES)[0], expected, rtol=1e-12)
    fan = fan_of_quantiles(native, DECILES)
    np.testing.assert_allclose(fan.quantiles[0], expected, rtol=1e-12)
    assert fan.mean[0] == pytest.approx(900 * np.exp(0.05**2 / 2), rel=1e-5)


def test_a_tail_worked_by_hand_goes_on_as_a_normal_one_each_side_by_itself() -> None:
    logs = np.log(900) + np.array([-0.02, -0.015, -0.01, -0.005, 0.0, 0.01, 0.02, 0.03, 0.04])
    completed = np.log(complete_quantiles(np.exp(logs)[None], DECILES)[0] / 900)
    # z(.025) / z(.1) = 1.95996 / 1.28155 = 1.52937 and z(.05) / z(.1) = 1.64485 / 1.28155 = 1.28349.
    np.testing.assert_allclose(completed[[0, 1]], [-0.02 * 1.529368, -0.02 * 1.283485], rtol=1e-5)
    np.testing.assert_allclose(completed[[7, 8]], [0.04 * 1.283485, 0.04 * 1.529368], rtol=1e-5)
    assert completed[[2, 4, 6]] == pytest.approx([-0.02, 0.0, 0.04])


def test_levels_of_the_model_itself_are_passed_on_as_they_are() -> None:
    levels = [0.01, *(i / 20 for i in range(1, 20)), 0.99]
    native = np.sort(np.random.default_rng(0).uniform(700, 1100, (4, 21)), axis=1)
    kept = [0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95]
    completed = complete_quantiles(native, levels, kept)
    np.testing.assert_allclose(completed, native[:, [levels.index(level) for level in kept]], rtol=1e-12)


def test_a_level_of_zero_or_less_is_lifted_to_a_hundredth_of_the_last_price() -> None:
    encoded = Encoded(np.zeros(3), "levels", 900.0, 0.006)
    assert decode_paths(np.array([[-5.0, 880.0]]), encoded).tolist() == [[9.0, 880.0]]


@pytest.mark.parametrize(
    ("representation", "answer"),
    [(r, bad) for r in REPRESENTATIONS for bad in (np.nan, np.inf)] + [("anchored", 1e30), ("returns", -1e30)],
)
def test_an_answer_out_of_its_senses_is_an_error(representation: Representation, answer: float) -> None:
    encoded = Encoded(np.zeros(3), representation, 900.0, 0.006)
    with pytest.raises(EngineError, match="weights are unfit"):
        decode_paths(np.array([[0.0, answer]]), encoded)


def test_levels_without_a_median_make_no_fan() -> None:
    with pytest.raises(EngineError, match="needs a median"):
        complete_quantiles(np.array([[1.0, 2.0]]), [0.1, 0.9])
    with pytest.raises(EngineError, match="representation is returns"):
        decode_quantiles(np.array([[1.0, 2.0]]), [0.1, 0.9], Encoded(np.zeros(3), "returns", 900.0, 0.006))
    with pytest.raises(EngineError, match="both sides"):
        complete_quantiles(np.array([[1.0, 2.0]]), [0.5, 0.9])


def test_a_history_of_one_price_cannot_be_encoded() -> None:
    with pytest.raises(EngineError, match="origin of 1 prices"):
        encode(np.array([900.0]), "anchored", 20)

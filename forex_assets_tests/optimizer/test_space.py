"""What a search tries: the policy's grid counted by hand, like merged with like, what the model lacks left out."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forex_assets.core.horizon import HORIZONS
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import SearchPolicy
from forex_assets.forecasts.engine import EngineTraits
from forex_assets.optimizer.space import space_of

T5 = ("context_length", "num_samples", "temperature", "representation")
BOLT = ("context_length", "representation")


def config(
    horizon: str = "7d", context: int = 180, samples: int | None = 200, temperature: float | None = 1.0
) -> InferenceConfig:
    return InferenceConfig(
        horizon=horizon,  # type: ignore[arg-type]
        model="m",
        context_length=context,
        num_samples=samples,
        temperature=temperature,
    )


@pytest.mark.parametrize("horizon", HORIZONS)
def test_the_published_grid_is_27_settings_of_each_horizon(horizon: str) -> None:
    policy = SearchPolicy()
    lengths = policy.context_length[horizon]
    space = space_of(config(horizon, lengths[0]), EngineTraits(T5, 8192), policy)
    settings = {(c.config.context_length, c.config.num_samples, c.config.temperature) for c in space.candidates}
    assert settings == set(product(lengths, (50, 100, 200), (0.8, 1.0, 1.2)))
    assert len(space.candidates) == 27
    assert space.candidates[0].config == config(horizon, lengths[0])
    assert {candidate.config.representation for candidate in space.candidates} == {"anchored"}


def test_what_is_live_is_tried_even_where_the_grid_does_not_hold_it() -> None:
    space = space_of(config(context=123), EngineTraits(T5, 8192), SearchPolicy())
    assert len(space.candidates) == 28
    assert space.incumbent.context_length == 123


def test_contexts_beyond_what_the_model_reads_are_one_candidate_and_named() -> None:
    space = space_of(config("90d", 365), EngineTraits(T5, 512), SearchPolicy())
    assert {candidate.config.context_length for candidate in space.candidates} == {365, 540}
    assert len(space.candidates) == 18
    assert {candidate.same_as for candidate in space.candidates if candidate.config.context_length == 540} == {
        ("context_length 730",)
    }
    assert "reads 512 sessions at most: context_length 730" in space.words


def test_the_order_of_the_policys_contexts_does_not_count_and_of_equals_the_shortest_stays() -> None:
    default = SearchPolicy()
    policy = SearchPolicy(context_length=default.context_length | {"90d": [730, 365, 540]})
    space = space_of(config("90d", 365), EngineTraits(T5, 512), policy)
    assert space == space_of(config("90d", 365), EngineTraits(T5, 512), default)
    assert {candidate.config.context_length for candidate in space.candidates} == {365, 540}, "730 reads what 540 reads"


def test_what_is_live_stands_for_those_that_come_to_the_same() -> None:
    space = space_of(config("90d", 730), EngineTraits(T5, 256), SearchPolicy())
    assert len(space.candidates) == 9
    assert space.candidates[0].config.context_length == 730
    assert space.candidates[0].same_as == ("context_length 365", "context_length 540")
    assert {candidate.config.context_length for candidate in space.candidates[1:]} == {365}


def test_settings_that_the_model_lacks_are_left_out_and_named() -> None:
    space = space_of(config(samples=None, temperature=None), EngineTraits(BOLT, 2048), SearchPolicy())
    assert [candidate.config.context_length for candidate in space.candidates] == [180, 90, 270]
    assert {candidate.config.num_samples for candidate in space.candidates} == {None}
    assert "left out, since the engine has no such setting: num_samples, temperature" in space.words


def test_a_walk_has_nothing_to_search() -> None:
    space = space_of(config(), EngineTraits(), SearchPolicy())
    assert len(space.candidates) == 1
    assert "nothing to search" in space.words


def test_representation_and_calibration_are_tried_where_they_are_asked_for() -> None:
    policy = SearchPolicy(representation=["anchored", "returns"], is_calibrated=[True, False])
    assert len(space_of(config(context=90), EngineTraits(T5, 8192), policy).candidates) == 27 * 4
    assert len(space_of(config(), EngineTraits(), policy).candidates) == 2


@given(
    st.integers(16, 1000), st.integers(20, 1000), st.lists(st.integers(16, 1000), min_size=1, max_size=4, unique=True)
)
def test_no_two_candidates_come_to_the_same_and_none_is_lost(longest: int, live: int, lengths: list[int]) -> None:
    policy = SearchPolicy(context_length=dict.fromkeys(HORIZONS, lengths))
    space = space_of(config(context=live), EngineTraits(T5, longest), policy)
    reads = [
        (min(c.config.context_length, longest), c.config.num_samples, c.config.temperature) for c in space.candidates
    ]
    assert len(set(reads)) == len(reads)
    wanted = set(product({min(length, longest) for length in lengths}, (50, 100, 200), (0.8, 1.0, 1.2)))
    assert wanted <= set(reads)
    assert set(reads) - wanted <= {(min(live, longest), 200, 1.0)}

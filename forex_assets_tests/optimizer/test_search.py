"""Which candidate is chosen, by hand: ties to the current settings, then the cheapest."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import SearchPolicy
from forex_assets.optimizer.methods import Tried, run_method
from forex_assets.optimizer.search import Losses, candidates_table, choose, standard_error
from forex_assets.optimizer.space import Candidate, Space
from forex_assets.optimizer.tables import CANDIDATES_SCHEMA

NOW = datetime(2025, 6, 13, 23, 0, tzinfo=UTC)


def config(samples: int, context: int = 180) -> InferenceConfig:
    return InferenceConfig(horizon="7d", model="m", context_length=context, num_samples=samples, temperature=1.0)


def space(*configs: InferenceConfig) -> Space:
    return Space(tuple(Candidate(each) for each in configs), f"{len(configs)} candidates")


def losses(values: Mapping[InferenceConfig, Sequence[float]], overlap: float = 1.0) -> dict[str, Losses]:
    return {each.fingerprint: Losses(np.array(v, dtype=float), overlap) for each, v in values.items()}


LIVE, CHEAP, DEAR = config(100), config(50), config(200)
SPACE = space(LIVE, CHEAP, DEAR)
BASE = np.array([5.0, 7.0, 6.0, 8.0, 5.0, 7.0, 6.0, 8.0])


def test_what_is_better_than_live_on_every_origin_is_chosen() -> None:
    found = losses({LIVE: BASE, CHEAP: BASE + 1, DEAR: BASE - 1 + 0.01 * np.arange(8)})
    assert choose(found, SPACE.candidates, LIVE.fingerprint) == DEAR.fingerprint


def test_what_is_live_stays_where_it_is_within_one_standard_error_of_the_best() -> None:
    wobble = np.array([2.0, -1.0, 1.5, -2.0, 2.0, -1.5, 1.0, -1.9])  # mean .0125, standard error .64
    found = losses({LIVE: BASE, CHEAP: BASE + 3, DEAR: BASE - wobble})
    assert found[DEAR.fingerprint].values.mean() < found[LIVE.fingerprint].values.mean()
    assert choose(found, SPACE.candidates, LIVE.fingerprint) == LIVE.fingerprint


def test_of_two_equals_that_beat_what_is_live_the_cheaper_is_chosen() -> None:
    wobble = np.array([0.2, -0.1, 0.1, -0.2, 0.2, -0.1, 0.1, -0.19])
    found = losses({LIVE: BASE + 4, CHEAP: BASE, DEAR: BASE - wobble})
    assert found[DEAR.fingerprint].values.mean() < found[CHEAP.fingerprint].values.mean()
    assert choose(found, SPACE.candidates, LIVE.fingerprint) == CHEAP.fingerprint


def test_the_standard_error_is_the_plain_one_of_independent_values_and_wider_where_they_overlap() -> None:
    values = np.random.default_rng(1).normal(size=400)
    assert standard_error(values, 1.0) == pytest.approx(values.std(ddof=1) / 20, rel=0.25)
    walked = np.convolve(np.random.default_rng(2).normal(size=420), np.ones(21), "valid")
    assert standard_error(walked, 21.0) > 3 * walked.std(ddof=1) / 20


def test_the_table_has_every_candidate_with_its_gain_on_what_is_live() -> None:
    found = losses({LIVE: BASE * 2, CHEAP: BASE, DEAR: BASE * 3})
    choice = candidates_table(
        found, SPACE, "crps", search_id="s", searched_at=NOW, seconds={LIVE.fingerprint: 0.5}, words="w"
    )
    table = choice.table
    assert dict(table.schema) == CANDIDATES_SCHEMA
    assert table["candidate"].to_list() == [CHEAP.fingerprint, LIVE.fingerprint, DEAR.fingerprint]
    assert table["gain"].to_list() == pytest.approx([0.5, 0.0, -0.5])
    assert table["loss"].to_list() == pytest.approx([6.5, 13.0, 19.5])
    assert table["is_incumbent"].to_list() == [False, True, False]
    assert table["is_chosen"].to_list() == [True, False, False]
    assert choice.chosen == CHEAP.fingerprint
    assert InferenceConfig.model_validate_json(table["config"][0]) == CHEAP
    assert f"found {CHEAP.fingerprint} (context 180, samples 50, temperature 1.0)" in choice.words


def test_the_rmse_is_the_root_of_the_mean_square_and_its_gain_likewise() -> None:
    found = losses({LIVE: BASE**2 * 4, CHEAP: BASE**2})
    table = candidates_table(
        found, space(LIVE, CHEAP), "rmse", search_id="s", searched_at=NOW, seconds={}, words=""
    ).table
    assert table["loss"].to_list() == pytest.approx([np.sqrt((BASE**2).mean()), 2 * np.sqrt((BASE**2).mean())])
    assert table["gain"][0] == pytest.approx(0.5)


def test_the_error_of_an_rmse_is_how_far_it_varies_between_samples() -> None:
    """3,000 samples of 250 independent normal errors, for which theory has sd / √(2 n): the table claims as much."""
    samples = np.random.default_rng(0).normal(0, 3.0, (3000, 250)) ** 2
    spread = float(np.sqrt(samples.mean(axis=1)).std())
    claimed = [
        candidates_table(
            losses({LIVE: values}), space(LIVE), "rmse", search_id="s", searched_at=NOW, seconds={}, words=""
        ).table["loss_se"][0]
        for values in samples[:40]
    ]
    assert spread == pytest.approx(3.0 / np.sqrt(500), rel=0.05)
    assert np.mean(claimed) == pytest.approx(spread, rel=0.15)


def test_equal_losses_are_said_to_tell_nothing() -> None:
    found = losses({LIVE: BASE, CHEAP: BASE, DEAR: BASE})
    choice = candidates_table(found, SPACE, "rmse", search_id="s", searched_at=NOW, seconds={}, words="")
    assert choice.chosen == LIVE.fingerprint
    assert "all candidates have the same squared error" in choice.words


def test_nothing_scored_keeps_what_is_live() -> None:
    choice = candidates_table({}, SPACE, "crps", search_id="s", searched_at=NOW, seconds={}, words="")
    assert choice.chosen == LIVE.fingerprint
    assert choice.table.height == 3
    assert "nothing could be compared" in choice.words


class World:
    """Candidates with true losses, judged on simulated origins: the port of a method, counting what it was asked."""

    def __init__(self, offsets: Sequence[float], seed: int, origins: int = 126) -> None:
        self.configs = [config(20 + place) for place in range(len(offsets))]
        rng = np.random.default_rng(seed)
        common = rng.gamma(2.0, 3.0, origins)
        self.losses = {
            each.fingerprint: np.maximum(common + offset + rng.normal(0, 0.8, origins), 0)
            for each, offset in zip(self.configs, offsets, strict=True)
        }

    def evaluate(self, configs: Sequence[InferenceConfig]) -> dict[str, Losses]:
        return {each.fingerprint: Losses(self.losses[each.fingerprint], 1.0) for each in configs}

    def run(self, **policy: Any) -> Tried:
        return run_method(space(*self.configs), SearchPolicy(**policy), self.evaluate, no_suggestion)


def no_suggestion(grid: Mapping[str, Sequence[Any]], evaluate: Callable[..., float], *, count: int, seed: int) -> None:
    raise AssertionError("not optuna")


def test_random_tries_a_part_the_same_for_a_seed_and_always_what_is_live() -> None:
    world = World([0.0] * 27, 1)
    first, again = world.run(method="random", seed=4), world.run(method="random", seed=4)
    assert set(first.losses) == set(again.losses)
    assert len(first.losses) == 9
    assert config(20).fingerprint in first.losses
    assert set(first.losses) != set(world.run(method="random", seed=5).losses)
    assert len(world.run(method="random", max_candidates=4).losses) == 4


def test_optuna_finds_the_best_of_a_small_space_and_repeats_itself() -> None:
    from forex_assets.optimizer.tpe import suggest

    configs = [config(samples, context) for samples in (50, 100, 200) for context in (90, 180, 270)]
    true = {
        each.fingerprint: 10.0 - 3 * (each.num_samples == 200) - 2 * (each.context_length == 90) for each in configs
    }
    asked = list[str]()

    def evaluate(tried: Sequence[InferenceConfig]) -> dict[str, Losses]:
        asked.extend(each.fingerprint for each in tried)
        return {each.fingerprint: Losses(np.full(20, true[each.fingerprint]), 1.0) for each in tried}

    def run() -> Tried:
        return run_method(space(*configs), SearchPolicy(method="optuna", max_candidates=9), evaluate, suggest)

    first, order = run(), list(asked)
    asked.clear()
    assert set(run().losses) == set(first.losses)
    assert asked == order
    best = min(first.losses, key=lambda name: float(first.losses[name].values.mean()))
    assert true[best] <= 7.0
    assert configs[0].fingerprint in first.losses


def test_what_differs_by_the_order_of_adding_only_is_a_tie() -> None:
    found = losses({LIVE: BASE + 1e-13, CHEAP: BASE, DEAR: BASE - 1e-13})
    assert choose(found, SPACE.candidates, LIVE.fingerprint) == LIVE.fingerprint
    choice = candidates_table(found, SPACE, "rmse", search_id="s", searched_at=NOW, seconds={}, words="")
    assert "all candidates have the same squared error" in choice.words


def test_a_suggested_candidate_that_time_ran_out_on_does_not_cut_the_others() -> None:
    def evaluate(tried: Sequence[InferenceConfig]) -> dict[str, Losses]:
        count = 3 if DEAR in tried else 8  # of DEAR three origins were run, and all are compared on those of all
        return {each.fingerprint: Losses(BASE[:count], 1.0) for each in tried}

    def every(grid: Mapping[str, Sequence[Any]], loss: Callable[..., float], *, count: int, seed: int) -> None:
        for samples in grid["num_samples"]:
            loss({"num_samples": samples})

    tried = run_method(SPACE, SearchPolicy(method="optuna", max_candidates=3), evaluate, every)
    assert set(tried.losses) == {LIVE.fingerprint, CHEAP.fingerprint}
    assert {len(each.values) for each in tried.losses.values()} == {8}
    assert "2 of 3 candidates" in tried.words


def test_a_candidate_that_no_method_came_to_is_named_as_not_tried() -> None:
    table = candidates_table(
        losses({LIVE: BASE}), SPACE, "crps", search_id="s", searched_at=NOW, seconds={}, words=""
    ).table
    words = dict(zip(table["candidate"], table["words"], strict=True))
    assert words == {LIVE.fingerprint: "", CHEAP.fingerprint: "not tried", DEAR.fingerprint: "not tried"}

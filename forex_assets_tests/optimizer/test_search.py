"""Which candidate is chosen, worked by hand: what beats the current settings by more than chance, and nothing else."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import SearchPolicy
from forex_assets.optimizer.methods import Tried, run_method
from forex_assets.optimizer.search import Choice, Losses, candidates_table, choose, p_values_of, standard_error
from forex_assets.optimizer.space import Candidate, Space
from forex_assets.optimizer.tables import CANDIDATES_SCHEMA
from forex_assets.optimizer.tpe import suggest

NOW = datetime(2025, 6, 13, 23, 0, tzinfo=UTC)
BASE = np.array([5.0, 7.0, 6.0, 8.0, 5.0, 7.0, 6.0, 8.0, 5.0, 7.0, 6.0, 8.0])  # six blocks of two: 64 exchanges


def config(context: int, samples: int = 200) -> InferenceConfig:
    return InferenceConfig(horizon="7d", model="m", context_length=context, num_samples=samples, temperature=1.0)


LIVE, SHORT, LONG = config(180), config(90), config(270)


def space(*configs: InferenceConfig) -> Space:
    return Space(tuple(Candidate(candidate) for candidate in configs), f"{len(configs)} candidates")


def losses(values: Mapping[InferenceConfig, Any], overlap: float = 1.0) -> dict[str, Losses]:
    return {candidate.fingerprint: Losses(np.array(v, dtype=float), overlap) for candidate, v in values.items()}


def chosen_of(values: Mapping[InferenceConfig, Any], significance: float = 0.3) -> InferenceConfig:
    name = choose(losses(values), space(*values), significance)
    return next(candidate for candidate in values if candidate.fingerprint == name)


def table_of(values: Mapping[InferenceConfig, Any], candidates: Space | None = None, **policy: Any) -> Choice:
    return candidates_table(
        losses(values),
        candidates or space(*values),
        SearchPolicy(**policy),
        search_id="s",
        searched_at=NOW,
        words="w",
    )


def test_the_p_value_pays_for_the_number_of_candidates_worked_by_hand() -> None:
    # Better on every origin: of 64 exchanges of blocks only the one that was seen favours it as much.
    alone = p_values_of(losses({LIVE: BASE, SHORT: BASE - 1}), space(LIVE, SHORT))
    assert alone == {SHORT.fingerprint: 1 / 64}
    # Beside its mirror image the opposite exchange favours a candidate as much: two of 64.
    both = p_values_of(losses({LIVE: BASE, SHORT: BASE - 1, LONG: BASE + 1}), space(LIVE, SHORT, LONG))
    assert both == {SHORT.fingerprint: 2 / 64, LONG.fingerprint: 1.0}


def test_what_beats_the_current_settings_by_more_than_chance_is_chosen_and_nothing_else() -> None:
    assert chosen_of({LIVE: BASE, SHORT: BASE - 1}, 0.02) == SHORT
    assert chosen_of({LIVE: BASE, SHORT: BASE - 1, LONG: BASE + 1}, 0.02) == LIVE
    assert chosen_of({LIVE: BASE, SHORT: BASE - 1, LONG: BASE + 1}, 0.04) == SHORT
    up_and_down = np.tile([2.0, 2.0, -1.9, -1.9], 3)  # a lower mean by chance: half of the exchanges show as much
    assert chosen_of({LIVE: BASE, SHORT: BASE - up_and_down}) == LIVE


def test_a_noisy_candidate_that_is_worse_is_not_the_equal_of_one_that_is_better() -> None:
    noisy = np.tile([9.0, 9.0, -8.8, -8.8], 3)
    assert chosen_of({LIVE: BASE, SHORT: BASE + noisy, LONG: BASE - 0.1 * np.arange(1, 13)}) == LONG


def test_of_two_that_are_better_the_lower_loss_wins_and_of_equals_the_shorter_context() -> None:
    assert chosen_of({LIVE: BASE + 4, SHORT: BASE, LONG: BASE - 0.01}) == LONG
    assert chosen_of({LIVE: BASE + 4, LONG: BASE, SHORT: BASE}) == SHORT
    assert chosen_of({LIVE: BASE + 4, LONG: BASE, SHORT: BASE + 1e-12}) == SHORT  # rounding is no difference


def test_fewer_paths_are_never_chosen_and_said_to_be_noise() -> None:
    few = config(90, 50)
    values = {LIVE: BASE, few: BASE - 2, SHORT: BASE - 1}
    assert chosen_of(values) == SHORT
    assert chosen_of({LIVE: BASE, config(180, 50): BASE - 2}) == LIVE
    words = dict(table_of(values).table.select("candidate", "words").iter_rows())
    assert words == {
        LIVE.fingerprint: "",
        few.fingerprint: "fewer paths: sampling noise, never chosen",
        SHORT.fingerprint: "p 0.016",
    }


def test_more_paths_than_the_current_settings_have_may_be_chosen() -> None:
    few, many = config(180, 50), config(180, 200)
    assert chosen_of({few: BASE, many: BASE - 1}) == many


def test_the_standard_error_is_the_plain_one_of_independent_values_and_wider_where_they_overlap() -> None:
    values = np.random.default_rng(1).normal(size=400)
    assert standard_error(values, 1.0) == pytest.approx(values.std(ddof=1) / 20, rel=0.25)
    walked = np.convolve(np.random.default_rng(2).normal(size=420), np.ones(21), "valid")
    assert standard_error(walked, 21.0) > 3 * walked.std(ddof=1) / 20


def test_the_table_has_every_candidate_with_its_gain_on_the_current_settings() -> None:
    choice = table_of({LIVE: BASE * 2, SHORT: BASE, LONG: BASE * 3})
    table = choice.table
    assert dict(table.schema) == CANDIDATES_SCHEMA
    assert table["candidate"].to_list() == [SHORT.fingerprint, LIVE.fingerprint, LONG.fingerprint]
    assert table["gain"].to_list() == pytest.approx([0.5, 0.0, -0.5])
    assert table["loss"].to_list() == pytest.approx([6.5, 13.0, 19.5])
    assert table["is_incumbent"].to_list() == [False, True, False]
    assert table["is_chosen"].to_list() == [True, False, False]
    assert choice.chosen == SHORT.fingerprint
    assert InferenceConfig.model_validate_json(table["config"][0]) == SHORT
    assert (
        f"found {SHORT.fingerprint} (context 90, samples 200, temperature 1.0): CRPS better by 50.0 %" in choice.words
    )


def test_words_call_nothing_better_that_is_worse() -> None:
    choice = table_of({LIVE: BASE, SHORT: BASE * 1.001})
    assert choice.chosen == LIVE.fingerprint
    assert "no candidate is significantly better" in choice.words
    assert "CRPS worse by 0.1 %" in choice.words


def test_candidates_are_named_by_the_settings_that_the_file_would_hold() -> None:
    choice = candidates_table(
        losses({LIVE: BASE, SHORT: BASE - 1}),
        space(LIVE, SHORT),
        SearchPolicy(),
        search_id="s",
        searched_at=NOW,
        words="",
        as_file=lambda candidate: candidate.model_copy(update={"model": "configured"}),
    )
    wanted = SHORT.model_copy(update={"model": "configured"})
    assert choice.chosen == wanted.fingerprint
    row = choice.table.filter("is_chosen").row(0, named=True)
    assert InferenceConfig.model_validate_json(row["config"]) == wanted
    assert row["candidate"] == wanted.fingerprint


def test_the_rmse_is_the_root_of_the_mean_square_and_its_gain_likewise() -> None:
    table = table_of({LIVE: BASE**2 * 4, SHORT: BASE**2}, objective="rmse").table
    assert table["loss"].to_list() == pytest.approx([np.sqrt((BASE**2).mean()), 2 * np.sqrt((BASE**2).mean())])
    assert table["gain"][0] == pytest.approx(0.5)


def test_the_error_of_an_rmse_is_how_far_it_varies_between_samples() -> None:
    """3,000 samples of 250 independent normal errors, for which theory has sd / √(2 n): the table claims as much."""
    samples = np.random.default_rng(0).normal(0, 3.0, (3000, 250)) ** 2
    spread = float(np.sqrt(samples.mean(axis=1)).std())
    claimed = [table_of({LIVE: values}, objective="rmse").table["loss_se"][0] for values in samples[:40]]
    assert spread == pytest.approx(3.0 / np.sqrt(500), rel=0.05)
    assert np.mean(claimed) == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize(("values", "height"), [({}, 3), ({LIVE: BASE + 1e-13, SHORT: BASE, LONG: BASE - 1e-13}, 3)])
def test_without_a_difference_the_current_settings_stay(values: Mapping[InferenceConfig, Any], height: int) -> None:
    choice = table_of(values, space(LIVE, SHORT, LONG), objective="rmse")
    assert choice.chosen == LIVE.fingerprint
    assert choice.table.height == height


def test_a_candidate_that_no_method_came_to_is_named_as_not_tried() -> None:
    table = table_of({LIVE: BASE}, space(LIVE, SHORT)).table
    assert dict(table.select("candidate", "words").iter_rows()) == {
        LIVE.fingerprint: "",
        SHORT.fingerprint: "not tried",
    }


GRID = space(*(config(context, samples) for samples in (200, 100) for context in range(90, 117)))


def run(policy: SearchPolicy, sampler: Callable[..., None] = suggest, worth: float = 1.0) -> Tried:
    """A method on a bowl: the shorter the context, the lower the loss."""

    def evaluate(tried: Sequence[InferenceConfig]) -> dict[str, Losses]:
        return {
            candidate.fingerprint: Losses(np.full(20, worth * candidate.context_length), 1.0) for candidate in tried
        }

    return run_method(GRID, policy, evaluate, sampler)


def test_random_tries_a_part_the_same_for_a_seed_and_always_the_current_settings() -> None:
    first, again = run(SearchPolicy(method="random", seed=4)), run(SearchPolicy(method="random", seed=4))
    assert set(first.losses) == set(again.losses)
    assert len(first.losses) == 9
    assert config(90).fingerprint in first.losses
    assert set(first.losses) != set(run(SearchPolicy(method="random", seed=5)).losses)
    assert len(run(SearchPolicy(method="random", max_candidates=4)).losses) == 4
    assert not set(first.losses) & {config(context, 100).fingerprint for context in range(90, 117)}


def test_optuna_finds_a_low_loss_and_repeats_itself() -> None:
    policy = SearchPolicy(method="optuna", max_candidates=20)
    best = [min(run(policy, worth=sign).losses.values(), key=lambda entry: entry.values.mean()) for sign in (1, -1)]
    assert [entry.values[0] for entry in best] == [90, -116]
    assert set(run(policy, worth=-1).losses) == set(run(policy, worth=-1).losses)


def test_a_suggested_candidate_that_time_ran_out_on_does_not_cut_the_others() -> None:
    def evaluate(tried: Sequence[InferenceConfig]) -> dict[str, Losses]:
        count = 3 if LONG in tried else 8  # of LONG three origins were run, and all are compared on those of all
        return {candidate.fingerprint: Losses(BASE[:count], 1.0) for candidate in tried}

    def every(grid: Mapping[str, Sequence[Any]], loss: Callable[..., float], *, count: int, seed: int) -> None:
        for context in grid["context_length"]:
            loss({"context_length": context})

    tried = run_method(space(LIVE, SHORT, LONG), SearchPolicy(method="optuna", max_candidates=3), evaluate, every)
    assert set(tried.losses) == {LIVE.fingerprint, SHORT.fingerprint}
    assert {len(entry.values) for entry in tried.losses.values()} == {8}

"""Each criterion against hand-worked numbers, a plain reading of the published rule, and scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from forex_assets.accuracy.compare import effective_size
from forex_assets.core.policy import Policy, SearchPolicy, ValidationPolicy
from forex_assets.optimizer.criteria import (
    bias,
    coverage,
    inference_time,
    judge,
    median_interval,
    median_place,
    stability,
)
from forex_assets.optimizer.improvement import detectable_gain, improvement
from forex_assets.optimizer.paired_losses import Evidence, evidence_of
from forex_assets.optimizer.tables import CRITERIA
from forex_assets_tests.optimizer.rows import published, realized_rows

RULES = ValidationPolicy()
EQUAL_TIMES = np.ones((2, 15))


def evidence(
    champion: np.ndarray, challenger: np.ndarray, *, seconds: np.ndarray = EQUAL_TIMES, width: float = 25.0, **more: int
) -> Evidence:
    y = 900 + np.arange(len(champion)) % 7
    sides = [realized_rows(y, errors, half_width=width, **more) for errors in (champion, challenger)]
    return evidence_of(*sides, seconds)


def noise(n: int = 252, seed: int = 1) -> np.ndarray:
    """Errors of some 12 CLP whose mean is exactly nothing."""
    errors = 12 * np.random.default_rng(seed).standard_normal(n)
    return errors - errors.mean()


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.floats(0.8, 1.25), st.floats(-7, 7), st.floats(12, 40), st.floats(0.5, 2.5))
def test_the_literal_verdicts_are_the_published_rule_word_for_word(
    seed: int, factor: float, shift: float, width: float, slower: float
) -> None:
    rng = np.random.default_rng(seed)
    old = 12 * rng.standard_normal(80)
    new = factor * old + 2 * rng.standard_normal(80) + shift
    seconds = np.exp(0.2 * rng.standard_normal((2, 15))) * [[1], [slower]]
    sample = evidence(old, new, seconds=seconds, width=width)
    assert [criterion.literal for criterion in judge(sample, Policy())] == published(
        *sample.errors, sample.realized, sample.hits[1], sample.seconds
    )


def test_the_rows_come_in_the_order_of_the_table() -> None:
    assert tuple(criterion.criterion for criterion in judge(evidence(noise(), noise(seed=2)), Policy())) == CRITERIA


def test_a_gain_that_every_origin_shows_passes() -> None:
    criterion = improvement(evidence(noise(), 0.9 * noise()), Policy())
    assert criterion.value == pytest.approx(0.1)
    assert (criterion.literal, criterion.calibrated, criterion.limit) == (True, "passed", RULES.crps_gain)
    assert "RMSE better by 10.0 %" in criterion.words
    assert "p 0.000" in criterion.words


def test_six_per_cent_that_could_be_chance_pass_the_published_rule_only() -> None:
    old = noise(60)
    # The same errors in other places: a gain of 6 % of which every single origin says something else.
    new = 0.94 * np.random.default_rng(3).permutation(old)
    criterion = improvement(evidence(old, new), Policy())
    assert criterion.value == pytest.approx(0.06)
    assert (criterion.literal, criterion.calibrated) == (True, "inconclusive")
    assert criterion.low is not None
    assert criterion.low < 0 < criterion.high  # type: ignore[operator]


def test_less_than_the_least_gain_surely_has_failed() -> None:
    criterion = improvement(evidence(noise(), 1.05 * noise()), Policy())
    assert (criterion.literal, criterion.calibrated) == (False, "failed")
    assert criterion.value == pytest.approx(-0.05)


def test_under_the_objective_rmse_the_published_limits_count_and_either_will_do() -> None:
    policy = Policy(search=SearchPolicy(objective="rmse"))
    old = noise()
    by_mape = old * np.where(np.abs(old) < 12, 0.9, 1.0)  # small errors shrink: MAPE falls more than RMSE
    criterion = improvement(evidence(old, by_mape), policy)
    assert criterion.calibrated == "passed"
    assert criterion.limit == RULES.mape_gain
    assert improvement(evidence(old, 0.97 * old), policy).calibrated == "passed"  # 3 % in both: MAPE's limit
    assert improvement(evidence(old, 0.975 * old), policy).calibrated != "passed"


def test_scatter_rejects_only_where_it_is_surely_more_than_a_tenth_higher() -> None:
    old = noise()
    sure = stability(evidence(old, 1.2 * old), RULES)
    assert sure.value == pytest.approx(0.2)
    assert (sure.literal, sure.calibrated) == (False, "failed")
    chance = stability(evidence(old, 1.12 * np.random.default_rng(4).permutation(old)), RULES)
    assert chance.value == pytest.approx(0.12)
    assert (chance.literal, chance.calibrated) == (False, "inconclusive")
    at_most = stability(evidence(old, 1.0999 * old + 3), RULES)  # a constant is no scatter
    assert (at_most.literal, at_most.calibrated) == (True, "passed")


def test_time_is_the_median_of_pairs_and_no_single_slow_call_moves_it() -> None:
    seconds = np.ones((2, 15))
    seconds[1] = 1.4
    seconds[1, 0] = 900.0
    criterion = inference_time(seconds, RULES)
    assert criterion.value == pytest.approx(0.4)
    assert (criterion.low, criterion.high) == (pytest.approx(0.4), pytest.approx(0.4))
    assert (criterion.literal, criterion.calibrated) == (True, "passed")
    slow = inference_time(seconds * [[1], [2]], RULES)
    assert (slow.literal, slow.calibrated) == (False, "failed")
    few = inference_time(2 * np.array([[1.0, 1, 1], [2, 2, 2]]), RULES)
    assert (few.literal, few.calibrated, few.low) == (False, "inconclusive", None)
    assert inference_time(np.empty((2, 0)), RULES).literal is None


def test_a_first_config_is_held_against_no_time() -> None:
    criterion = inference_time(np.array([[1e-4] * 9, [1.0] * 9]), RULES, is_first=True)
    assert (criterion.literal, criterion.calibrated, criterion.limit) == (True, "passed", None)
    assert "formula" in criterion.words


@pytest.mark.parametrize("n", [0, 5, 6, 9, 15, 60])
def test_the_medians_interval_has_the_places_that_the_binomial_gives(n: int) -> None:
    place = median_place(n)
    assert binom.cdf(place - 1, n, 0.5) <= 0.025 or place == 0
    assert binom.cdf(place, n, 0.5) > 0.025
    low, high = median_interval(np.arange(n, dtype=float))
    assert (low, high) == ((None, None) if not place else (place - 1, n - place))


def test_coverage_rejects_only_where_its_interval_excludes_the_limit() -> None:
    def with_misses(count: int, n: int = 100) -> Evidence:
        errors = np.full(n, 1.0)
        errors[np.linspace(0, n - 1, count).astype(int)] = 99.0
        return evidence(errors, errors)

    for misses, literal, verdict in ((5, True, "passed"), (12, False, "inconclusive"), (30, False, "failed")):
        criterion = coverage(with_misses(misses), RULES)
        assert criterion.value == pytest.approx(1 - misses / 100)
        assert (criterion.literal, criterion.calibrated) == (literal, verdict)
        assert criterion.low < criterion.value < criterion.high  # type: ignore[operator]


def test_bias_has_the_published_limit_or_two_standard_errors_where_that_is_more() -> None:
    rng = np.random.default_rng(6)
    sharp = rng.standard_normal(252)
    criterion = bias(evidence(sharp, sharp + 5.5 - sharp.mean()), RULES)
    assert criterion.value == pytest.approx(5.5)
    assert (criterion.limit, criterion.literal, criterion.calibrated) == (5.0, False, "failed")
    wide = 60 * rng.standard_normal(252)
    wide += 6 - wide.mean()
    criterion = bias(evidence(wide, wide), RULES)
    reach = 1.969 * wide.std() / np.sqrt(effective_size(wide, 1.0))
    assert criterion.limit == pytest.approx(reach, rel=0.01)
    assert (criterion.literal, criterion.calibrated) == (False, "passed")
    assert criterion.high - criterion.low == pytest.approx(2 * reach, rel=0.01)  # type: ignore[operator]


def test_with_too_few_origins_nothing_is_said() -> None:
    for criterion in judge(evidence(noise(59), 0.5 * noise(59)), Policy()):
        assert (criterion.literal, criterion.calibrated, criterion.value) == (None, "inconclusive", None)
        assert "59 origins, fewer than the 60" in criterion.words


@settings(max_examples=20)
@given(st.floats(0.1, 10), st.integers(0, 99))
def test_another_unit_of_the_price_changes_no_verdict(unit: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, old = 900 + 9 * rng.standard_normal(90), 12 * rng.standard_normal(90)
    new = 0.95 * old + 3 * rng.standard_normal(90)
    verdicts = []
    for factor in (1.0, unit):
        sides = [realized_rows(factor * y, factor * errors, half_width=factor * 25) for errors in (old, new)]
        rules = ValidationPolicy(bias_clp=5.0 * factor)
        criteria = judge(evidence_of(*sides, EQUAL_TIMES), Policy(validation=rules))
        verdicts.append([(criterion.literal, criterion.calibrated) for criterion in criteria])
    assert verdicts[0] == verdicts[1]


def test_the_detectable_gain_worked_by_hand() -> None:
    # One-sided at 5 % with 80 % power: 1.644854 + .841621 = 2.486475 standard errors, whose square is 6.18256.
    # 4 · 6.18256 / (252 + 2 · 6.18256) = .093546 of the squared error, 4.792 % of its root.
    old, policy = noise(252), Policy(validation=ValidationPolicy(significance=0.05))
    assert detectable_gain(evidence(old, old), policy) == pytest.approx(0.04792, abs=2e-5)


def test_more_origins_show_smaller_gains() -> None:
    sizes = []
    for n in (60, 250, 1000):
        old = noise(n)
        new = 0.95 * old + 3 * np.random.default_rng(9).standard_normal(n)
        sizes.append(detectable_gain(evidence(old, new), Policy()))
    assert sizes == sorted(sizes, reverse=True)  # type: ignore[type-var]
    assert sizes[0] > 2 * sizes[2]  # type: ignore[operator]

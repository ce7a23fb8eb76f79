"""Scenarios on generated markets whose answer is known."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from forex_assets.desk.drivers import JointPrices, episodes, joint_prices, log_moves
from forex_assets.desk.outlook import DeskError, QuestionError
from forex_assets.desk.scenario import fit, t_scores, width_correction
from forex_assets.desk.what_if import caveats, scenario, scenario_answer, scenarios_table
from forex_assets_tests.desk.worlds import PRICE, outlook

BETAS = np.array([-0.35, 0.6])
NOISE = 0.005


def market(n: int = 1600, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Log prices: the peso moves by -.35 of copper and .6 of the index, plus noise of .5 % a day."""
    generator = np.random.default_rng(seed)
    drivers = np.cumsum(generator.normal(0, [0.013, 0.004], (n, 2)), axis=0)
    peso = drivers @ BETAS + np.cumsum(generator.normal(0, NOISE, n))
    return peso, drivers


@pytest.fixture(scope="module")
def worlds() -> list[tuple[np.ndarray, np.ndarray]]:
    return [market(seed=seed) for seed in range(6)]


def test_the_drivers_effects_are_found(worlds: list[tuple[np.ndarray, np.ndarray]]) -> None:
    effects = np.array([fit(peso, drivers).betas[-1] for peso, drivers in worlds]).mean(axis=0)
    # The penalty of 2 % of the mean diagonal pulls the smaller driver's effect towards 0, by about a tenth.
    assert effects == pytest.approx(BETAS, abs=0.08)


def test_errors_given_the_true_moves_are_as_large_as_the_answer_says(
    worlds: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    hits = list[float]()
    for peso, drivers in worlds:
        regressions = fit(peso, drivers)
        reach = t_scores(7.0)[-1]
        for at in range(900, 1570, 40):
            move = drivers[at + 21] - drivers[at]
            answer = regressions.conditional(move, 21, at)
            hits.append(abs(peso[at + 21] - peso[at] - answer.mean) <= reach * answer.sd)
    assert 0.90 <= np.mean(hits) <= 0.99


def test_nothing_later_than_the_question_is_read() -> None:
    peso, drivers = market()
    at, move = 1200, np.array([-0.1, 0.02])
    changed = peso.copy()
    changed[at + 1 :] += 5.0
    before, after = (fit(series, drivers).conditional(move, 21, at) for series in (peso, changed))
    assert (before.mean, before.sd) == (after.mean, after.sd)


def test_unusual_moves_widen_the_answer() -> None:
    regressions = fit(*market())
    calm, wild = (regressions.conditional(np.array([move, 0.0]), 21) for move in (-0.01, -0.25))
    assert wild.sd > 1.3 * calm.sd


def test_the_width_is_corrected_by_past_errors_and_a_prior() -> None:
    """A hundred errors of 2 and a prior of 8 · 5 ones: √((400 + 40) / 140)."""
    assert width_correction(np.full(100, 2.0), 5) == pytest.approx((440 / 140) ** 0.5)
    assert width_correction(np.array([]), 5) == 1.0


def test_t_scores_are_those_of_scipy_with_variance_one() -> None:
    from scipy import stats

    assert t_scores(6.0)[-1] == pytest.approx(stats.t(6).ppf(0.975) / stats.t(6).std())


def joint(sessions: int = 600) -> JointPrices:
    peso, drivers = market(sessions)
    days = [date(2023, 1, 2) + timedelta(days=k) for k in range(sessions)]
    return JointPrices(days, peso, drivers[:, :1], ["copper"])


def test_past_stretches_moved_at_least_so_far_and_do_not_overlap() -> None:
    prices = joint()
    stretches = episodes(prices, np.log1p(np.array([-0.08])), 20)
    assert stretches
    assert all(episode.moves["copper"] <= -0.08 for episode in stretches)
    assert all(a.start >= b.end for a, b in pairwise(stretches))
    place = {day: k for k, day in enumerate(prices.sessions)}
    first = stretches[0]
    moved = prices.peso[place[first.end]] - prices.peso[place[first.start]]
    assert first.peso == pytest.approx(np.expm1(moved))


def test_an_answer_stands_beside_the_fan_with_history_and_caveats() -> None:
    view, prices = outlook(), joint()
    day = view.target("30d")
    result = scenario(view, day, prices, {"copper": -0.1}, "COMEX")
    answer = scenario_answer(view, result)
    assert [row["what"] for row in answer.rows] == ["if so", "fan"]
    assert answer.rows[0]["median"] > answer.rows[1]["median"] == pytest.approx(PRICE)
    words = " ".join(caveats(result))
    assert "not a forecast of the drivers" in words
    assert "COMEX" in words
    assert answer.as_json()["basis"]["past_errors"] == 120


def test_a_driver_without_prices_is_named() -> None:
    peso = pl.DataFrame({"session": [date(2025, 1, 2)], "value": [900.0]})
    with pytest.raises(DeskError, match="no prices of the dollar index are stored"):
        joint_prices(peso, {"copper": peso}, ["copper", "dxy"])


@pytest.mark.parametrize("move", [0.0, -0.9, 4.0])
def test_a_move_that_cannot_be_meant_is_refused(move: float) -> None:
    with pytest.raises(QuestionError, match="copper: a move of"):
        log_moves({"copper": move})


def test_no_driver_is_an_error_that_says_what_to_give() -> None:
    with pytest.raises(QuestionError, match="--copper -10%"):
        log_moves({})


def test_too_few_joint_sessions_are_an_error() -> None:
    with pytest.raises(DeskError, match="100 sessions have a price"):
        scenario(outlook(), outlook().target("7d"), joint(100), {"copper": 0.1}, "")


def test_the_table_holds_the_scenarios_that_have_prices() -> None:
    prices = joint()
    frame = pl.DataFrame({"session": prices.sessions})
    peso = frame.with_columns(value=np.exp(prices.peso))
    drivers = {"copper": frame.with_columns(value=np.exp(prices.drivers[:, 0]))}
    table = scenarios_table(outlook(), peso, drivers, ["7d", "30d"], "London")
    assert table["driver"].unique().to_list() == ["copper"]
    assert table.height == 8
    falls = table.filter(pl.col("driver_move") < 0)
    assert (falls["peso_move"] > 0).all()

"""The published rule word for word, the calibrated one against its own history, and the unknown is never a pass."""

import math
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from forex_assets.core.policy import DriftPolicy, Policy
from forex_assets.core.schemas import COPPER_SCHEMA, REALIZED_SCHEMA, USDCLP_SCHEMA, empty
from forex_assets.monitoring.drift import (
    DRIFT_SCHEMA,
    Drift,
    drift_report,
)
from forex_assets.monitoring.ranked_history import joint_scores, judge, limit_of, tail_scores
from forex_assets.monitoring.series import drift_series, joint_returns, refuse_levels
from forex_assets.monitoring.severity import SEVERITIES, SEVERITY_CUTS, severity_of
from forex_assets.monitoring.statistics import ewma_log_variance_ratio, log_variance_ratio, window_pairs
from generated_returns import garch

LENGTH = 1500
DAYS = [day for k in range(LENGTH * 2) if (day := date(2016, 1, 4) + timedelta(days=k)).weekday() < 5][:LENGTH]
TODAY = DAYS[-1]
POLICY = Policy()
NEEDED = POLICY.drift.history_sessions + POLICY.drift.looks


def frame(values: np.ndarray, days: list[date] | None = None) -> pl.DataFrame:
    days = DAYS[LENGTH - len(values) :] if days is None else days
    return pl.DataFrame({"session": days, "value": values}, schema={"session": pl.Date, "value": pl.Float64})


def market(seed: int = 0) -> dict[str, np.ndarray]:
    """GARCH returns that move against each other, and errors of a volatility forecast that knows the truth."""
    rng = np.random.default_rng(seed)
    world = garch(2, LENGTH, rng)
    copper, shocks = world.returns
    peso = 0.006 * (shocks - 0.35 * copper)
    return {
        "copper_return": 0.012 * copper,
        "peso_return": peso,
        "forecast_error": shocks / np.sqrt(world.variances[1]),
    }


def report(values: dict[str, np.ndarray], policy: Policy = POLICY, today: date = TODAY) -> Drift:
    return drift_report({name: frame(column) for name, column in values.items()}, policy, today)


def faulty(seed: int, factor: float, sessions: int = 5) -> dict[str, np.ndarray]:
    """The same market, the peso's volatility being multiplied in the last sessions."""
    values = market(seed)
    for name in ("peso_return", "forecast_error"):
        values[name][-sessions:] *= factor
    return values


def test_the_table_has_a_row_a_series_and_statistic_and_the_statistics_are_those_of_the_last_windows() -> None:
    values = market()
    table = report(values).table
    assert table.schema == DRIFT_SCHEMA
    assert table.height == 3 * 4 + 2
    assert table["session"].unique().to_list() == [TODAY]
    peso = values["peso_return"]
    row = table.row(by_predicate=(pl.col("series") == "peso_return") & (pl.col("statistic") == "ks"), named=True)
    expected = stats.ks_2samp(peso[-30:], peso[-120:-30])
    assert (row["value"], row["p_value"]) == (pytest.approx(expected.statistic), pytest.approx(expected.pvalue))
    z = table.row(by_predicate=pl.col("statistic") == "correlation_fisher_z", named=True)
    r1, r2 = (
        stats.pearsonr(values["copper_return"][part], peso[part]).statistic
        for part in (slice(-30, None), slice(-120, -30))
    )
    assert z["value"] == pytest.approx((math.atanh(r1) - math.atanh(r2)) / math.sqrt(1 / 27 + 1 / 87))


@pytest.mark.parametrize("seed", range(2))
def test_percentiles_are_ranks_in_the_last_1270_looks_counted_one_by_one(seed: int) -> None:
    values = market(seed)
    row = report(values).table.row(
        by_predicate=(pl.col("series") == "peso_return") & (pl.col("statistic") == "ks"), named=True
    )
    peso = values["peso_return"]
    past = [
        stats.ks_2samp(peso[i - 30 : i], peso[i - 120 : i - 30]).statistic for i in range(LENGTH - 1269, LENGTH + 1)
    ]
    smaller = sum(value < past[-1] - 1e-12 for value in past)
    assert row["percentile"] == pytest.approx(smaller / 1270, abs=1e-12)
    assert row["history"] == 1270 == NEEDED


@pytest.mark.parametrize("seed", range(6))
def test_the_published_rule_fires_on_ks_below_its_p_or_psi_above_its_threshold_and_on_nothing_else(seed: int) -> None:
    drift = report(market(seed))
    for row in drift.table.iter_rows(named=True):
        expected = {"ks": (row["p_value"] or 1) < 0.05, "psi": row["value"] > 0.2}.get(row["statistic"])
        assert row["literal_fires"] == expected
    assert drift.fires_literal == bool(drift.table["literal_fires"].any())


def test_a_volatility_ten_times_as_large_is_found_named_and_called_high() -> None:
    drift = report(faulty(0, 10))
    assert (drift.fires_calibrated, drift.severity) == (True, "HIGH")
    assert drift.joint > drift.joint_limit
    assert drift.share <= POLICY.budget_per_14_days
    assert drift.since is not None
    assert drift.since >= DAYS[-5]
    top = drift.table.sort("score", descending=True, nulls_last=True).row(0, named=True)
    assert top["series"] in ("peso_return", "forecast_error")
    assert top["statistic"] in ("log_variance_ratio", "ewma_log_variance_ratio")
    assert f"Drift: HIGH since {drift.since}: {top['statistic']} of {top['series']}" in drift.words
    copper = drift.table.filter(pl.col("series") == "copper_return")
    assert set(copper["severity"]) == {"NONE"}


@pytest.mark.parametrize("slope", [-0.5, 0.5])
def test_a_copper_that_turns_against_the_peso_is_found_whichever_way(slope: float) -> None:
    rng = np.random.default_rng(5)
    values = market(5)
    values["peso_return"] = slope * values["copper_return"] + 0.001 * rng.normal(size=LENGTH)
    assert report(values).fires_calibrated is False
    values["peso_return"][-30:] = -values["peso_return"][-30:]
    drift = report(values)
    assert drift.fires_calibrated
    assert drift.table.filter("is_significant")["series"].to_list() == ["copper_and_peso"]


def test_drift_of_copper_alone_is_none_for_a_model_without_copper_and_the_pesos_stays() -> None:
    values = market(0)
    values["copper_return"][-5:] *= 30
    copper = report(values)
    without = copper.without_copper(POLICY)
    assert copper.fires_calibrated
    assert (without.fires_calibrated, without.severity, without.since) == (False, "NONE", None)
    assert without.is_of_copper_alone
    for name in ("peso_return", "forecast_error"):
        values[name][-3:] *= 10
    both = report(values)
    assert both.without_copper(POLICY).fires_calibrated
    assert not both.without_copper(POLICY).is_of_copper_alone
    # The alarm for the peso began with the peso: a search in between was not about it.
    assert both.since < DAYS[-3] <= both.without_copper(POLICY).since  # type: ignore[operator]


def test_a_quiet_day_fires_nothing_and_says_so() -> None:
    drift = report(market(0))
    assert (drift.fires_calibrated, drift.severity, drift.since) == (False, "NONE", None)
    assert drift.joint <= drift.joint_limit
    assert drift.words.startswith("Drift: none in 14 statistics (")
    assert "the budget is 5.0%" in drift.words


def test_where_nothing_changes_the_joint_rule_fires_as_often_as_the_budget_says() -> None:
    """500 GARCH markets, each seen once: three standard errors about 5 %."""
    world = garch(500, NEEDED + 124, np.random.default_rng(11))
    alarms = 0
    for returns, variances in zip(world.returns, world.variances, strict=True):
        columns = {
            (name, statistic): column[-NEEDED:]
            for name, values in (("returns", returns), ("errors", returns / np.sqrt(variances)))
            for statistic, column in (
                ("variance", log_variance_ratio(*window_pairs(values, 5, 120))),
                ("ewma", ewma_log_variance_ratio(values)),
            )
        }
        judged = judge(columns, {}, POLICY.drift.looks, POLICY.budget_per_14_days)
        assert (judged.joint > judged.limit) == (judged.share <= POLICY.budget_per_14_days)
        alarms += judged.joint > judged.limit
    assert 0.02 * 500 <= alarms <= 0.08 * 500


def test_a_smaller_budget_has_a_higher_limit() -> None:
    strict = Policy(false_alarms_per_year=0.3)
    values = market(1)
    assert report(values, strict).joint_limit > report(values).joint_limit
    assert report(values, strict).joint == report(values).joint


def test_a_change_too_small_to_act_on_is_significant_and_does_not_fire() -> None:
    """The first fault that reaches LOW or MEDIUM is not acted on from HIGH."""
    act_high = Policy(drift=DriftPolicy(act_from="HIGH"))
    act_low = Policy(drift=DriftPolicy(act_from="LOW"))
    seen = set()
    for seed in range(8):
        values = faulty(seed, 2.2)
        high, low = report(values, act_high), report(values, act_low)
        seen.add(low.severity)
        assert low.fires_calibrated == (low.severity != "NONE") == (low.joint > low.joint_limit)
        assert high.fires_calibrated == (high.severity == "HIGH")
        if high.severity == "MEDIUM":
            assert "not acted on below HIGH" in high.words
    assert len(seen) > 1


@pytest.mark.parametrize("statistic", SEVERITY_CUTS)
def test_severity_steps_up_at_its_cuts(statistic: str) -> None:
    medium, high = SEVERITY_CUTS[statistic]
    effects = [medium - 1e-9, medium, high - 1e-9, high]
    assert [severity_of(statistic, effect) for effect in effects] == ["LOW", "MEDIUM", "MEDIUM", "HIGH"]
    assert SEVERITIES == ("NONE", "LOW", "MEDIUM", "HIGH")


def test_ks_cuts_are_the_distances_of_normals_cohens_medium_and_large_apart() -> None:
    expected = [2 * stats.norm.cdf(shift / 2) - 1 for shift in (0.5, 0.8)]
    assert SEVERITY_CUTS["ks"] == pytest.approx(expected, abs=0.005)


def test_a_history_too_short_is_no_pass() -> None:
    enough = NEEDED + 124  # the variance ratios have their first value at the 125th return
    values = {name: column[-enough:] for name, column in market().items() if name != "copper_return"}
    assert report(values).fires_calibrated is not None
    drift = report({name: series[1:] for name, series in values.items()})
    short = drift.table.filter(pl.col("severity").is_null())
    assert set(short["statistic"]) == {"log_variance_ratio", "ewma_log_variance_ratio"}
    assert set(short["words"]) == {"not enough history (1269 of 1270)"}
    assert "Left out: peso_return not enough history (1269 of 1270); forecast_error not enough" in drift.words


def test_where_nothing_has_history_enough_there_is_no_verdict() -> None:
    drift = report({name: values[-400:] for name, values in market().items()})
    assert (drift.fires_calibrated, drift.severity, drift.since) == (None, "NONE", None)
    assert math.isnan(drift.joint)
    assert drift.fires_literal is not None
    assert drift.table["severity"].null_count() == drift.table.height
    assert drift.words.startswith("Drift: not enough history, nothing judged.")


def test_a_series_shorter_than_its_windows_has_rows_without_values() -> None:
    for length in (0, 1, 29, 119):
        drift = report({name: values[LENGTH - length :] for name, values in market().items()})
        assert drift.table["value"].null_count() == drift.table.height
        assert (drift.fires_literal, drift.fires_calibrated) == (None, None)
        assert set(drift.table["words"]) == {"not enough history (0 of 1270)"}
        assert "Published rule: not enough values." in drift.words


def test_one_series_without_history_keeps_no_other_from_firing_and_is_named() -> None:
    values = faulty(0, 10)
    values["forecast_error"] = values["forecast_error"][-50:]
    drift = report(values)
    assert drift.fires_calibrated
    assert "Left out: forecast_error not enough history (0 of 1270)." in drift.words


def test_a_series_that_ended_long_ago_says_nothing_of_today() -> None:
    values = market()
    series = {name: frame(column) for name, column in values.items()}
    series["copper_return"] = frame(values["copper_return"][:-30], DAYS[:-30])
    drift = drift_report(series, POLICY, TODAY)
    copper = drift.table.filter(pl.col("series") == "copper_return")
    assert copper["severity"].null_count() == copper["literal_fires"].null_count() == 4
    assert f"its last session is {DAYS[-31]}, more than 14 days ago" in copper["words"][0]
    assert drift_report(series, POLICY, TODAY + timedelta(days=60)).fires_calibrated is None


def test_a_series_that_stands_still_is_not_judged_by_what_has_no_value() -> None:
    values = market()
    values["copper_return"][-40:] = 0
    drift = report(values)
    pair = drift.table.filter(pl.col("series") == "copper_and_peso")
    assert pair["value"].null_count() == pair["severity"].null_count() == 2
    assert "copper_and_peso not judged: the series stands still" in drift.words
    assert drift.table.filter(statistic="log_variance_ratio", series="copper_return")["value"][0] < -4
    still = report({"copper_return": np.zeros(LENGTH), "peso_return": np.zeros(LENGTH)})
    assert still.fires_calibrated is False
    assert still.fires_literal is False
    assert (still.severity, still.since, still.joint, still.joint_limit) == ("NONE", None, 0, 0)
    # Nothing is unusual here, and what comes second has to be ten times as unusual as what comes first.
    scores = dict(zip(still.table.select("series", "statistic").iter_rows(), still.table["score"], strict=True))
    assert {name for name, score in scores.items() if score == 0} == {
        ("peso_return", "log_variance_ratio"),
        ("peso_return", "ewma_log_variance_ratio"),
    }
    assert set(scores.values()) == {0, -1, None}


def test_the_future_changes_nothing() -> None:
    values, cut = market(3), 30
    today = DAYS[-cut - 1]
    early = {name: frame(column[:-cut], DAYS[:-cut]) for name, column in values.items()}
    late = {name: frame(column) for name, column in values.items()}
    assert drift_report(late, POLICY, today).table.equals(drift_report(early, POLICY, today).table)


def test_a_look_of_a_week_ago_still_counts_and_one_of_three_weeks_ago_does_not() -> None:
    values = market(0)
    for name in ("peso_return", "forecast_error"):
        values[name][-30:-25] *= 10
    series = {name: frame(column) for name, column in values.items()}
    first = drift_report(series, POLICY, DAYS[-26])
    assert first.fires_calibrated
    assert first.since is not None
    later = drift_report(series, POLICY, DAYS[-21])
    assert (later.fires_calibrated, later.since) == (True, first.since)
    assert later.words != first.words


def test_looks_are_the_sessions_of_any_series_and_between_its_own_a_series_keeps_its_last_value() -> None:
    values = market(2)
    days, kept = DAYS[:-1], values["copper_return"][:-1]
    series = {name: frame(column) for name, column in values.items()} | {"copper_return": frame(kept, days)}
    copper = drift_report(series, POLICY, TODAY).table.filter(pl.col("series") == "copper_return")
    assert copper["session"].unique().to_list() == [DAYS[-2]]
    assert copper["severity"].null_count() == 0


def test_prices_are_refused_by_name() -> None:
    values = market()
    values["peso_return"] = 800 * np.exp(np.cumsum(values["peso_return"]))
    with pytest.raises(ValueError, match=r"peso_return is not stationary: .* drift is measured on returns"):
        report(values)


@pytest.mark.parametrize("length", [30, 60, 120, 400, 1500])
def test_a_random_walk_is_refused_at_any_length_and_its_returns_never(length: int) -> None:
    refused = 0
    for seed in range(40):
        steps = np.random.default_rng(seed).standard_t(4, length)
        refuse_levels("returns", steps)
        try:
            refuse_levels("levels", np.cumsum(steps))
        except ValueError:
            refused += 1
    assert refused >= 34


def test_a_bad_tick_does_not_hide_a_level_and_overlapping_errors_may_pass() -> None:
    steps = np.random.default_rng(1).normal(size=600)
    level = np.cumsum(steps)
    level[300] = 1e6
    with pytest.raises(ValueError, match="levels is not stationary"):
        refuse_levels("levels", level)
    refuse_levels("errors that share four days of five", np.convolve(steps, np.ones(5), "valid"))
    refuse_levels("still", np.full(100, 0.1))


@pytest.mark.parametrize(
    ("values", "days", "words"),
    [
        ([0.1, math.nan], DAYS[:2], f"x: the value of {DAYS[1]} is no finite number"),
        ([0.1, math.inf], DAYS[:2], "x: the value of"),
        ([0.1, 0.2], [DAYS[1], DAYS[0]], "x: sessions must ascend"),
        ([0.1, 0.2], [DAYS[0], DAYS[0]], "x: sessions must ascend"),
    ],
)
def test_a_series_out_of_order_or_not_finite_is_refused_by_name(
    values: list[float], days: list[date], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        drift_report({"x": frame(np.array(values), days)}, POLICY, TODAY)
    with pytest.raises(ValueError, match="no series"):
        drift_report({}, POLICY, TODAY)


def loop_scores(values: list[float]) -> list[float]:
    """Ranks by counting up to the 90 % point, then an exponential tail."""
    n = len(values)
    threshold = sorted(values)[n - max(1, round(0.1 * n))]
    excess = [value - threshold for value in values if value > threshold]
    scores = []
    for value in values:
        chance = sum(other >= value for other in values) / n
        if value > threshold:
            chance = len(excess) / n * math.exp(-(value - threshold) / (sum(excess) / len(excess)))
        scores.append(-math.log10(chance))
    return scores


@given(st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=60))
def test_tail_scores_are_a_plain_loops_rise_with_the_value_and_are_the_same_for_the_same(values: list[float]) -> None:
    scores = tail_scores(np.array(values)[:, None])[:, 0]
    assert scores == pytest.approx(loop_scores(values), abs=1e-9)
    assert (scores >= -1e-12).all()
    ordered = sorted(zip(values, scores, strict=True))
    assert all(a[1] <= b[1] + 1e-12 for a, b in pairwise(ordered))


def test_a_missing_value_scores_nought_and_takes_no_place_from_the_others() -> None:
    values = np.random.default_rng(0).normal(size=50)
    with_gaps = np.concatenate([[math.nan], values, [math.nan]])
    scores = tail_scores(with_gaps[:, None])[:, 0]
    assert scores[[0, -1]].tolist() == [0, 0]
    assert scores[1:-1].tolist() == tail_scores(values[:, None])[:, 0].tolist()
    assert tail_scores(np.full((5, 1), math.nan)).tolist() == [[0]] * 5


def test_ranks_alone_could_never_fire_and_the_tail_can() -> None:
    """Fourteen columns of white noise: the largest of each, carried for ten looks, are more than the budget's 5 %."""
    values = np.random.default_rng(3).normal(size=(1270, 14))
    ranks = -np.log10((values[None] >= values[:, None]).mean(axis=1))
    joint = joint_scores(ranks, 10)
    assert limit_of(joint, 0.05) == joint.max()
    joint = joint_scores(tail_scores(values), 10)
    assert (joint > limit_of(joint, 0.05)).mean() > 0.03


@given(st.lists(st.integers(0, 9).map(float), min_size=20, max_size=80), st.floats(0.05, 1))
@settings(max_examples=200)
def test_no_more_than_the_budget_lies_above_the_limit_and_ties_count_against_it(
    values: list[float], budget: float
) -> None:
    joint = np.array(values)
    limit = limit_of(joint, budget)
    assert (joint > limit).sum() <= budget * len(joint)
    below = joint[joint <= limit]
    if len(below):  # a limit any lower would let more through than the budget has
        assert (joint >= below.max()).sum() > int(budget * len(joint))


def test_a_budget_that_the_history_cannot_show_is_refused() -> None:
    with pytest.raises(ValueError, match=r"10 joint scores cannot show a share of 0.01; it takes 100"):
        limit_of(np.arange(10.0), 0.01)


def test_joint_returns_span_the_same_days_and_add_up_over_a_holiday() -> None:
    days = np.array(DAYS[:6], dtype="datetime64[D]")
    copper = (days, np.array([9.0, 1, 2, 3, 4, 5]))
    peso = (days[[0, 1, 3, 5]], np.array([7.0, 10, 20, 30]))
    joint, x, y = joint_returns(copper, peso)
    assert joint.tolist() == days[[1, 3, 5]].tolist()
    assert x.tolist() == [1, 5, 9]
    assert y.tolist() == [10, 20, 30]
    joint, x, y = joint_returns(copper, (days[:1], np.array([1.0])))
    assert len(joint) == len(x) == len(y) == 0
    late = (np.array([date(2030, 1, 1)], dtype="datetime64[D]"), np.array([1.0]))
    assert [len(part) for part in joint_returns(copper, late)] == [0, 0, 0]


NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def prices(value: str, closes: list[float | None], **marks: list[bool]) -> pl.DataFrame:
    n = len(closes)
    schema = COPPER_SCHEMA if value == "close_usd_lb" else USDCLP_SCHEMA
    columns = {
        "session": DAYS[:n],
        value: closes,
        "source": ["generated"] * n,
        "is_provisional": [False] * n,
        "is_suspect": [False] * n,
        "available_at": [NOON] * n,
        "fetched_at": [NOON] * n,
        "is_quarantined": [False] * n,
        "monthly_level_usd_lb": [None] * n,
    } | marks
    return pl.DataFrame({name: columns[name] for name in schema}, schema=schema)


def test_returns_are_of_finished_unmarked_prices_and_of_one_session() -> None:
    usdclp = prices(
        "clp_per_usd",
        [800.0, 808.0, 5.0, 800.0, 816.0, 900.0],  # over the bad tick lie two sessions: no return
        is_quarantined=[False, False, True, False, False, False],
        is_provisional=[False] * 5 + [True],
    )
    copper = prices("close_usd_lb", [4.0, None, 2.0, 1.0])
    series = drift_series(usdclp, copper, empty(REALIZED_SCHEMA))
    assert series["peso_return"]["session"].to_list() == [DAYS[1], DAYS[4]]
    assert series["peso_return"]["value"].to_list() == pytest.approx([math.log(1.01), math.log(1.02)])
    assert series["copper_return"].rows() == [(DAYS[3], pytest.approx(math.log(0.5)))]
    assert series["forecast_error"].schema == {"session": pl.Date, "value": pl.Float64}
    assert series["forecast_error"].is_empty()


def realized(**columns: list[object]) -> pl.DataFrame:
    """Rows with these columns; what does not matter here is null."""
    n = len(next(iter(columns.values())))
    defaults: dict[str, list[object]] = {
        "horizon": ["7d"] * n,
        "is_shadow": [False] * n,
        "version": [1] * n,
        "ewma_sd": [0.01] * n,
        "q50": [800.0] * n,
    }
    given_or_default = defaults | columns
    return pl.DataFrame(
        {name: given_or_default.get(name, [None] * n) for name in REALIZED_SCHEMA}, schema=REALIZED_SCHEMA
    )


def test_an_error_is_the_nearest_forecasts_in_its_own_standard_deviations_and_the_ledgers_first() -> None:
    rows = realized(
        session=[DAYS[1], DAYS[1], DAYS[1], DAYS[0], DAYS[0], DAYS[2], DAYS[2], DAYS[2]],
        record=["ledger", "ledger", "backtest", "backtest", "replay", "ledger", "ledger", "ledger"],
        step=[4, 5, 1, 1, 3, 1, 1, 1],
        version=[1, 1, 1, 1, 1, 1, 2, 1],
        horizon=["15d", "7d", "7d", "7d", "7d", "7d", "7d", "15d"],
        is_shadow=[False, False, False, False, False, False, False, False],
        realized_clp_per_usd=[816.0, 1.0, 1.0, 1.0, 808.0, 1.0, 804.0, 1.0],
    )
    errors = drift_series(empty(USDCLP_SCHEMA), empty(COPPER_SCHEMA), rows)["forecast_error"]
    assert errors["session"].to_list() == DAYS[:3]
    by_hand = [math.log(1.01) / (0.01 * math.sqrt(3)), math.log(1.02) / (0.01 * 2), math.log(1.005) / 0.01]
    assert errors["value"].to_list() == pytest.approx(by_hand)


def test_shadows_and_errors_without_a_volatility_do_not_count() -> None:
    rows = realized(
        session=DAYS[:3],
        record=["ledger"] * 3,
        step=[1, 1, 1],
        is_shadow=[True, False, False],
        ewma_sd=[0.01, 0.0, 0.01],
        realized_clp_per_usd=[808.0, 808.0, 808.0],
    )
    errors = drift_series(empty(USDCLP_SCHEMA), empty(COPPER_SCHEMA), rows)["forecast_error"]
    assert errors["session"].to_list() == [DAYS[2]]


def test_overlapping_errors_of_one_origin_show_no_drift_and_one_step_errors_count() -> None:
    path = np.cumsum(np.random.default_rng(5).normal(0, 0.01, 60))

    def errors(steps: list[object]) -> pl.DataFrame:
        moves = [path[day] - (path[day - step] if day >= step else 0.0) for day, step in enumerate(steps)]
        rows = realized(
            session=DAYS[:60], record=["backtest"] * 60, step=steps, ewma_sd=[0.01] * 60,
            realized_clp_per_usd=[800 * math.exp(move) for move in moves],
        )  # fmt: skip
        return drift_series(empty(USDCLP_SCHEMA), empty(COPPER_SCHEMA), rows)["forecast_error"]

    assert errors(list(range(1, 61))).is_empty()
    assert errors([1] * 60).height == 60

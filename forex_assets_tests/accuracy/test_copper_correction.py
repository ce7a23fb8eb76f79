"""The correction found where copper leads, shut where it does not, blind to everything that was not known yet."""

import math
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from forex_assets.accuracy.copper_correction import (
    CORRECTION_SCHEMA,
    corrections,
    gain_interval_low,
    known_features,
    standardized_errors,
    stationary_features,
)
from forex_assets.accuracy.ridge import ridge_predictions
from forex_assets.features.copper import FEATURE_NAMES, FEATURES_SCHEMA
from forex_assets_tests.accuracy.copper_worlds import World, world

LEAD = 0.5


@pytest.fixture(scope="module")
def leading() -> World:
    return world(11, lead=LEAD)


@pytest.fixture(scope="module")
def correction_table(leading: World) -> pl.DataFrame:
    return corrections(leading.realized, leading.features)


def test_a_standardized_error_worked_by_hand() -> None:
    rows = pl.DataFrame({"realized_clp_per_usd": [700 * math.exp(0.03), None], "q50": [700.0, 700.0],
                         "ewma_sd": [0.005, 0.005], "step": [9, 9]})  # fmt: skip
    z = standardized_errors(rows)
    assert z[0] == pytest.approx(2.0, abs=1e-12)  # .03 / (.005 · 3)
    assert math.isnan(z[1])


def test_where_copper_leads_the_shift_has_its_sign_and_size(leading: World, correction_table: pl.DataFrame) -> None:
    # Five sessions' expected returns add up to -lead · (5+4+3+2+1)/5 · week, in PESO_SD · √5.
    week = leading.features.select(
        as_of="session", planted=-LEAD * 3 / math.sqrt(5) * pl.col("copper_ret_5d") / (0.0125 * math.sqrt(5))
    )
    late = correction_table.join(week, on="as_of").filter(pl.col("raw_shift").is_not_null()).tail(100)
    slope, _ = np.polyfit(late["planted"].to_numpy(), late["raw_shift"].to_numpy(), 1)
    assert 0.6 < slope < 1.3
    assert np.corrcoef(late["planted"].to_numpy(), late["raw_shift"].to_numpy())[0, 1] > 0.8


def test_where_copper_leads_the_gate_opens_and_what_is_applied_is_the_raw_shift(correction_table: pl.DataFrame) -> None:
    opened = correction_table.filter("is_established")
    assert opened.height > 50
    assert opened["applied_shift"].to_list() == opened["raw_shift"].to_list()
    assert correction_table.filter(~pl.col("is_established"))["applied_shift"].unique().to_list() == [0.0]
    assert correction_table["is_established"].to_list() == (correction_table["gain_low"] > 0).fill_null(False).to_list()


def test_nothing_is_fitted_on_less_than_two_years(correction_table: pl.DataFrame) -> None:
    assert dict(correction_table.schema) == CORRECTION_SCHEMA
    assert correction_table.filter(pl.col("trained_on") < 104)["raw_shift"].null_count() == 104
    assert correction_table.filter(pl.col("trained_on") >= 104)["raw_shift"].null_count() == 0


@pytest.mark.parametrize("horizon", ["7d", "30d"])
def test_corrections_are_those_of_a_plain_loop(horizon: str) -> None:
    w = world(12, weeks=220, horizon=horizon)
    got = corrections(w.realized, w.features)
    rows = w.realized.sort("issued_at").to_dicts()
    table = stationary_features(w.features).to_dicts()
    x, z = [], []
    for row in rows:
        seen = [f for f in table if f["available_at"] <= row["issued_at"] and f["session"] <= row["origin_session"]]
        x.append([next((f[n] for f in reversed(seen) if f[n] is not None), math.nan) for n in FEATURE_NAMES])
        z.append(math.log(row["realized_clp_per_usd"] / row["q50"]) / (row["ewma_sd"] * math.sqrt(row["step"])))
    predictions: dict[int, list[float]] = {}
    raw: dict[int, float] = {}
    for i, row in enumerate(rows):
        past = [j for j, other in enumerate(rows)
                if other["realized_available_at"] < row["issued_at"] and not any(map(math.isnan, x[j]))]  # fmt: skip
        if len(past) < 104:
            continue
        predictions[i] = list(
            ridge_predictions(np.array([x[j] for j in past]), np.array([z[j] for j in past]), np.array(x[i]))
        )
        scored = [j for j in past if j in raw]
        losses = [sum((z[j] - predictions[j][k]) ** 2 for j in scored) for k in range(4)]
        raw[i] = predictions[i][losses.index(min(losses)) if scored else 4 - 1]
    assert [i for i, value in enumerate(got["raw_shift"]) if value is not None] == list(raw)
    assert got["raw_shift"].drop_nulls().to_list() == pytest.approx(list(raw.values()), abs=1e-11)


@pytest.mark.parametrize("horizon", ["7d", "30d"])
def test_later_features_and_later_truths_change_no_earlier_correction(horizon: str) -> None:
    w = world(13, weeks=240, lead=LEAD, horizon=horizon)
    cut = w.realized["issued_at"].sort()[170]
    is_late = pl.col("realized_available_at") >= cut
    truth = pl.col("realized_clp_per_usd")
    poison = w.realized.with_columns(pl.when(is_late).then(truth * 3).otherwise(truth).alias("realized_clp_per_usd"))
    numbers = [pl.when(pl.col("available_at") > cut).then(1e3).otherwise(name).alias(name) for name in FEATURE_NAMES]
    poisoned = corrections(poison, w.features.with_columns(numbers))
    clean = corrections(w.realized, w.features)
    until = pl.col("issued_at") <= cut
    assert clean.filter(until, pl.col("raw_shift").is_not_null()).height > 40
    assert poisoned.filter(until).equals(clean.filter(until))
    assert not poisoned.filter(~until).equals(clean.filter(~until))  # and the poison does bite afterwards


def test_a_truth_known_at_the_very_instant_of_issue_is_not_used(leading: World) -> None:
    rows = leading.realized.sort("issued_at").head(104 + 1)
    last = rows["issued_at"][-1]
    at_issue = pl.when(pl.int_range(pl.len()) == 60).then(pl.lit(last)).otherwise("realized_available_at")
    exact = corrections(rows.with_columns(realized_available_at=at_issue), leading.features)
    before = pl.when(pl.int_range(pl.len()) == 60).then(pl.lit(last - timedelta(microseconds=1)))
    just_before = corrections(
        rows.with_columns(realized_available_at=before.otherwise("realized_available_at")), leading.features
    )
    assert just_before["trained_on"][-1] == exact["trained_on"][-1] + 1


def test_todays_forecast_without_a_truth_gets_its_correction(leading: World, correction_table: pl.DataFrame) -> None:
    last = leading.realized["as_of"].max()
    out = pl.when(pl.col("as_of") == last).then(None)
    open_ended = leading.realized.with_columns(
        realized_clp_per_usd=out.otherwise("realized_clp_per_usd"),
        realized_available_at=out.otherwise("realized_available_at"),
    )
    assert corrections(open_ended, leading.features).equals(correction_table)


def test_a_feature_counts_from_its_own_instant_and_not_beyond_the_last_price(leading: World) -> None:
    row = leading.realized.sort("issued_at")[150]
    day, issued = row["origin_session"][0], row["issued_at"][0]
    features = leading.features
    latest = known_features(row, features)[0]
    is_today = pl.col("session") == day
    later = features.with_columns(
        available_at=pl.when(is_today).then(pl.lit(issued + timedelta(seconds=1))).otherwise("available_at")
    )
    before = features.filter(pl.col("session") < day)
    assert latest[0] == features.filter(is_today)["copper_ret_1d"][0]
    assert (known_features(row, later)[0] == known_features(row, before)[0]).all()
    # Copper knew a session that the peso's feed had not brought: it would tell what the peso had done by then.
    stale = row.with_columns(origin_session=pl.col("origin_session").dt.offset_by("-1d"))
    assert (known_features(stale, features)[0] == known_features(stale, before)[0]).all()


def test_a_feature_without_a_value_keeps_its_last_known_one(leading: World) -> None:
    row = leading.realized.sort("issued_at")[150]
    name, is_today = "copper_usdclp_corr_90d", pl.col("session") == row["origin_session"][0]
    rested = leading.features.with_columns(pl.when(~is_today).then(name).alias(name))
    before = leading.features.filter(pl.col("session") < row["origin_session"][0])[name][-1]
    assert known_features(row, rested)[0][FEATURE_NAMES.index(name)] == before
    assert np.isnan(known_features(row, pl.DataFrame(schema=FEATURES_SCHEMA))).all()


def test_averages_enter_as_ratios_and_do_not_know_the_unit(leading: World) -> None:
    doubled = leading.features.with_columns(pl.col("copper_sma_20", "copper_sma_50") * 2)
    one, two = (stationary_features(features).drop_nulls() for features in (leading.features, doubled))
    for name in ("copper_sma_20", "copper_sma_50"):
        assert two[name].to_list() == pytest.approx(one[name].to_list(), abs=1e-12)
        assert one[name].abs().max() < 1  # type: ignore[operator]


def test_the_gate_worked_by_hand() -> None:
    # 12 batches of 2 (overlap 1: blocks of 1.5); the first of 25 gains is left over.
    gains = np.r_[100.0, np.tile([0.0, 0.2, 0.3, 0.5], 6)]
    # Batch means .1 and .4 by turns: mean .25, sd .15 · √(12/11); t of 11 degrees at .95 is 1.795885.
    low = 0.25 - 1.795885 * 0.15 * math.sqrt(12 / 11) / math.sqrt(12)
    assert gain_interval_low(gains, 1.0) == pytest.approx(low, abs=1e-6)
    assert math.isnan(gain_interval_low(gains[:19], 1.0))


def test_the_gates_interval_covers_what_overlaps() -> None:
    # Sums of four neighbours: as good as independent ones they would lie above their true mean in a fifth of cases.
    rng = np.random.default_rng(6)
    above = sum(
        gain_interval_low(np.convolve(rng.standard_normal(243), np.ones(4), "valid"), 4.0) > 0 for _ in range(600)
    )
    assert above < 54  # at 5 %, 30 and thrice its sd of 5, and the little that batches still share


def test_the_gate_rarely_opens_in_markets_where_copper_does_nothing() -> None:
    # 12 markets with 150 looks each, of horizons that overlap and that do not. Of 400 longer ones 28 opened it at some
    # origin of theirs: at that rate more than three of 12 come in one case in 100.
    opened = 0
    for seed in range(12):
        w = world(500 + seed, weeks=280, horizon=("7d", "30d")[seed % 2])
        opened += corrections(w.realized, w.features)["is_established"].any()
    assert opened <= 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"horizon": "15d"}, "one horizon at a time"),
        ({"engine": "chronos-t5"}, "one engine at a time"),
        ({"is_target": False}, "is_target"),
        ({"ewma_sd": 0.0}, "ewma_sd"),
    ],
)
def test_rows_that_cannot_be_compared_are_refused(leading: World, change: dict[str, object], words: str) -> None:
    first, rest = leading.realized[:1], leading.realized[1:]
    with pytest.raises(ValueError, match=words):
        corrections(
            pl.concat([first.with_columns(**{k: pl.lit(v) for k, v in change.items()}), rest]), leading.features
        )


def test_two_forecasts_of_one_origin_are_refused(leading: World) -> None:
    with pytest.raises(ValueError, match="several forecasts as of"):
        corrections(pl.concat([leading.realized, leading.realized[:1]]), leading.features)

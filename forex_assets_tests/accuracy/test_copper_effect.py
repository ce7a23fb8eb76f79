"""The comparison and its words: planted effects are found, absent ones are not claimed."""

import math
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from forex_assets.accuracy.compare import skill
from forex_assets.accuracy.copper_effect import (
    COPPER_EFFECT_SCHEMA,
    CopperEffect,
    compare_backtests,
    copper_effect,
    lead_lag_by_year,
    moved,
    verdict_on_copper,
)
from forex_assets.accuracy.verdict import detectable
from forex_assets.core.schemas import QUANTILE_COLUMNS
from forex_assets.forecasts.baselines import random_walk
from forex_assets.market.alignment import lead_lag
from forex_assets_tests.accuracy.copper_worlds import World, world


@pytest.fixture(scope="module")
def leading() -> World:
    return world(21, lead=0.5)


@pytest.fixture(scope="module")
def effect(leading: World) -> CopperEffect:
    return copper_effect(leading.realized, leading.features, superiority=lambda a, b, block: block)


def over_all(effect: CopperEffect, comparison: str) -> dict[str, object]:
    return effect.table.filter((pl.col("scope") == "all") & (pl.col("comparison") == comparison)).row(0, named=True)


def test_a_planted_effect_is_found_with_its_size(effect: CopperEffect, leading: World) -> None:
    ridge = over_all(effect, "ridge")
    # What the planted coefficient would have cut from the same origins' RMSE, known exactly.
    week = leading.features.select(as_of="session", shift=-0.5 * 3 / 5 / 0.0125 * pl.col("copper_ret_5d"))
    without = leading.realized.join(effect.corrections.drop_nulls("raw_shift"), on="as_of", how="semi")
    oracle = compare_backtests(moved(without, week, "shift"), without)["rmse_skill"][0]
    assert 0.1 < oracle < 0.3
    assert oracle - 0.06 < ridge["rmse_skill"] < oracle + 0.01  # type: ignore[operator]
    assert ridge["is_established"]
    assert ridge["rmse_skill_low"] > 0  # type: ignore[operator]
    assert ridge["crps_skill_low"] > 0  # type: ignore[operator]
    assert str(ridge["verdict"]).startswith(f"helps by {100 * ridge['rmse_skill']:.1f} % [")  # type: ignore[operator]


def test_the_gated_correction_moves_the_origins_that_were_established_and_no_others(effect: CopperEffect) -> None:
    ridge, gated = over_all(effect, "ridge"), over_all(effect, "gated")
    fitted = effect.corrections.drop_nulls("raw_shift")
    assert ridge["moved"] == ridge["n"] == fitted.height
    assert gated["n"] == fitted.height
    assert 0 < gated["moved"] == fitted["is_established"].sum() < fitted.height  # type: ignore[operator]


def test_years_add_up_to_all_and_carry_no_p_value(effect: CopperEffect) -> None:
    assert dict(effect.table.schema) == COPPER_EFFECT_SCHEMA
    ridge = effect.table.filter(pl.col("comparison") == "ridge")
    years = ridge.filter(pl.col("scope") != "all")
    assert years["scope"].to_list() == sorted(years["scope"])
    assert years["n"].sum() == ridge["n"][0]
    assert years["rmse_spa_p"].null_count() == years.height
    assert ridge["rmse_spa_p"][0] == ridge["crps_spa_p"][0] == 1.5  # what the port was given: the block


def test_where_copper_does_nothing_nothing_is_claimed() -> None:
    w = world(22)
    effect = copper_effect(w.realized, w.features)
    ridge, gated = over_all(effect, "ridge"), over_all(effect, "gated")
    assert not ridge["is_established"]
    assert ridge["verdict"] == (
        f"no effect established; the data could have shown one of {100 * ridge['detectable']:.1f} % or more"  # type: ignore[operator]
    )
    assert gated["moved"] == 0
    assert gated["rmse_skill"] == gated["crps_skill"] == 0
    assert gated["verdict"] == "no effect established; copper was never switched on"
    assert gated["detectable"] is gated["rmse_spa_p"] is None
    assert verdict_on_copper(effect.table, "ridge") == f"7d: copper {ridge['verdict']}"


def test_too_few_origins_give_an_empty_table(leading: World) -> None:
    effect = copper_effect(leading.realized.sort("as_of").head(80), leading.features)
    assert effect.table.is_empty()
    assert dict(effect.table.schema) == COPPER_EFFECT_SCHEMA
    assert effect.corrections.height == 80
    assert verdict_on_copper(effect.table, "ridge") == "no origin to compare copper on yet"


def test_a_moved_fan_worked_by_hand(leading: World) -> None:
    row = leading.realized[:1].with_columns(ewma_sd=0.01, step=pl.lit(4, dtype=pl.Int64))
    shifts = row.select("as_of", applied_shift=pl.lit(-1.5))
    after = moved(row, shifts)
    ratios = (after.select("mean", *QUANTILE_COLUMNS) / row.select("mean", *QUANTILE_COLUMNS)).row(0)
    assert ratios == pytest.approx([math.exp(-0.03)] * 10, abs=1e-12)  # -1.5 · .01 · 2
    assert after["error"][0] == pytest.approx(row["realized_clp_per_usd"][0] - math.exp(-0.03) * row["q50"][0])
    # The PIT of a log-normal fan, in closed form.
    sd = math.log(random_walk(700.0, 0.006, 5).quantiles[-1, 6] / 700) / 1.2815515655446004
    z = math.log(row["realized_clp_per_usd"][0] / row["q50"][0]) + 0.03
    assert after["pit"][0] == pytest.approx(0.5 * (1 + math.erf(z / sd / math.sqrt(2))), abs=1e-9)
    assert after["model_pit"][0] == row["model_pit"][0]


def test_a_shift_of_nought_null_or_missing_changes_no_bit(leading: World) -> None:
    days = leading.realized["as_of"]
    shifts = pl.DataFrame({"as_of": days[:100], "applied_shift": [0.0, None] * 50})
    assert moved(leading.realized, shifts).equals(leading.realized)


def test_two_backtests_are_compared_on_the_origins_that_both_have(leading: World) -> None:
    without = leading.realized
    rng = np.random.default_rng(1)
    shifts = without.select("as_of").with_columns(s=pl.Series(rng.normal(0, 0.5, without.height)))
    with_copper = moved(without, shifts, "s")
    table = compare_backtests(with_copper.sample(fraction=0.7, seed=1, shuffle=True), without[20:])
    both = with_copper.sample(fraction=0.7, seed=1)["as_of"].to_list()
    rows = without[20:].filter(pl.col("as_of").is_in(both))
    ours = with_copper.filter(pl.col("as_of").is_in(rows["as_of"].to_list()))
    rmse = skill(ours["error"].to_numpy() ** 2, rows["error"].to_numpy() ** 2, overlap=1.0, root=True)
    first = table.row(0, named=True)
    assert first["comparison"] == "covariates"
    assert first["n"] == rows.height
    assert first["rmse_skill"] == pytest.approx(1 - np.sqrt((ours["error"] ** 2).mean() / (rows["error"] ** 2).mean()))
    assert first["crps_skill"] == pytest.approx(1 - ours["crps"].mean() / rows["crps"].mean())
    assert (first["rmse_skill_low"], first["rmse_skill_high"]) == pytest.approx((rmse.low, rmse.high))
    assert first["detectable"] == detectable(rmse, 1.0)
    assert first["verdict"].startswith("hurts by ")
    assert not first["is_established"]


def test_nothing_in_common_is_an_empty_table(leading: World) -> None:
    assert compare_backtests(leading.realized[:5], leading.realized[5:]).is_empty()


@pytest.mark.parametrize("name", ["origin_clp_per_usd", "realized_clp_per_usd"])
def test_backtests_on_different_histories_are_refused(leading: World, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} as of .* differs"):
        compare_backtests(leading.realized.with_columns(pl.col(name) + 1), leading.realized)


def test_mixed_rows_are_refused(leading: World) -> None:
    rows = leading.realized
    with pytest.raises(ValueError, match="judged by horizon"):
        compare_backtests(rows, pl.concat([rows, rows[:1].with_columns(horizon=pl.lit("15d"))]))
    with pytest.raises(ValueError, match="several forecasts as of"):
        compare_backtests(pl.concat([rows, rows[:1]]), rows)


def test_the_lead_lag_table_has_each_years_own_correlations(leading: World) -> None:
    table = lead_lag_by_year(leading.copper, leading.usdclp)
    last = table["year"].max()
    year = pl.col("session").dt.year() == last
    expected = lead_lag(leading.copper.filter(year), leading.usdclp.filter(year), window=10_000)
    assert table.filter(pl.col("year") == last).drop("year").equals(expected)
    assert table.height == 5 * table["year"].n_unique()
    sessions = leading.usdclp["session"].to_list()
    late = leading.usdclp.with_columns(session=pl.Series([*sessions[1:], sessions[-1] + timedelta(days=1)]))
    means = lead_lag_by_year(leading.copper, late).group_by("lag").agg(pl.col("correlation").mean()).sort("lag")
    assert means["lag"][int(means["correlation"].abs().arg_max())] == 1  # dated a session late: copper seems to lead

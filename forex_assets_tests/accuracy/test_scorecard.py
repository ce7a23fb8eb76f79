"""The card against plain loops over its rows: what is counted, where it belongs, and what it adds up to."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import beta

from forex_assets.accuracy.compare import effective_size, skill
from forex_assets.accuracy.scorecard import (
    PIT_SCHEMA,
    SCORECARD_SCHEMA,
    coverage_is_within_its_interval,
    overlap_of,
    pit_histogram,
    scorecard,
)
from forex_assets.core.schemas import (
    MODEL_QUANTILE_COLUMNS,
    QUANTILE_COLUMNS,
    QUANTILE_LEVELS,
    REALIZED_SCHEMA,
    WALK_QUANTILE_COLUMNS,
    empty,
    with_later_columns,
)
from forex_assets.core.scores import crps, pit

Z = np.array([NormalDist().inv_cdf(level) for level in QUANTILE_LEVELS])
TODAY = date(2025, 6, 30)


def realized(n: int, *, every: int = 7, days: int = 7, sd: float = 0.02, seed: int = 0, **fixed: Any) -> pl.DataFrame:
    """`n` forecasts of `days` days, `every` so many days, the last one's target being TODAY; truth has an sd of .02."""
    rng = np.random.default_rng(seed)
    origin = 900 * np.exp(rng.normal(0, 0.1, n))
    y = origin * np.exp(rng.normal(0, 0.02, n))
    widths = {
        "q": (QUANTILE_COLUMNS, sd),
        "model": (MODEL_QUANTILE_COLUMNS, 0.015),
        "walk": (WALK_QUANTILE_COLUMNS, 0.03),
    }
    fans = {key: (origin * 1.001)[:, None] * np.exp(width * Z) for key, (_, width) in widths.items()}
    as_of = [TODAY - timedelta(days=days + every * i) for i in reversed(range(n))]
    columns: dict[str, Any] = {
        "record": "ledger",
        "as_of": as_of,
        "horizon": "7d",
        "target_date": [day + timedelta(days=days) for day in as_of],
        "step": 5,
        "session": [day + timedelta(days=days) for day in as_of],
        "mean": origin,
        **{name: fans[key][:, i] for key, (names, _) in widths.items() for i, name in enumerate(names)},
        "origin_session": as_of,
        "origin_clp_per_usd": origin,
        "is_origin_provisional": False,
        "model": "generated",
        "engine": "ewma",
        "representation": "anchored",
        "is_calibrated": True,
        "calibration_errors": 40,
        "ewma_sd": 0.01,
        "constant_sd": 0.01,
        "source": "generated",
        "config_fingerprint": "c1",
        "data_fingerprint": "d1",
        "issued_at": [datetime(day.year, day.month, day.day, 22, tzinfo=UTC) for day in as_of],
        "version": 1,
        "is_shadow": False,
        "entry_hash": "",
        "is_target": True,
        "realized_clp_per_usd": y,
        "realized_available_at": datetime(2025, 7, 1, tzinfo=UTC),
        "error": y - fans["q"][:, 4],
        "crps": crps(y, fans["q"]),
        "model_crps": crps(y, fans["model"]),
        "walk_crps": crps(y, fans["walk"]),
        "constant_crps": crps(y, fans["walk"]) * 1.1,
        "pit": pit(y, fans["q"]),
        "model_pit": pit(y, fans["model"]),
    } | fixed  # fmt: skip
    parts = [
        pl.Series(name, value if isinstance(value, list | np.ndarray) else [value] * n, dtype=REALIZED_SCHEMA[name])
        for name, value in columns.items()
    ]
    return with_later_columns(pl.DataFrame(parts)).select(list(REALIZED_SCHEMA))


def row_of(card: pl.DataFrame, scope: str = "all", **where: str) -> Mapping[str, Any]:
    """The one row of a scope."""
    return card.filter(pl.col("scope") == scope, **where).row(0, named=True)


def test_every_figure_is_that_of_a_plain_loop_over_its_rows() -> None:
    table = realized(60)
    row, rows = row_of(scorecard(table, TODAY)), table.to_dicts()

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    errors = [r["realized_clp_per_usd"] - r["q50"] for r in rows]
    walk = [r["realized_clp_per_usd"] - r["origin_clp_per_usd"] for r in rows]
    expected = {
        "n": 60,
        "overlap": 1,
        "rmse": math.sqrt(mean([e * e for e in errors])),
        "mae": mean([abs(e) for e in errors]),
        "mape": mean([100 * abs(e) / r["realized_clp_per_usd"] for e, r in zip(errors, rows, strict=True)]),
        "bias": mean(errors),
        "walk_rmse": math.sqrt(mean([e * e for e in walk])),
        "coverage_80": mean([r["q10"] <= r["realized_clp_per_usd"] <= r["q90"] for r in rows]),
        "coverage_95": mean([r["q025"] <= r["realized_clp_per_usd"] <= r["q975"] for r in rows]),
        "model_coverage_95": mean([r["model_q025"] <= r["realized_clp_per_usd"] <= r["model_q975"] for r in rows]),
        "sharpness_80": mean([r["q90"] - r["q10"] for r in rows]),
        "sharpness_95": mean([r["q975"] - r["q025"] for r in rows]),
    }
    for name in ("crps", "walk_crps", "constant_crps", "model_crps"):
        expected[name] = mean([r[name] for r in rows])
    for level, name in zip(QUANTILE_LEVELS, QUANTILE_COLUMNS, strict=True):
        off = [r["realized_clp_per_usd"] - r[name] for r in rows]
        expected[f"pinball_{name}"] = mean([level * o if o > 0 else (level - 1) * o for o in off])
    expected["interval_score_80"] = (expected["pinball_q10"] + expected["pinball_q90"]) / 0.1
    expected["interval_score_95"] = (expected["pinball_q025"] + expected["pinball_q975"]) / 0.025
    expected["rmse_skill"] = 1 - expected["rmse"] / expected["walk_rmse"]
    expected["crps_skill"] = 1 - expected["crps"] / expected["walk_crps"]
    expected["constant_crps_skill"] = 1 - expected["crps"] / expected["constant_crps"]
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=1e-9), name


def daily(days: int) -> pl.DataFrame:
    """Forecasts issued on each weekday of so many calendar days."""
    return realized(days, every=1).filter(pl.col("as_of").dt.weekday() <= 5)


def test_intervals_and_effective_sizes_are_those_of_compare_with_the_tables_own_overlap() -> None:
    table = daily(112)
    row = row_of(scorecard(table, TODAY))
    assert (table.height, row["overlap"]) == (80, pytest.approx(5))
    errors = (table["realized_clp_per_usd"] - table["q50"]).to_numpy()
    walk = (table["realized_clp_per_usd"] - table["origin_clp_per_usd"]).to_numpy()
    assert row["n_effective"] == pytest.approx(effective_size(errors, row["overlap"]))
    for name, expected in {
        "rmse_skill": skill(errors**2, walk**2, overlap=row["overlap"], root=True),
        "crps_skill": skill(table["crps"].to_numpy(), table["walk_crps"].to_numpy(), overlap=row["overlap"]),
        "constant_crps_skill": skill(
            table["crps"].to_numpy(), table["constant_crps"].to_numpy(), overlap=row["overlap"]
        ),
    }.items():
        assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx((expected.low, expected.high))
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
    hits = table["realized_clp_per_usd"].is_between(table["q025"], table["q975"]).cast(pl.Float64).to_numpy()
    size = effective_size(hits, row["overlap"])
    assert row["coverage_n_effective"] == pytest.approx(size)
    assert row["coverage_95_low"] == pytest.approx(
        beta.ppf(0.025, hits.sum() / 80 * size, size - hits.mean() * size + 1)
    )


def test_scopes_go_by_the_day_on_which_a_target_lay() -> None:
    card = scorecard(realized(120, every=5), TODAY)  # a target lies on the edge of 60 days, and of 365
    assert card["scope"].to_list() == ["last 60 days", "last year", "all", "2023", "2024", "2025"]
    targets = [TODAY - timedelta(days=5 * i) for i in range(120)]
    counts = {
        "last 60 days": sum((TODAY - day).days < 60 for day in targets),
        "last year": sum((TODAY - day).days < 365 for day in targets),
        "all": 120,
        **{str(year): sum(day.year == year for day in targets) for year in (2023, 2024, 2025)},
    }
    assert dict(card.select("scope", "n").iter_rows()) == counts


def test_a_card_of_an_earlier_day_knows_nothing_of_later_targets() -> None:
    table, then = realized(60), TODAY - timedelta(days=100)
    cut = table.filter(pl.col("target_date") <= then)
    assert scorecard(table, then).equals(scorecard(cut, then))
    assert row_of(scorecard(table, then))["n"] == cut.height < 60


def test_steps_on_the_way_shadows_and_superseded_versions_do_not_count() -> None:
    table = realized(20)
    more = [
        table.with_columns(is_target=pl.lit(False), error=pl.lit(1e6)),
        table.with_columns(is_shadow=pl.lit(True), version=pl.lit(9, pl.Int64), error=pl.lit(1e6)),
        table.with_columns(version=pl.lit(0, pl.Int64), error=pl.lit(1e6)),
    ]
    assert scorecard(pl.concat([*more, table]), TODAY).equals(scorecard(table, TODAY))


def test_the_order_of_rows_does_not_matter() -> None:
    table = realized(40, every=1)
    assert scorecard(table.sample(fraction=1, shuffle=True, seed=1), TODAY).equals(scorecard(table, TODAY))


def test_records_horizons_engines_and_models_each_have_their_rows_in_order() -> None:
    table = pl.concat(
        [
            realized(5, horizon="90d"),
            realized(5, horizon="15d"),
            realized(5, horizon="7d"),
            realized(5, horizon="7d", engine="chronos-t5"),
            realized(5, horizon="15d", record="backtest"),
        ]
    )
    card = scorecard(table, TODAY).filter(pl.col("scope") == "all")
    groups = card.select("record", "horizon", "engine").rows()
    assert groups == [
        ("backtest", "15d", "ewma"),
        ("ledger", "7d", "chronos-t5"),
        ("ledger", "7d", "ewma"),
        ("ledger", "15d", "ewma"),
        ("ledger", "90d", "ewma"),
    ]
    assert card["n"].to_list() == [5] * 5


def test_two_configs_of_a_day_both_count_and_overlap_more() -> None:
    table = realized(20, every=7, days=14)
    both = pl.concat([table, table.with_columns(config_fingerprint=pl.lit("c2"))])
    assert (row_of(scorecard(table, TODAY))["overlap"], row_of(scorecard(both, TODAY))["overlap"]) == (2, 4)
    assert row_of(scorecard(both, TODAY))["n"] == 40


def test_the_overlap_goes_by_the_usual_spacing() -> None:
    assert overlap_of(realized(10, every=7, days=30)) == pytest.approx(30 / 7)
    assert overlap_of(realized(10, every=30, days=7)) == 1
    assert overlap_of(realized(100, every=30, days=90)) == pytest.approx(3, rel=0.05)
    assert overlap_of(realized(1)) == 1
    assert overlap_of(realized(0)) == 1


@pytest.mark.parametrize("days", [7, 30, 90])
def test_of_daily_origins_a_forecast_overlaps_those_that_are_issued_until_its_target(days: int) -> None:
    rows = realized(400, every=1, days=days).filter(pl.col("as_of").dt.weekday() <= 5)
    issued = rows["as_of"].to_list()
    spans = [sum(day <= other < day + timedelta(days=days) for other in issued) for day in issued[:200]]
    assert overlap_of(rows) == pytest.approx(sum(spans) / 200, rel=0.02)


def test_nothing_realized_is_an_empty_card() -> None:
    card = scorecard(empty(REALIZED_SCHEMA), TODAY)
    assert card.is_empty()
    assert card.schema == SCORECARD_SCHEMA
    assert pit_histogram(empty(REALIZED_SCHEMA)).schema == PIT_SCHEMA


def test_a_scope_without_a_forecast_says_none_and_has_nulls() -> None:
    row = row_of(scorecard(realized(5), TODAY + timedelta(days=1000)), "last 60 days")
    assert row["n"] == 0
    assert {value for name, value in row.items() if name in list(SCORECARD_SCHEMA)[6:]} == {None}


def test_one_forecast_has_scores_and_no_skill() -> None:
    card = scorecard(realized(1), TODAY)
    row = row_of(card)
    assert card.schema == SCORECARD_SCHEMA
    assert (row["n"], row["n_effective"], row["rmse"]) == (1, 1, pytest.approx(row["mae"]))
    assert row["coverage_95_high"] - row["coverage_95_low"] > 0.9
    assert [row[name] for name in row if "skill" in name] == [None] * 9


def test_a_card_holds_no_nan_and_can_be_written_as_json() -> None:
    tables = [realized(0), realized(1), realized(2), realized(2, every=1, days=90), realized(30, sd=0.0)]
    for table in tables:
        json.dumps(scorecard(table, TODAY).to_dicts(), allow_nan=False)


def test_the_same_realized_give_the_same_card() -> None:
    table = realized(50, every=1)
    assert scorecard(table, TODAY).equals(scorecard(table, TODAY))


def test_a_figure_that_is_none_is_refused_by_name() -> None:
    for bad in (None, math.nan):
        with pytest.raises(ValueError, match=r"constant_crps is .* for 20"):
            scorecard(realized(5).with_columns(constant_crps=pl.lit(bad, pl.Float64)), TODAY)
    with pytest.raises(ValueError, match=r"accuracy/realized: missing columns \['crps'\]"):
        scorecard(realized(5).drop("crps"), TODAY)


def test_the_pit_histogram_counts_every_forecast_once() -> None:
    table = realized(300).with_columns(pit=pl.Series([0.0, 0.1, 1.0] * 100))
    bins = pit_histogram(table, 10)
    assert bins["count"].to_list() == [100, 100, 0, 0, 0, 0, 0, 0, 0, 100]
    assert bins["model_count"].sum() == 300
    assert (bins["low"][0], bins["high"][-1], bins.height) == (0, 1, 10)
    outer = bins["model_count"].to_list()
    assert outer[0] + outer[-1] > 80  # the model's fan is three quarters as wide as the truth


def test_bands_that_hold_pass_with_their_figures() -> None:
    finding = coverage_is_within_its_interval(scorecard(realized(400), TODAY))
    assert finding.passed
    assert finding.values == {"judged": 1, "outside": []}
    assert "7d ewma: 95 % bands held" in finding.message


def test_bands_too_narrow_and_too_wide_warn_and_say_what_that_rests_on() -> None:
    for sd in (0.012, 0.06):
        card = scorecard(pl.concat([realized(400, sd=sd), realized(400, horizon="15d")]), TODAY)
        finding = coverage_is_within_its_interval(card)
        assert (finding.passed, finding.severity) == (False, "warn")
        assert finding.values == {"judged": 2, "outside": ["7d"]}
        size = row_of(card, horizon="7d")["coverage_n_effective"]
        assert f"of 400, n_effective {size:.0f}" in finding.message
        assert "15d" not in finding.message


def test_fewer_than_thirty_forecasts_are_not_enough_evidence() -> None:
    far_too_narrow = {"sd": 0.001}
    finding = coverage_is_within_its_interval(scorecard(realized(29, **far_too_narrow), TODAY))
    assert finding.passed
    assert finding.message == "not enough evidence: 29 realized forecasts at most, a coverage needs 30"
    assert not coverage_is_within_its_interval(scorecard(realized(30, **far_too_narrow), TODAY)).passed
    assert coverage_is_within_its_interval(scorecard(realized(0), TODAY)).values["most_realized"] == 0


def test_a_peer_in_a_backtest_owes_nobody_its_coverage() -> None:
    card = scorecard(pl.concat([realized(400), realized(400, sd=0.001, record="backtest")]), TODAY)
    assert coverage_is_within_its_interval(card).passed
    assert not coverage_is_within_its_interval(card, "backtest").passed

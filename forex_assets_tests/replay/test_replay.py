"""A replay sees nothing that is later, and goes on where it was ended."""

import gc
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from forex_assets.core.calendar import issue_instant
from forex_assets.core.policy import Policy
from forex_assets.core.progress import Report
from forex_assets.core.session import open_session
from forex_assets.optimizer.candidate_backtest_run import silent
from forex_assets.replay.replay_run import Stretch, run_replay
from forex_assets.replay.results import FIXED, ORACLE, Results
from forex_assets.replay.strategies import AGE, NEVER, ReplayError, strategies_of
from forex_assets_tests.optimizer.contests import ENGINE, width_setup
from forex_assets_tests.replay.worlds import FIRST, LAST, fill

STRETCH = Stretch(FIRST, LAST, "16w")
MIDDLE = date(2022, 9, 30)
OUTCOMES = ("realized_clp_per_usd", "error", "crps")


@pytest.fixture
def market(workspace: Path) -> Path:
    fill(workspace, ["7d"])
    return workspace


def replayed(stretch: Stretch = STRETCH, report: Report = silent) -> Results:
    setup = width_setup()
    return run_replay(setup.session, setup.engines, stretch, horizons=["7d"], seconds=lambda config: 1.0, report=report)


def test_a_stretch_in_two_parts_gives_what_it_gives_in_one(market: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = replayed(replace(STRETCH, last=MIDDLE))
    before = len(ENGINE.fingerprints)
    second = replayed()
    run_later = len(ENGINE.fingerprints) - before
    (market / "warehouse/sample/replay").rename(market / "elsewhere")
    before = len(ENGINE.fingerprints)
    whole = replayed()
    for name in ("loop", "changes", "evenings"):
        assert_frame_equal(getattr(second, name).drop("search_cpu_seconds", strict=False),
                           getattr(whole, name).drop("search_cpu_seconds", strict=False))  # fmt: skip
    assert_frame_equal(first.evenings, whole.evenings.filter(pl.col("as_of") <= first.days[-1]))
    assert 0 < run_later < len(ENGINE.fingerprints) - before  # the second part made its own fans only


def test_tables_that_are_held_do_not_grow_with_the_evenings(workspace: Path) -> None:
    fill(workspace, ["7d"], start=1.0)  # nothing to tune: each setting's own table is held once
    gc.collect()
    before, held = scored_rows(), list[int]()

    def weigh(done: int, total: int) -> None:
        if total == evenings:
            held.append(scored_rows() - before)

    stretch = replace(STRETCH, every="4w")
    evenings = len(stretch.days())
    replayed(stretch, weigh)
    assert len(held) == evenings
    assert held[-1] < 5 * held[1]  # an evening knows more rows each time; all of them together were 23 times as many


def scored_rows() -> int:
    """Rows of all tables with scores that this process holds."""
    # No isinstance: it would ask proxies that load a module for their class.
    tables = (some for some in gc.get_objects() if type(some) is pl.DataFrame)
    return sum(table.height for table in tables if "crps" in table.columns)


def test_other_prices_after_a_day_change_nothing_before_it(market: Path) -> None:
    sound = replayed()
    tables = open_session().tables
    prices = tables.read("market/usdclp")
    assert prices is not None
    is_later = pl.col("available_at") > issue_instant(MIDDLE)
    noise = pl.col("clp_per_usd") * pl.when(pl.col("session").dt.day() % 2 == 0).then(1.03).otherwise(0.98)
    tables.write("market/usdclp", prices.with_columns(pl.when(is_later).then(noise).otherwise(pl.col("clp_per_usd"))))
    poisoned = replayed()
    was_known = pl.col("as_of") <= MIDDLE
    assert_frame_equal(
        poisoned.evenings.filter(was_known).drop(OUTCOMES), sound.evenings.filter(was_known).drop(OUTCOMES)
    )
    later = [run.evenings.filter(~was_known).drop(OUTCOMES) for run in (poisoned, sound)]
    assert not later[0].equals(later[1])


def test_scores_are_those_of_the_fans_against_the_prices_of_their_targets(market: Path) -> None:
    results = replayed()
    prices = dict(open_session().tables.read("market/usdclp").select("session", "clp_per_usd").iter_rows())  # type: ignore[union-attr]
    rows = results.evenings.drop_nulls("crps")
    for row in rows.iter_rows(named=True):
        assert row["realized_clp_per_usd"] == prices[row["target_date"]]
        assert row["error"] == pytest.approx(prices[row["target_date"]] - row["q50"])
    never = rows.filter(pl.col("strategy") == NEVER)
    for strategy in rows["strategy"].unique():
        evenings = rows.filter(pl.col("strategy") == strategy)
        card = results.loop.filter(pl.col("strategy") == strategy).row(0, named=True)
        assert card["crps"] == pytest.approx(evenings["crps"].mean())
        assert card["rmse"] == pytest.approx((evenings["error"] ** 2).mean() ** 0.5)  # type: ignore[operator]
        assert card["crps_gain"] == pytest.approx(1 - evenings["crps"].mean() / never["crps"].mean())  # type: ignore[operator]
    assert_changes_are_counted(results)


def assert_changes_are_counted(results: Results) -> None:
    """Bands that are wrong by far are mended by tuning, and the tables say so."""
    tuned = results.changes.filter(pl.col("change") == "deploy")
    assert set(tuned["settings_before"]) >= {"context 180, temperature 1.6"}
    first = tuned.row(0, named=True)
    fixed = {row["strategy"]: row["crps"] for row in results.loop.iter_rows(named=True)}
    best = min(value for name, value in fixed.items() if name.startswith(FIXED))
    assert fixed[ORACLE] <= best + 1e-9
    assert first["regret_clp"] == pytest.approx(_regret(results, first))
    years = (results.days[-1] - results.days[0]).days / 365.25
    card = results.loop.filter(pl.col("strategy") == first["strategy"]).row(0, named=True)
    assert card["deployments"] == tuned.filter(pl.col("strategy") == first["strategy"]).height
    by_age = results.loop.filter(pl.col("strategy") == AGE).row(0, named=True)
    assert (by_age["alarms_per_year"], by_age["searches"] > 0) == (0, True)  # it starts nothing for drift
    assert card["false_alarms_per_year"] <= card["alarms_per_year"] <= card["searches"] / years + 1e-9


def _regret(results: Results, change: dict[str, object]) -> float:
    """Mean CRPS of both settings held throughout, over the evenings after the change, from the settings' own series."""
    series = {
        f"context {c.context_length}, temperature {c.temperature:g}": results.fixed(c) for c in results.grid["7d"]
    }
    parts = []
    for name in ("settings_after", "settings_before"):
        rows = series[str(change[name])]
        is_kept = (rows["as_of"] > change["changed_on"]) & (rows["as_of"] <= change["kept_until"])
        parts.append(float(rows.filter(is_kept)["crps"].mean()))  # type: ignore[arg-type]
    return parts[0] - parts[1]


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (Policy(search={"max_seconds": 60.0}), "max_seconds"),  # type: ignore[arg-type]
        (Policy(validation={"shadow_days": 30}), "shadow_days"),  # type: ignore[arg-type]
    ],
)
def test_a_policy_that_no_replay_can_follow_is_refused_by_name(policy: Policy, words: str) -> None:
    with pytest.raises(ReplayError, match=words):
        strategies_of(Policy(), [("mine", policy)])


def test_two_policies_of_one_name_are_refused() -> None:
    with pytest.raises(ReplayError, match="never tune"):
        strategies_of(Policy(), [(NEVER, Policy())])

"""A search on the generated market: what it finds, what it says, and that one which was killed goes on where it was."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from forex_assets.accuracy.backtest_run import Origins, run_backtest
from forex_assets.accuracy.backtest_store import TRIALS
from forex_assets.core.config_store import ConfigError
from forex_assets.core.schemas import REALIZED_SCHEMA
from forex_assets.market.prices import USDCLP
from forex_assets.optimizer.candidate_backtest_run import splits_of, trial_rows
from forex_assets.optimizer.search_run import run_search
from forex_assets.optimizer.tables import CANDIDATES_SCHEMA
from forex_assets.optimizer.tpe import suggest
from forex_assets_tests.optimizer.contests import ENGINE, Setup, both, fill, plain_setup, set_live
from forex_assets_tests.places import root_of

POLICY = "search:\n  origins: 40\n  every: 2w\nvalidation:\n  origins: 60\n"


@pytest.fixture
def scene(workspace: Path, tables: Path) -> Setup:
    """Few origins; bands of 1.6 times the right width are live."""
    set_policy(workspace)
    set_live(workspace, temperature=1.6, is_calibrated=False)
    return fill(workspace, tables)


def set_policy(workspace: Path, **search: object) -> None:
    more = "".join(f"  {name}: {value}\n" for name, value in search.items())
    (workspace / "configs/policy.yaml").write_text(POLICY.replace("validation:", f"{more}validation:"))


def test_too_wide_bands_lose_to_the_right_ones_on_the_searchs_origins(scene: Setup) -> None:
    choice = run_search(*both(scene), ["7d"])["7d"]
    table = choice.table
    assert dict(table.schema) == CANDIDATES_SCHEMA
    assert sorted(table["temperature"]) == [0.8, 1.0, 1.2, 1.6]  # samples and contexts are nothing to this engine
    assert table.filter(pl.col("is_incumbent"))["temperature"].to_list() == [1.6]
    assert table.filter(pl.col("is_chosen"))["candidate"].to_list() == [choice.chosen]
    assert table.filter(pl.col("is_chosen"))["gain_low"][0] > 0
    assert set(table["n"]) == {40}
    assert table["rank"].to_list() == [1, 2, 3, 4]
    for words in ("left out, since the engine has no such setting", "grid: all 4", "search on 40 origins"):
        assert words in choice.words
    assert "stands in" not in choice.words


def test_the_losses_are_those_of_the_plain_backtest_on_those_days(
    workspace: Path, tables: Path, environment: Callable[..., None]
) -> None:
    set_policy(workspace)
    fill(workspace, tables)
    walk = plain_setup()
    days = splits_of(walk.session, ["7d"])["7d"].search
    plain, *_ = run_backtest(walk.session, walk.engines, "7d", engine_name="ewma", origins=Origins(days=days))
    table = run_search(*both(walk), ["7d"])["7d"].table
    assert walk.session.configs.read("7d").is_calibrated
    targets = plain.filter("is_target")
    assert table.height == 1
    assert table["n"][0] == targets.height == 40
    # Fewer than thirty errors calibrate nothing; from then on a target a session nearer counts among the others here.
    assert table["loss"][0] == pytest.approx(targets["crps"].mean(), rel=0.01)
    raw = trial_rows(
        walk.session,
        walk.engines.engine(walk.engines.find("m")),
        {"7d": [walk.session.configs.read("7d")]},
        {"7d": days},
    )["7d"]
    assert dict(raw.schema) == REALIZED_SCHEMA
    columns = ["as_of", "session", "error", "model_crps", "walk_crps", "data_fingerprint", "config_fingerprint"]
    assert_frame_equal(raw.select(columns), targets.select(columns), check_exact=True)


def test_a_walk_has_nothing_to_search_and_says_so(workspace: Path, tables: Path) -> None:
    set_policy(workspace)
    fill(workspace, tables)
    choice = run_search(*both(plain_setup()), ["7d"])["7d"]
    assert choice.table.height == 1
    assert choice.table["is_chosen"].to_list() == [True]
    assert "nothing to search" in choice.words


def test_the_same_search_twice_is_the_same_table_and_runs_nothing_again(scene: Setup) -> None:
    first = run_search(*both(scene), ["7d", "15d"])
    count = len(ENGINE.fingerprints)
    again = run_search(*both(scene), ["7d", "15d"])
    assert len(ENGINE.fingerprints) == count
    for horizon, choice in first.items():
        assert_frame_equal(again[horizon].table, choice.table, check_exact=True)
        assert again[horizon].words == choice.words


def test_horizons_together_find_what_each_finds_alone(scene: Setup, workspace: Path) -> None:
    together = run_search(*both(scene), ["7d", "90d"])
    shutil.rmtree(root_of(scene.session.tables) / TRIALS["live"])
    for horizon, choice in together.items():
        alone = run_search(*both(scene), [horizon])[horizon]
        assert_frame_equal(alone.table, choice.table, check_exact=True)


def test_a_search_runs_the_trials_of_those_beside_it_and_a_faulty_one_fails_alone(
    scene: Setup, workspace: Path
) -> None:
    run_search(*both(scene), ["7d"], together=["7d", "15d"])
    count = len(ENGINE.fingerprints)
    run_search(*both(scene), ["15d"])
    assert len(ENGINE.fingerprints) == count
    (workspace / "configs/chronos_15d.json").write_text("{}")
    assert run_search(*both(scene), ["7d"], together=["7d", "15d"])["7d"].table["n"].min() == 40
    with pytest.raises(ConfigError, match="chronos_15d"):
        run_search(*both(scene), ["15d"])


def test_a_search_that_was_killed_goes_on_and_comes_to_the_same(scene: Setup, workspace: Path) -> None:
    folder = root_of(scene.session.tables) / TRIALS["live"]
    command = [sys.executable, "-m", "forex_assets_tests.optimizer.slow_search"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    give_up = time.monotonic() + 60
    while len(list(folder.rglob("*.parquet"))) < 3 and child.poll() is None and time.monotonic() < give_up:
        time.sleep(0.01)
    child.kill()
    assert child.wait() == -9, "it ended before it could be killed"
    days = sum(len(splits_of(scene.session, [horizon])[horizon].search) for horizon in ("7d", "15d"))
    before = len(ENGINE.fingerprints)
    resumed = run_search(*both(scene), ["7d", "15d"])
    assert 0 < len(ENGINE.fingerprints) - before < 4 * days - 4 * 8 + 1  # three blocks or more were kept
    shutil.rmtree(folder)
    for horizon, choice in run_search(*both(scene), ["7d", "15d"]).items():
        assert_frame_equal(resumed[horizon].table, choice.table, check_exact=True)


@pytest.mark.parametrize("method", ["random", "optuna"])
def test_every_method_is_the_same_for_a_seed_from_nothing_and_keeps_what_is_live(
    scene: Setup, workspace: Path, method: str
) -> None:
    set_policy(workspace, method=method, max_candidates=3, seed=5)
    first = run_search(*both(scene), ["7d"])["7d"]
    shutil.rmtree(root_of(scene.session.tables) / TRIALS["live"])
    again = run_search(*both(scene), ["7d"])["7d"]
    assert_frame_equal(again.table, first.table, check_exact=True)
    assert (again.chosen, again.words) == (first.chosen, first.words)
    assert method in first.words
    assert first.table.filter(pl.col("is_incumbent"))["rank"][0] is not None
    assert first.table.height == 4


def test_when_time_runs_out_the_origins_that_all_were_tried_at_count_and_it_is_said(
    scene: Setup, workspace: Path
) -> None:
    set_policy(workspace, max_seconds="0.000001")
    choice = run_search(*both(scene), ["7d"])["7d"]
    assert "max_seconds 1e-06 ran out" in choice.words
    assert choice.chosen == scene.session.configs.read("7d").fingerprint
    assert "nothing could be compared, the current settings stay" in choice.words


def test_a_searchs_name_rests_on_prices_policy_and_settings(scene: Setup, workspace: Path) -> None:
    def name() -> str:
        return str(run_search(*both(scene), ["7d"])["7d"].table["search_id"][0])

    names = [name()]
    assert name() == names[0]
    set_policy(workspace, seed=1)
    names.append(name())
    set_policy(workspace, temperature=[0.9])
    names.append(name())
    prices = scene.session.tables.read("market/usdclp")
    assert prices is not None
    is_old = pl.col("session") == date(2010, 6, 1)
    value = pl.col(USDCLP.value)
    scene.session.tables.write(
        "market/usdclp", prices.with_columns(pl.when(is_old).then(value + 0.01).otherwise(value))
    )
    names.append(name())
    assert len(set(names)) == 4


def test_search_and_validation_are_apart_on_stored_prices_and_short_history_is_said(scene: Setup) -> None:
    split = splits_of(scene.session, ["30d"])["30d"]
    assert max(split.search) + timedelta(days=30) < min(split.validation)
    prices = scene.session.tables.read("market/usdclp")
    assert prices is not None
    scene.session.tables.write("market/usdclp", prices.tail(200))
    short = run_search(*both(scene), ["30d"])["30d"]
    assert "200 usable sessions, more than 250 are needed" in short.words
    assert short.chosen == scene.session.configs.read("30d").fingerprint


def test_the_embedded_model_stands_in_and_its_medians_tell_nothing(
    workspace: Path, tables: Path, environment: Callable[..., None]
) -> None:
    set_policy(workspace, objective="rmse", num_samples=[20, 40])
    policy = workspace / "configs/policy.yaml"
    policy.write_text(policy.read_text().replace("origins: 40", "origins: 20"))
    fill(workspace, tables)
    environment(FOREX_MODEL="embedded")
    choice = run_search(*both(plain_setup()), ["7d"])["7d"]
    assert choice.table.height == 1 + 3 * 2 * 3  # 200 samples are live
    assert choice.table["gain"].abs().max() == pytest.approx(0.0, abs=1e-9)
    assert "all candidates have the same squared error" in choice.words
    assert "measured on the embedded model, which stands in for amazon/chronos-t5-small" in choice.words
    assert choice.table.filter("is_chosen")["candidate"].to_list() == [choice.chosen]
    assert choice.table.filter("is_chosen")["is_incumbent"].to_list() == [True]


def test_the_sampler_finds_the_lowest_of_a_bowl_and_asks_the_same_for_a_seed() -> None:
    def asked(seed: int) -> list[tuple[int, int]]:
        seen = []

        def loss(chosen: dict[str, int]) -> float:
            seen.append((chosen["a"], chosen["b"]))
            return float((chosen["a"] - 3) ** 2 + (chosen["b"] - 4) ** 2)

        suggest({"a": list(range(8)), "b": list(range(8))}, loss, count=30, seed=seed)  # type: ignore[arg-type]
        return seen

    first = asked(1)
    assert first == asked(1)
    assert len(first) == 30
    assert min((a - 3) ** 2 + (b - 4) ** 2 for a, b in first) <= 1

"""From a search's choice to the verdict: who is compared, on which dates, what is run again, what the files say."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from forex_assets.accuracy.backtest_store import TRIALS
from forex_assets.core import names
from forex_assets.core.dagster.io_manager import WarehouseIO
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.session import open_session
from forex_assets.optimizer.assets import validation_report
from forex_assets.optimizer.candidate_backtest_run import splits_of
from forex_assets.optimizer.champion_challenger import NotSearchedError, champion_challenger_of
from forex_assets.optimizer.checks import CHECKS, criterion_holds
from forex_assets.optimizer.tables import CRITERIA, VALIDATION_SCHEMA
from forex_assets.optimizer.timing import by_turns
from forex_assets.optimizer.validation import NOTHING_NEW
from forex_assets.optimizer.validation_run import run_validation
from forex_assets_tests.optimizer.contests import (
    ENGINE,
    Setup,
    WidthResource,
    both,
    fill,
    search,
    set_live,
    width_setup,
)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tables are kept after a search that found the right width, once a test has made it."""
    return tmp_path_factory.mktemp("searched") / "warehouse"


@pytest.fixture
def scene(workspace: Path, tables: Path) -> Setup:
    return fill(workspace, tables)


@pytest.fixture
def too_wide(workspace: Path, tables: Path, searched: Path) -> Setup:
    """Bands of 1.6 times the right width are live, and the search has found narrower ones."""
    set_live(workspace, temperature=1.6, is_calibrated=False)
    if searched.exists():
        return fill(workspace, searched)
    scene = fill(workspace, tables)
    search(scene)
    shutil.copytree(workspace / "warehouse", searched)
    return scene


def test_right_bands_are_approved_in_place_of_too_wide_ones(too_wide: Setup, workspace: Path) -> None:
    validation = run_validation(*both(too_wide), ["7d"])["7d"]
    assert validation.verdict == "approved", validation.words
    assert (
        validation.literal == "rejected"
    )  # the medians are one and the same, and the published rule reads nothing else
    live = too_wide.session.configs.read("7d")
    challenger = InferenceConfig.model_validate_json(validation.subject.challenger_config)
    assert challenger == live.model_copy(update={"temperature": challenger.temperature})
    assert challenger.temperature in (0.8, 1.0, 1.2)
    assert (validation.subject.champion, validation.subject.challenger) == (live.fingerprint, challenger.fingerprint)
    split = splits_of(too_wide.session, ["7d"])["7d"]
    assert validation.evidence is not None
    assert validation.evidence.as_of.to_list() == list(split.validation)
    assert min(split.validation) > max(split.search)
    assert "SAMPLE DATA" in validation.words
    assert dict(validation.table.schema) == VALIDATION_SCHEMA


def test_what_was_run_before_is_not_run_again_and_the_page_of_each_report_stays(
    too_wide: Setup, workspace: Path
) -> None:
    first = run_validation(*both(too_wide), ["7d"])["7d"]
    ENGINE.fingerprints.clear()
    again = run_validation(*both(too_wide), ["7d"])["7d"]
    # By turns: twice each at 15 origins and once before; and the fans of the page.
    assert len(ENGINE.fingerprints) == 4 * 15 + 2 + 2
    assert again.criteria[0] == first.criteria[0]
    folder = workspace / "warehouse/sample/optimizer/validation_reports/7d"
    names = {path.name for path in folder.iterdir()}
    assert {f"{item.subject.validation_id}.{kind}" for item in (first, again) for kind in ("json", "html")} == names
    document = json.loads((folder / f"{again.subject.validation_id}.json").read_text())
    assert (document["verdict"], document["n"]) == ("approved", len(document["origins"]))
    assert [criterion["criterion"] for criterion in document["criteria"]] == list(CRITERIA)


def test_where_the_search_kept_what_is_live_no_fan_is_made(workspace: Path, scene: Setup) -> None:
    set_live(workspace, temperature=1.0, is_calibrated=False)
    assert search(scene) == scene.session.configs.read("7d").fingerprint
    ENGINE.fingerprints.clear()
    validation = run_validation(*both(scene), ["7d"])["7d"]
    assert (validation.verdict, validation.n, ENGINE.fingerprints) == ("inconclusive", 0, [])
    assert NOTHING_NEW in validation.words.lower()


def test_the_first_config_of_a_horizon_is_held_against_the_walk(too_wide: Setup, workspace: Path) -> None:
    Path(too_wide.session.configs.place("7d")).unlink()
    validation = run_validation(*both(too_wide), ["7d"])["7d"]
    assert validation.subject.champion == "ewma"
    assert validation.verdict != "approved"  # the right width is the walk itself
    assert validation.evidence is not None
    assert validation.evidence.n == 252


def test_a_change_by_hand_since_the_search_is_told_and_judged_as_it_is(too_wide: Setup, workspace: Path) -> None:
    changed = set_live(workspace, temperature=3.0, is_calibrated=False)
    validation = run_validation(*both(too_wide), ["7d"])["7d"]
    assert validation.subject.champion == changed.fingerprint
    assert "no longer current" in validation.words
    assert validation.verdict == "approved"


def test_a_horizon_that_was_not_searched_says_what_to_do(scene: Setup) -> None:
    with pytest.raises(NotSearchedError, match="forex-assets run --horizon 15d --force"):
        run_validation(*both(scene), ["15d"])


def test_two_calls_take_turns_and_the_first_of_each_does_not_count() -> None:
    called, now = list[str](), [0.0]

    def call(name: str, seconds: float) -> None:
        called.append(name)
        now[0] += seconds

    pairs = [(lambda k=k: call(f"a{k}", 1.0), lambda k=k: call(f"b{k}", 2.0 + k)) for k in range(2)]
    elapsed = by_turns(pairs, lambda: now[0])  # type: ignore[arg-type]
    assert called == ["a0", "b0", "a0", "b0", "b0", "a0", "a1", "b1", "b1", "a1"]
    assert elapsed.tolist() == [[1.0, 1.0], [2.0, 3.0]]
    assert by_turns([], lambda: 0.0).shape == (2, 0)


def test_the_asset_tells_the_sensor_what_it_needs_and_its_checks_block_nothing(
    too_wide: Setup, workspace: Path
) -> None:
    session = SessionResource()
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [validation_report, *CHECKS],
            resources={"session": session, "engines": WidthResource(), "io_manager": WarehouseIO(session=session)},
            partition_key="7d",
            instance=instance,
        )
        events = done.get_asset_materialization_events()
        metadata = events[0].step_materialization_data.materialization.metadata
    assert metadata[names.VERDICT].value == "approved"
    assert metadata[names.MARKET].value == "sample"
    assert metadata[names.CLOCK].value == too_wide.session.now.isoformat()
    table = pl.read_parquet(workspace / "warehouse/sample/optimizer/validation_report/7d.parquet")
    assert dict(table.schema) == VALIDATION_SCHEMA
    for name in ("validation_id", "search_id", "champion", "challenger"):
        assert str(metadata[name].value) == table[name][0]
    checks = {check.check_name: check for check in done.get_asset_check_evaluations()}
    assert len(checks) == len(CRITERIA)
    assert checks["challenger_is_better"].passed
    assert not any(check.blocking for check in checks.values())
    assert criterion_holds(open_session(), "improvement").passed
    Path(workspace / "configs/policy.yaml").write_text("decide_by: literal\n")
    missed = criterion_holds(open_session(), "improvement")
    assert not missed.passed
    assert missed.message.startswith("7d: RMSE the same")


def test_a_validation_from_stored_prices_keeps_its_trials_apart_and_says_so(too_wide: Setup, workspace: Path) -> None:
    session = SessionResource()
    done = dg.materialize(
        [validation_report],
        resources={"session": session, "engines": WidthResource(), "io_manager": WarehouseIO(session=session)},
        partition_key="7d",
        run_config={"ops": {"optimizer__validation_report": {"config": {"origin": "stored"}}}},
        instance=dg.DagsterInstance.ephemeral(),
    )
    metadata = done.get_asset_materialization_events()[0].step_materialization_data.materialization.metadata
    assert "past fans start from the last finished price" in str(metadata[names.WORDS].value).lower()
    validation = splits_of(too_wide.session, ["7d"])["7d"].validation
    stored = pl.read_parquet(workspace / "warehouse/sample" / TRIALS["stored"] / "7d/**/*.parquet")
    assert set(validation) <= set(stored["as_of"])
    assert set(stored["origin_kind"]) == {"finished bar"}


def test_no_report_is_never_green(scene: Setup) -> None:
    for criterion in CRITERIA:
        assert not criterion_holds(scene.session, criterion).passed


def test_a_config_that_the_stand_in_fills_in_is_not_its_own_challenger(
    workspace: Path, tmp_path: Path, environment: Callable[..., None]
) -> None:
    environment(FOREX_MODEL="embedded")
    bolt = {"model": "amazon/chronos-bolt-small", "num_samples": None, "temperature": None, "is_calibrated": False}
    set_live(workspace, **bolt)
    scene = fill(workspace, tmp_path / "tables")
    assert search(scene) == scene.session.configs.read("7d").fingerprint
    assert NOTHING_NEW in run_validation(*both(scene), ["7d"])["7d"].words


def test_a_challenger_has_one_fingerprint_in_search_and_validation_where_a_model_stands_in(
    workspace: Path, tmp_path: Path, environment: Callable[..., None]
) -> None:
    (workspace / "configs/policy.yaml").write_text("search:\n  origins: 40\n")
    environment(FOREX_MODEL="embedded")
    live = set_live(workspace, temperature=1.6, is_calibrated=False)
    scene = fill(workspace, tmp_path / "tables")
    chosen = search(scene)
    pair = champion_challenger_of(*both(scene), "7d")
    assert (pair.challenger.fingerprint, pair.champion) == (chosen, live.fingerprint)
    assert pair.challenger == live.model_copy(update={"temperature": pair.challenger.temperature})
    assert pair.has_beaten_live
    assert chosen != live.fingerprint


@pytest.mark.parametrize("change", ["policy", "clock"])
def test_no_date_of_the_search_is_judged_on_whatever_was_changed_since(
    too_wide: Setup, workspace: Path, environment: Callable[..., None], change: str
) -> None:
    searched = set(splits_of(too_wide.session, ["7d"])["7d"].search)
    if change == "policy":
        policy = workspace / "configs/policy.yaml"
        policy.write_text(policy.read_text().replace("  origins: 252", "  origins: 400"))
    else:
        environment(FOREX_AS_OF="2021-06-11")
    validation = run_validation(*both(width_setup()), ["7d"])["7d"]
    judged = set() if validation.evidence is None else set(validation.evidence.as_of.to_list())
    assert not searched & judged
    assert "have changed since the search" in validation.words
    assert validation.verdict == ("approved" if change == "policy" else "inconclusive")

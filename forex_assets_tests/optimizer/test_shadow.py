"""A challenger beside the champion: when it begins, what it puts into the ledger, and how it is judged."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from forex_assets.cli.runner import materialize_shadow_forecasts
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.schemas import FORECAST_SCHEMA
from forex_assets.core.session import open_session
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.deployment.deploy import deploy_validated, deployer_of
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.optimizer import assets
from forex_assets.optimizer.champion_challenger import ChampionChallenger
from forex_assets.optimizer.shadow import append_shadow, begin, judge_shadow, shadow_forecast
from forex_assets.optimizer.shadow_store import Shadow, ShadowStore
from forex_assets.optimizer.validation import Validation, validate
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
from forex_assets_tests.optimizer.rows import realized_rows
from forex_assets_tests.places import root_of

TODAY = date(2025, 6, 13)


@pytest.fixture
def scene(workspace: Path, tables: Path) -> Setup:
    (workspace / "configs/policy.yaml").write_text("validation: {shadow_days: 30, fewest: 20}\n")
    set_live(workspace, temperature=1.6, is_calibrated=False)
    return fill(workspace, tables)


def pair(scene: Setup) -> ChampionChallenger:
    live = scene.session.configs.read("7d")
    model, _ = scene.engines.resolve(live)
    return ChampionChallenger("7d", live, live.model_copy(update={"temperature": 1.0}), model, "search1")


def undecided(scene: Setup) -> Validation:
    """A report that could not tell."""
    errors = 12 * np.random.default_rng(3).standard_normal((2, 60))
    rows = [realized_rows(np.full(60, 900.0), side, half_width=25.0) for side in errors]
    validation = validate(pair(scene).subject(scene.session), *rows, np.ones((2, 15)), scene.session.policy)
    return replace(validation, verdict="inconclusive")


def on_trial(scene: Setup, since: date = TODAY, until: date = date(2025, 7, 13)) -> Shadow:
    who = pair(scene)
    shadow = Shadow(config=who.challenger, champion=who.champion, since=since, until=until, validation_id="report1")
    ShadowStore(scene.session.tables).write(shadow)
    return shadow


def test_an_inconclusive_verdict_begins_a_trial_where_the_policy_wants_one(scene: Setup) -> None:
    shadow = begin(scene.session, pair(scene), undecided(scene))
    assert shadow is not None
    assert (shadow.since, shadow.until) == (TODAY, date(2025, 7, 13))
    assert ShadowStore(scene.session.tables).read("7d") == shadow
    for verdict in ("approved", "rejected"):
        assert begin(scene.session, pair(scene), replace(undecided(scene), verdict=verdict)) is None
    nothing_computed = replace(undecided(scene), evidence=None)
    assert begin(scene.session, pair(scene), nothing_computed) is None


def test_no_trial_where_the_policy_wants_none(scene: Setup, workspace: Path) -> None:
    (workspace / "configs/policy.yaml").write_text("validation: {shadow_days: 0}\n")
    assert begin(scene.session, pair(scene), undecided(scene)) is None
    assert ShadowStore(scene.session.tables).read("7d") is None


def test_a_trial_under_way_goes_on_and_another_challenger_takes_its_place(
    scene: Setup, environment: Callable[..., None]
) -> None:
    known = begin(scene.session, pair(scene), undecided(scene))
    environment(FOREX_AS_OF="2025-06-20")
    later = width_setup()
    assert begin(later.session, pair(later), undecided(later)) == known
    other = replace(pair(later), challenger=pair(later).challenger.model_copy(update={"temperature": 1.2}))
    taken = begin(later.session, other, undecided(later))
    assert taken is not None
    assert taken.since == date(2025, 6, 20)


def test_the_ledger_has_the_challengers_forecast_marked_shadow(scene: Setup) -> None:
    shadow = on_trial(scene)
    store, fan = LedgerStore(scene.session.tables), shadow_forecast(*both(scene), "7d")
    assert fan is not None
    assert dict(fan.schema) == FORECAST_SCHEMA
    assert fan["config_fingerprint"].unique().to_list() == [scene.engines.resolve(shadow.config)[1].fingerprint]
    scene.session.tables.write("forecasts/latest", fan, "7d")
    for is_new in (True, False):
        entry = append_shadow(*both(scene), "7d")
        assert entry is not None
        assert (entry.sequence, entry.is_new) == (1, is_new)
        assert store.read("7d")["is_shadow"].to_list() == [True] * fan.height


def test_a_challenger_waits_for_todays_forecast_of_the_champion(scene: Setup) -> None:
    on_trial(scene)
    assert append_shadow(*both(scene), "7d") is None
    fan = shadow_forecast(*both(scene), "7d")
    assert fan is not None
    scene.session.tables.write("forecasts/latest", fan.with_columns(as_of=pl.col("as_of") - timedelta(days=1)), "7d")
    assert append_shadow(*both(scene), "7d") is None
    assert LedgerStore(scene.session.tables).count("7d") == 0


def test_the_challengers_bands_are_corrected_by_its_own_past(scene: Setup, workspace: Path) -> None:
    set_live(workspace, temperature=1.6, is_calibrated=True)
    search(scene)  # tries the challenger on past dates, and keeps what it tried
    on_trial(scene)
    fan = shadow_forecast(*both(scene), "7d")
    assert fan is not None
    assert fan["is_calibrated"].all()
    assert (fan["calibration_errors"] >= 100).all()  # a week's fan of four sessions too, for which no other stands


def test_a_trial_that_is_over_or_whose_champion_is_gone_forecasts_nothing(scene: Setup, workspace: Path) -> None:
    on_trial(scene, since=date(2025, 5, 1), until=date(2025, 6, 12))
    assert shadow_forecast(*both(scene), "7d") is None
    on_trial(scene)
    set_live(workspace, temperature=1.5)
    assert shadow_forecast(*both(scene), "7d") is None
    assert judge_shadow(*both(scene), "7d") is None
    assert ShadowStore(scene.session.tables).read("7d") is None


def run_asset() -> tuple[bool, str]:
    """Whether a run of `optimizer/shadow_forecast` succeeds, and its metadata or failure."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [assets.shadow_forecast],
            partition_key="7d",
            resources={"session": SessionResource(), "engines": WidthResource()},
            instance=instance,
            raise_on_error=False,
        )
    if result.success:
        (event,) = result.asset_materializations_for_node("optimizer__shadow_forecast")
        return True, str(event.metadata["shadow"].value)
    (failure,) = (event.step_failure_data for event in result.get_step_failure_events())
    assert failure.user_failure_data is not None
    return False, str(failure.user_failure_data.description)


def test_a_run_without_a_trial_succeeds_and_a_challenger_that_cannot_forecast_fails_it(scene: Setup) -> None:
    assert run_asset() == (True, "no forecast due")
    shadow = on_trial(scene)
    fan = shadow_forecast(*both(scene), "7d")
    assert fan is not None
    scene.session.tables.write("forecasts/latest", fan, "7d")
    assert run_asset() == (True, "entry 1 of the ledger")
    (root_of(scene.session.tables) / "optimizer/shadow/7d.json").write_text("{")
    success, message = run_asset()
    assert not success
    assert message.startswith("7d: the challenger on trial did not forecast")
    assert "remove it" in message
    ShadowStore(scene.session.tables).write(shadow)
    (root_of(scene.session.tables) / "market/usdclp.parquet").unlink()
    assert not run_asset()[0]


def test_the_command_line_runs_a_trial_under_way_and_no_fault_of_it_fails_the_forecast(scene: Setup) -> None:
    session = open_session()
    assert materialize_shadow_forecasts(session, ["7d"]) == ""
    on_trial(scene)
    fan = shadow_forecast(*both(scene), "7d")
    assert fan is not None
    scene.session.tables.write("forecasts/latest", fan, "7d")
    assert materialize_shadow_forecasts(session, ["7d", "30d"]) == ""
    assert LedgerStore(scene.session.tables).count("7d") == 1
    (root_of(scene.session.tables) / "optimizer/shadow/7d.json").write_text("{")
    assert "the challenger on trial did not forecast" in materialize_shadow_forecasts(session, ["7d"])


def outcomes(scene: Setup, factor: float, n: int = 25) -> None:
    """Realized rows of both from daily forecasts, the challenger's errors `factor` times the champion's."""
    errors = 12 * np.random.default_rng(5).standard_normal(n)
    who = pair(scene)
    parts = []
    for config, scale, is_shadow in ((who.live, 1.0, False), (who.challenger, factor, True)):
        name = scene.engines.resolve(config)[1].fingerprint  # type: ignore[arg-type]
        rows = realized_rows(900 + np.arange(n) % 5, scale * errors, half_width=25.0, name=name, every=7)
        shift = date(2024, 10, 4) - rows["as_of"][0]
        days = [pl.col(column) + shift for column in ("as_of", "target_date", "session", "origin_session")]
        parts.append(rows.with_columns(*days, record=pl.lit("replay"), is_shadow=pl.lit(is_shadow)))
    scene.session.tables.write("accuracy/realized", pl.concat(parts), "7d")


def over(scene: Setup) -> Shadow:
    return on_trial(scene, since=date(2024, 10, 1), until=date(2025, 6, 1))


def test_a_trial_is_judged_on_what_came_true_by_the_same_rule(scene: Setup) -> None:
    over(scene)
    outcomes(scene, 0.8)
    validation = judge_shadow(*both(scene), "7d")
    assert validation is not None
    assert validation.verdict == "approved", validation.words
    assert validation.n == 25
    assert validation.criteria[0].value == pytest.approx(0.2)
    assert "judged on live outcomes" in validation.words.lower()
    assert ShadowStore(scene.session.tables).read("7d") is not None  # until the current settings have changed


def test_a_trial_that_showed_nothing_ends_and_a_running_one_is_left_alone(scene: Setup) -> None:
    over(scene)
    outcomes(scene, 1.3)
    validation = judge_shadow(*both(scene), "7d")
    assert validation is not None
    assert validation.verdict == "rejected"
    assert ShadowStore(scene.session.tables).read("7d") is None
    on_trial(scene)
    assert judge_shadow(*both(scene), "7d") is None
    assert ShadowStore(scene.session.tables).read("7d") is not None


def test_outcomes_before_and_after_the_trial_do_not_count(scene: Setup) -> None:
    on_trial(scene, since=date(2024, 10, 18), until=date(2025, 1, 10))
    outcomes(scene, 0.8)
    validation = judge_shadow(*both(scene), "7d")
    assert validation is not None
    assert (validation.n, validation.verdict) == (13, "inconclusive")


def test_a_validation_picks_the_verdict_of_the_trial_up(scene: Setup) -> None:
    search(scene)
    over(scene)
    outcomes(scene, 0.8)
    ENGINE.fingerprints.clear()
    validation = run_validation(*both(scene), ["7d"])["7d"]
    assert validation.verdict == "approved"
    assert validation.subject.search_id == "trial beside the champion"
    assert validation.subject.challenger == pair(scene).challenger.fingerprint


def test_the_record_says_when_it_cannot_be_used(scene: Setup) -> None:
    store = ShadowStore(scene.session.tables)
    assert store.read("7d") is None
    store.remove("7d")
    shadow = on_trial(scene)
    assert store.read("7d") == shadow
    assert (shadow.runs_on(TODAY), shadow.runs_on(date(2025, 7, 14))) == (True, False)
    assert (shadow.is_over(date(2025, 7, 20)), shadow.is_over(date(2025, 7, 21))) == (False, True)
    (root_of(store.warehouse) / "optimizer/shadow/7d.json").write_text('{"config": 1}')
    with pytest.raises(WarehouseError, match="remove it to end the shadow test"):
        store.read("7d")
    with pytest.raises(ValueError, match="no horizon"):
        store.read("8d")


def test_an_approved_trial_that_is_refused_does_not_stand_in_the_way_of_later_challengers(
    scene: Setup,
) -> None:
    search(scene)
    over(scene)
    outcomes(scene, 0.8)
    validation = run_validation(*both(scene), ["7d"])["7d"]
    assert validation.verdict == "approved"
    deployer_of(scene.session).quarantine("7d", validation.subject.challenger, "failed before", datetime.now(UTC))
    record = deploy_validated(scene.session, scene.engines, "7d", validation.table)
    assert record.state == "refused"
    assert ShadowStore(scene.session.tables).read("7d") is None

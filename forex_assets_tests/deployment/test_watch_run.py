"""Observations of a real deployment on the generated market, and their actions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from forex_assets.accuracy.backtest_run import inputs_of
from forex_assets.core import names
from forex_assets.core.fan import Fan
from forex_assets.core.horizon import target_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.session import open_session
from forex_assets.core.store.folder import Folder
from forex_assets.deployment.deploy import deployer_of
from forex_assets.deployment.deployer import Deployer
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.deployment.watch import FailedRuns
from forex_assets.deployment.watch_run import WatchObservation, WatchState, observe, watch_state
from forex_assets.forecasts.baselines import origin_volatility, random_walk
from forex_assets.forecasts.engine import Origin
from forex_assets.forecasts.engines import Engines
from forex_assets.forecasts.forecast import make_forecast
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.market.ingestion import ingest_usdclp
from forex_assets.market.price_sources import PriceSources, calendar_of
from forex_assets.market.prices import USDCLP
from forex_assets_tests.places import path_of

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
NONE = FailedRuns()
WATCHING, PASSED, ROLLED_BACK = "watching", "passed", "rolled back"


def broken() -> None:
    raise OSError("model.safetensors: no such file")


@dataclass
class FakeEngine:
    """Engine of no-change forecasts, broken by context length.

    Attributes:
        faults: by context length, called before a forecast.
        factors: by context length, factor of every price of the forecast.
        calls: context lengths of all forecasts, in order.
    """

    name: str = "chronos-t5"
    model: str = "tried"
    faults: dict[int, Callable[[], None]] = field(default_factory=dict)
    factors: dict[int, float] = field(default_factory=dict)
    calls: list[int] = field(default_factory=list)

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        self.calls.append(config.context_length)
        self.faults.get(config.context_length, lambda: None)()
        factor = self.factors.get(config.context_length, 1.0)
        walks = [random_walk(float(o.prices[-1]), origin_volatility(o.prices), o.steps) for o in origins]
        return [Fan(walk.mean * factor, walk.quantiles * factor) for walk in walks]


@dataclass(frozen=True)
class FakeEngines(Engines):
    """Engines whose every model is `fake`."""

    fake: FakeEngine = field(default_factory=FakeEngine)

    def engine(self, model: object) -> FakeEngine:
        del model
        return self.fake


@cache
def prices(as_of: str) -> pl.DataFrame:
    return ingest_usdclp(PriceSources(open_session(as_of=as_of, market="sample"), 1.0)).prices


class Scene:
    """A workspace with prices; 7d has a context of 180 sessions."""

    def __init__(self, root: Path) -> None:
        self.file, self.session, self.now = root / "configs/chronos_7d.json", open_session(), START
        self.session.tables.write(names.USDCLP, prices("2025-06-13"))
        self.engine = FakeEngine()
        self.engines = FakeEngines("ewma", "cpu", "float32", self.engine)
        self.deployer = deployer_of(self.session)

    def deploy(self, *contexts: int) -> DeploymentRecord:
        """Deploys settings two hours apart; the last record."""
        for context in contexts:
            current = self.session.configs.read("7d")
            new = current.model_copy(update={"context_length": context})
            self.now += timedelta(hours=2)
            record = self.deployer.deploy(new, expected=current.fingerprint, reason="better", by="loop", now=self.now)
            assert record.state == "deployed"
        return record

    def edit(self, text: str) -> None:
        """Replaces `90` in the config file by hand."""
        self.file.write_text(self.file.read_text().replace('"context_length": 90', f'"context_length": {text}'))

    def breaks(self, *contexts: int) -> None:
        self.engine.faults |= dict.fromkeys(contexts, broken)

    def observe(self, minutes: float = 5, failed: FailedRuns = NONE) -> WatchObservation:
        """Observes some minutes later, and keeps the table as the asset does."""
        self.now += timedelta(minutes=minutes)
        observation = observe(self.session, self.engines, "7d", lambda _: failed, self.now)
        assert observation is not None
        self.session.tables.write(names.DEPLOYMENT_WATCH, observation.table, "7d")
        return observation

    def states(self, count: int, failed: FailedRuns = NONE) -> list[str]:
        return [self.observe(failed=failed).state for _ in range(count)]

    def watch(self) -> WatchState:
        state = watch_state(self.session, "7d")
        assert state is not None
        return state

    @property
    def context(self) -> int:
        return self.session.configs.read("7d").context_length

    def is_quarantined(self, record: DeploymentRecord) -> bool:
        return self.deployer.is_quarantined("7d", record.to_fingerprint) is not None


@pytest.fixture
def scene(workspace: Path) -> Scene:
    return Scene(workspace)


@pytest.mark.parametrize(
    ("is_broken", "factor", "failed", "states"),
    [
        (False, 1.0, NONE, [WATCHING] * 11 + [PASSED]),
        (True, 1.0, NONE, [WATCHING, WATCHING, ROLLED_BACK]),
        (False, 1.5, NONE, [WATCHING, WATCHING, ROLLED_BACK]),
        (False, 1.0, FailedRuns(alone=1, watches=1), [WATCHING] * 3),
        (True, 1.0, FailedRuns(alone=1, watches=1), [ROLLED_BACK]),
        (False, 1.0, FailedRuns(shared=9), [WATCHING] * 3),
        (True, 1.0, FailedRuns(shared=2), [ROLLED_BACK]),
    ],
)
def test_failed_probes_and_runs_add_up_to_a_rollback(
    scene: Scene, is_broken: bool, factor: float, failed: FailedRuns, states: list[str]
) -> None:
    record = scene.deploy(90)
    scene.engine.factors[90] = factor
    if is_broken:
        scene.breaks(90)
    assert scene.states(len(states), failed) == states
    is_back = states[-1] == ROLLED_BACK
    assert (scene.context, scene.is_quarantined(record)) == (180 if is_back else 90, is_back)
    assert LedgerStore(scene.session.tables).read("7d").is_empty()


def test_a_rollback_restores_the_file_and_names_the_failure(scene: Scene) -> None:
    before = scene.file.read_bytes()
    record = scene.deploy(90)
    scene.breaks(90)
    observation = [scene.observe() for _ in range(3)][-1]
    assert scene.file.read_bytes() == before
    assert "3 failures" in observation.words
    assert "model.safetensors: no such file" in observation.words
    assert observation.rollback is not None
    assert (observation.rollback.by, observation.rollback.undoes) == ("watch", record.id)


def test_a_model_out_of_memory_counts_as_a_failure(scene: Scene) -> None:
    def memory() -> None:
        raise MemoryError

    scene.deploy(90)
    scene.engine.faults[90] = memory
    assert "MemoryError" in scene.observe().words
    assert scene.watch().failures == 1


@pytest.mark.parametrize("failed", [FailedRuns(watches=3), FailedRuns(alone=3), FailedRuns(alone=1, watches=2)])
def test_after_enough_failures_the_model_is_not_probed_again(scene: Scene, failed: FailedRuns) -> None:
    scene.deploy(90)
    assert scene.observe(failed=failed).state == ROLLED_BACK
    assert scene.engine.calls == [], "what killed three watch runs would kill this one"


@pytest.mark.parametrize("why", ["there are none", "all later than the clock", "too few"])
def test_unusable_prices_are_no_fault_of_the_settings(scene: Scene, why: str) -> None:
    record = scene.deploy(90)
    if why == "there are none":
        path_of(scene.session.tables, names.USDCLP).unlink()
    elif why == "too few":
        scene.session.tables.write(names.USDCLP, prices("2025-06-13").tail(1))
    else:
        scene.session = open_session(as_of="1990-01-01")
    assert scene.states(12) == [WATCHING] * 12, "no data pauses a watch; it neither passes nor fails"
    assert not scene.is_quarantined(record)
    assert (scene.watch().failures, scene.watch().observations) == (0, 12)
    assert "no fault of the settings" in scene.watch().words


def test_a_watch_does_not_end_on_a_failed_probe(scene: Scene) -> None:
    scene.deploy(90)
    scene.breaks(90)
    assert scene.observe(60).state == WATCHING
    scene.engine.faults.clear()
    assert scene.observe().state == PASSED


def test_a_file_written_by_hand_ends_the_watch_and_is_left_alone(scene: Scene) -> None:
    record = scene.deploy(90)
    scene.edit("99")
    scene.breaks(99)
    assert scene.observe(failed=FailedRuns(alone=5)).state == "replaced"
    assert scene.context == 99
    assert not scene.is_quarantined(record)
    assert scene.observe().table.height == 1, "it is observed no more"


def test_a_file_broken_by_hand_is_no_fault_of_the_settings(scene: Scene) -> None:
    record = scene.deploy(90)
    scene.edit("90,,")
    assert scene.states(3)[-1] == ROLLED_BACK
    assert not scene.is_quarantined(record)


def test_restored_settings_are_watched_and_rolled_back_one_version_further(scene: Scene) -> None:
    scene.deploy(90, 120)
    scene.breaks(90, 120)
    assert (scene.states(3)[-1], scene.context) == (ROLLED_BACK, 90)
    assert (scene.states(3)[-1], scene.context) == (ROLLED_BACK, 180)
    assert scene.observe().state == WATCHING


def test_automatic_rollbacks_stop_at_the_days_limit_and_name_the_command(scene: Scene) -> None:
    scene.deploy(90, 120, 150)
    scene.breaks(90, 120, 150)
    assert scene.states(6) == [WATCHING, WATCHING, ROLLED_BACK] * 2
    observation = [scene.observe() for _ in range(3)][-1]
    assert (observation.state, scene.context) == ("rollback refused", 90)
    assert "2 automatic rollbacks in a day; forex-assets rollback by hand" in observation.words
    assert scene.observe(24 * 60).state == ROLLED_BACK, "the next day it is tried again"
    assert scene.context == 180


def test_an_observation_killed_after_the_quarantine_is_completed_by_the_next(scene: Scene) -> None:
    record = scene.deploy(90)
    scene.deployer.quarantine("7d", record.to_fingerprint, "three failures", scene.now)
    assert scene.context == 90, "the quarantine alone changes nothing"
    assert scene.observe(failed=FailedRuns(watches=3)).state == ROLLED_BACK


def test_a_first_config_has_no_version_to_go_back_to(scene: Scene) -> None:
    config = scene.session.configs.read("7d")
    scene.file.unlink()
    scene.deployer.deploy(config, expected=None, reason="first", by="loop", now=scene.now)
    scene.breaks(180)
    assert scene.states(3)[-1] == "rollback refused"
    assert scene.context == 180


def test_before_the_first_observation_the_state_names_the_command(scene: Scene) -> None:
    assert watch_state(scene.session, "7d") is None
    record = scene.deploy(90)
    state = scene.watch()
    assert (state.deployment_id, state.until, state.observations) == (record.id, record.watch_until, 0)
    assert "make ui" in state.words
    scene.observe()
    assert (scene.watch().state, scene.watch().observations, scene.watch().failures) == (WATCHING, 1, 0)


def issue(scene: Scene, days: Sequence[date]) -> None:
    """Adds forecasts issued on those days to the ledger."""
    config = scene.session.configs.read("7d")
    table, calendar = inputs_of(scene.session)[0], calendar_of(USDCLP)
    for day in days:
        known = table.filter(pl.col("session") <= day)
        target = target_of("7d", day, known["session"][-1], calendar)
        fan = make_forecast(scene.engine, config, target, known, clock=lambda: 0.0)
        LedgerStore(scene.session.tables).append(fan, issued_at=scene.now, code_version="x")


POLICY = "deployment: {probation_outcomes: 12, probation: %s, allow_sample: true}\n"
WEEKS = [date(2025, 2, 7) + timedelta(days=7 * week) for week in range(14)]


@pytest.mark.parametrize(
    ("policy", "factor", "state", "length"),
    [
        ("propose", 1.03, "rollback proposed", 90),
        ("automatic", 1.03, "rolled back", 180),
        ("propose", 1.0, "proven", 90),
    ],
)
def test_outcomes_decide_once_after_the_watch(
    scene: Scene, policy: str, factor: float, state: str, length: int
) -> None:
    (scene.file.parent / "policy.yaml").write_text(POLICY % policy)
    scene.session = open_session()
    scene.now = datetime(2025, 2, 1, 12, tzinfo=UTC)
    record = scene.deploy(90)
    assert scene.observe(61).state == PASSED
    scene.engine.factors[90] = factor
    issue(scene, WEEKS[:11])
    assert scene.observe(24 * 60).state == PASSED, "11 of 12"
    issue(scene, WEEKS[11:])
    observation = scene.observe(24 * 60)
    assert (observation.state, scene.context) == (state, length)
    assert "CRPS" in observation.words
    assert ("forex-assets rollback --horizon 7d" in observation.words) is (state == "rollback proposed")
    assert scene.is_quarantined(record) is (state == ROLLED_BACK)


def test_outcomes_of_settings_replaced_by_hand_are_not_reviewed(scene: Scene) -> None:
    scene.deploy(90)
    assert scene.observe(61).state == PASSED
    scene.edit("99")
    assert scene.observe(24 * 60).state == "replaced"


def test_restored_settings_are_not_compared_with_quarantined_ones(scene: Scene) -> None:
    scene.deploy(90)
    assert scene.observe(failed=FailedRuns(watches=3)).state == ROLLED_BACK
    assert scene.observe(61).state == PASSED
    observation = scene.observe(24 * 60)
    assert observation.state == "proven"
    assert "quarantine" in observation.words


def test_an_interrupted_rollback_is_closed_by_the_next_observation(scene: Scene) -> None:
    class Killed(BaseException): ...

    def die(at: str) -> None:
        if at == "replaced":
            raise Killed

    scene.deploy(90)
    store, policy = scene.deployer.store, scene.deployer.policy
    deployer = Deployer(Folder(scene.file.parent), store, policy, at_step=die)
    with pytest.raises(Killed):
        deployer.rollback("7d", reason="r", by="ana", now=scene.now)
    assert scene.deployer.store.journal("7d") is not None
    scene.observe()
    assert scene.deployer.store.journal("7d") is None
    newest = scene.deployer.records("7d")[0]
    assert (newest.kind, newest.state, scene.context) == ("rollback", "deployed", 180)


def test_the_watch_does_not_roll_back_after_a_faster_person(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    record = scene.deploy(90, 120)
    scene.breaks(120)
    scene.states(2)
    real = Deployer.quarantine

    def person_first(self: Deployer, *args: Any) -> None:
        monkeypatch.setattr(Deployer, "quarantine", real)
        assert self.rollback("7d", reason="by hand", by="ana", now=scene.now).state == "deployed"
        real(self, *args)

    monkeypatch.setattr(Deployer, "quarantine", person_first)
    observation = scene.observe()
    assert (observation.state, scene.context) == ("rollback refused", 90)
    assert "written by others" in observation.words
    assert scene.is_quarantined(record)


def test_an_outage_of_all_versions_rolls_nothing_back(scene: Scene) -> None:
    first = scene.deploy(90)
    second = scene.deploy(120)
    scene.breaks(90, 120, 180)
    assert scene.states(6) == [WATCHING] * 6
    scene.engine.faults.clear()
    assert scene.observe(60).state == PASSED
    assert scene.context == 120
    assert not any(map(scene.is_quarantined, (first, second)))

"""Looks at a real deployment on the generated market: what counts, what is taken back, and when nothing is done."""

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
from forex_assets.deployment.deploy import deployer_of
from forex_assets.deployment.deployer import Deployer
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.deployment.watch import FailedRuns
from forex_assets.deployment.watch_run import WatchObservation, observe, watch_state
from forex_assets.forecasts.baselines import origin_volatility, random_walk
from forex_assets.forecasts.engine import Origin
from forex_assets.forecasts.engines import Engines
from forex_assets.forecasts.forecast import make_forecast
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.market.ingestion import ingest_usdclp
from forex_assets.market.price_sources import PriceSources, calendar_of
from forex_assets.market.prices import USDCLP

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
NONE = FailedRuns()


def broken() -> None:
    raise OSError("model.safetensors: no such file")


@dataclass
class FakeEngine:
    """Engine: the walk, spoilt by context length; counts what it was asked.

    Attributes:
        spoilt: by context length, what happens before the walk is made.
        factors: by context length, what every price of the walk is multiplied by.
        asked: context lengths in the order in which they were asked for.
    """

    name: str = "chronos-t5"
    model: str = "tried"
    spoilt: dict[int, Callable[[], None]] = field(default_factory=dict)
    factors: dict[int, float] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        self.asked.append(config.context_length)
        self.spoilt.get(config.context_length, lambda: None)()
        factor = self.factors.get(config.context_length, 1.0)
        walks = [random_walk(float(o.prices[-1]), origin_volatility(o.prices), o.steps) for o in origins]
        return [Fan(walk.mean * factor, walk.quantiles * factor) for walk in walks]


@dataclass(frozen=True)
class FakeEngines(Engines):
    """Engines whose every model is `fake`."""

    fake: FakeEngine = field(default_factory=FakeEngine)

    def engine(self, found: object) -> FakeEngine:
        del found
        return self.fake


@cache
def prices(as_of: str) -> pl.DataFrame:
    return ingest_usdclp(PriceSources(open_session(as_of=as_of, market="sample"), 1.0)).prices


class Scene:
    """A workspace with prices and two versions of the settings of 7d: 180 sessions live, 90 to be deployed."""

    def __init__(self, root: Path) -> None:
        self.root, self.session, self.now = root, open_session(), START
        self.session.tables.write(names.USDCLP, prices("2025-06-13"))
        self.engine = FakeEngine()
        self.engines = FakeEngines("ewma", "cpu", "float32", self.engine)
        self.deployer = deployer_of(self.session)

    def deploy(self, length: int = 90) -> DeploymentRecord:
        live = self.session.configs.read("7d")
        new = live.model_copy(update={"context_length": length})
        made = self.deployer.deploy(new, expected=live.fingerprint, reason="better", by="loop", now=self.now)
        assert made.state == "deployed"
        return made

    def look(self, minutes: float = 5, failed: FailedRuns = NONE) -> WatchObservation:
        """A look, whose table is kept as the asset's is."""
        self.now += timedelta(minutes=minutes)
        seen = observe(self.session, self.engines, "7d", lambda _: failed, self.now)
        assert seen is not None
        self.session.tables.write(names.DEPLOYMENT_WATCH, seen.table, "7d")
        return seen

    def looks(self, count: int, failed: FailedRuns = NONE) -> list[str]:
        return [self.look(failed=failed).state for _ in range(count)]

    @property
    def live(self) -> int:
        return self.session.configs.read("7d").context_length

    def is_quarantined(self, record: DeploymentRecord) -> bool:
        return self.deployer.is_quarantined("7d", record.to_fingerprint) is not None


@pytest.fixture
def scene(workspace: Path) -> Scene:
    return Scene(workspace)


def test_settings_that_forecast_pass_at_the_deadline_and_nothing_is_written_to_the_ledger(scene: Scene) -> None:
    made = scene.deploy()
    assert scene.looks(11) == ["watching"] * 11
    assert scene.look().state == "passed"
    assert scene.live == 90
    assert not scene.is_quarantined(made)
    assert LedgerStore(scene.session.tables).read("7d").is_empty()


def test_a_model_that_cannot_be_loaded_is_taken_back_at_the_third_failure(scene: Scene) -> None:
    path = scene.root / "configs/chronos_7d.json"
    before = path.read_bytes()
    made = scene.deploy()
    scene.engine.spoilt[90] = broken
    assert scene.looks(2) == ["watching", "watching"]
    seen = scene.look()
    assert (seen.state, scene.live, path.read_bytes()) == ("rolled back", 180, before)
    assert "3 failures" in seen.words
    assert "model.safetensors: no such file" in seen.words
    assert scene.is_quarantined(made)
    assert seen.rollback is not None
    assert (seen.rollback.by, seen.rollback.undoes) == ("watch", made.id)


def test_a_fan_far_from_the_price_counts_as_a_failure(scene: Scene) -> None:
    scene.deploy()
    scene.engine.factors[90] = 1.5
    assert scene.looks(3) == ["watching", "watching", "rolled back"]


def test_a_model_that_is_out_of_memory_counts_and_so_does_every_other_exception(scene: Scene) -> None:
    def memory() -> None:
        raise MemoryError

    scene.deploy()
    scene.engine.spoilt[90] = memory
    assert "MemoryError" in scene.look().words


@pytest.mark.parametrize("failed", [FailedRuns(watches=3), FailedRuns(alone=3), FailedRuns(alone=1, watches=2)])
def test_where_it_is_enough_already_the_model_is_not_tried_once_more(scene: Scene, failed: FailedRuns) -> None:
    scene.deploy()
    assert scene.look(failed=failed).state == "rolled back"
    assert scene.engine.asked == [], "what killed three looks would kill this one"


def test_trials_and_runs_add_up(scene: Scene) -> None:
    scene.deploy()
    assert scene.look(failed=FailedRuns(alone=1, watches=1)).state == "watching"
    scene.engine.spoilt[90] = broken
    assert scene.look(failed=FailedRuns(alone=1, watches=1)).state == "rolled back"


def test_runs_of_several_horizons_count_only_beside_a_failing_trial(scene: Scene) -> None:
    scene.deploy()
    assert scene.looks(3, FailedRuns(shared=9)) == ["watching"] * 3
    scene.engine.spoilt[90] = broken
    assert scene.look(failed=FailedRuns(shared=2)).state == "rolled back"


@pytest.mark.parametrize("why", ["there are none", "all later than the clock", "too few"])
def test_prices_that_nobody_could_forecast_from_are_no_fault_of_the_settings(scene: Scene, why: str) -> None:
    made, key = scene.deploy(), names.USDCLP
    if why == "there are none":
        scene.session.tables.path(key).unlink()
    elif why == "too few":
        scene.session.tables.write(key, prices("2025-06-13").tail(1))
    else:
        scene.session = open_session(as_of="1990-01-01")
    assert scene.looks(12) == ["watching"] * 11 + ["passed"]
    assert not scene.is_quarantined(made)
    state = watch_state(scene.session, "7d")
    assert state is not None
    assert (state.failures, state.looks) == (0, 12)
    assert "no fault of the settings" in state.words


def test_a_watch_does_not_end_on_a_trial_that_failed(scene: Scene) -> None:
    scene.deploy()
    scene.engine.spoilt[90] = broken
    assert scene.look(60).state == "watching"
    scene.engine.spoilt.clear()
    assert scene.look().state == "passed"


def test_a_file_that_people_have_written_ends_the_watch_and_is_left_alone(scene: Scene) -> None:
    made = scene.deploy()
    path = scene.root / "configs/chronos_7d.json"
    path.write_text(path.read_text().replace('"context_length": 90', '"context_length": 99'))
    scene.engine.spoilt[99] = broken
    assert scene.look(failed=FailedRuns(alone=5)).state == "replaced"
    assert scene.live == 99
    assert not scene.is_quarantined(made)
    assert scene.look().table.height == 1, "it is looked at no more"


def test_the_settings_that_came_back_are_watched_too_and_go_back_one_version_further(scene: Scene) -> None:
    scene.deploy(90)
    scene.now += timedelta(hours=2)
    scene.deploy(120)
    scene.engine.spoilt |= {120: broken, 90: broken}
    assert scene.looks(3)[-1] == "rolled back"
    assert scene.live == 90
    assert scene.looks(3)[-1] == "rolled back"
    assert scene.live == 180
    assert scene.look().state == "watching"


def test_automatic_rollbacks_end_with_the_days_number_and_say_what_to_type(scene: Scene) -> None:
    lengths = (90, 120, 150)
    for length in lengths:
        scene.deploy(length)
        scene.now += timedelta(hours=2)
    scene.engine.spoilt |= dict.fromkeys(lengths, broken)
    scene.look()
    assert scene.looks(2)[-1] == "rolled back"
    assert scene.looks(3)[-1] == "rolled back"
    seen = [scene.look() for _ in range(3)][-1]
    assert (seen.state, scene.live) == ("rollback refused", 90)
    assert "2 automatic rollbacks in a day; forex-assets rollback by hand" in seen.words
    assert scene.look(24 * 60).state == "rolled back", "the next day it is tried again"
    assert scene.live == 180


def test_a_look_that_was_killed_after_the_quarantine_is_gone_on_with(scene: Scene) -> None:
    made = scene.deploy()
    scene.deployer.quarantine("7d", made.to_fingerprint, "three failures", scene.now)
    assert scene.live == 90, "the quarantine alone changes nothing"
    assert scene.look(failed=FailedRuns(watches=3)).state == "rolled back"


def test_a_first_config_has_nothing_to_go_back_to_and_that_is_said(scene: Scene) -> None:
    path = scene.root / "configs/chronos_7d.json"
    config = scene.session.configs.read("7d")
    path.unlink()
    scene.deployer.deploy(config, expected=None, reason="first", by="loop", now=scene.now)
    scene.engine.spoilt[180] = broken
    assert scene.looks(3)[-1] == "rollback refused"
    assert scene.live == 180


def test_before_the_first_look_the_state_says_where_looks_are_made(scene: Scene) -> None:
    assert watch_state(scene.session, "7d") is None
    made = scene.deploy()
    state = watch_state(scene.session, "7d")
    assert state is not None
    assert (state.deployment_id, state.until, state.looks) == (made.id, made.watch_until, 0)
    assert "make ui" in state.words
    scene.look()
    again = watch_state(scene.session, "7d")
    assert again is not None
    assert (again.state, again.looks, again.failures) == ("watching", 1, 0)


def issue(scene: Scene, days: Sequence[date]) -> None:
    """Forecasts by the live settings, kept in the ledger as if issued on those days."""
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
    (scene.root / "configs/policy.yaml").write_text(POLICY % policy)
    scene.session = open_session()
    scene.now = datetime(2025, 2, 1, 12, tzinfo=UTC)
    made = scene.deploy()
    assert scene.look(61).state == "passed"
    scene.engine.factors[90] = factor
    issue(scene, WEEKS[:11])
    assert scene.look(24 * 60).state == "passed", "11 of 12"
    issue(scene, WEEKS[11:])
    seen = scene.look(24 * 60)
    assert (seen.state, scene.live) == (state, length)
    assert "CRPS" in seen.words
    assert ("forex-assets rollback --horizon 7d" in seen.words) is (state == "rollback proposed")
    assert scene.is_quarantined(made) is (state == "rolled back")


def test_outcomes_of_settings_that_people_replaced_are_not_judged(scene: Scene) -> None:
    scene.deploy()
    assert scene.look(61).state == "passed"
    path = scene.root / "configs/chronos_7d.json"
    path.write_text(path.read_text().replace('"context_length": 90', '"context_length": 99'))
    assert scene.look(24 * 60).state == "replaced"


def test_settings_that_were_brought_back_are_not_compared_with_what_is_in_quarantine(scene: Scene) -> None:
    scene.deploy()
    assert scene.look(failed=FailedRuns(watches=3)).state == "rolled back"
    assert scene.look(61).state == "passed"
    seen = scene.look(24 * 60)
    assert seen.state == "proven"
    assert "quarantine" in seen.words


def test_a_rollback_that_was_killed_half_way_is_closed_by_the_next_look(scene: Scene) -> None:
    class Killed(BaseException): ...

    def die(at: str) -> None:
        if at == "replaced":
            raise Killed

    scene.deploy(90)
    scene.now += timedelta(hours=2)
    own = scene.deployer
    deployer = Deployer(own.configs.folder, own.store, own.policy, at_step=die)
    with pytest.raises(Killed):
        deployer.rollback("7d", reason="r", by="ana", now=scene.now)
    assert scene.deployer.store.journal("7d") is not None
    scene.look()
    assert scene.deployer.store.journal("7d") is None
    newest = scene.deployer.records("7d")[0]
    assert (newest.kind, newest.state, scene.live) == ("rollback", "deployed", 180)


def test_a_file_that_a_person_has_broken_is_no_fault_of_the_settings(scene: Scene) -> None:
    made = scene.deploy(90)
    path = scene.root / "configs/chronos_7d.json"
    path.write_text(path.read_text().replace('"context_length": 90', '"context_length": 90,,'))
    assert scene.looks(3)[-1] == "rolled back"
    assert not scene.is_quarantined(made)


def test_where_a_person_was_faster_the_watch_goes_no_version_further(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.deploy(90)
    scene.now += timedelta(hours=2)
    made = scene.deploy(120)
    scene.engine.spoilt[120] = broken
    scene.looks(2)
    real = Deployer.quarantine

    def person_first(self: Deployer, *args: Any) -> None:
        monkeypatch.setattr(Deployer, "quarantine", real)
        assert self.rollback("7d", reason="by hand", by="ana", now=scene.now).state == "deployed"
        real(self, *args)

    monkeypatch.setattr(Deployer, "quarantine", person_first)
    seen = scene.look()
    assert (seen.state, scene.live) == ("rollback refused", 90)
    assert "written by others" in seen.words
    assert scene.is_quarantined(made)


def test_an_outage_that_no_settings_survive_takes_nothing_back(scene: Scene) -> None:
    first = scene.deploy(90)
    scene.now += timedelta(days=20)
    second = scene.deploy(120)
    scene.engine.spoilt |= dict.fromkeys((90, 120, 180), broken)
    assert scene.looks(6) == ["watching"] * 6
    scene.engine.spoilt.clear()
    assert scene.look(60).state == "passed"
    assert scene.live == 120
    assert not scene.is_quarantined(first)
    assert not scene.is_quarantined(second)

"""Deployments in a store without locks: a death at any call leaves the old settings or the new ones."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from forex_assets.core.config_store import ConfigStore
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import DeploymentPolicy
from forex_assets.core.store.memory import Memory
from forex_assets.core.store.opening import open_store
from forex_assets.core.store.port import Store
from forex_assets.deployment.config_backups import ConfigBackups
from forex_assets.deployment.deployer import Deployer
from forex_assets.deployment.deployment_store import DeploymentStore
from forex_assets.deployment.git import GitExport
from forex_assets.deployment.record import DeploymentRecord
from forex_assets_tests.core.store.fault_proxy import fault_proxy
from forex_assets_tests.deployment.deployment_worlds import NEW, NEWER, NOW, OLD, World
from forex_assets_tests.deployment.mortal_store import Killed, Life, Mortal

LOCK = "configs/locks/deployment.json"


def deployer(store: Store, **more: object) -> Deployer:
    records = DeploymentStore(store.under("optimizer/deployments"))
    return Deployer(store.under("configs"), records, DeploymentPolicy(), **more)  # type: ignore[arg-type]


def deploy(store: Store, wanted: InferenceConfig = NEW, expected: InferenceConfig = OLD) -> DeploymentRecord:
    return deployer(store).deploy(wanted, expected=expected.fingerprint, reason="better", by="loop", now=NOW)


def roll_back(store: Store) -> DeploymentRecord:
    return deployer(store).rollback("7d", reason="r", by="loop", now=NOW + timedelta(minutes=5))


def current(store: Store) -> InferenceConfig:
    return ConfigStore(store.under("configs")).read("7d")


def filled(store: Store) -> Store:
    store.put("configs/chronos_7d.json", OLD.model_dump_json(indent=2).encode())
    return store


def forget_the_dead(store: Store) -> None:
    """Ages the lease of a killed process, so that nobody waits for its end."""
    entry = store.get(LOCK)
    if entry is not None:
        fields = json.loads(entry.content)
        store.put(LOCK, json.dumps(fields | {"at": str(datetime.now(UTC) - timedelta(hours=1))}).encode())


def killed_at(store: Store, action: Callable[[Store], object], call: int, *, is_after: bool) -> bool:
    """Runs an action whose process dies at a call; whether it died."""
    life = Life(call, is_after)
    try:
        action(Mortal(store, life))
    except Killed:
        return True
    return life.is_over  # it died while it gave the lock back


def assert_recovers(store: Store, before: InferenceConfig, after: InferenceConfig) -> InferenceConfig:
    """The next start closes the journal, and settings and records agree."""
    was = current(store)
    assert was in (before, after)
    forget_the_dead(store)
    deployer(store).recover()
    assert current(store) == was
    assert not [key for key in store.list() if key.endswith(".journal.json")]
    newest = next(iter(deployer(store).records("7d")), None)
    if was == after:
        assert newest is not None
        assert (newest.state, newest.to_fingerprint) == ("deployed", after.fingerprint)
        assert ConfigBackups(store.under("configs")).read("7d", str(newest.backup))[1] == before
    return was


@pytest.mark.parametrize("is_after", [False, True])
def test_a_deployment_that_dies_at_any_call_is_finished_or_undone(is_after: bool) -> None:
    outcomes = list[InferenceConfig]()
    for call in range(1, 200):
        store = filled(Memory())
        if not killed_at(store, deploy, call, is_after=is_after):
            break
        outcomes.append(assert_recovers(store, OLD, NEW))
        assert deploy(store, expected=outcomes[-1]).state in ("deployed", "unchanged")
        assert current(store) == NEW
    assert len(outcomes) > 15
    assert set(outcomes) == {OLD, NEW}
    assert outcomes == sorted(outcomes, key=[OLD, NEW].index)  # once new, never old again


def test_a_rollback_that_dies_at_any_call_is_finished_or_undone() -> None:
    outcomes = set[str]()
    for call in range(1, 200):
        store = filled(Memory())
        deploy(store)
        if not killed_at(store, roll_back, call, is_after=bool(call % 2)):
            break
        outcomes.add(assert_recovers(store, NEW, OLD).fingerprint)
    assert outcomes == {OLD.fingerprint, NEW.fingerprint}


def test_on_s3_a_deployment_and_its_rollback_die_at_any_third_call(s3_address: str) -> None:
    outcomes = set[str]()
    for call in range(2, 60, 3):
        store = filled(open_store(f"{s3_address}/{call}"))
        is_dead = killed_at(store, deploy, call, is_after=bool(call % 2))
        outcomes.add(assert_recovers(store, OLD, NEW).fingerprint)
        if current(store) == OLD:
            deploy(store)
        killed_at(store, roll_back, call, is_after=bool(call % 2))
        assert_recovers(store, NEW, OLD)
        if not is_dead:
            break
    assert outcomes == {OLD.fingerprint, NEW.fingerprint}


@pytest.mark.parametrize("fault", ["409", "412", "500", "503", "lost before", "lost after"])
def test_over_a_faulty_line_every_second_request_a_deployment_and_its_rollback_succeed(
    fault: str, s3_address: str, s3_endpoint: str, environment: Callable[..., None]
) -> None:
    direct = filled(open_store(s3_address))
    conditional, meant = fault in ("409", "412"), list[str]()

    def plan(number: int, method: str, path: str) -> str:
        # Only a conditional write is refused by a condition: here that of the settings.
        if conditional and not (method == "PUT" and path.endswith("configs/chronos_7d.json")):
            return ""
        meant.append(path)
        return fault if len(meant) % 2 else ""

    with fault_proxy(s3_endpoint, plan) as (proxy, _):
        environment(AWS_ENDPOINT_URL=proxy)
        assert deploy(open_store(s3_address)).state == "deployed"
        assert current(direct) == NEW
        assert roll_back(open_store(s3_address)).state == "deployed"
    assert current(direct) == OLD
    assert [record.state for record in deployer(direct).records("7d")] == ["deployed", "deployed"]


def test_settings_that_another_machine_deployed_meanwhile_stay() -> None:
    store = filled(Memory())

    def intrude(step: str) -> None:
        if step == "backed up":
            store.put("configs/chronos_7d.json", NEWER.model_dump_json().encode())

    late = deployer(store, at_step=intrude)
    record = late.deploy(NEW, expected=OLD.fingerprint, reason="better", by="loop", now=NOW)
    assert record.state == "failed"
    assert "changed meanwhile" in record.reason
    assert current(store) == NEWER


def test_a_clone_gets_a_copy_that_is_committed_and_no_clone_is_no_fault(tmp_path: Path) -> None:
    world = World(tmp_path / "clone")
    store = filled(Memory())
    commit = GitExport(world.root / "configs", is_copy=True)
    record = deployer(store, commit=commit).deploy(NEW, expected=OLD.fingerprint, reason="b", by="loop", now=NOW)
    assert record.git == "committed"
    assert InferenceConfig.model_validate_json(world.committed()) == NEW
    (tmp_path / "plain").mkdir()
    commit = GitExport(tmp_path / "plain", is_copy=True)
    record = deployer(store, commit=commit).deploy(NEWER, expected=NEW.fingerprint, reason="b", by="loop", now=NOW)
    assert (record.state, record.git) == ("deployed", "no repository")
    assert not list((tmp_path / "plain").iterdir())

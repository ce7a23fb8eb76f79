"""A crash or full disk leaves old settings or new ones, whole."""

import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from forex_assets.core.store.folder import Folder
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.deployment.config_backups import ConfigBackups
from forex_assets.deployment.deployer import ANY
from forex_assets.deployment.record import DeploymentRecord
from forex_assets_tests.deployment.deployment_worlds import NEW, NEWER, OLD, World, in_a_child

STEPS = ["locked", "checked", "journalled", "backed up", "replaced", "committed", "recorded", "ended"]
NEW_FROM = STEPS.index("replaced")


def assert_sound(world: World) -> None:
    """Settings are old or new; every backup has its checksum."""
    assert world.current() in (OLD, NEW)
    for backup in (world.root / "configs/backups").glob("*.json"):
        checksum = backup.with_name(f"{backup.name}.sha256").read_text().split()[0]
        assert hashlib.sha256(backup.read_bytes()).hexdigest() == checksum


def assert_recovers(world: World) -> None:
    """The next start closes the deployment; the same one again succeeds."""
    assert_sound(world)
    was = world.current()
    world.deployer().recover()
    assert_sound(world)
    assert world.current() == was
    assert not list((world.root / "state").glob("*.journal.json"))
    records = world.records()
    if was == NEW:
        assert records[0].state == "deployed"
        assert (records[0].from_fingerprint, records[0].to_fingerprint) == (OLD.fingerprint, NEW.fingerprint)
        backup = ConfigBackups(Folder(world.root / "configs")).content("7d", str(records[0].backup))
        assert backup == OLD.model_dump_json(indent=2).encode()
    elif records:
        assert records[0].state == "failed"
        assert "interrupted" in records[0].reason
    world.deploy(expected=was.fingerprint)
    assert world.current() == NEW
    assert world.committed() == world.file.read_bytes().rstrip()
    assert world.git("status", "--porcelain") == ""
    assert [record.git for record in world.records() if record.state == "deployed"] == ["committed"]


def test_a_deployment_killed_before_any_file_system_call_is_finished_or_undone(tmp_path: Path) -> None:
    """Kills before each call in turn, as counted in an undisturbed run."""
    World(tmp_path / "first").deploy()  # a first deployment in a process reads and imports more
    _, calls = in_a_child(World(tmp_path / "whole").deploy)
    assert calls > 25
    outcomes = set()
    for call in range(1, calls + 1):
        world = World(tmp_path / f"{call}")
        ended, _ = in_a_child(world.deploy, kill_at_call=call)
        assert ended == signal.SIGKILL, call
        outcomes.add(world.current().fingerprint)
        assert_recovers(world)
    assert outcomes == {OLD.fingerprint, NEW.fingerprint}


@pytest.mark.parametrize("step", STEPS)
def test_a_deployment_killed_after_a_step_is_finished_or_undone(world: World, step: str) -> None:
    assert world.die_at(step) == signal.SIGKILL
    assert world.current() == (NEW if STEPS.index(step) >= NEW_FROM else OLD)
    assert_recovers(world)


def test_a_rollback_killed_anywhere_is_finished_or_undone_too(tmp_path: Path) -> None:
    once = World(tmp_path / "once")
    once.deploy()
    whole = World(tmp_path / "whole", like=once)
    _, calls = in_a_child(lambda: whole.rollback(minutes=5))
    for call in range(1, calls + 1, 3):
        world = World(tmp_path / f"{call}", like=once)
        in_a_child(lambda world=world: world.rollback(minutes=5), kill_at_call=call)  # type: ignore[misc]
        assert_sound(world)
        world.deployer().recover()
        if world.current() == NEW:
            assert world.rollback(minutes=5).state == "deployed"
        assert world.current() == OLD
        assert world.git("status", "--porcelain") == ""


def with_a_full_disk(call: int, action: Callable[[], DeploymentRecord]) -> tuple[DeploymentRecord | str, int]:
    """Runs an action on a disk full from the n-th file on.

    Returns:
        Its record or error, and the number of new files.
    """
    files, real = 0, os.open

    def full(path: str, flags: int, *rest: int, **more: int) -> int:
        nonlocal files
        if flags & os.O_CREAT:
            files += 1
            if files >= call:
                raise OSError(28, "No space left on device", str(path))
        return real(path, flags, *rest, **more)

    os.open = full  # type: ignore[assignment]
    try:
        return action(), files
    except (OSError, WarehouseError) as error:
        return str(error), files
    finally:
        os.open = real


def test_a_full_disk_at_any_write_leaves_the_old_settings_or_all_of_the_new(tmp_path: Path) -> None:
    outcomes = list[str]()
    for call in range(1, 40):
        world = World(tmp_path / f"{call}")
        result, files = with_a_full_disk(call, world.deploy)
        if isinstance(result, str):
            assert "No space left" in result
        elif result.state == "failed":
            assert "No space left" in result.reason
            assert world.current() == OLD
        outcomes.append(result if isinstance(result, str) else result.state)
        assert_recovers(world)
        if files < call:
            break
    assert outcomes[-1] == "deployed"
    assert "failed" in outcomes


def test_settings_written_by_hand_after_a_crash_are_left_alone(world: World) -> None:
    world.die_at("backed up")
    world.file.write_text(NEWER.model_dump_json())
    (record,) = world.deployer().recover()
    assert record.state == "failed"
    assert "written by others" in record.reason
    assert world.current() == NEWER
    assert world.deploy(NEW, expected=ANY).state == "deployed"


def test_a_recovered_deployment_names_its_own_commit(world: World) -> None:
    world.die_at("committed")
    commit = world.git("rev-parse", "HEAD")
    (world.root / "other.txt").write_text("x")
    world.git("commit", "-qam", "another")
    (record,) = world.deployer().recover()
    assert record.git_words == commit[:12]


def test_a_rollback_typed_again_after_a_kill_says_what_was_finished_and_goes_no_further_back(tmp_path: Path) -> None:
    """Killed before each third file system call, and finished by the command itself or by a watch."""
    twice = World(tmp_path / "twice")
    twice.deploy()
    twice.deploy(NEWER, expected=NEW.fingerprint)
    whole = World(tmp_path / "whole", like=twice)
    _, calls = in_a_child(lambda: whole.rollback(minutes=5))
    recoveries = 0
    for call in range(1, calls + 1, 3):
        world = World(tmp_path / f"{call}", like=twice)
        in_a_child(lambda world=world: world.rollback(minutes=5), kill_at_call=call)  # type: ignore[misc]
        is_closed = not (world.root / "state/7d.journal.json").exists() and world.current() == NEW
        if call % 2:
            world.deployer().recover()  # a watch or a deployment was first
        again = world.rollback(minutes=6)
        assert again.state == "deployed"
        if is_closed:
            continue  # only the last words of the command were lost
        assert world.current() == NEW, call
        if "was finished" in again.reason:
            recoveries += 1
            assert "type the command again" in again.reason
            assert world.rollback(minutes=7).state == "deployed"
            assert world.current() == OLD
    assert recoveries

"""Deployments and rollbacks: which are allowed, and what they leave."""

import os
from datetime import timedelta
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import pytest

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import DeploymentPolicy
from forex_assets.core.store.folder import Folder
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.deployment.config_backups import ConfigBackups
from forex_assets.deployment.deployment_store import STAMP
from forex_assets_tests.deployment.deployment_worlds import NEW, NEWER, NOW, OLD, World, config


def test_a_deployment_replaces_settings_keeps_the_old_and_commits_that_file_alone(world: World) -> None:
    (world.root / "other.txt").write_text("changed\n")
    world.git("add", "other.txt")
    hook = world.root / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\ntouch ran\nexit 1\n")
    hook.chmod(0o755)
    record = world.deploy()
    assert world.current() == NEW
    assert record.state == "deployed"
    assert record.watch_until == NOW + timedelta(minutes=60)
    assert world.git("show", "--name-only", "--format=%an <%ae>%n%B", "HEAD").splitlines() == [
        "forex-assets <forex-assets@localhost>",
        f"Deploy 7d: {OLD.fingerprint} to {NEW.fingerprint}",
        "",
        "better",
        f"By loop, {record.id}",
        "",
        "",
        "configs/chronos_7d.json",
    ]
    assert record.git_words == world.git("rev-parse", "HEAD")[:12]
    assert world.git("status", "--porcelain") == "M  other.txt", "staged before, staged still, and not committed"
    assert not (world.root / "ran").exists()
    assert world.records() == [record]


def test_a_repeated_request_changes_nothing(world: World) -> None:
    first = world.deploy()
    head, files = world.git("rev-parse", "HEAD"), sorted(world.root.rglob("*.json"))
    assert world.deploy().state == "unchanged"
    assert (world.git("rev-parse", "HEAD"), sorted(world.root.rglob("*.json"))) == (head, files)
    assert world.records() == [first]


def test_settings_validated_against_other_ones_are_refused(world: World) -> None:
    record = world.deploy(expected=NEWER.fingerprint)
    assert record.state == "refused"
    assert f"validated against {NEWER.fingerprint}, but {OLD.fingerprint} is current" in record.reason
    assert world.current() == OLD
    assert world.deploy(expected=None).state == "refused"


def test_the_first_settings_of_a_horizon_have_no_backup(world: World) -> None:
    record = world.deploy(config(90, "15d"), expected=None)
    assert (record.state, record.backup, record.from_fingerprint) == ("deployed", None, None)
    assert world.current("15d") == config(90, "15d")
    assert world.deployer().rollback("15d", reason="r", by="ana", now=NOW).state == "refused"


def test_settings_in_quarantine_are_refused_to_the_loop_and_not_to_a_person(world: World) -> None:
    world.deploy()
    world.rollback(by="watch", minutes=5)
    world.deployer().quarantine("7d", NEW.fingerprint, "3 failures", NOW)
    record = world.deploy()
    assert record.state == "refused"
    assert "quarantine: 3 failures" in record.reason
    assert world.rollback(to=world.deployer().backups.all("7d")[0].name).state == "deployed"
    assert world.current() == NEW


def test_two_rollbacks_in_a_row_go_two_versions_back_and_a_third_is_refused(world: World) -> None:
    world.deploy()
    world.deploy(NEWER, expected=NEW.fingerprint)
    back = [world.rollback(minutes=i) for i in range(3)]
    assert [record.state for record in back] == ["deployed", "deployed", "refused"]
    assert [record.to_fingerprint for record in back[:2]] == [NEW.fingerprint, OLD.fingerprint]
    assert world.current() == OLD
    assert world.git("log", "--format=%s", "-2").splitlines()[0].startswith("Rollback 7d")
    world.deploy(NEWER)
    assert world.rollback().to_fingerprint == OLD.fingerprint


def test_a_rollback_to_a_named_backup_can_itself_be_rolled_back(world: World) -> None:
    first = world.deploy()
    world.deploy(NEWER, expected=NEW.fingerprint)
    assert world.rollback(to=str(first.backup)).state == "deployed"
    assert world.current() == OLD
    world.rollback()
    assert world.current() == NEWER


def test_a_version_that_a_person_restored_by_hand_is_passed_over(world: World) -> None:
    world.deploy()
    world.deploy(NEWER, expected=NEW.fingerprint)
    world.file.write_text(NEW.model_dump_json())
    assert (world.rollback().state, world.current()) == ("deployed", OLD)
    assert (world.rollback().state, world.current()) == ("refused", OLD), "never forth again"


@pytest.mark.parametrize("damage", ["bit", "gone", "sum gone", "other horizon", "../chronos_7d.json"])
def test_a_damaged_or_foreign_backup_is_refused_by_name(world: World, damage: str) -> None:
    name = str(world.deploy().backup)
    path = world.root / "configs/backups" / name
    if damage == "bit":
        path.write_bytes(path.read_bytes().replace(b"180", b"181"))
    elif damage == "gone":
        path.unlink()
    elif damage == "sum gone":
        path.with_name(f"{name}.sha256").unlink()
    else:
        name = name.replace("7d", "15d") if damage == "other horizon" else damage
    record = world.rollback(to=name)
    assert record.state == "refused"
    assert name in record.reason
    assert world.current() == NEW


def test_automatic_rollbacks_are_limited_a_day_and_a_persons_are_not(world: World) -> None:
    policy = DeploymentPolicy(rollbacks_per_day=1)
    for before, after in pairwise([OLD, config(20), config(30), config(40)]):
        world.deploy(after, expected=before.fingerprint)
    rollbacks = [("watch", 1), ("probation", 2), ("ana", 3), ("watch", 26)]
    assert [world.rollback(by=by, minutes=60 * hours, policy=policy).state for by, hours in rollbacks] == [
        "deployed", "refused", "deployed", "deployed"
    ]  # fmt: skip


def test_a_file_that_a_person_has_staged_otherwise_stays_staged(world: World) -> None:
    before, theirs = world.file.read_bytes(), NEWER.model_dump_json()
    world.file.write_text(theirs)
    world.git("add", "configs/chronos_7d.json")
    world.file.write_bytes(before)
    world.deploy()
    assert world.current() == NEW
    assert world.git("show", ":configs/chronos_7d.json") == theirs
    assert world.committed() == world.file.read_bytes().rstrip()


@pytest.mark.parametrize(
    ("obstacle", "state"),
    [
        ("no repository", "no repository"),
        ("no git", "off"),
        ("ignored", "off"),
        ("detached", "pending"),
        ("index.lock", "pending"),
        ("merge", "pending"),
    ],
)
def test_an_obstacle_to_the_commit_does_not_stop_a_deployment_and_is_reported(
    tmp_path: Path, obstacle: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, clear = World(tmp_path, with_git=obstacle != "no repository"), None
    if obstacle == "detached":
        world.git("checkout", "-q", "--detach")
        clear = lambda: world.git("checkout", "-q", "main")  # noqa: E731
    elif obstacle == "index.lock":
        (tmp_path / ".git/index.lock").touch()
        clear = (tmp_path / ".git/index.lock").unlink
    elif obstacle == "merge":
        (tmp_path / ".git/MERGE_HEAD").write_text(world.git("rev-parse", "HEAD"))
        clear = (tmp_path / ".git/MERGE_HEAD").unlink
    elif obstacle == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))
    elif obstacle == "ignored":
        (tmp_path / ".gitignore").write_text("/configs/\n/state/\n")
        world.git("rm", "-q", "--cached", "configs/chronos_7d.json")
        world.git("commit", "-q", "-am", "configs are not ours to track")
    record = world.deploy()
    assert world.current() == NEW
    assert (record.state, record.git) == ("deployed", state)
    assert record.git_words
    if clear is not None:
        assert world.deployer().recover() == []
        clear()
        assert [record.git for record in world.deployer().recover()] == ["committed"]
        assert world.committed() == world.file.read_bytes().rstrip()
        assert world.git("status", "--porcelain") == ""
        assert world.records()[0].git == "committed"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to read-only folders: run as another user")
def test_a_read_only_folder_changes_nothing(world: World) -> None:
    world.file.parent.chmod(0o555)
    try:
        with pytest.raises(WarehouseError, match="cannot"):
            world.deploy()
        assert world.current() == OLD
    finally:
        world.file.parent.chmod(0o755)


def contend(world: World, wanted: InferenceConfig, queue: object) -> None:
    """Deploys in one of two processes."""
    try:
        queue.put(world.deploy(wanted).state)  # type: ignore[attr-defined]
    except WarehouseError as error:
        queue.put(str(error))  # type: ignore[attr-defined]


def test_of_two_deployers_at_once_one_wins_and_the_other_says_why(world: World) -> None:
    fork = get_context("fork")
    queue = fork.Queue()
    both = [fork.Process(target=contend, args=(world, wanted, queue)) for wanted in (NEW, NEWER)]
    for process in both:
        process.start()
    states = sorted(queue.get(timeout=60) for _ in both)
    for process in both:
        process.join()
    assert states == ["deployed", "refused"]
    won, lost = sorted(world.records(), key=lambda record: record.state)
    assert world.current().fingerprint == won.to_fingerprint
    assert f"but {won.to_fingerprint} is current" in lost.reason


def test_the_holder_of_the_lock_is_named(world: World) -> None:
    holder = f"locked for over 0.1 s by process {os.getpid()}"
    with world.deployer()._locked(), pytest.raises(WarehouseError, match=holder):
        world.deploy(lock_timeout_s=0.1)


def test_backups_outlive_the_policys_days_only_as_the_newest_ones(world: World) -> None:
    backups = ConfigBackups(Folder(world.root / "configs"))
    for days in (200, 120, 100, 95, 91, 89, 1):
        backups.add("7d", b"{}", (NOW - timedelta(days=days)).strftime(STAMP))
    backups.add("90d", b"{}", (NOW - timedelta(days=400)).strftime(STAMP))
    assert len(world.deployer(policy=DeploymentPolicy(backup_days=90, keep_backups=3)).prune(NOW)) == 4
    assert [(NOW - backup.at).days for backup in backups.all("7d")] == [1, 89, 91]
    assert len(backups.all("90d")) == 1
    assert sorted(path.suffix for path in Path(backups.files.place()).iterdir()) == [".json"] * 4 + [".sha256"] * 4


def test_files_from_before_the_record_store_are_read(world: World) -> None:
    record = world.deploy()
    (world.root / "state/7d" / f"{record.id}.json").write_text(record.model_dump_json(indent=2))
    entry = '{"fingerprint": "abc", "reason": "3 failures", "at": "2025-06-13T23:00:00Z"}'
    (world.root / "state/quarantine").mkdir()
    (world.root / "state/quarantine/7d.json").write_text(f"[{entry}]")
    assert world.records() == [record]
    deployer = world.deployer()
    assert deployer.is_quarantined("7d", "abc") == "3 failures"
    deployer.quarantine("7d", "def", "worse", NOW)
    assert [deployer.is_quarantined("7d", name) for name in ("abc", "def")] == ["3 failures", "worse"]


def test_control_characters_never_enter_a_record_or_a_commit(world: World) -> None:
    world.deploy()
    dirty = "back\x1b[2J\x07 to\nwhat\u202e worked"
    record = world.deployer().rollback("7d", reason=dirty, by="an\x1ba", now=NOW + timedelta(minutes=1))
    assert (record.reason, record.by) == ("back[2J to what worked", "ana")
    assert "\x1b" not in world.git("log", "-1", "--format=%B")


def test_the_last_good_settings_come_back_past_those_that_were_rolled_back_or_quarantined(world: World) -> None:
    assert world.deployer().rollback("7d", reason="r", by="ana", now=NOW, last_good=True).state == "refused"
    world.deploy()
    world.deploy(NEWER, expected=NEW.fingerprint)
    world.deployer().quarantine("7d", NEW.fingerprint, "failed in use", NOW)
    record = world.deployer().rollback("7d", reason="r", by="ana", now=NOW + timedelta(minutes=1), last_good=True)
    assert record.state == "deployed"
    assert world.current() == OLD, "NEW is in quarantine"
    again = world.deployer().rollback("7d", reason="r", by="ana", now=NOW + timedelta(minutes=2), last_good=True)
    assert again.state == "refused", "NEWER was rolled back, NEW is in quarantine"
    assert world.current() == OLD

"""A live config is the old or the new one, whole, wherever a deployment is ended; git, records and backups agree."""

import hashlib
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import pytest

from forex_assets.core.policy import DeploymentPolicy
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.deployment.config_backups import ConfigBackups
from forex_assets.deployment.deployer import ANY
from forex_assets.deployment.deployment_store import STAMP
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.deployment.replacement import STEPS
from forex_assets_tests.deployment.deployment_worlds import (
    NEW,
    NEWER,
    NOW,
    OLD,
    config,
    deploy,
    deployer,
    git,
    in_a_child,
    live,
    make_world,
)


def assert_sound(root: Path) -> None:
    """Whatever happened: live settings are the old or the new, and every backup is what its checksum says."""
    assert live(root) in (OLD, NEW)
    for backup in (root / "configs/backups").glob("*.json"):
        told = backup.with_name(f"{backup.name}.sha256").read_text().split()[0]
        assert hashlib.sha256(backup.read_bytes()).hexdigest() == told


def committed(root: Path) -> bytes:
    return git(root, "show", "HEAD:configs/chronos_7d.json").encode()


def assert_recovers(root: Path) -> None:
    """The next start closes what was ended half-way; the same deployment again comes to the new settings."""
    assert_sound(root)
    was = live(root)
    deployer(root).recover()
    assert_sound(root)
    assert live(root) == was
    assert not list((root / "state").glob("*.journal.json"))
    records = deployer(root).records("7d")
    if was == NEW:
        assert records[0].state == "deployed"
        assert (records[0].from_fingerprint, records[0].to_fingerprint) == (OLD.fingerprint, NEW.fingerprint)
        backup = ConfigBackups(root / "configs").content("7d", str(records[0].backup))
        assert backup == OLD.model_dump_json(indent=2).encode()
    elif records:
        assert records[0].state == "failed"
        assert "interrupted" in records[0].reason
    deploy(root, expected=was.fingerprint)
    assert live(root) == NEW
    assert committed(root) == (root / "configs/chronos_7d.json").read_bytes().rstrip()
    assert git(root, "status", "--porcelain") == ""
    changed = [each for each in deployer(root).records("7d") if each.state == "deployed"]
    assert len(changed) == 1
    assert changed[0].git == "committed"


def test_a_deployment_brings_settings_live_keeps_the_old_and_commits_that_file_alone(tmp_path: Path) -> None:
    root = make_world(tmp_path)
    (root / "other.txt").write_text("changed\n")
    git(root, "add", "other.txt")
    hook = root / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\ntouch ran\nexit 1\n")
    hook.chmod(0o755)
    record = deploy(root)
    assert live(root) == NEW
    assert record.state == "deployed"
    assert record.watch_until == NOW + timedelta(minutes=60)
    assert git(root, "show", "--name-only", "--format=%an <%ae>%n%B", "HEAD").splitlines() == [
        "forex-assets <forex-assets@localhost>",
        f"Deploy 7d: {OLD.fingerprint} to {NEW.fingerprint}",
        "",
        "better",
        f"By loop, {record.id}",
        "",
        "",
        "configs/chronos_7d.json",
    ]
    assert record.git_words == git(root, "rev-parse", "HEAD")[:12]
    assert git(root, "status", "--porcelain") == "M  other.txt"  # staged before, staged still, and not committed
    assert not (root / "ran").exists()
    assert deployer(root).records("7d") == [record]


def test_a_repeated_request_changes_nothing(tmp_path: Path) -> None:
    root = make_world(tmp_path)
    first = deploy(root)
    head, files = git(root, "rev-parse", "HEAD"), sorted(root.rglob("*.json"))
    again = deploy(root)
    assert again.state == "unchanged"
    assert (git(root, "rev-parse", "HEAD"), sorted(root.rglob("*.json"))) == (head, files)
    assert deployer(root).records("7d") == [first]


def test_settings_validated_against_something_else_are_refused(tmp_path: Path) -> None:
    root = make_world(tmp_path)
    record = deploy(root, expected=NEWER.fingerprint)
    assert record.state == "refused"
    assert f"validated against {NEWER.fingerprint}, but {OLD.fingerprint} is current" in record.reason
    assert live(root) == OLD
    assert deploy(root, expected=None).state == "refused"


def test_the_first_settings_of_a_horizon_have_nothing_to_keep(tmp_path: Path) -> None:
    root = make_world(tmp_path)
    record = deploy(root, config(90, "15d"), expected=None)
    assert (record.state, record.backup, record.from_fingerprint) == ("deployed", None, None)
    assert live(root, "15d") == config(90, "15d")
    assert deployer(root).rollback("15d", reason="r", by="ana", now=NOW).state == "refused"


def test_settings_in_quarantine_are_refused_to_the_loop_and_not_to_a_person(tmp_path: Path) -> None:
    root = make_world(tmp_path)
    deploy(root)
    deployer(root).rollback("7d", reason="bad", by="watch", now=NOW + timedelta(minutes=5))
    deployer(root).quarantine("7d", NEW.fingerprint, "3 failures", NOW)
    record = deploy(root)
    assert record.state == "refused"
    assert "quarantine: 3 failures" in record.reason
    backup = deployer(root).backups.all("7d")[0].name
    assert deployer(root).rollback("7d", to=backup, reason="r", by="ana", now=NOW).state == "deployed"
    assert live(root) == NEW


def test_two_rollbacks_in_a_row_go_two_versions_back_and_a_third_says_why_not(tmp_path: Path) -> None:
    root = make_world(tmp_path)
    deploy(root)
    deploy(root, NEWER, expected=NEW.fingerprint)
    back = [deployer(root).rollback("7d", reason="r", by="ana", now=NOW + timedelta(minutes=i)) for i in range(3)]
    assert [record.state for record in back] == ["deployed", "deployed", "refused"]
    assert [record.to_fingerprint for record in back[:2]] == [NEW.fingerprint, OLD.fingerprint]
    assert live(root) == OLD
    assert git(root, "log", "--format=%s", "-2").splitlines()[0].startswith("Rollback 7d")
    deploy(root, NEWER)
    assert deployer(root).rollback("7d", reason="r", by="ana", now=NOW).to_fingerprint == OLD.fingerprint


def test_a_rollback_to_a_named_backup_can_itself_be_taken_back(tmp_path: Path) -> None:
    root = make_world(tmp_path)
    first = deploy(root)
    deploy(root, NEWER, expected=NEW.fingerprint)
    assert deployer(root).rollback("7d", to=str(first.backup), reason="r", by="ana", now=NOW).state == "deployed"
    assert live(root) == OLD
    deployer(root).rollback("7d", reason="r", by="ana", now=NOW)
    assert live(root) == NEWER


@pytest.mark.parametrize("damage", ["bit", "gone", "sum gone", "other horizon", "../chronos_7d.json"])
def test_a_backup_that_cannot_be_trusted_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    root = make_world(tmp_path)
    name = str(deploy(root).backup)
    path = root / "configs/backups" / name
    if damage == "bit":
        path.write_bytes(path.read_bytes().replace(b"180", b"181"))
    elif damage == "gone":
        path.unlink()
    elif damage == "sum gone":
        path.with_name(f"{name}.sha256").unlink()
    else:
        name = name.replace("7d", "15d") if damage == "other horizon" else damage
    record = deployer(root).rollback("7d", to=name, reason="r", by="ana", now=NOW)
    assert record.state == "refused"
    assert name in record.reason
    assert live(root) == NEW


def test_automatic_rollbacks_are_so_many_a_day_and_a_persons_are_not_counted(tmp_path: Path) -> None:
    root, policy = make_world(tmp_path), DeploymentPolicy(rollbacks_per_day=1)
    configs = [OLD, config(20), config(30), config(40)]
    for before, after in pairwise(configs):
        deploy(root, after, expected=before.fingerprint)

    def back(by: str, hours: int) -> str:
        now = NOW + timedelta(hours=hours)
        return deployer(root, policy=policy).rollback("7d", reason="r", by=by, now=now).state

    assert [back("watch", 1), back("probation", 2), back("ana", 3), back("watch", 26)] == [
        "deployed", "refused", "deployed", "deployed"
    ]  # fmt: skip


@pytest.mark.parametrize("hinders", ["no repository", "detached", "index.lock", "merge", "no git", "ignored"])
def test_what_keeps_git_from_committing_keeps_nothing_from_going_live_and_is_told(
    tmp_path: Path, hinders: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_world(tmp_path, with_git=hinders != "no repository")
    clear = None
    if hinders == "detached":
        git(root, "checkout", "-q", "--detach")
        clear = lambda: git(root, "checkout", "-q", "main")  # noqa: E731
    elif hinders == "index.lock":
        (root / ".git/index.lock").touch()
        clear = (root / ".git/index.lock").unlink
    elif hinders == "merge":
        (root / ".git/MERGE_HEAD").write_text(git(root, "rev-parse", "HEAD"))
        clear = (root / ".git/MERGE_HEAD").unlink
    elif hinders == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))
    elif hinders == "ignored":
        (root / ".gitignore").write_text("/configs/\n/state/\n")
        git(root, "rm", "-q", "--cached", "configs/chronos_7d.json")
        git(root, "commit", "-q", "-am", "configs are somebody else's affair")
    record = deploy(root)
    assert live(root) == NEW
    assert record.state == "deployed"
    assert record.git == {"no repository": "no repository", "no git": "off", "ignored": "off"}.get(hinders, "pending")
    assert record.git_words
    if clear is not None:
        assert deployer(root).recover() == []
        clear()
        done = deployer(root).recover()
        assert [each.git for each in done] == ["committed"]
        assert committed(root) == (root / "configs/chronos_7d.json").read_bytes().rstrip()
        assert git(root, "status", "--porcelain") == ""
        assert deployer(root).latest("7d").git == "committed"  # type: ignore[union-attr]


def test_a_file_that_somebody_has_staged_otherwise_stays_staged(tmp_path: Path) -> None:
    root = make_world(tmp_path)
    path = root / "configs/chronos_7d.json"
    theirs = NEWER.model_dump_json()
    before = path.read_bytes()
    path.write_text(theirs)
    git(root, "add", "configs/chronos_7d.json")
    path.write_bytes(before)
    deploy(root)
    assert live(root) == NEW
    assert git(root, "show", ":configs/chronos_7d.json") == theirs
    assert committed(root) == path.read_bytes().rstrip()


def test_a_deployment_killed_before_any_of_its_calls_to_the_file_system_is_finished_or_undone(tmp_path: Path) -> None:
    """Every one of them, in turn: the count is taken from a run that is left alone."""
    whole = make_world(tmp_path / "whole")
    _, calls = in_a_child(lambda: deploy(whole))
    assert calls > 25
    outcomes = set()
    for call in range(1, calls + 1):
        root = make_world(tmp_path / f"{call}")
        ended, _ = in_a_child(lambda root=root: deploy(root), kill_at_call=call)  # type: ignore[misc]
        assert ended == signal.SIGKILL, call
        outcomes.add(live(root).fingerprint)
        assert_recovers(root)
    assert outcomes == {OLD.fingerprint, NEW.fingerprint}


@pytest.mark.parametrize("step", STEPS)
def test_a_deployment_killed_after_a_step_is_finished_or_undone(tmp_path: Path, step: str) -> None:
    root = make_world(tmp_path)

    def die(at: str) -> None:
        if at == step:
            os.kill(os.getpid(), signal.SIGKILL)

    ended, _ = in_a_child(lambda: deploy(root, at_step=die))
    assert ended == signal.SIGKILL
    assert live(root) == (NEW if STEPS.index(step) >= STEPS.index("replaced") else OLD)
    assert_recovers(root)


def test_a_rollback_killed_anywhere_is_finished_or_undone_too(tmp_path: Path) -> None:
    whole = make_world(tmp_path / "whole")
    deploy(whole)

    def back(root: Path) -> object:
        return deployer(root).rollback("7d", reason="r", by="ana", now=NOW + timedelta(minutes=5))

    _, calls = in_a_child(lambda: back(whole))
    for call in range(1, calls + 1, 3):
        root = make_world(tmp_path / f"{call}")
        deploy(root)
        in_a_child(lambda root=root: back(root), kill_at_call=call)  # type: ignore[misc]
        assert_sound(root)
        deployer(root).recover()
        if live(root) == NEW:
            assert back(root).state == "deployed"  # type: ignore[attr-defined]
        assert live(root) == OLD
        assert git(root, "status", "--porcelain") == ""


def with_a_disk_that_is_full(call: int, action: Callable[[], DeploymentRecord]) -> tuple[DeploymentRecord | str, int]:
    """Runs an action while the n-th new file and all after it find no space: its record or error, and how many."""
    seen, real = 0, os.open

    def full(path: str, flags: int, *rest: int, **more: int) -> int:
        nonlocal seen
        if flags & os.O_CREAT:
            seen += 1
            if seen >= call:
                raise OSError(28, "No space left on device", str(path))
        return real(path, flags, *rest, **more)

    os.open = full  # type: ignore[assignment]
    try:
        return action(), seen
    except (OSError, WarehouseError) as error:
        return str(error), seen
    finally:
        os.open = real


def test_a_full_disk_at_any_write_leaves_what_was_live_or_all_of_the_new(tmp_path: Path) -> None:
    """The disk is full from the n-th write on, whatever is written, for every n."""
    outcomes = list[str]()
    for call in range(1, 40):
        root = make_world(tmp_path / f"{call}")
        told, seen = with_a_disk_that_is_full(call, lambda root=root: deploy(root))  # type: ignore[misc]
        if isinstance(told, str):
            assert "No space left" in told
        elif told.state == "failed":
            assert "No space left" in told.reason
            assert live(root) == OLD
        outcomes.append(told if isinstance(told, str) else told.state)
        assert_recovers(root)
        if seen < call:
            break
    assert outcomes[-1] == "deployed"
    assert "failed" in outcomes


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to read-only folders: run as another user")
def test_a_folder_that_cannot_be_written_to_changes_nothing(tmp_path: Path) -> None:
    root = make_world(tmp_path)
    (root / "configs").chmod(0o555)
    try:
        with pytest.raises(WarehouseError, match="cannot"):
            deploy(root)
        assert live(root) == OLD
    finally:
        (root / "configs").chmod(0o755)


def contend(root: Path, wanted: object, queue: object) -> None:
    """One of two deployers."""
    try:
        queue.put(deploy(root, wanted).state)  # type: ignore[attr-defined, arg-type]
    except WarehouseError as error:
        queue.put(str(error))  # type: ignore[attr-defined]


def test_of_two_deployers_at_once_one_wins_and_the_other_says_why(tmp_path: Path) -> None:
    root, fork = make_world(tmp_path), get_context("fork")
    queue = fork.Queue()
    both = [fork.Process(target=contend, args=(root, wanted, queue)) for wanted in (NEW, NEWER)]
    for each in both:
        each.start()
    states = sorted(queue.get(timeout=60) for _ in both)
    for each in both:
        each.join()
    assert states == ["deployed", "refused"]
    records = deployer(root).records("7d")
    won = next(record for record in records if record.state == "deployed")
    lost = next(record for record in records if record.state == "refused")
    assert live(root).fingerprint == won.to_fingerprint
    assert f"but {won.to_fingerprint} is current" in lost.reason


def test_who_holds_the_lock_is_said(tmp_path: Path) -> None:
    root = make_world(tmp_path)
    with (
        deployer(root)._locked(),
        pytest.raises(WarehouseError, match=f"locked for over 0.1 s by process {os.getpid()}"),
    ):
        deploy(root, lock_timeout_s=0.1)


def test_backups_are_kept_for_as_long_as_the_policy_says_and_never_the_newest_fewer(tmp_path: Path) -> None:
    root, backups = make_world(tmp_path), ConfigBackups(tmp_path / "configs")
    for days in (200, 120, 100, 95, 91, 89, 1):
        backups.add("7d", b"{}", (NOW - timedelta(days=days)).strftime(STAMP))
    backups.add("90d", b"{}", (NOW - timedelta(days=400)).strftime(STAMP))
    policy = DeploymentPolicy(backup_days=90, keep_backups=3)
    gone = deployer(root, policy=policy).prune(NOW)
    assert len(gone) == 4
    kept = [(NOW - each.at).days for each in backups.all("7d")]
    assert kept == [1, 89, 91]
    assert len(backups.all("90d")) == 1
    assert sorted(path.suffix for path in backups.folder.iterdir()) == [".json"] * 4 + [".sha256"] * 4


def test_a_config_written_by_hand_meanwhile_is_left_alone(tmp_path: Path) -> None:
    root = make_world(tmp_path)

    def die(at: str) -> None:
        if at == "backed up":
            os.kill(os.getpid(), signal.SIGKILL)

    in_a_child(lambda: deploy(root, at_step=die))
    (root / "configs/chronos_7d.json").write_text(NEWER.model_dump_json())
    done = deployer(root).recover()
    assert [record.state for record in done] == ["failed"]
    assert "written by others" in done[0].reason
    assert live(root) == NEWER
    assert deploy(root, NEW, expected=ANY).state == "deployed"


def test_what_a_person_has_brought_back_already_is_passed_over(tmp_path: Path) -> None:
    root = make_world(tmp_path, with_git=False)
    own = deployer(root)
    deploy(root, NEW)
    deploy(root, NEWER, expected=NEW.fingerprint)
    (root / "configs/chronos_7d.json").write_text(NEW.model_dump_json())
    back = own.rollback("7d", reason="r", by="ana", now=NOW)
    assert (back.state, live(root)) == ("deployed", OLD)
    again = own.rollback("7d", reason="r", by="ana", now=NOW)
    assert (again.state, live(root)) == ("refused", OLD), "never to and fro"


def test_a_recovered_deployment_names_its_own_commit(tmp_path: Path) -> None:
    root = make_world(tmp_path)

    def die(at: str) -> None:
        if at == "committed":
            os.kill(os.getpid(), signal.SIGKILL)

    in_a_child(lambda: deploy(root, at_step=die))
    own = git(root, "rev-parse", "HEAD")
    (root / "other.txt").write_text("x")
    git(root, "commit", "-qam", "somebody else's")
    (done,) = deployer(root).recover()
    assert done.git_words == own[:12]


def test_files_from_before_the_record_store_are_read(tmp_path: Path) -> None:
    root = make_world(tmp_path, with_git=False)
    record = deploy(root)
    path = root / "state/7d" / f"{record.id}.json"
    path.write_text(record.model_dump_json(indent=2))
    entry = '{"fingerprint": "abc", "reason": "3 failures", "at": "2025-06-13T23:00:00Z"}'
    (root / "state/quarantine").mkdir()
    (root / "state/quarantine/7d.json").write_text(f"[{entry}]")
    assert deployer(root).records("7d") == [record]
    assert deployer(root).is_quarantined("7d", "abc") == "3 failures"
    deployer(root).quarantine("7d", "def", "worse", NOW)
    assert [deployer(root).is_quarantined("7d", name) for name in ("abc", "def")] == ["3 failures", "worse"]

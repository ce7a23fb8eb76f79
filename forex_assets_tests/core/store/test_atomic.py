"""The target is always the whole old or new file."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from forex_assets.core.store.atomic import create_once, write_atomically, write_bytes_atomically
from forex_assets.core.store.folder import Folder
from forex_assets.core.store.warehouse import Warehouse

DRAFT_PREFIX = ".tmp-"
STEPS = ("drafted", "written", "synced", "replaced", "finished")
OLD = json.dumps({"version": "old", "rows": list(range(20_000))}).encode()
NEW = json.dumps({"version": "new", "rows": list(range(50_000))}).encode()

KILLED_AT_A_STEP = """
import os, signal, sys
from pathlib import Path
from forex_assets.core.store.atomic import write_atomically
target, source, step = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
def die(reached):
    if reached == step:
        os.kill(os.getpid(), signal.SIGKILL)
def write(file):
    content = source.read_bytes()
    file.write(content[:len(content) // 2])
    file.flush()
    die("half written")
    file.write(content[len(content) // 2:])
write_atomically(target, write, at_step=die)
"""

NO_SPACE = """
import errno, resource, sys
from pathlib import Path
from forex_assets.core.store.atomic import write_bytes_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write_bytes_atomically(Path(sys.argv[1]), b"x" * 1_000_000)
except OSError as error:
    print(errno.errorcode[error.errno])
"""

UMASK = """
import os, sys
from pathlib import Path
from forex_assets.core.store.atomic import write_bytes_atomically
os.umask(0o027)
write_bytes_atomically(Path(sys.argv[1]), b"new")
"""


def child(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60)


def drafts(folder: Path) -> list[Path]:
    return list(folder.glob(f"{DRAFT_PREFIX}*"))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "table.json").write_bytes(OLD)
    return folder / "table.json"


@pytest.mark.parametrize("step", ["half written", *STEPS])
def test_a_writer_killed_at_any_step_leaves_the_old_or_the_new_table(step: str, target: Path, tmp_path: Path) -> None:
    source = tmp_path / "new.json"
    source.write_bytes(NEW)
    assert child(KILLED_AT_A_STEP, str(target), str(source), step).returncode == -signal.SIGKILL
    expected = "new" if step in ("replaced", "finished") else "old"
    assert json.loads(target.read_bytes())["version"] == expected
    assert len(drafts(target.parent)) == (expected == "old")  # a dead process cannot clean up; the next writers do


def test_steps_are_told_in_their_order(target: Path) -> None:
    seen: list[str] = []
    write_bytes_atomically(target, NEW, at_step=seen.append)
    assert tuple(seen) == STEPS
    assert target.read_bytes() == NEW
    assert drafts(target.parent) == []


def test_the_content_is_on_disk_before_the_name_and_the_name_before_the_end(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut must not leave an empty file or old name."""
    events = list[tuple[str, str, int]]()
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        fsync(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        events.append(("flush", path.name[: len(DRAFT_PREFIX)], path.stat().st_size if path.is_file() else -1))

    def noted_replace(draft: Path, path: Path) -> None:
        replace(draft, path)
        events.append(("rename", path.name, path.stat().st_size))

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    write_bytes_atomically(target, b"short")
    assert events == [("flush", ".tmp-", 5), ("rename", "table.json", 5), ("flush", "table", -1)]


def test_without_space_the_old_table_stays_and_no_draft_is_left(target: Path) -> None:
    result = child(NO_SPACE, str(target))
    assert result.stdout.strip() == errno.errorcode[errno.EFBIG], result.stderr
    assert target.read_bytes() == OLD
    assert drafts(target.parent) == []


@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyboardInterrupt()])
def test_a_writer_that_raises_leaves_the_old_table_and_no_draft(error: BaseException, target: Path) -> None:
    def write(file: BinaryIO) -> None:
        file.write(NEW)
        raise error

    with pytest.raises(type(error)):
        write_atomically(target, write)
    assert target.read_bytes() == OLD
    assert drafts(target.parent) == []


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_bytes_atomically(tmp_path / "nowhere" / "table", NEW)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a read-only folder")
def test_a_read_only_folder_is_an_error_and_the_old_table_stays(target: Path) -> None:
    target.parent.chmod(0o555)
    with pytest.raises(PermissionError):
        write_bytes_atomically(target, NEW)
    target.parent.chmod(0o755)
    assert target.read_bytes() == OLD


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    path = tmp_path / "table"
    assert child(UMASK, str(path)).returncode == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", [0o644, 0o664, 0o600])
def test_a_replaced_file_keeps_its_mode(mode: int, target: Path) -> None:
    target.chmod(mode)
    write_bytes_atomically(target, NEW)
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_a_link_stays_a_link_and_its_file_is_replaced(target: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(target)
    write_bytes_atomically(link, NEW)
    assert link.is_symlink()
    assert target.read_bytes() == NEW


@pytest.mark.parametrize(
    "by", [lambda path: write_bytes_atomically(path, NEW), lambda path: Folder(path.parent).list()]
)
def test_drafts_of_dead_writers_go_and_those_of_the_living_stay(by: Callable[[Path], object], target: Path) -> None:
    dead, living = target.with_name(f"{DRAFT_PREFIX}dead"), target.with_name(f"{DRAFT_PREFIX}living")
    for draft in (dead, living):
        draft.write_bytes(b"half")
    long_ago = time.time() - 3660
    os.utime(dead, (long_ago, long_ago))
    by(target)
    assert drafts(target.parent) == [living]


def test_a_new_file_costs_the_same_however_many_lie_beside_it(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = list[Path]()
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looked.append(Path(path)) or scandir(path))  # type: ignore[func-returns-value]
    create_once(target.with_name("new"), NEW)
    assert looked == []
    write_bytes_atomically(target, NEW)
    assert looked == [target.parent]


def test_many_writers_at_once_leave_one_whole_table(target: Path) -> None:
    contents = {json.dumps({"writer": n, "rows": [n] * 5_000}).encode() for n in range(4)}
    seen: list[bytes] = []
    writers = [
        threading.Thread(target=lambda c=content: [write_bytes_atomically(target, c) for _ in range(10)])
        for content in contents
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        seen.append(target.read_bytes())
    for writer in writers:
        writer.join()
    assert set(seen) <= contents | {OLD}
    assert target.read_bytes() in contents
    assert drafts(target.parent) == []


def test_a_planted_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """Whoever may write to the folder would otherwise choose which file of the owner's is overwritten."""
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    victim.chmod(0o600)
    page = tmp_path / "page.html"
    page.symlink_to(victim)
    write_bytes_atomically(page, b"ours", through_link=False)
    assert victim.read_text() == "theirs"
    assert not page.is_symlink()
    assert page.read_bytes() == b"ours"
    with Warehouse(tmp_path).lock("a"):
        pass
    holder = tmp_path / ".locks/a.holder"
    holder.symlink_to(victim)
    with Warehouse(tmp_path).lock("a"):
        assert victim.read_text() == "theirs"

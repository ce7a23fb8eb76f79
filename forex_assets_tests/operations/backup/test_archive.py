"""Tests that archives restore to the byte and damage is refused."""

import hashlib
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tarfile
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from forex_assets.core.retention import outlived, thinned
from forex_assets.operations.backup.archive import Archive, ArchiveError, archives, create, verify
from forex_assets.operations.backup.restore import restore

NOW = datetime(2025, 6, 14, 6, 0, tzinfo=UTC)


def tree(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "warehouse"
    (root / "market").mkdir(parents=True)
    (root / "cache").mkdir()
    (root / "market/usdclp.parquet").write_bytes(os.urandom(40_000))
    (root / "market/.tmp-1").write_bytes(b"a killed writer's")
    (root / "cache/x").write_bytes(b"made again")
    (root / "empty.json").write_bytes(b"")
    with closing(sqlite3.connect(root / "records.db")) as db:
        db.execute("pragma journal_mode=wal")
        db.execute("create table t (x)")
        db.executemany("insert into t values (?)", [(i,) for i in range(1000)])
        db.commit()
    return root


def made(source: Path, folder: Path, now: datetime = NOW) -> Archive:
    return create(folder, [("warehouse", source, ["cache"])], now)


def test_what_was_there_is_given_back_to_the_byte(source: Path, tmp_path: Path) -> None:
    archive = made(source, tmp_path / "backups")
    assert archive.path.name == "forex-assets_20250614T060000Z.tar.gz"
    assert set(verify(archive.path).files) == {
        "warehouse/market/usdclp.parquet", "warehouse/empty.json", "warehouse/records.db"
    }  # fmt: skip
    target = tmp_path / "elsewhere/warehouse"
    assert restore(archive.path, {"warehouse": target}, NOW, is_forced=False) == {}
    assert (target / "market/usdclp.parquet").read_bytes() == (source / "market/usdclp.parquet").read_bytes()
    with closing(sqlite3.connect(target / "records.db")) as db:
        assert db.execute("select count(*), sum(x) from t").fetchone() == (1000, 499500)


def test_a_database_that_is_written_to_meanwhile_is_whole_in_the_archive(source: Path, tmp_path: Path) -> None:
    """Writes two equal tables, which a plain copy would tear."""
    stop, path = threading.Event(), source / "records.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("create table a (x)"), db.execute("create table b (x)")
        db.commit()

    def write() -> None:
        with closing(sqlite3.connect(path, timeout=30)) as db:
            number = 0
            while not stop.is_set():
                db.execute("insert into a values (?)", (number,))
                db.execute("insert into b values (?)", (number,))
                db.commit()
                number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        results = [made(source, tmp_path / "backups", NOW + timedelta(seconds=i)) for i in range(5)]
    finally:
        stop.set()
        writer.join()
    for number, archive in enumerate(results):
        target = tmp_path / f"{number}"
        restore(archive.path, {"warehouse": target}, NOW, is_forced=False)
        with closing(sqlite3.connect(target / "records.db")) as db:
            assert db.execute("pragma integrity_check").fetchone() == ("ok",)
            (a,), (b,) = (
                db.execute("select count(*) from a").fetchone(),
                db.execute("select count(*) from b").fetchone(),
            )
            assert a == b


@pytest.mark.parametrize("place", [0, 0.1, 0.3, 0.5, 0.7, 0.9, 1])
def test_a_bit_off_anywhere_is_found_and_the_archive_named(source: Path, tmp_path: Path, place: float) -> None:
    path = made(source, tmp_path / "backups").path
    content = bytearray(path.read_bytes())
    content[round(place * (len(content) - 1))] ^= 1
    path.write_bytes(content)
    target = tmp_path / "target"
    for action in (lambda: verify(path), lambda: restore(path, {"warehouse": target}, NOW, is_forced=True)):
        with pytest.raises(ArchiveError, match=path.name):
            action()
    assert not target.exists()


def test_an_archive_that_was_cut_off_or_has_no_sum_is_refused(source: Path, tmp_path: Path) -> None:
    path = made(source, tmp_path / "backups").path
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArchiveError, match="damaged"):
        verify(path)
    path.write_bytes(whole)
    path.with_name(f"{path.name}.sha256").unlink()
    with pytest.raises(ArchiveError, match="not there"):
        verify(path)


def forged(folder: Path, names: Sequence[str], kind: bytes = tarfile.REGTYPE) -> Path:
    """Makes an archive with a valid manifest and wrong members."""
    path = folder / "forex-assets_20250101T000000Z.tar.gz"
    folder.mkdir(parents=True)
    sums = dict.fromkeys(names, hashlib.sha256(b"").hexdigest())
    manifest = json.dumps({"created_at": NOW.isoformat(), "files": sums}).encode()
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            tar.addfile(entry)
        last = tarfile.TarInfo("manifest.json")
        last.size = len(manifest)
        tar.addfile(last, io.BytesIO(manifest))
    path.with_name(f"{path.name}.sha256").write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    return path


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["../outside"], tarfile.REGTYPE), (["/etc/x"], tarfile.REGTYPE), (["warehouse/link"], tarfile.SYMTYPE),
        (["warehouse/a/../../../x"], tarfile.REGTYPE), (["warehouse//tmp/x"], tarfile.REGTYPE),
        (["warehouse"], tarfile.REGTYPE), (["warehouse/./x"], tarfile.REGTYPE),
        (["warehouse/x", "other/y"], tarfile.REGTYPE), (["x"], tarfile.REGTYPE), ([], tarfile.REGTYPE),
    ],
)  # fmt: skip
def test_an_archive_that_is_not_ours_writes_nowhere(tmp_path: Path, names: list[str], kind: bytes) -> None:
    path = forged(tmp_path / "backups", names, kind)
    with pytest.raises(ArchiveError, match=path.name):
        restore(path, {"warehouse": tmp_path / "w"}, NOW, is_forced=True)
    assert [item.name for item in tmp_path.iterdir()] == ["backups"]


def test_a_sum_that_is_no_text_is_a_damaged_archive(source: Path, tmp_path: Path) -> None:
    path = made(source, tmp_path / "backups").path
    path.with_name(f"{path.name}.sha256").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ArchiveError, match="damaged"):
        verify(path)


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A mount point, as a container's volume is: it cannot be renamed."""
    folder = tmp_path / "volume"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_volume_is_restored_and_keeps_what_it_replaces(source: Path, tmp_path: Path, volume: Path) -> None:
    archive, targets = made(source, tmp_path / "backups"), {"warehouse": volume}
    assert restore(archive.path, targets, NOW, is_forced=False) == {}
    whole = tree(volume)
    assert set(whole) == {"market/usdclp.parquet", "empty.json", "records.db"}
    (volume / "market/usdclp.parquet").write_bytes(b"newer")
    with pytest.raises(ArchiveError, match="--force"):
        restore(archive.path, targets, NOW, is_forced=False)
    kept = restore(archive.path, targets, NOW, is_forced=True)["warehouse"]
    assert kept.parent == volume
    assert tree(kept)["market/usdclp.parquet"] == b"newer"
    assert {name: item for name, item in tree(volume).items() if not name.startswith(kept.name)} == whole
    again = create(tmp_path / "backups", [("warehouse", volume, [])], NOW + timedelta(days=1))
    assert set(verify(again.path).files) == {f"warehouse/{name}" for name in whole}, "what is kept aside is no data"


def test_where_the_second_folder_cannot_be_put_back_the_first_is_as_it_was(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = tmp_path / "configs"
    configs.mkdir()
    (configs / "a.json").write_text("{}")
    archive = create(tmp_path / "backups", [("warehouse", source, []), ("configs", configs, [])], NOW)
    before, real = (tree(source), tree(configs)), os.rename

    def busy(old: Path, new: Path) -> None:
        if Path(old) == configs / "a.json":
            raise OSError(16, "Device or resource busy", str(old))
        real(old, new)

    monkeypatch.setattr(os, "rename", busy)
    with pytest.raises(ArchiveError, match="nothing was changed"):
        restore(archive.path, {"warehouse": source, "configs": configs}, NOW, is_forced=True)
    assert (tree(source), tree(configs)) == before
    assert sorted(item.name for item in configs.iterdir()) == ["a.json"]
    assert not [item for item in source.iterdir() if item.name.startswith(".re")]


def test_a_restore_overwrites_nothing_unless_it_is_told_to_and_keeps_what_it_replaces(
    source: Path, tmp_path: Path
) -> None:
    archive, before = made(source, tmp_path / "backups"), tree(source)
    (source / "market/usdclp.parquet").write_bytes(b"newer")
    changed = tree(source)
    with pytest.raises(ArchiveError, match="--force"):
        restore(archive.path, {"warehouse": source}, NOW, is_forced=False)
    assert tree(source) == changed
    kept = restore(archive.path, {"warehouse": source}, NOW, is_forced=True)
    assert tree(kept["warehouse"]) == changed
    assert kept["warehouse"].parent == source
    assert tree(source)["market/usdclp.parquet"] == before["market/usdclp.parquet"]


def test_a_home_inside_the_warehouse_comes_back_inside_it(tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse"
    (warehouse / "dagster").mkdir(parents=True)
    (warehouse / "table").write_bytes(b"t")
    (warehouse / "dagster/dagster.yaml").write_bytes(b"y")
    sources = [("dagster", warehouse / "dagster", []), ("warehouse", warehouse, ["dagster"])]
    archive = create(tmp_path / "backups", sources, NOW)
    before = tree(warehouse)
    targets = {"warehouse": warehouse, "dagster": warehouse / "dagster"}
    kept = restore(archive.path, targets, NOW, is_forced=True)
    assert tree(kept["warehouse"]) == before
    shutil.rmtree(kept["warehouse"])
    assert tree(warehouse) == before


def test_archives_locks_and_a_repository_stay_where_they_are(source: Path, tmp_path: Path) -> None:
    archive = made(source, source / "backups")
    (source / ".git").mkdir()
    (source / ".git/HEAD").write_text("ref")
    alone = [source / "backups", source / ".git"]
    kept = restore(archive.path, {"warehouse": source}, NOW, is_forced=True, left_alone=alone)["warehouse"]
    assert archive.path.exists()
    assert (source / ".git/HEAD").read_text() == "ref"
    assert {path.name for path in kept.iterdir()} == {"market", "cache", "empty.json", "records.db"}


def killed(action: object, at: int) -> int:
    """Runs an action in a fork that dies at rename number `at`."""
    child = os.fork()
    if child == 0:
        real, seen = os.rename, 0

        def die(*paths: object, **more: object) -> None:
            nonlocal seen
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)
            real(*paths, **more)  # type: ignore[arg-type]

        os.rename = die  # type: ignore[assignment]
        try:
            action()  # type: ignore[operator]
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]


@pytest.mark.parametrize("at", range(1, 7))
def test_killed_anywhere_a_restore_loses_nothing_and_done_once_more_it_is_whole(
    source: Path, tmp_path: Path, at: int
) -> None:
    archive, before = made(source, tmp_path / "backups"), tree(source)
    (source / "market/usdclp.parquet").write_bytes(b"newer")
    assert os.WIFSIGNALED(killed(lambda: restore(archive.path, {"warehouse": source}, NOW, is_forced=True), at))
    left = {content for name, content in tree(source).items() if not name.startswith(".restoring-")}
    assert left >= {b"newer", before["cache/x"], before["empty.json"]}
    restore(archive.path, {"warehouse": source}, NOW + timedelta(minutes=1), is_forced=True)
    after = {
        name: content for name, content in tree(source).items() if not name.startswith((".replaced-", ".restoring-"))
    }
    assert set(after) == {"market/usdclp.parquet", "empty.json", "records.db"}
    assert after["market/usdclp.parquet"] == before["market/usdclp.parquet"]


def test_a_backup_that_is_killed_leaves_no_archive_that_looks_whole(source: Path, tmp_path: Path) -> None:
    folder, child = tmp_path / "backups", os.fork()
    if child == 0:
        os.replace = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        try:
            made(source, folder)
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert archives(folder) == []
    assert made(source, folder).path.exists()


def test_a_full_disk_is_said_and_leaves_nothing(source: Path, tmp_path: Path) -> None:
    import resource

    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
            made(source, tmp_path / "backups")
        except ArchiveError as error:
            code = 0 if "check space" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [path.name for path in (tmp_path / "backups").iterdir() if path.is_file()] == [".lock"]


def test_two_at_once_make_one_after_the_other(source: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        moments = [NOW + timedelta(seconds=number) for number in range(4)]
        results = list(pool.map(lambda moment: made(source, tmp_path / "backups", moment), moments))
    assert {item.path for item in results} == {item.path for item in archives(tmp_path / "backups")}
    assert all(verify(item.path).files for item in results)


def test_a_folder_that_cannot_be_written_to_is_said(source: Path, tmp_path: Path) -> None:
    (tmp_path / "backups").write_text("a file")
    with pytest.raises(ArchiveError, match="cannot be made"):
        made(source, tmp_path / "backups")


def test_archives_are_kept_for_so_many_days_and_never_the_newest_removed() -> None:
    def aged(*days: int) -> list[Archive]:
        return [Archive(Path(f"{day}"), NOW - timedelta(days=day), 1) for day in days]

    def removed(*days: int) -> list[str]:
        return [archive.path.name for archive in outlived(aged(*days), days=90, keep=1, now=NOW)]

    assert removed(1, 89, 90, 200) == ["90", "200"]
    assert removed(400) == []
    assert removed(400, 300) == ["400"]


def test_of_two_years_of_nights_seven_days_four_weeks_and_twelve_months_stay() -> None:
    """Counted by hand for nights up to Friday 13 June 2025: days 7 to 13, Sundays 25 May to 8 June, month ends."""
    last = datetime(2025, 6, 13, 6, tzinfo=UTC)
    nights = [Archive(Path(f"{n}"), last - timedelta(days=n), 1) for n in range(730)]
    gone = thinned(nights, daily=7, weekly=4, monthly=12)
    left = sorted(archive.at.date().isoformat() for archive in nights if archive not in gone)
    assert left == [
        "2024-07-31", "2024-08-31", "2024-09-30", "2024-10-31", "2024-11-30", "2024-12-31", "2025-01-31", "2025-02-28",
        "2025-03-31", "2025-04-30", "2025-05-25", "2025-05-31", "2025-06-01",
        *(f"2025-06-{n:02}" for n in range(7, 14)),
    ]  # fmt: skip


def test_making_an_archive_holds_no_whole_file_in_memory(tmp_path: Path) -> None:
    size = 16 * 2**20
    (tmp_path / "warehouse").mkdir()
    with (tmp_path / "warehouse/large.bin").open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    try:
        archive = create(tmp_path / "backups", [("warehouse", tmp_path / "warehouse", [])], NOW)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert verify(archive.path).files["warehouse/large.bin"] == hashlib.sha256(bytes(size)).hexdigest()
    assert peak < size / 4

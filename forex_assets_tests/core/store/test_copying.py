"""A copied store is whole, goes on where it ended, and overwrites nothing."""

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.core.store.copying import CopyFault, copy_store
from forex_assets.core.store.folder import Folder
from forex_assets.core.store.memory import Memory
from forex_assets.core.store.opening import open_store

FILES = {
    "market/history/usdclp/yahoo.parquet": b"PAR1" * 3000,
    "optimizer/requests/7d/a.json": b"{}",
    "configs/backups/chronos_7d_x.json": b"{1}",
    "warehouse_id": b"abc\n",
    "empty": b"",
}
LEFT_BEHIND = (
    "dagster/runs.db",
    "mlflow/mlflow.db",
    "backups/forex-assets_x.tar.gz",
    ".locks/a.lock",
    ".tmp-1",
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in (*FILES, *LEFT_BEHIND):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(FILES.get(name, b"left behind"))
    return tmp_path / "source"


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 by relative path, of all files."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_folder_goes_to_a_bucket_and_back_byte_for_byte(source: Path, tmp_path: Path, s3_address: str) -> None:
    for paths in ([str(source), s3_address], [s3_address, str(tmp_path / "back")]):
        done = CliRunner().invoke(app, ["store", "copy", *paths, "--json"])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["written"] == len(FILES)
    back = digests(tmp_path / "back")
    assert back == {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    again = CliRunner().invoke(app, ["store", "copy", str(source), s3_address, "--json"])
    assert (json.loads(again.stdout)["written"], json.loads(again.stdout)["present"]) == (0, len(FILES))


class Failing(Memory):
    """A store that fails at the third write."""

    def create(self, key: str, content: bytes) -> None:
        if len(self.list()) == 2:
            raise ConnectionError("the line is down")
        super().create(key, content)


def test_an_interrupted_copy_goes_on_where_it_ended(source: Path) -> None:
    broken = Failing()
    with pytest.raises(ConnectionError):
        copy_store(Folder(source), broken)
    mended = Memory("", broken._shelf)
    copied = copy_store(Folder(source), mended)
    assert (copied.written, copied.present) == (len(FILES) - 2, 2)
    entries = {key: mended.get(key) for key in mended.list()}
    assert {key: entry.content for key, entry in entries.items() if entry} == FILES


def test_other_content_is_never_overwritten_and_is_named(source: Path) -> None:
    target = Memory()
    target.put("warehouse_id", b"theirs")
    with pytest.raises(CopyFault, match=r"1 of 5 keys differ in memory://, such as warehouse_id; nothing was overwri"):
        copy_store(Folder(source), target)
    entry = target.get("warehouse_id")
    assert entry is not None
    assert entry.content == b"theirs"
    assert len(target.list()) == len(FILES)


class Forgetful(Memory):
    """A store that keeps one content short."""

    def create(self, key: str, content: bytes) -> None:
        super().create(key, content[:-1] if key == "warehouse_id" else content)


def test_a_copy_that_reads_back_otherwise_is_a_fault(source: Path) -> None:
    with pytest.raises(CopyFault, match="warehouse_id"):
        copy_store(Folder(source), Forgetful())


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["nowhere", "memory://a"], "nowhere: there is no such folder"),
        (["ftp://a/b", "memory://a"], "ftp://a/b: it should be a folder, or begin with s3://"),
        (["memory://a", "s3://key:secret@bucket/a"], "without credentials"),
    ],
)
def test_an_address_that_cannot_be_used_is_exit_code_2(paths: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["store", "copy", *paths])
    assert done.exit_code == 2
    assert words in " ".join(done.stderr.split())


def test_one_memory_has_one_address() -> None:
    open_store("memory://same").put("a", b"x")
    assert open_store("memory://same").list() == ["a"]
    assert open_store("memory://other").list() == []

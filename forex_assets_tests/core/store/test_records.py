"""Record store: round trip, versions, unreadable files, concurrent updates."""

import json
import os
import signal
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict

from forex_assets.core.store import atomic
from forex_assets.core.store.folder import Folder
from forex_assets.core.store.records import RecordExists, Records
from forex_assets.core.store.warehouse import WarehouseError

NOON = datetime(2025, 6, 13, 12, tzinfo=UTC)


class Count(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    number: int
    words: str = ""
    at: AwareDatetime = NOON


@pytest.fixture
def store(tmp_path: Path) -> Records[Count]:
    return Records(Folder(tmp_path / "counts"), Count, "remove it and count again")


def test_a_record_is_read_as_it_was_written_with_its_version_in_the_file(store: Records[Count], tmp_path: Path) -> None:
    record = Count(number=1, words="año")
    store.put("a", record)
    assert store.get("a") == record
    assert json.loads((tmp_path / "counts/a.json").read_text(encoding="utf-8")) == {
        "schema_version": 1, "number": 1, "words": "año", "at": "2025-06-13T12:00:00Z"
    }  # fmt: skip


def test_a_file_written_before_versions_were_is_read(store: Records[Count], tmp_path: Path) -> None:
    (tmp_path / "counts").mkdir()
    (tmp_path / "counts/old.json").write_text('{"number": 5, "at": "2024-01-02T03:04:05+00:00"}')
    assert store.all() == [Count(number=5, at=datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC))]


def test_records_are_listed_newest_first_without_drafts_and_hidden_files(store: Records[Count], tmp_path: Path) -> None:
    for number, key in enumerate(["20250102T", "20250301T", "20250101T"]):
        store.put(key, Count(number=number))
    for name in (".tmp-1", ".hidden.json", "note.txt"):
        (tmp_path / "counts" / name).write_text("{")
    assert store.keys() == ["20250301T", "20250102T", "20250101T"]
    assert [record.number for record in store.all()] == [1, 0, 2]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"number": "x"}', b'{"number": 1, "more": 2}', b"\xff\xfe"])
def test_an_unreadable_record_is_named_with_its_remedy_and_hides_no_other(
    store: Records[Count], tmp_path: Path, content: bytes
) -> None:
    store.put("good", Count(number=1))
    path = tmp_path / "counts/bad.json"
    path.write_bytes(content)
    listing = store.listing()
    assert listing.records == (Count(number=1),)
    (fault,) = listing.faults
    assert fault.startswith(f"{path} cannot be used (")
    assert fault.endswith("); remove it and count again")
    for read in (store.all, lambda: store.get("bad")):
        with pytest.raises(WarehouseError, match="remove it and count again"):
            read()


def test_a_record_of_a_newer_version_is_refused(store: Records[Count], tmp_path: Path) -> None:
    store.put("a", Count(number=1))
    path = tmp_path / "counts/a.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(WarehouseError, match=r"a\.json has schema_version 2, this version of forex-assets reads 1"):
        store.get("a")


def test_create_refuses_a_key_that_is_taken(store: Records[Count]) -> None:
    store.create("a", Count(number=1))
    with pytest.raises(RecordExists, match=r"a\.json is there already"):
        store.create("a", Count(number=2))
    assert store.get("a") == Count(number=1)


def test_an_update_sees_what_another_wrote_between_its_read_and_its_write(store: Records[Count]) -> None:
    store.put("a", Count(number=1))
    seen = []

    def change(record: Count | None) -> Count:
        assert record is not None
        seen.append(record.number)
        if len(seen) == 1:
            store.put("a", Count(number=10))
        return Count(number=record.number + 1)

    assert store.update("a", change) == store.get("a") == Count(number=11)
    assert seen == [1, 10]


def increment(folder: Path, times: int) -> None:
    store = Records(Folder(folder), Count)
    for _ in range(times):
        store.update("a", lambda record: Count(number=(record.number if record else 0) + 1))


def test_updates_by_several_processes_lose_none(tmp_path: Path) -> None:
    fork = get_context("fork")
    workers = [fork.Process(target=increment, args=(tmp_path, 15)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert Records(Folder(tmp_path), Count).get("a") == Count(number=45)


@pytest.mark.parametrize("step", atomic.STEPS)
def test_a_writer_killed_at_any_step_leaves_the_old_record_or_the_new(
    store: Records[Count], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a", Count(number=1))
    child = os.fork()
    if child == 0:
        real = atomic.write_atomically

        def die(at: str) -> None:
            if at == step:
                os.kill(os.getpid(), signal.SIGKILL)

        def write_and_die(path: Path, write: Any, **more: Any) -> None:
            real(path, write, **(more | {"at_step": die} if path.name == "a.json" else more))

        monkeypatch.setattr(atomic, "write_atomically", write_and_die)
        store.update("a", lambda record: Count(number=2))
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    is_new = atomic.STEPS.index(step) >= atomic.STEPS.index("replaced")
    assert store.all() == [Count(number=2 if is_new else 1)]
    assert store.update("a", lambda record: Count(number=3)) == store.get("a")


def test_a_removed_record_is_gone_and_a_missing_one_is_no_error(store: Records[Count]) -> None:
    store.remove("a")
    store.put("a", Count(number=1))
    store.remove("a")
    assert store.get("a") is None
    assert store.keys() == []


@pytest.mark.parametrize("key", ["", ".hidden", "../a", "a/b", "x" * 201])
def test_a_key_that_is_no_plain_name_is_refused(store: Records[Count], key: str) -> None:
    with pytest.raises(WarehouseError, match="cannot name a record"):
        store.put(key, Count(number=1))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WarehouseError, match=r"cannot write .*file/a\.json.*check space and permissions"):
        Records(Folder(tmp_path / "file"), Count).put("a", Count(number=1))

"""The ledger in a store without locks: numbers collide, and no entry is lost."""

import subprocess
import sys
from pathlib import Path

import pytest

from forex_assets.core.store.copying import copy_store
from forex_assets.core.store.folder import Folder
from forex_assets.core.store.memory import Memory
from forex_assets.core.store.opening import open_store
from forex_assets.core.store.port import Store
from forex_assets.core.store.warehouse import Warehouse
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets_tests.forecasts.test_ledger import ISSUED, forecast_of

APPENDING = """
import sys
from forex_assets.core.store.opening import open_store
from forex_assets.core.store.warehouse import Warehouse
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets_tests.forecasts.test_ledger import ISSUED, forecast_of
store = LedgerStore(Warehouse(open_store(sys.argv[1])))
print("ready", flush=True)
sys.stdin.readline()
for day in map(int, sys.argv[2:]):
    store.append(forecast_of(day), issued_at=ISSUED, code_version="1")
"""


def ledger(store: Store) -> LedgerStore:
    return LedgerStore(Warehouse(store))


def append(store: Store, day: int) -> bool:
    return ledger(store).append(forecast_of(day), issued_at=ISSUED, code_version="1").is_new


def test_four_writers_without_a_lock_lose_nothing_and_make_one_chain(s3_address: str) -> None:
    days = [range(15 * n, 15 * n + 17) for n in range(4)]  # neighbours issue two days both
    commands = [[sys.executable, "-c", APPENDING, s3_address, *map(str, numbers)] for numbers in days]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    writers = [subprocess.Popen(command, text=True, **pipes) for command in commands]  # type: ignore[call-overload]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.communicate(timeout=150)[0] for writer in writers] == [""] * 4
    store = ledger(open_store(s3_address))
    rows = store.read("7d")
    assert sorted(rows["as_of"].unique()) == [forecast_of(day)["as_of"][0] for day in range(62)]
    assert store.count("7d") == rows["sequence"].n_unique() == 62
    assert store.verify("7d", [str(store.head("7d"))]) is None


class Dying(Memory):
    """A store whose writer dies after it created an entry and before it noted the chain's new end."""

    def put(self, key: str, content: bytes) -> None:
        if self.folder.startswith("forecasts/ledger_index/"):
            raise InterruptedError("killed here")
        super().put(key, content)

    def under(self, folder: str) -> Memory:
        return Dying(self._path(folder) + "/", self._shelf)


def test_a_writer_that_died_after_its_entry_was_created_leaves_no_gap_and_its_entry_is_kept() -> None:
    store = Memory()
    append(store, 0)
    with pytest.raises(InterruptedError):
        append(Dying("", store._shelf), 1)
    assert not append(store, 1)  # the run that is started again finds its entry
    with pytest.raises(InterruptedError):
        append(Dying("", store._shelf), 2)
    assert not append(store, 0)
    assert append(store, 3)
    assert [str(day) for day in ledger(store).read("7d")["as_of"].unique(maintain_order=True)] == [
        str(forecast_of(day)["as_of"][0]) for day in range(4)
    ]
    assert ledger(store).verify("7d") is None


def test_an_old_chain_that_was_copied_is_read_verified_and_continued(tmp_path: Path) -> None:
    folder, store = Folder(tmp_path / "old"), Memory()
    for day in range(3):
        append(folder, day)
    head = ledger(folder).head("7d")
    copy_store(folder, store)
    assert ledger(store).read("7d").equals(ledger(folder).read("7d"))
    assert not append(store, 2)
    assert append(store, 3)
    assert ledger(store).verify("7d", [str(head)]) is None
    copy_store(store, Folder(tmp_path / "back"))
    back = ledger(Folder(tmp_path / "back"))
    assert back.verify("7d", [str(ledger(store).head("7d"))]) is None
    assert append(Folder(tmp_path / "back"), 4)
    assert [path.name for path in sorted((tmp_path / "back/forecasts/ledger/7d").glob("*"))] == [
        f"00000{n + 1}.parquet" for n in range(5)
    ]

"""The ledger on disk: written once in spite of crashes; `verify` names every tampering."""

import errno
import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest

from forex_assets.core.schemas import LEDGER_SCHEMA
from forex_assets.core.store.atomic import DRAFT_PREFIX, STEPS, create_once
from forex_assets.core.store.folder import Folder
from forex_assets.core.store.memory import Memory
from forex_assets.core.store.port import Entry
from forex_assets.core.store.warehouse import Warehouse
from forex_assets.forecasts import ledger_index, ledger_tail
from forex_assets.forecasts.ledger import FAN_COLUMNS, LedgerError, Misfit, entry_of
from forex_assets.forecasts.ledger_files import Appended
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.forecasts.ledger_tail import Verified
from forex_assets_tests.forecasts.test_ledger import ISSUED, forecast_of
from forex_assets_tests.places import path_of

N = 6

APPENDING = """
import os, signal, sys, time
from pathlib import Path
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.core.store.folder import Folder
from forex_assets.core.store.memory import Memory
from forex_assets.core.store.port import Entry
from forex_assets.core.store.warehouse import Warehouse
from forex_assets.forecasts.ledger import LedgerError
from forex_assets_tests.forecasts.test_ledger import ISSUED, forecast_of
folder, first, last, step, limit = Path(sys.argv[1]), *map(int, sys.argv[2:4]), sys.argv[4], int(sys.argv[5])
def die(reached):
    if reached == step:
        os.kill(os.getpid(), signal.SIGKILL)
store = LedgerStore(Warehouse(Folder(folder, at_step=die)))
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
print("ready", flush=True)
sys.stdin.readline()
try:
    for day in range(first, last):
        store.append(forecast_of(day), issued_at=ISSUED, code_version="1")
except LedgerError as error:
    print(error)
"""


def child(folder: Path, first: int, last: int, step: str = "", limit: int = 0) -> subprocess.Popen[str]:
    """Another process that appends days `first` to `last` on a line of input."""
    arguments = [sys.executable, "-c", APPENDING, str(folder), str(first), str(last), step, str(limit)]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def append(store: LedgerStore, day: int, seed: int = 0, **changes: object) -> Appended:
    header = {"issued_at": ISSUED + timedelta(days=day), "code_version": "1", **changes}
    return store.append(forecast_of(day, seed), **header)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A warehouse with a chain of N entries, one a day, not compacted."""
    store = LedgerStore(Warehouse(tmp_path))
    for day in range(N):
        append(store, day)
    return tmp_path


@pytest.fixture
def store(root: Path) -> LedgerStore:
    """Compacts when more than two entries are uncovered."""
    return LedgerStore(Warehouse(root), compact_after=2)


def entry_files(root: Path, horizon: str = "7d") -> list[Path]:
    return sorted((root / "forecasts" / "ledger" / horizon).glob("*.parquet"))


def compaction(root: Path) -> Path:
    return path_of(Warehouse(root), "forecasts/ledger_compacted", "7d")


def contents(root: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in entry_files(root)}


def edit(file: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    change(pl.read_parquet(file, memory_map=False)).write_parquet(file)


# --- appending ---


def test_an_empty_ledger_reads_as_no_rows_has_no_head_and_fits(tmp_path: Path) -> None:
    store = LedgerStore(Warehouse(tmp_path))
    assert store.read("7d").height == 0
    assert dict(store.read("7d").schema) == LEDGER_SCHEMA
    assert store.head("7d") is None
    assert store.verify("7d") is None
    assert list(tmp_path.iterdir()) == []


def test_what_was_appended_is_read_oldest_first_in_files_named_for_their_number(root: Path, store: LedgerStore) -> None:
    rows = store.read("7d")
    assert rows.select(FAN_COLUMNS).equals(pl.concat([forecast_of(day).select(FAN_COLUMNS) for day in range(N)]))
    assert rows["sequence"].unique().sort().to_list() == list(range(1, N + 1))
    assert [file.name for file in entry_files(root)] == [f"00000{n + 1}.parquet" for n in range(N)]
    assert store.head("7d") == rows["entry_hash"][-1]
    assert store.verify("7d", [str(store.head("7d"))]) is None


def test_horizons_have_chains_of_their_own(root: Path, store: LedgerStore) -> None:
    result = store.append(forecast_of(horizon="90d"), issued_at=ISSUED, code_version="1")
    assert result == Appended(store.head("90d") or "", 1, 1, is_new=True)
    assert store.read("90d")["previous_hash"].unique().to_list() == [""]
    assert len(entry_files(root)) == N


def test_a_horizon_that_there_is_not_is_an_error(store: LedgerStore) -> None:
    for call in (store.read, store.head, store.verify):
        with pytest.raises(ValueError, match="no horizon '8d'"):
            call("8d")
    with pytest.raises(ValueError, match="no horizon '8d'"):
        store.append(forecast_of(horizon="8d"), issued_at=ISSUED, code_version="1")


def test_issuing_the_same_again_writes_nothing_and_what_was_said_before_is_said_again(
    root: Path, store: LedgerStore
) -> None:
    append(store, 50)
    second = append(store, 50, seed=1)
    shadow = append(store, 50, is_shadow=True)
    before = contents(root)
    later = ISSUED + timedelta(days=99)
    again = append(store, 50, seed=1, issued_at=later)  # the newest that is acted on, whatever a challenger said since
    assert again == Appended(second.entry_hash, second.sequence, second.version, is_new=False)
    assert append(store, 50, is_shadow=True, issued_at=later).entry_hash == shadow.entry_hash
    assert contents(root) == before
    back = append(store, 50, issued_at=later)  # A after B: the record must show what was said last
    assert (back.is_new, back.version) == (True, 4)


def test_other_inputs_make_another_version_and_leave_the_first(root: Path, store: LedgerStore) -> None:
    before = contents(root)
    entries = [append(store, 3, seed=1), append(store, 3, code_version="2"), append(store, 3, is_shadow=True)]
    assert [(entry.sequence, entry.version, entry.is_new) for entry in entries] == [
        (7, 2, True),
        (8, 3, True),
        (9, 4, True),
    ]
    assert contents(root).items() > before.items()
    assert store.verify("7d") is None


def test_another_config_has_versions_of_its_own(store: LedgerStore) -> None:
    other = store.append(forecast_of(3, config="c0ffee_2"), issued_at=ISSUED, code_version="1")
    assert (other.sequence, other.version) == (N + 1, 1)
    assert store.verify("7d") is None


def test_a_chain_goes_on_past_its_millionth_entry(tmp_path: Path) -> None:
    store = LedgerStore(Warehouse(tmp_path))
    header = {"issued_at": ISSUED, "code_version": "1", "version": 1, "previous_hash": "beef"}
    last = entry_of(forecast_of(0), sequence=999_999, **header)
    Warehouse(tmp_path).write("forecasts/ledger/7d", last, "999999_2024-01-08_c0ffee_v1")
    assert [append(store, day).sequence for day in (1, 2)] == [1_000_000, 1_000_001]
    assert store.read("7d")["sequence"].unique(maintain_order=True).to_list() == [999_999, 1_000_000, 1_000_001]


def test_appending_opens_only_the_last_entry(root: Path, store: LedgerStore) -> None:
    for file in entry_files(root)[:-1]:
        file.write_bytes(b"not to be opened")
    assert append(store, 50).sequence == N + 1


def test_a_damaged_last_entry_is_not_chained_to(root: Path, store: LedgerStore) -> None:
    entry_files(root)[-1].write_bytes(b"garbage")
    with pytest.raises(LedgerError, match=r"000006\.parquet cannot be read .*put a backup"):
        append(store, 50)
    assert len(entry_files(root)) == N


def test_what_is_no_forecast_is_refused_and_changes_nothing(root: Path, store: LedgerStore) -> None:
    with pytest.raises(LedgerError, match="one horizon"):
        store.append(pl.concat([forecast_of(), forecast_of(horizon="15d")]), issued_at=ISSUED, code_version="1")
    with pytest.raises(ValueError, match="missing columns"):
        store.append(forecast_of().drop("q50"), issued_at=ISSUED, code_version="1")
    assert len(entry_files(root)) == N


# --- writers that die, race or find no space ---


def test_two_processes_appending_at_once_make_one_whole_chain(tmp_path: Path) -> None:
    writers = [child(tmp_path, 0, 12), child(tmp_path, 8, 20)]  # four days are issued by both
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.communicate(timeout=60)[0] for writer in writers] == ["", ""]
    store = LedgerStore(Warehouse(tmp_path))
    assert store.verify("7d") is None
    assert store.read("7d")["as_of"].n_unique() == len(entry_files(tmp_path)) == 20


@pytest.mark.parametrize("step", STEPS)
def test_a_writer_killed_at_any_step_leaves_the_chain_whole_with_or_without_its_entry(step: str, root: Path) -> None:
    before = contents(root)
    killed = child(root, 50, 51, step)
    killed.communicate("go\n", timeout=60)
    assert killed.returncode == -signal.SIGKILL
    store = LedgerStore(Warehouse(root))
    is_there = step in ("replaced", "finished")
    assert contents(root).items() >= before.items()
    assert len(entry_files(root)) == N + is_there
    assert store.verify("7d") is None
    assert len(list(entry_files(root)[0].parent.glob(f"{DRAFT_PREFIX}*"))) == 1  # goes after an hour, as every draft
    # The run that is started again ends as if nothing had happened.
    again = store.append(forecast_of(50), issued_at=ISSUED, code_version="1")
    assert again == Appended(store.head("7d") or "", N + 1, 1, is_new=not is_there)
    assert store.verify("7d") is None


def test_without_space_the_chain_stays_and_no_draft_is_left(root: Path) -> None:
    before = contents(root)
    message, _ = child(root, 50, 51, limit=4_000).communicate("go\n", timeout=60)
    assert os.strerror(errno.EFBIG) in message
    assert "the ledger is unchanged" in message
    assert contents(root) == before
    assert not list(entry_files(root)[0].parent.glob(f"{DRAFT_PREFIX}*"))


def test_of_many_writers_of_one_name_one_wins_and_is_never_replaced(tmp_path: Path) -> None:
    target = tmp_path / "entry"
    start = threading.Barrier(8)
    won: list[bytes] = []
    lost: list[FileExistsError] = []

    def write(content: bytes) -> None:
        start.wait()
        try:
            create_once(target, content)
            won.append(content)
        except FileExistsError as error:
            lost.append(error)

    writers = [threading.Thread(target=write, args=(bytes([n]) * 10_000,)) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert (len(won), len(lost)) == (1, 7)
    assert target.read_bytes() == won[0]
    assert list(tmp_path.iterdir()) == [target]


def test_an_entry_and_then_its_name_are_flushed_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut leaves a whole entry or none: content is flushed before the name, the name before the end."""
    events: list[str] = []
    fsync, link = os.fsync, os.link

    def noted_fsync(descriptor: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "content")
        fsync(descriptor)

    def noted_link(source: Path, target: Path) -> None:
        events.append("name")
        link(source, target)

    store = LedgerStore(Warehouse(tmp_path))
    append(store, 0)
    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "link", noted_link)
    create_once(tmp_path / "entry", b"rows")
    place = events.index("name")
    assert "content" in events[:place]
    assert "folder" in events[place:]
    events.clear()
    append(store, 1)
    place = events.index("name")
    assert "content" in events[:place]
    assert "folder" in events[place:]


def test_a_number_that_a_writer_without_the_lock_has_taken_is_not_replaced(root: Path, tmp_path: Path) -> None:
    taken, other = entry_files(root)[0].with_name("000007.parquet"), tmp_path / "other"
    shutil.copytree(root / "forecasts", other / "forecasts")
    append(LedgerStore(Warehouse(other)), 51)
    theirs = (other / "forecasts/ledger/7d/000007.parquet").read_bytes()

    def intrude(step: str) -> None:
        if step == "written" and not taken.exists():
            taken.write_bytes(theirs)

    assert append(LedgerStore(Warehouse(Folder(root, at_step=intrude))), 50).sequence == N + 2
    assert taken.read_bytes() == theirs
    assert LedgerStore(Warehouse(root)).verify("7d") is None


# --- tampering ---


def misfit_of(store: LedgerStore, *expected_heads: str) -> Misfit:
    misfit = store.verify("7d", expected_heads)
    assert misfit is not None
    return misfit


def has_place(misfit: Misfit | None, place: int, root: Path) -> bool:
    """Whether a misfit names a place and that place's file."""
    return misfit is not None and (misfit.place, misfit.file) == (place, entry_files(root)[place - 1].name)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.with_columns(q025=pl.col("q025") - 1e-9),
        lambda rows: rows.with_columns(model_q50=pl.col("model_q50").reverse()),
        lambda rows: rows.head(-1),
        lambda rows: rows.reverse(),
        lambda rows: rows.with_columns(issued_at=pl.col("issued_at") - pl.duration(days=1)),
        lambda rows: rows.with_columns(code_version=pl.lit("0")),
        lambda rows: rows.with_columns(is_shadow=True),
        lambda rows: rows.with_columns(previous_hash=pl.lit("")),
        lambda rows: rows.with_columns(entry_hash=pl.lit("0" * 64)),
        lambda rows: rows.clear(),
        lambda rows: rows.drop("q50"),
        lambda rows: rows.with_columns(q50=pl.col("q50").cast(pl.Float32)),
    ],
)
def test_an_edited_entry_is_named_with_its_file(
    change: Callable[[pl.DataFrame], pl.DataFrame], root: Path, store: LedgerStore
) -> None:
    edit(entry_files(root)[2], change)
    assert has_place(misfit_of(store), 3, root)


def named_as_before(root: Path, *numbers: int) -> None:
    """Gives files the names that older versions gave them."""
    for file in [entry_files(root)[number - 1] for number in numbers]:
        about = pl.read_parquet(file, memory_map=False).row(0, named=True)
        file.rename(file.with_stem(f"{file.stem}_{about['as_of']}_{about['config_fingerprint']}_v{about['version']}"))


@pytest.mark.parametrize(
    ("name", "value"), [("version", 2), ("sequence", 9), ("config_fingerprint", "beef"), ("horizon", "15d")]
)
def test_a_header_that_is_not_what_the_files_name_says_is_named(
    name: str, value: object, root: Path, store: LedgerStore
) -> None:
    named_as_before(root, *range(1, N + 1))
    edit(entry_files(root)[2], lambda rows: rows.with_columns(pl.lit(value, LEDGER_SCHEMA[name]).alias(name)))
    assert has_place(misfit_of(store), 3, root)
    assert misfit_of(store).reason.startswith(
        "its file is that of 7d 000003_2024-01-10_c0ffee_v1, its rows are those of "
    )


def test_an_edited_entry_that_is_hashed_anew_is_found_at_the_next(root: Path, store: LedgerStore) -> None:
    elsewhere = LedgerStore(Warehouse(root / "elsewhere"))
    for day in range(3):
        append(elsewhere, day, seed=99 if day == 2 else 0)
    shutil.copy(entry_files(root / "elsewhere")[2], entry_files(root)[2])
    assert has_place(misfit_of(store), 4, root)
    assert "it was chained to" in misfit_of(store).reason


@pytest.mark.parametrize("place", [1, 3])
def test_a_deleted_file_is_named_by_the_one_that_stands_in_its_place(
    place: int, root: Path, store: LedgerStore
) -> None:
    entry_files(root)[place - 1].unlink()
    assert has_place(misfit_of(store), place, root)
    assert misfit_of(store).reason == f"its sequence is {place + 1}, should be {place}: an entry is missing or extra"


def test_two_swapped_files_are_named(root: Path, store: LedgerStore) -> None:
    first, second = entry_files(root)[1], entry_files(root)[3]
    contents = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(contents)
    assert has_place(misfit_of(store), 2, root)
    assert "its file is that of 7d 000002, its rows are those of 7d 000004" in misfit_of(store).reason


def test_a_second_file_of_one_sequence_is_named(root: Path, store: LedgerStore) -> None:
    shutil.copy(entry_files(root)[3], entry_files(root)[3].with_name("000004_2024-01-11_c0ffee_v2.parquet"))
    assert has_place(misfit_of(store), 5, root)


def test_a_chain_under_another_horizons_name_is_named(root: Path, store: LedgerStore) -> None:
    shutil.copytree(root / "forecasts" / "ledger" / "7d", root / "forecasts" / "ledger" / "30d")
    misfit = store.verify("30d")
    assert misfit is not None
    assert misfit.place == 1


@pytest.mark.parametrize("garbage", [b"", b"garbage", b"PAR1garbagePAR1"])
def test_a_file_that_cannot_be_read_is_named_by_verify_and_by_read(
    garbage: bytes, root: Path, store: LedgerStore
) -> None:
    entry_files(root)[2].write_bytes(garbage)
    assert has_place(misfit_of(store), 3, root)
    assert "cannot be read" in misfit_of(store).reason
    with pytest.raises(LedgerError, match=r"000003\.parquet cannot be read"):
        store.read("7d")


def test_an_end_that_was_cut_off_is_seen_by_a_head_noted_elsewhere(root: Path, store: LedgerStore) -> None:
    head = str(store.head("7d"))
    assert store.verify("7d", [head]) is None
    append(store, 50)
    assert store.verify("7d", [head]) is None  # a head of before is in the chain still
    for file in entry_files(root)[-2:]:
        file.unlink()
    assert store.verify("7d") is None  # the chain alone cannot show it
    misfit = misfit_of(store, head)
    assert (misfit.place, misfit.file) == (N, "")
    assert misfit.reason.startswith("the chain was cut off or rewritten: it lacks 1 of 1 entries noted elsewhere")
    assert head[:12] in misfit.reason
    append(store, 50)  # the next evening: the chain goes on from its cut end, and has a new head
    assert len(entry_files(root)) == N
    assert misfit_of(store, str(store.head("7d")), head).reason.startswith("the chain was cut off or rewritten")


def test_a_ledger_that_is_gone_is_seen_by_a_head_noted_elsewhere(root: Path, store: LedgerStore) -> None:
    head = str(store.head("7d"))
    shutil.rmtree(root / "forecasts")
    assert misfit_of(store, head).place == 1


# --- the index, and the end of a chain ---


def index_of(root: Path) -> Path:
    return root / "forecasts/ledger_index"


def test_a_chain_of_an_older_version_is_read_verified_and_continued(root: Path, store: LedgerStore) -> None:
    named_as_before(root, *range(1, N + 1))
    shutil.rmtree(index_of(root))
    rows, head = store.read("7d"), str(store.head("7d"))
    assert rows["sequence"].n_unique() == N
    assert store.verify_after("7d", 0, "") == Verified(None, N, head)
    assert not append(store, 2).is_new
    assert append(store, 2, seed=1) == Appended(str(store.head("7d")), N + 1, 2, is_new=True)
    assert [append(store, 50).sequence, append(store, N - 1).is_new] == [N + 2, False]
    assert [file.name for file in entry_files(root)][-3:] == [
        "000006_2024-01-13_c0ffee_v1.parquet",
        "000007.parquet",
        "000008.parquet",
    ]
    assert store.verify("7d", [head]) is None
    assert store.verify_after("7d", N, head) == Verified(None, N + 2, str(store.head("7d")))


def remove_index(root: Path) -> None:
    shutil.rmtree(index_of(root))


def damage_index(root: Path) -> None:
    (index_of(root) / "7d.json").write_text("{")


def index_another_chain(root: Path) -> None:
    other = LedgerStore(Warehouse(root / "other"))
    for day in range(N):
        append(other, 60 + day)
    shutil.copytree(index_of(root / "other"), index_of(root), dirs_exist_ok=True)


@pytest.mark.parametrize("spoil", [remove_index, damage_index, index_another_chain])
def test_an_index_that_does_not_fit_is_made_anew(spoil: Callable[[Path], None], root: Path, store: LedgerStore) -> None:
    spoil(root)
    assert not append(store, 1).is_new
    assert [append(store, day, seed=1).sequence for day in (1, 50)] == [N + 1, N + 2]
    assert append(store, 1, seed=2).version == 3
    assert not append(store, 0).is_new
    assert store.verify("7d") is None


def test_entries_that_left_the_tip_for_their_months_are_found(
    root: Path, store: LedgerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_index, "RECENT", 3)
    for day in range(50, 60):
        append(store, day)
    months = [path.name for path in sorted((index_of(root) / "7d").iterdir()) if path.is_file()]
    assert months == ["2024-01.json", "2024-02.json", "2024-03.json"]
    assert not any(append(store, day).is_new for day in (0, N - 1, *range(50, 60)))
    assert append(store, 0, seed=1).version == 2


def test_a_tip_that_a_slow_writer_wrote_late_loses_no_entry(
    root: Path, store: LedgerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = (index_of(root) / "7d.json").read_text()
    monkeypatch.setattr(ledger_index, "RECENT", 2)
    entries = [append(store, day) for day in (50, 51, 52)]
    (index_of(root) / "7d.json").write_text(late)
    assert append(store, 50) == replace(entries[0], is_new=False)
    assert append(store, 53).sequence == N + 4
    assert store.verify("7d") is None


class Counted(Memory):
    """Counts calls, and what they carry."""

    seen: ClassVar[Counter[str]] = Counter()

    def get(self, key: str) -> Entry | None:
        entry = super().get(key)
        self.seen.update({"get": 1, "bytes": len(entry.content) if entry else 0})
        return entry

    def put(self, key: str, content: bytes) -> None:
        self.seen.update({"put": 1, "bytes": len(content)})
        super().put(key, content)

    def list(self, prefix: str = "") -> Sequence[str]:
        self.seen["list"] += 1
        return super().list(prefix)

    def under(self, folder: str) -> Memory:
        return Counted(self._path(folder) + "/", self._shelf)


def test_append_and_verify_cost_the_same_for_a_chain_six_times_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_index, "RECENT", 8)
    monkeypatch.setattr(ledger_tail, "READ_AGAIN", 4)
    store, costs = LedgerStore(Warehouse(Counted())), list[Counter[str]]()
    for first, last in ((0, 20), (20, 119)):
        for day in range(first, last):
            append(store, day)
        head = str(store.head("7d"))
        Counted.seen.clear()
        append(store, last + 1)
        append(store, 5)
        assert store.verify_after("7d", last, head).misfit is None
        costs.append(Counter(Counted.seen))
    assert costs[0]["list"] == costs[1]["list"] == 0
    assert costs[1]["get"] == costs[0]["get"]
    assert costs[1]["put"] == costs[0]["put"] == 2
    assert costs[1]["bytes"] < 1.3 * costs[0]["bytes"]


def test_the_end_of_a_chain_is_verified_with_the_entries_before_it(root: Path, store: LedgerStore) -> None:
    head = str(store.head("7d"))
    assert store.verify_after("7d", N, head) == Verified(None, N, head)
    append(store, 50)
    assert store.verify_after("7d", N, head) == Verified(None, N + 1, str(store.head("7d")))
    edit(entry_files(root)[2], lambda rows: rows.with_columns(q50=pl.col("q50") + 1))
    assert has_place(store.verify_after("7d", N, head).misfit, 3, root)


@pytest.mark.parametrize("place", [N, N + 1, N + 2])
def test_an_end_that_lacks_an_entry_is_not_intact(place: int, root: Path, store: LedgerStore) -> None:
    head = str(store.head("7d"))
    append(store, 50)
    append(store, 51)
    entry_files(root)[place - 1].unlink()
    misfit = store.verify_after("7d", N, head).misfit
    assert misfit is not None
    assert (misfit.place, misfit.file) == (place, f"{place:06d}.parquet")
    assert "cut off" in misfit.reason


def test_an_end_that_was_rewritten_is_named_at_the_verified_head(root: Path, store: LedgerStore) -> None:
    head = str(store.head("7d"))
    for file in entry_files(root)[-2:]:
        file.unlink()
    for day in (60, 61, 62):
        append(store, day)
    misfit = store.verify_after("7d", N, head).misfit
    assert misfit is not None
    assert misfit.place == N
    assert misfit.reason.endswith(f"{head[:12]}… was verified before")


# --- the compaction ---


def uncompacted(root: Path) -> pl.DataFrame:
    """The entry files, concatenated by polars."""
    return pl.concat([pl.read_parquet(file, memory_map=False) for file in entry_files(root)])


def test_a_read_compacts_and_the_next_needs_one_entry_only(root: Path, store: LedgerStore) -> None:
    expected = uncompacted(root)
    assert store.read("7d").equals(expected)
    assert compaction(root).is_file()
    assert compaction(root).parent != entry_files(root)[0].parent
    for file in entry_files(root)[:-1]:
        file.write_bytes(b"not to be opened")
    assert store.read("7d").equals(expected)


def test_entries_after_the_compaction_are_read_from_their_files_until_it_lags_too_far(
    root: Path, store: LedgerStore
) -> None:
    store.read("7d")
    for more in (1, 2, 3):
        append(store, 50 + more)
        chosen = ["q50", "step"]
        assert store.read("7d", chosen).equals(uncompacted(root).select(chosen))
        assert store.read("7d").equals(uncompacted(root))
        held = pl.read_parquet(compaction(root), memory_map=False)["sequence"].n_unique()
        assert held == (N if more < 3 else N + 3)
        assert store.verify("7d") is None


def spoil_by_damage(root: Path) -> None:
    compaction(root).write_bytes(b"garbage")


def spoil_by_other_columns(root: Path) -> None:
    edit(compaction(root), lambda rows: rows.drop("q50"))


def spoil_by_another_chain(root: Path) -> None:
    other = LedgerStore(Warehouse(root / "other"), compact_after=1)
    for day in range(N):
        append(other, day, seed=99)
    other.read("7d")
    shutil.copy(compaction(root / "other"), compaction(root))


def spoil_by_more_than_the_chain_has(root: Path) -> None:
    other = LedgerStore(Warehouse(root / "longer"), compact_after=1)
    for day in range(N + 1):
        append(other, day)
    other.read("7d")
    shutil.copy(compaction(root / "longer"), compaction(root))


SPOILS = [spoil_by_damage, spoil_by_other_columns, spoil_by_another_chain, spoil_by_more_than_the_chain_has]


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_compaction_that_is_damaged_or_anothers_is_made_anew_however_short_the_chain(
    spoil: Callable[[Path], None], root: Path, store: LedgerStore
) -> None:
    store.read("7d")
    spoil(root)
    assert LedgerStore(Warehouse(root)).read("7d").equals(uncompacted(root))
    assert pl.read_parquet(compaction(root), memory_map=False).equals(uncompacted(root))
    assert store.verify("7d") is None


def test_a_compaction_that_was_removed_is_made_anew(root: Path, store: LedgerStore) -> None:
    store.read("7d")
    compaction(root).unlink()
    assert store.read("7d").equals(uncompacted(root))
    assert pl.read_parquet(compaction(root), memory_map=False).equals(uncompacted(root))


@pytest.mark.parametrize("spoil", SPOILS)
def test_verify_names_a_compaction_that_does_not_fit(
    spoil: Callable[[Path], None], root: Path, store: LedgerStore
) -> None:
    store.read("7d")
    spoil(root)
    misfit = misfit_of(store)
    assert misfit.file == f"{'forecasts/ledger_compacted'}/7d.parquet"
    assert misfit.place == (N + 1 if spoil is spoil_by_more_than_the_chain_has else 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.with_columns(q50=pl.when(pl.col("sequence") == 4).then(1.0).otherwise("q50")),
        lambda rows: rows.filter((pl.col("sequence") != 4) | (pl.col("step") != 2)),
        lambda rows: rows.filter(pl.col("sequence") != 4),
        lambda rows: rows.with_columns(issued_at=pl.when(pl.col("sequence") < 4).then("issued_at")),
    ],
)
def test_an_edited_compaction_is_named_at_the_first_entry_that_differs(
    change: Callable[[pl.DataFrame], pl.DataFrame], root: Path, store: LedgerStore
) -> None:
    store.read("7d")
    edit(compaction(root), change)
    assert (misfit_of(store).place, misfit_of(store).file) == (4, f"{'forecasts/ledger_compacted'}/7d.parquet")


def test_a_compaction_does_not_hide_that_an_entry_was_edited_or_deleted(root: Path, store: LedgerStore) -> None:
    store.read("7d")
    edit(entry_files(root)[1], lambda rows: rows.with_columns(q50=pl.col("q50") + 1))
    assert has_place(misfit_of(store), 2, root)
    entry_files(root)[1].unlink()
    assert has_place(misfit_of(store), 2, root)


def test_a_compaction_that_cannot_be_written_is_no_reason_not_to_read(
    root: Path, store: LedgerStore, caplog: pytest.LogCaptureFixture
) -> None:
    compaction(root).parent.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert store.read("7d").equals(uncompacted(root))
    assert "stays slow" in caplog.text


def test_a_young_ledger_is_not_compacted(root: Path) -> None:
    assert LedgerStore(Warehouse(root)).read("7d").equals(uncompacted(root))
    assert not compaction(root).exists()


def test_an_instant_survives_the_disk_to_the_microsecond(tmp_path: Path) -> None:
    store = LedgerStore(Warehouse(tmp_path))
    issued = datetime(2024, 1, 8, 22, 0, 0, 123456, tzinfo=UTC)
    append(store, 0, issued_at=issued)
    assert store.read("7d")["issued_at"][0] == issued
    assert store.verify("7d") is None

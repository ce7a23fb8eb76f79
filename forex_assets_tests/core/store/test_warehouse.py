"""Tables come back as written, and never leave the folder."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from forex_assets.core.schemas import USDCLP_SCHEMA, empty
from forex_assets.core.store.warehouse import Warehouse, WarehouseError
from forex_assets_tests.places import path_of, root_of

WRITES_FOR_EVER = """
import sys
from pathlib import Path
import polars as pl
from forex_assets.core.store.warehouse import Warehouse
warehouse = Warehouse(Path(sys.argv[1]))
n = 0
while True:
    n += 1
    warehouse.write("market/usdclp", pl.DataFrame({"n": [n] * 20_000, "i": range(20_000)}))
    if n == 1:
        print("ready", flush=True)
"""

HOLDS_A_LOCK = """
import sys
from pathlib import Path
from forex_assets.core.store.warehouse import Warehouse
with Warehouse(Path(sys.argv[1])).lock("market/history/usdclp"):
    print("ready", flush=True)
    sys.stdin.read()
"""


def frame(rows: int = 500, seed: int = 1) -> pl.DataFrame:
    rng = random.Random(seed)
    return pl.DataFrame(
        {
            "session": [date.fromordinal(735_000 + n) for n in range(rows)],
            "clp_per_usd": [rng.uniform(500, 900) for _ in range(rows)],
            "source": ["generated"] * rows,
            "available_at": [datetime(2024, 1, 2, tzinfo=UTC)] * rows,
        }
    )


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse")


def test_what_is_written_is_read_back_with_its_types(warehouse: Warehouse) -> None:
    path = Path(warehouse.write("market/usdclp", frame()))
    assert path == root_of(warehouse) / "market/usdclp.parquet"
    back = warehouse.read("market/usdclp")
    assert back is not None
    assert back.equals(frame())
    assert back.schema == frame().schema
    assert pq.read_table(path).to_pydict() == frame().to_dict(as_series=False)  # another reader of the format


def test_a_known_column_carries_its_unit_source_and_description_in_the_file(warehouse: Warehouse) -> None:
    path = Path(warehouse.write("market/usdclp", frame(3).with_columns(unknown=pl.lit(1))))
    schema = pq.read_schema(path)
    assert schema.field("clp_per_usd").metadata == {
        b"unit": b"CLP per USD",
        b"source": b"price source",
        b"description": b"Closing price of the US dollar.",
    }
    assert schema.field("unknown").metadata is None


def test_a_table_written_by_polars_alone_is_read_as_it_is(warehouse: Warehouse) -> None:
    path = path_of(warehouse, "market/usdclp")
    path.parent.mkdir(parents=True)
    frame().write_parquet(path, compression="zstd", compression_level=3, statistics=True)
    back = warehouse.read("market/usdclp")
    assert back is not None
    assert back.equals(frame())
    assert back.schema == frame().schema


def test_a_warehouse_names_its_folder(warehouse: Warehouse) -> None:
    assert repr(warehouse) == f"Warehouse({str(root_of(warehouse))!r})"


def test_an_empty_table_is_a_table_and_an_absent_one_is_none(warehouse: Warehouse) -> None:
    assert warehouse.read("market/usdclp") is None
    assert not warehouse.exists("market/usdclp")
    warehouse.write("market/usdclp", empty(USDCLP_SCHEMA))
    back = warehouse.read("market/usdclp")
    assert back is not None
    assert back.is_empty()
    assert back.schema == pl.Schema(USDCLP_SCHEMA)
    assert warehouse.exists("market/usdclp")


def test_partitions_are_files_of_their_own(warehouse: Warehouse) -> None:
    assert warehouse.partitions("forecasts/latest") == []
    for number, name in enumerate(["7d", "15d", "2023-12-29"]):
        path = Path(warehouse.write("forecasts/latest", pl.DataFrame({"n": [number]}), name))
        assert path == root_of(warehouse) / f"forecasts/latest/{name}.parquet"
    assert warehouse.partitions("forecasts/latest") == ["15d", "2023-12-29", "7d"]
    assert warehouse.exists("forecasts/latest", "7d")
    assert not warehouse.exists("forecasts/latest")
    back = warehouse.read("forecasts/latest", "15d")
    assert back is not None
    assert back["n"].to_list() == [1]


def test_drafts_are_no_partitions(warehouse: Warehouse) -> None:
    warehouse.write("forecasts/latest", frame(), "7d")
    (root_of(warehouse) / "forecasts/latest/.tmp-1.parquet").write_bytes(b"half")
    assert warehouse.partitions("forecasts/latest") == ["7d"]


def test_equal_frames_give_equal_bytes_whatever_their_pieces(warehouse: Warehouse) -> None:
    whole = frame(3_000)
    pieces = pl.concat([whole[:7], whole[7:1_000], whole[1_000:]], rechunk=False)
    sliced = pl.concat([frame(50, seed=2), whole]).slice(50)
    assert pieces["session"].n_chunks() == 3
    first = Path(warehouse.write("a", whole)).read_bytes()
    assert Path(warehouse.write("b", pieces)).read_bytes() == first
    assert Path(warehouse.write("c", sliced)).read_bytes() == first
    assert Path(warehouse.write("d", frame(3_000, seed=3))).read_bytes() != first


@pytest.mark.parametrize(
    "key",
    ["../outside", "market/../../outside", "/etc/passwd", "market//usdclp", "", ".", ".locks/x", "market/", "a\\b",
     "a\0b", "market/.tmp-1", "x" * 201],
)  # fmt: skip
def test_a_key_that_leaves_the_folder_or_is_no_name_is_refused(key: str, warehouse: Warehouse) -> None:
    for attempt in (
        lambda: warehouse.read(key),
        lambda: warehouse.write(key, frame()),
        lambda: path_of(warehouse, "market/usdclp", key),
        lambda: warehouse.branch(key),
        lambda: warehouse.lock(key).__enter__(),
    ):
        with pytest.raises(WarehouseError, match="plain name"):
            attempt()
    assert not root_of(warehouse).exists()


def test_a_branch_is_a_folder_of_its_own(warehouse: Warehouse) -> None:
    sample = warehouse.branch("sample")
    assert root_of(sample) == root_of(warehouse) / "sample"
    sample.write("market/usdclp", frame())
    assert warehouse.read("market/usdclp") is None


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty", "flipped"])
def test_a_damaged_table_is_an_error_that_names_the_file_and_the_remedy(damage: str, warehouse: Warehouse) -> None:
    path = Path(warehouse.write("market/usdclp", frame()))
    content = path.read_bytes()
    middle = bytes(255 - byte for byte in content[20:400])
    path.write_bytes(
        {
            "garbage": b"<html>",
            "truncated": content[: len(content) // 2],
            "empty": b"",
            "flipped": content[:20] + middle + content[400:],
        }[damage]
    )
    with pytest.raises(WarehouseError, match="is damaged") as caught:
        warehouse.read("market/usdclp")
    assert str(path) in str(caught.value)
    assert "move it away" in str(caught.value)


def test_a_folder_in_the_place_of_a_table_is_an_error(warehouse: Warehouse) -> None:
    path_of(warehouse, "market/usdclp").mkdir(parents=True)
    with pytest.raises(WarehouseError, match="cannot read"):
        warehouse.read("market/usdclp")
    with pytest.raises(WarehouseError, match="table is unchanged"):
        warehouse.write("market/usdclp", frame())


def test_a_writer_killed_at_any_moment_leaves_a_whole_table(warehouse: Warehouse) -> None:
    warehouse.write("market/usdclp", pl.DataFrame({"n": [0] * 20_000, "i": range(20_000)}))
    rng = random.Random(3)
    versions = []
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITES_FOR_EVER, str(root_of(warehouse))], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0, 0.1))
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        table = warehouse.read("market/usdclp")
        assert table is not None
        assert table.height == 20_000
        assert table["n"].n_unique() == 1
        versions.append(table["n"][0])
    assert min(versions) > 0


def test_a_lock_held_elsewhere_times_out_and_says_by_whom_and_goes_with_its_process(warehouse: Warehouse) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS_A_LOCK, str(root_of(warehouse))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    with pytest.raises(WarehouseError, match=f"process {holder.pid} on"), warehouse.lock("market/history/usdclp", 0.05):
        pass
    with warehouse.lock("market/history/copper", 0.05):
        pass  # another name is free
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    with warehouse.lock("market/history/usdclp", 5):
        pass
    assert list(root_of(warehouse).glob(".locks/*.holder")) == []


def test_a_lock_keeps_threads_apart_and_is_free_after_an_error(warehouse: Warehouse) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(5):
            with warehouse.lock("x", 30):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.001)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 20
    with pytest.raises(RuntimeError, match="mine"), warehouse.lock("x"):
        raise RuntimeError("mine")
    with warehouse.lock("x", 0.05):
        pass


LEAST = """
import os, resource, sys
from pathlib import Path
import pyarrow.parquet
from forex_assets.core.store.warehouse import Warehouse
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
try:
    print(Warehouse(Path(sys.argv[1])).read("market/history/usdclp", "yahoo").height)
except BaseException as error:
    print(error)
"""


def test_a_sound_history_that_cannot_be_read_for_want_of_threads_is_never_called_damaged(tmp_path: Path) -> None:
    """As another user where this one is root, since no limit binds root."""
    path = Path(Warehouse(tmp_path).write("market/history/usdclp", pl.DataFrame({"a": range(1000)}), "yahoo"))
    for entry in (tmp_path, *tmp_path.rglob("*"), *tmp_path.parents[:2]):
        entry.chmod(0o755 if entry.is_dir() else 0o644)
    command = [sys.executable, "-c", LEAST, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    output = done.stdout.strip()
    assert output == "1000" or ("sound" in output and "damaged" not in output), done
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WarehouseError, match="no run makes it anew"):
        Warehouse(tmp_path).read("market/history/usdclp", "yahoo")

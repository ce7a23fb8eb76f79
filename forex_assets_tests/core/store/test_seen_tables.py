"""A run reads each unchanged file once, and replaced files again."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from forex_assets.core.store import seen_tables
from forex_assets.core.store.seen_tables import SeenTables
from forex_assets.core.store.warehouse import Warehouse, WarehouseError
from forex_assets_tests.core.store.test_warehouse import WRITES_FOR_EVER, frame


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file whose bytes are read, in order."""
    paths = list[Path]()
    read_bytes = Path.read_bytes

    def counted(path: Path) -> bytes:
        paths.append(path)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    return paths


def test_one_run_reads_each_file_once_through_all_its_warehouses(tmp_path: Path, reads: list[Path]) -> None:
    files = [Path(Warehouse(tmp_path).write(key, frame(seed=n))) for n, key in enumerate(("a", "b/c", "sample/a"))]
    run = Warehouse(tmp_path, SeenTables())
    for _ in range(3):
        tables = [run.read("a"), run.read("b/c"), run.branch("sample").read("a")]
        assert [table.equals(frame(seed=n)) for n, table in enumerate(tables) if table is not None] == [True] * 3
    assert sorted(reads) == sorted(files)


def test_a_table_that_a_run_writes_is_not_read_again(tmp_path: Path, reads: list[Path]) -> None:
    run = Warehouse(tmp_path, SeenTables())
    assert run.read("a") is None
    reads.clear()
    run.write("a", frame())
    table = run.read("a")
    assert table is not None
    assert table.equals(frame())
    assert reads == []


def test_a_file_that_was_replaced_or_removed_is_looked_at_again(tmp_path: Path, reads: list[Path]) -> None:
    """The replacing file has the same size."""
    run, other = Warehouse(tmp_path, SeenTables()), Warehouse(tmp_path)
    for seed in (1, 2, 3):
        path = Path(other.write("a", frame(seed=seed)))
        for _ in range(2):
            table = run.read("a")
            assert table is not None
            assert table.equals(frame(seed=seed))
    assert reads == [path] * 3
    path.unlink()
    assert run.read("a") is None


def test_a_file_that_another_process_writes_is_seen(tmp_path: Path) -> None:
    run = Warehouse(tmp_path, SeenTables())
    run.write("market/usdclp", pl.DataFrame({"n": [0]}))
    writer = subprocess.Popen([sys.executable, "-c", WRITES_FOR_EVER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    writer.kill()
    writer.wait()
    writer.stdout.close()
    table = run.read("market/usdclp")
    assert table is not None
    assert table["n"][0] >= 1


def test_without_a_run_every_read_reads_the_file(tmp_path: Path, reads: list[Path]) -> None:
    warehouse = Warehouse(tmp_path)
    path = Path(warehouse.write("a", frame()))
    warehouse.read("a")
    warehouse.read("a")
    assert reads == [path, path]


def test_chosen_columns_alone_are_decoded_and_come_from_a_table_that_is_held(
    tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = frame().with_columns(note=pl.lit("x"))
    path = Path(Warehouse(tmp_path).write("a", whole))
    names = whole.columns[1::-1]
    run = Warehouse(tmp_path, SeenTables())
    decoded = list[object]()
    read_parquet = pl.read_parquet

    def noted(*args: object, **options: object) -> pl.DataFrame:
        decoded.append(options.get("columns"))
        return read_parquet(*args, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(pl, "read_parquet", noted)
        for _ in range(2):
            table = run.read("a", columns=names)
            assert table is not None
            assert table.equals(whole.select(names))
    assert decoded == [names]
    run.read("a")
    assert reads == [path] * 2
    table = run.read("a", columns=["note"])
    assert table is not None
    assert table.equals(whole.select("note"))
    assert reads == [path] * 2
    with pytest.raises(WarehouseError, match="it lacks nosuch"):
        run.read("a", columns=["note", "nosuch"])


def test_a_table_of_years_is_not_held(tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(Warehouse(tmp_path).write("a", frame()))
    monkeypatch.setattr(seen_tables, "MOST_HELD", frame().estimated_size() - 1)
    run = Warehouse(tmp_path, SeenTables())
    run.read("a")
    run.read("a")
    assert reads == [path] * 2
    run.write("b", frame())
    run.read("b")
    assert len(reads) == 3

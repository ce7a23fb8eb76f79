"""Stored histories: merges are stored, concurrent runs lose nothing."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest

from forex_assets.core.schemas import SAMPLE_SOURCE, fetched_schema
from forex_assets.core.store.memory import Memory
from forex_assets.core.store.port import Changed
from forex_assets.core.store.warehouse import Warehouse, WarehouseError
from forex_assets.market.answers import Answer
from forex_assets.market.fallback import PriceStorePort
from forex_assets.market.history import BadFetch, prices_at
from forex_assets.market.price_store import PriceStore
from forex_assets.market.prices import USDCLP
from forex_assets_tests.places import path_of, root_of

NOW = datetime(2024, 6, 3, 23, tzinfo=UTC)


def fetched(first: int, last: int, source: str = "yahoo") -> pl.DataFrame:
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(first, last)]
    return pl.DataFrame(
        {
            "session": days,
            "clp_per_usd": [900.0 + n % 7 for n in range(first, last)],
            "source": [source] * len(days),
            "is_provisional": [False] * len(days),
            "is_suspect": [False] * len(days),
            "available_at": [datetime.combine(day, time(22), UTC) for day in days],
        },
        schema=fetched_schema("clp_per_usd"),
    )


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path)


@pytest.fixture
def store(warehouse: Warehouse) -> PriceStore:
    return PriceStore(warehouse)


def test_what_is_merged_is_what_is_stored(store: PriceStore, warehouse: Warehouse) -> None:
    port: PriceStorePort = store
    assert port.history(USDCLP, "yahoo") is None
    merge = port.merge(USDCLP, fetched(0, 10), NOW)
    stored = port.history(USDCLP, "yahoo")
    assert stored is not None
    assert stored.equals(merge.history)
    assert warehouse.exists("market/history/usdclp/yahoo")


def test_each_source_has_a_history_of_its_own_under_its_own_name(store: PriceStore) -> None:
    for name in ("yahoo", "bcch", SAMPLE_SOURCE):
        store.merge(USDCLP, fetched(0, 5, name), NOW)
    assert store.sources(USDCLP) == sorted(["yahoo", "bcch", SAMPLE_SOURCE])
    for name in store.sources(USDCLP):
        stored = store.history(USDCLP, name)
        assert stored is not None
        assert set(stored["source"]) == {name}


class Losing(Memory):
    """A store that writes, loses the answer, and lets another write before the writer can ask again."""

    others: ClassVar[list[Callable[[], object]]] = []

    def replace(self, key: str, content: bytes, tag: object) -> None:
        super().replace(key, content, tag)
        if self.others:
            self.others.pop()()
            raise Changed("not the content that was sent")


def test_a_merge_whose_answer_was_lost_and_which_another_changed_is_not_applied_again() -> None:
    memory = Losing()
    store, other = PriceStore(Warehouse(memory)), PriceStore(Warehouse(Memory("", memory._shelf)))
    store.merge(USDCLP, fetched(0, 10), NOW)
    theirs = fetched(0, 12).with_columns(clp_per_usd=pl.col("clp_per_usd") + (pl.col("session").dt.day() == 11) * 0.5)
    Losing.others.append(lambda: other.merge(USDCLP, theirs, NOW + timedelta(minutes=1)))
    merge = store.merge(USDCLP, fetched(0, 11), NOW + timedelta(seconds=1))
    history = store.history(USDCLP, "yahoo")
    assert history is not None
    assert history.equals(merge.history)
    assert (merge.added, history.height) == (1, 13)
    eleventh = history.filter(pl.col("session") == date(2024, 1, 11))
    assert eleventh["clp_per_usd"].to_list() == [903.0, 903.5]
    assert eleventh["superseded_at"].is_null().to_list() == [False, True]


def test_an_answer_is_noted_once_though_the_store_lost_its_own(store: PriceStore) -> None:
    memory = Losing()
    noting, other = PriceStore(Warehouse(memory)), PriceStore(Warehouse(Memory("", memory._shelf)))
    answers = [Answer(NOW, NOW + timedelta(seconds=n), False, 0, None, None, (), "refused") for n in range(3)]
    noting.note(USDCLP, "yahoo", answers[0])
    Losing.others.append(lambda: other.note(USDCLP, "yahoo", answers[1]))
    noting.note(USDCLP, "yahoo", answers[2])
    noted = noting.answers(USDCLP, "yahoo")
    assert noted is not None
    assert [at.second for at in noted["answered_at"]] == [0, 2, 1]


def test_a_bad_fetch_changes_no_byte(store: PriceStore, warehouse: Warehouse) -> None:
    store.merge(USDCLP, fetched(0, 10), NOW)
    before = path_of(warehouse, "market/history/usdclp/yahoo").read_bytes()
    for bad in (fetched(0, 0), fetched(0, 10).with_columns(pl.col("clp_per_usd") * 1000), fetched(0, 10)[::2]):
        with pytest.raises(BadFetch):
            store.merge(USDCLP, bad, NOW)
    assert path_of(warehouse, "market/history/usdclp/yahoo").read_bytes() == before


def test_a_fetch_that_brings_nothing_new_does_not_touch_the_file(store: PriceStore, warehouse: Warehouse) -> None:
    store.merge(USDCLP, fetched(0, 10), NOW)
    before = path_of(warehouse, "market/history/usdclp/yahoo").stat()
    store.merge(USDCLP, fetched(0, 10), NOW + timedelta(hours=1))
    assert path_of(warehouse, "market/history/usdclp/yahoo").stat().st_ino == before.st_ino


def test_a_history_with_other_columns_is_named(store: PriceStore, warehouse: Warehouse) -> None:
    path = Path(warehouse.write("market/history/usdclp", pl.DataFrame({"price": [1.0]}), "yahoo"))
    with pytest.raises(ValueError, match=str(path)):
        store.history(USDCLP, "yahoo")


def test_a_damaged_history_is_an_error_and_stays_as_it_is(store: PriceStore, warehouse: Warehouse) -> None:
    store.merge(USDCLP, fetched(0, 10), NOW)
    path = path_of(warehouse, "market/history/usdclp/yahoo")
    path.write_bytes(b"garbage")
    with pytest.raises(WarehouseError, match="is damaged"):
        store.merge(USDCLP, fetched(5, 15), NOW)
    assert path.read_bytes() == b"garbage"


MERGES = """
import sys
from pathlib import Path
from forex_assets.market.price_store import PriceStore
from forex_assets.core.store.warehouse import Warehouse
from forex_assets.market.prices import USDCLP
from forex_assets_tests.market.test_price_store import NOW, fetched
store, turn = PriceStore(Warehouse(Path(sys.argv[1]))), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for window in range(30):
    first = (2 * window + turn) * 5
    store.merge(USDCLP, fetched(first, first + 5), NOW)
"""


def test_two_runs_at_once_lose_nothing(store: PriceStore, warehouse: Warehouse) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", MERGES, str(root_of(warehouse)), str(turn)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for turn in (0, 1)
    ]
    for run in runs:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("go\n")
        run.stdin.flush()
    for run in runs:
        _, errors = run.communicate(timeout=60)
        assert run.returncode == 0, errors
    stored = store.history(USDCLP, "yahoo")
    assert stored is not None
    assert stored.height == 300
    view = prices_at(stored, USDCLP, datetime(2030, 1, 1, tzinfo=UTC))
    assert view.select("session", "clp_per_usd").equals(fetched(0, 300).select("session", "clp_per_usd"))

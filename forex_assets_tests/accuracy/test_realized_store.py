"""Rows stored by year equal one scoring of the whole ledger."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from forex_assets.accuracy.realized_store import RealizedStore
from forex_assets.core.calendar import calendar_of, issue_instant
from forex_assets.core.horizon import target_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import USDCLP_SCHEMA
from forex_assets.core.store.memory import Memory
from forex_assets.core.store.warehouse import Warehouse
from forex_assets.forecasts.baselines import EwmaEngine
from forex_assets.forecasts.forecast import make_forecast
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.forecasts.realized import realize

CALENDAR = calendar_of("no holidays", [])
SESSIONS = CALENDAR.between(date(2022, 9, 1), date(2024, 2, 2))
NOW = issue_instant(SESSIONS[-1])
CONFIG = InferenceConfig.model_validate({"horizon": "7d", "model": "m", "context_length": 180})
KEY = "accuracy/realized"
ISSUED = (date(2022, 12, 28), date(2023, 6, 1), date(2023, 12, 28), date(2024, 1, 10), date(2024, 1, 31))


class Killed(Exception):
    """The process ends here."""


def prices(revised: date | None = None) -> pl.DataFrame:
    closes = 900 * np.exp(np.cumsum(np.random.default_rng(7).normal(0, 0.006, len(SESSIONS))))
    rows = {
        "session": SESSIONS,
        "clp_per_usd": [close + (session == revised) for session, close in zip(SESSIONS, closes, strict=True)],
        "source": "yahoo",
        "is_provisional": False,
        "is_suspect": False,
        "available_at": [issue_instant(session) - timedelta(hours=1) for session in SESSIONS],
        "fetched_at": datetime(2030, 1, 1, tzinfo=UTC),
        "is_quarantined": False,
    }
    return pl.DataFrame(rows, schema=USDCLP_SCHEMA)


def issue(ledger: LedgerStore, day: date, seed: int = 0) -> None:
    known = prices().filter(pl.col("session") <= day)
    config = CONFIG.model_copy(update={"seed": seed})
    fan = make_forecast(EwmaEngine(), config, target_of("7d", day, day, CALENDAR), known, clock=lambda: 0.0)
    ledger.append(fan, issued_at=issue_instant(day), code_version="1")


@pytest.fixture
def tables() -> Warehouse:
    """Five forecasts of three years."""
    tables = Warehouse(Memory())
    for day in ISSUED:
        issue(LedgerStore(tables), day)
    return tables


def update(tables: Warehouse, known: pl.DataFrame, now: datetime = NOW) -> RealizedStore:
    store = RealizedStore(tables, KEY)
    store.update("7d", LedgerStore(tables), known, now)
    return store


def settled(tables: Warehouse) -> list[str]:
    return tables.partitions(f"{KEY}_settled/7d")


def assert_is_whole(tables: Warehouse, known: pl.DataFrame, now: datetime = NOW) -> None:
    whole = realize(LedgerStore(tables).read("7d"), known, now)
    stored = RealizedStore(tables, KEY).read("7d")
    assert stored is not None
    assert stored.height > 0
    assert stored.equals(whole)


def test_past_years_are_settled_and_what_is_read_is_the_whole(tables: Warehouse) -> None:
    rows, years = RealizedStore(tables, KEY).update("7d", LedgerStore(tables), prices(), NOW)
    assert settled(tables) == ["2022", "2023"]
    assert set(rows["as_of"].dt.year()) == {2024}
    whole = realize(LedgerStore(tables).read("7d"), prices(), NOW)
    assert sum(year.rows for year in years) + rows.height == whole.height
    assert sum(year.at_target for year in years) + rows["is_target"].sum() == whole["is_target"].sum()
    assert_is_whole(tables, prices())
    at_target = RealizedStore(tables, KEY).read("7d", ("error", "is_target"), where=pl.col("is_target"))
    assert at_target is not None
    assert at_target["error"].equals(whole.filter("is_target")["error"])


def test_a_settled_year_is_neither_read_nor_written_on_the_next_evening(
    tables: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    update(tables, prices(), NOW - timedelta(days=1))
    touched = list[str]()
    for verb in ("get", "put"):
        plain = getattr(Memory, verb)
        monkeypatch.setattr(
            Memory, verb, lambda store, key, *more, plain=plain: (touched.append(key), plain(store, key, *more))[1]
        )
    update(tables, prices())
    assert f"{KEY}/7d.parquet" in touched
    assert not [key for key in touched if key.startswith(f"{KEY}_settled/7d/")]
    assert_is_whole(tables, prices())


@pytest.mark.parametrize("change", ["a price of 2022", "a forecast of 2022", "a clock set back", "a table gone"])
def test_a_settled_year_with_other_inputs_is_scored_anew(tables: Warehouse, change: str) -> None:
    update(tables, prices())
    known, now = prices(), NOW
    if change == "a price of 2022":
        known = prices(revised=date(2022, 12, 30))
    elif change == "a forecast of 2022":
        issue(LedgerStore(tables), ISSUED[0], seed=1)
    elif change == "a clock set back":
        now = issue_instant(date(2022, 12, 30))
    else:
        tables.remove(f"{KEY}_settled/7d", "2022")
    update(tables, known, now)
    assert_is_whole(tables, known, now)
    update(tables, prices())
    assert_is_whole(tables, prices())


def test_a_table_written_whole_by_an_older_version_is_read_and_then_settled(tables: Warehouse) -> None:
    whole = realize(LedgerStore(tables).read("7d"), prices(), NOW)
    tables.write(KEY, whole, "7d")
    assert_is_whole(tables, prices())
    update(tables, prices())
    assert settled(tables) == ["2022", "2023"]
    assert_is_whole(tables, prices())


def test_a_kill_before_any_write_loses_and_doubles_nothing(tables: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each write in turn: of the first settling, and of a year settled again after a revision."""
    put, left = Memory.put, [99]

    def put_or_die(store: Memory, key: str, content: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        put(store, key, content)

    update(tables, prices(), NOW - timedelta(days=40))
    kills = 0
    for known in (prices(), prices(revised=date(2023, 6, 5)), prices(revised=date(2022, 12, 30))):
        monkeypatch.setattr(Memory, "put", put_or_die)
        for writes in range(99):
            left[0] = writes
            try:
                update(tables, known)
                break
            except Killed:
                kills += 1
            stored = RealizedStore(tables, KEY).read("7d")
            assert stored is not None
            entries = stored.select("as_of", "step")
            assert entries.is_unique().all()
            assert set(ISSUED[:2]) <= set(entries["as_of"])
        monkeypatch.setattr(Memory, "put", put)
        assert_is_whole(tables, known)
    assert kills >= 9

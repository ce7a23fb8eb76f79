"""Checks on ledger, realized forecasts and scorecard, run by Dagster on real files: sound ones, then with one fault."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from forex_assets.accuracy.checks import is_first_of_its_week
from forex_assets.accuracy.scorecard import scorecard
from forex_assets.core.calendar import issue_instant
from forex_assets.core.dagster import keys
from forex_assets.core.schemas import REALIZED_SCHEMA, SAMPLE_SOURCE, USDCLP_SCHEMA
from forex_assets.core.session import open_session
from forex_assets.core.store.warehouse import Warehouse
from forex_assets.forecasts import ledger_tail
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.forecasts.realized import realize
from forex_assets.locations.forecasting import build
from forex_assets_tests.accuracy.test_scorecard import TODAY
from forex_assets_tests.accuracy.test_scorecard import realized as outcomes
from forex_assets_tests.forecasts.test_quality import ORIGIN, SESSIONS, fan
from forex_assets_tests.places import root_of

NOW = datetime(2025, 6, 20, 23, tzinfo=UTC)


def judged(key: dg.AssetKey) -> tuple[bool, str]:
    """Whether the one check of an asset passes, and what it says."""
    job = dg.define_asset_job("judge", selection=dg.AssetSelection.checks_for_assets(key))
    defs = dg.Definitions.merge(build(), dg.Definitions(jobs=[job]))
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("judge").execute_in_process(instance=instance)
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.severity == dg.AssetCheckSeverity.WARN  # none of these stops a forecast
    return evaluation.passed, evaluation.description or ""


@pytest.fixture
def warehouse(workspace: Path, environment: Callable[..., None]) -> Warehouse:
    """Two forecasts in the ledger, the prices of all their sessions, and both scored."""
    environment(FOREX_AS_OF="2025-06-20")
    warehouse = open_session().tables
    store = LedgerStore(warehouse)
    for number in range(2):
        table = fan().with_columns(data_fingerprint=pl.lit(f"{number:064d}"), q50=pl.col("q50") + number / 10)
        store.append(table, issued_at=NOW - timedelta(days=7 - number), code_version="1")
    warehouse.write("market/usdclp", prices())
    warehouse.write("accuracy/realized", realize(store.read("7d"), prices(), NOW), "7d")
    return warehouse


def prices() -> pl.DataFrame:
    """The origin's price and those of the four sessions after it."""
    sessions = [ORIGIN, *SESSIONS]
    return pl.DataFrame(
        {
            "session": sessions,
            "clp_per_usd": [900.0, 903.0, 899.0, 905.0, 902.0],
            "source": SAMPLE_SOURCE,
            "is_provisional": False,
            "is_suspect": False,
            "available_at": [issue_instant(day) for day in sessions],
            "fetched_at": NOW,
            "is_quarantined": False,
        },
        schema=USDCLP_SCHEMA,
    )


def test_an_entry_that_was_changed_is_named_with_its_file(warehouse: Warehouse) -> None:
    assert judged(keys.LEDGER) == (True, "2 entries; new ones, and all once a week, are as written")
    file = sorted((root_of(warehouse) / "forecasts/ledger/7d").glob("*.parquet"))[0]
    pl.read_parquet(file).with_columns(q975=pl.col("q975") + 0.01).write_parquet(file)
    passed, message = judged(keys.LEDGER)
    assert not passed
    assert message.startswith("7d: entry 1")
    assert file.name in message


def test_an_entry_that_is_gone_from_the_middle_is_found_at_its_place(warehouse: Warehouse) -> None:
    sorted((root_of(warehouse) / "forecasts/ledger/7d").glob("*.parquet"))[0].unlink()
    passed, message = judged(keys.LEDGER)
    assert not passed
    assert message.startswith("7d: entry 1")


def test_the_nightly_check_reads_the_end_of_the_chain_and_all_of_it_weekly(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted at the disk: the parquet files of the chain that are opened."""
    opened = list[str]()
    read_bytes = Path.read_bytes

    def counted(path: Path) -> bytes:
        content = read_bytes(path)
        if path.parent.name == "7d" and path.parent.parent.name == "ledger":
            opened.append(path.name)
        return content

    monkeypatch.setattr(Path, "read_bytes", counted)
    monkeypatch.setattr(ledger_tail, "READ_AGAIN", 1)
    assert judged(keys.LEDGER)[0]
    first, second = (path.name for path in sorted((root_of(warehouse) / "forecasts/ledger/7d").glob("*.parquet")))
    assert set(opened) == {first, second}
    opened.clear()
    assert judged(keys.LEDGER)[0]
    assert set(opened) == {second}
    note = root_of(warehouse) / "forecasts/ledger_verified/7d.json"
    note.write_text("{")
    opened.clear()
    assert judged(keys.LEDGER)[0]
    assert set(opened) == {first, second}, "a damaged note costs one whole reading"
    values = json.loads(note.read_text())
    note.write_text(json.dumps(values | {"whole_at": "2025-01-01T00:00:00Z"}))
    opened.clear()
    assert judged(keys.LEDGER)[0]
    assert set(opened) == {first, second}, "and so does a week"
    (root_of(warehouse) / "forecasts/ledger/7d" / second).unlink()
    passed, message = judged(keys.LEDGER)
    assert not passed
    assert "cut off" in message


def test_a_ledger_without_an_entry_is_not_called_intact(workspace: Path) -> None:
    assert judged(keys.LEDGER) == (False, "no entry")


def test_a_forecast_that_came_true_and_is_not_scored_is_named(warehouse: Warehouse) -> None:
    assert judged(keys.REALIZED) == (True, "8 steps due")
    scored = warehouse.read("accuracy/realized", "7d")
    assert scored is not None
    is_lost = (pl.col("version") == 2) & (pl.col("step") == 3)
    warehouse.write("accuracy/realized", scored.filter(~is_lost), "7d")
    passed, message = judged(keys.REALIZED)
    assert not passed
    assert message == f"8 steps due, 1 missing or outdated: 7d of {ORIGIN}, step 3 ({SESSIONS[2]})"


def test_a_score_against_a_price_that_was_revised_since_is_outdated(warehouse: Warehouse) -> None:
    revised = pl.when(pl.col("session") == SESSIONS[0]).then(904.0).otherwise("clp_per_usd")
    warehouse.write("market/usdclp", prices().with_columns(clp_per_usd=revised))
    passed, message = judged(keys.REALIZED)
    assert not passed
    assert message.startswith("8 steps due, 2 missing or outdated: ")
    assert f"step 1 ({SESSIONS[0]})" in message


def test_a_lost_score_of_an_old_forecast_is_named_on_the_next_monday(
    warehouse: Warehouse, environment: Callable[..., None]
) -> None:
    (root_of(warehouse) / "accuracy/realized/7d.parquet").unlink()
    environment(FOREX_AS_OF="2026-08-09")
    assert judged(keys.REALIZED)[1] == "no forecast"
    environment(FOREX_AS_OF="2026-08-10")
    passed, message = judged(keys.REALIZED)
    assert not passed
    assert "8 missing or outdated" in message


def test_a_price_later_than_the_clock_makes_nothing_due(warehouse: Warehouse, environment: Callable[..., None]) -> None:
    """The tables reach the 19th; at a clock set back to the 17th two sessions have come true, and both are scored."""
    environment(FOREX_AS_OF="2025-06-17")
    assert date(2025, 6, 17) == SESSIONS[1]
    assert judged(keys.REALIZED) == (True, "4 steps due")


def test_a_ledger_that_was_never_scored_is_due_as_a_whole(warehouse: Warehouse) -> None:
    (root_of(warehouse) / "accuracy/realized/7d.parquet").unlink()
    passed, message = judged(keys.REALIZED)
    assert not passed
    assert "8 missing or outdated" in message


def test_without_any_forecast_nothing_is_covered(workspace: Path) -> None:
    assert judged(keys.REALIZED) == (False, "no forecast")


def keep_card(rows: pl.DataFrame) -> None:
    """The card of realized forecasts, where the check reads it."""
    open_session().tables.write("accuracy/scorecard", scorecard(rows, TODAY))


def test_bands_that_do_not_hold_are_named_with_what_they_held(workspace: Path) -> None:
    keep_card(outcomes(120))
    assert judged(keys.SCORECARD)[0]
    narrow = outcomes(120, sd=0.01)  # half as wide as the truth is: they hold 67 %
    held = narrow.filter(pl.col("realized_clp_per_usd").is_between("q025", "q975")).height / narrow.height
    keep_card(narrow)
    passed, message = judged(keys.SCORECARD)
    assert not passed
    assert message.startswith(f"7d ewma: 95 % bands held {held:.1%} [")
    assert "of 120" in message


def test_coverage_is_judged_on_the_ledger_alone_and_not_on_a_handful(workspace: Path) -> None:
    for rows in (outcomes(120, sd=0.005, record="backtest"), outcomes(20, sd=0.005), outcomes(0)):
        keep_card(rows.select(list(REALIZED_SCHEMA)))
        passed, message = judged(keys.SCORECARD)
        assert passed
        assert message.startswith("not enough evidence")


def test_no_card_at_all_says_that_there_is_no_evidence(workspace: Path) -> None:
    assert judged(keys.SCORECARD) == (
        True,
        "not enough evidence: 0 realized forecasts at most, a coverage needs 30",
    )


@pytest.mark.parametrize(
    ("day", "is_first"),
    [
        (date(2025, 6, 9), True),  # a Monday
        (date(2025, 6, 10), False),
        (date(2025, 6, 13), False),
        (date(2023, 10, 9), True),  # a Monday that is a holiday: the job runs on weekdays
        (date(2023, 10, 10), True),
        (date(2023, 10, 11), False),
    ],
)
def test_all_years_are_checked_in_a_weeks_first_session(day: date, is_first: bool) -> None:
    assert is_first_of_its_week(day) is is_first

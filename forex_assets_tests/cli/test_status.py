"""`status` and `dashboard`: what the next fan starts from, how old it is, and whether other prices agree."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.core.schemas import STARTING_LEVEL_SCHEMA
from forex_assets.core.session import open_session

THURSDAY_EVENING = {
    "issued_at": datetime(2025, 6, 12, 23, tzinfo=UTC),
    "origin_session": date(2025, 6, 12),
    "origin_clp_per_usd": 936.44,
    "origin_kind": "dólar observado",
    "origin_source": "central_bank",
    "origin_dated": date(2025, 6, 13),
    "origin_observed_at": datetime(2025, 6, 12, 22, tzinfo=UTC),
    "origin_age_hours": 1.0,
    "origin_age_sessions": 0,
    "origin_disagreement_pct": 0.31,
    "is_origin_assumed": False,
    "origin_tolerance_pct": 1.2,
}
"""Seen an hour before a fan of Thursday; the workspace's clock is Friday, 13 June, 19:00 in Santiago."""


def shown(command: str, **changes: Any) -> str:
    session = open_session()
    row = pl.DataFrame([THURSDAY_EVENING | changes], schema=STARTING_LEVEL_SCHEMA)
    session.tables.write("market/origin", row)
    done = CliRunner().invoke(app, [command], env={"COLUMNS": "80"})
    # A path is never broken, so that it can be copied.
    assert max(len(line) for line in done.output.splitlines() if "warehouse/sample" not in line) <= 80
    return " ".join(done.output.split())


@pytest.mark.parametrize("command", ["status", "dashboard"])
def test_the_starting_price_is_named_with_source_age_at_the_clock_and_agreement(workspace: Path, command: str) -> None:
    text = shown(command)
    assert (
        "Starting price: 936.44, dólar observado of 2025-06-13 (central_bank), 25 h and 1 session old; agrees with "
        "another price of the session: 0.31 % apart, limit 1.20 %."
    ) in text
    record = json.loads(CliRunner().invoke(app, [command, "--json"]).stdout)["starting_price"]
    expected = {"price_clp_per_usd": 936.44, "source": "central_bank", "age_hours": 25.0, "age_sessions": 1}
    assert {name: record[name] for name in expected} == expected


def test_disagreement_and_age_are_said(workspace: Path) -> None:
    old = {"origin_session": date(2025, 6, 10), "origin_observed_at": datetime(2025, 6, 10, 21, tzinfo=UTC)}
    words = shown("status", origin_disagreement_pct=2.5, **old)
    assert "disagrees with another price of the session: 2.50 % apart, limit 1.20 %." in words
    assert "74 h and 3 sessions old" in words
    assert "Stale from 2 sessions: forex-assets ingest." in words
    assert "no other price of the session to compare with" in shown("status", origin_disagreement_pct=None)


def test_without_one_the_next_command_is_named_and_a_damaged_table_is_too(workspace: Path) -> None:
    done = CliRunner().invoke(app, ["status"])
    assert "Starting price: none yet; forex-assets ingest" in done.output
    shown("status")
    (workspace / "warehouse/sample/market/origin.parquet").write_bytes(b"PAR1 nothing")
    done = CliRunner().invoke(app, ["status"], env={"COLUMNS": "80"})
    assert done.exit_code == 1
    assert "Starting price: damaged, see below." in done.output
    assert "origin.parquet" in done.output.replace("\n", "")

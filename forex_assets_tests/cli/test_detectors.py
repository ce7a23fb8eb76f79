"""`forex-assets detectors`: what it prints for programs and for people."""

import io
import json
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console
from typer.testing import CliRunner

from detector_simulation import DETECTORS, DETECTORS_SCHEMA, RULES
from feed_faults import FEED_SCHEMA
from forex_assets.cli import app, detectors
from forex_assets.cli.detectors import feeds_table, rules_table


def drawn(table: object) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(table)
    return out.getvalue()


def rules() -> pl.DataFrame:
    rows = [
        [fault, detector, rule, 400, 0.25, 0.0213, 1.0, 0.01, 26.1 if fault == "nothing" else None]
        for fault in ("nothing", "decoupled copper")
        for detector in DETECTORS
        for rule in RULES
    ]
    return pl.DataFrame(rows, schema=DETECTORS_SCHEMA, orient="row")


def test_both_rules_stand_side_by_side_with_errors_and_budget_in_80_columns() -> None:
    text = drawn(rules_table(rules(), 0.0499))
    assert text.count("25 / 100") == 8
    assert text.count("26.1") == 4
    assert "standard errors up to 2.1" in " ".join(text.split())
    assert "5.0%" in text
    assert "400 fortnights" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text


def test_what_a_check_misses_is_said_and_a_range_is_written_as_one() -> None:
    rows = [
        ["provider swap: all dated late", "copper_and_peso_move_on_the_same_day", "warn", 20, 0.0, 1.0, 249, 40, 210],
        ["provider swap: all dated late", "sources_agree", "warn", 20, 0.05, 0.0, 1, None, None],
    ]
    text = drawn(feeds_table(pl.DataFrame(rows, schema=FEED_SCHEMA, orient="row")))
    assert "40–210" in text
    assert "not in 1" in text
    assert "copper_and_peso_move_on_the_same_day" in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_programs_get_every_figure_and_the_seed_that_made_it() -> None:
    result = CliRunner().invoke(app, ["detectors", "--worlds", "2", "--seed", "7", "--json"])
    assert result.exit_code == 0, result.output
    given = json.loads(result.stdout)
    assert (given["worlds"], given["seed"]) == (2, 7)
    assert given["budget_per_14_days"] == pytest.approx(1.3 * 14 / 365)
    assert set(given["detectors"][0]) == set(DETECTORS_SCHEMA)
    assert {row["n"] for row in given["detectors"]} == {40}
    assert set(given["feeds"][0]) == set(FEED_SCHEMA)


def test_one_market_alone_has_no_standard_error_and_is_refused() -> None:
    assert CliRunner().invoke(app, ["detectors", "--worlds", "1"]).exit_code == 2


def test_without_the_checkout_the_command_names_the_missing_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(detectors, "BENCHMARKS", tmp_path / "benchmarks")
    result = CliRunner().invoke(app, ["detectors", "--worlds", "2"])
    assert result.exit_code == 1
    assert str(tmp_path / "benchmarks") in result.output
    assert "checkout" in result.output

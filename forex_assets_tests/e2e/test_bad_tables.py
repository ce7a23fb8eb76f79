"""Tables and records that are damaged, or another version's: each said in a line, and the page shows all the rest."""

from pathlib import Path

import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.core.session import open_session
from forex_assets.report.daily import report_tables, write_report

TABLES = (
    "market/usdclp", "market/copper_hgf_usd_lb", "features/copper", "forecasts/latest/7d", "accuracy/scorecard",
    "monitoring/drift_report", "monitoring/trigger_decision/7d", "optimizer/candidate_config/7d",
    "optimizer/validation_report/7d",
)  # fmt: skip
COMMANDS = (["status"], ["dashboard"], ["explain"], ["scorecard"], ["report"], ["ledger", "verify"], ["doctor"])


def cli(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), env={"COLUMNS": "300"})


@pytest.fixture
def warehouse(with_forecasts: Path) -> Path:
    return with_forecasts / "warehouse/sample"


@pytest.mark.parametrize("is_damaged", [True, False])
def test_the_page_is_made_without_a_table_that_cannot_be_read_and_says_so(warehouse: Path, is_damaged: bool) -> None:
    for name in TABLES:
        path = warehouse / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PAR1") if is_damaged else pl.DataFrame({"x": [1]}).write_parquet(path)
    session = open_session()
    assert len(report_tables(session).faults) == len(TABLES)
    page = write_report(session).content.decode()
    assert all(f"{name}.parquet" in page for name in TABLES)
    assert "(15 days)" in page
    for command in COMMANDS:
        done = cli(*command)
        assert done.exception is None or isinstance(done.exception, SystemExit), (command, done.exception)
        assert done.exit_code in (0, 1)
        assert done.exit_code == 0 or ".parquet" in done.stderr, command


def test_a_damaged_table_is_named_and_the_others_are_shown(warehouse: Path) -> None:
    (warehouse / "forecasts/latest/7d.parquet").write_bytes(b"PAR1")
    for command in ("status", "dashboard", "doctor"):
        done = cli(command)
        assert done.exit_code == 1, command
        assert done.stderr.count("7d.parquet is damaged") == 1, command
        assert "2025-" in done.stdout or command == "doctor"
        assert "15d" in done.stdout


def test_a_fan_without_rows_is_no_fan(warehouse: Path) -> None:
    path = warehouse / "forecasts/latest/7d.parquet"
    pl.read_parquet(path).clear().write_parquet(path)
    for command in (["status"], ["dashboard"], ["report"]):
        assert cli(*command).exit_code == 0, command


@pytest.mark.parametrize("command", ["status", "forecast --stored", "dashboard", "history", "ledger verify"])
def test_records_of_dagster_that_cannot_be_used_are_said_in_a_line(warehouse: Path, command: str) -> None:
    home = warehouse.parents[1] / "dagster"
    for path in home.rglob("*.db"):
        path.write_bytes(b"no database" * 1000)
    done = cli(*command.split())
    assert done.exit_code == 1
    assert f"records in {home} cannot be used" in done.stderr.replace("\n", "")
    assert isinstance(done.exception, SystemExit)


def test_a_policy_that_cannot_be_read_hides_nothing_that_does_not_depend_on_it(warehouse: Path) -> None:
    (warehouse.parents[1] / "configs/policy.yaml").write_text("decide_by: luck\n")
    for name in ("status", "dashboard", "explain", "history", "report"):
        done = cli(name)
        assert done.exit_code == 0, (name, done.output)
    assert cli("run", "--horizon", "7d").exit_code == 1

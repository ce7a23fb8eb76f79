"""The report's files: kept by date and language, refused where there is nothing to show."""

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.core import names
from forex_assets.core.session import open_session
from forex_assets.report import pdf
from forex_assets.report.daily import EmptyReport, report_tables, write_report
from forex_assets_tests.desk.worlds import DAYS, ORIGIN, fan
from forex_assets_tests.places import root_of


@pytest.fixture
def fans(workspace: Path) -> Path:
    """A warehouse with four fans of the clock's day and nothing else."""
    tables = open_session().tables
    for horizon in DAYS:
        tables.write(names.LATEST, fan(horizon, source="SAMPLE DATA, not market prices"), horizon)
    return root_of(tables)


def test_an_empty_warehouse_is_an_error_that_says_what_to_type(workspace: Path) -> None:
    with pytest.raises(EmptyReport, match="forex-assets forecast"):
        write_report(open_session())
    done = CliRunner().invoke(app, ["report"])
    assert done.exit_code == 1
    assert not list(workspace.rglob("*.html"))


def test_pages_are_kept_by_date_and_language_and_never_overwritten(fans: Path) -> None:
    session = open_session()
    first = write_report(session, "es").content
    write_report(session, "es")
    write_report(session, "en")
    (session.settings.configs / "exposure.csv").write_text("date,amount_usd,direction\n2025-07-10,1000000,pay\n")
    second = write_report(session, "es").content
    kept = {file.name: file.read_bytes() for file in (fans / "report/kept").iterdir()}
    assert set(kept) == {f"{ORIGIN}_es.html", f"{ORIGIN}_en.html", f"{ORIGIN}_es_2.html"}
    assert kept[f"{ORIGIN}_es.html"] == first
    assert kept[f"{ORIGIN}_es_2.html"] == second != first


def test_a_file_of_flows_with_a_fault_costs_itself_and_is_named(fans: Path) -> None:
    session = open_session()
    (session.settings.configs / "exposure.csv").write_text("date,amount\n2025-07-10,1\n")
    tables = report_tables(session)
    assert tables.exposure is None
    assert "exposure.csv" in tables.faults[0]
    assert "exposure.csv" in write_report(session).content.decode()


def test_the_ledger_gives_the_earlier_range_for_the_last_close(fans: Path) -> None:
    """A price of the target day of a fan that was issued a week before."""
    from forex_assets.core.schemas import USDCLP_SCHEMA
    from forex_assets.forecasts.ledger_store import LedgerStore

    session, week_before = open_session(), ORIGIN.replace(day=6)
    LedgerStore(session.tables).append(fan("7d", origin=week_before), issued_at=session.now, code_version="1")
    close = {"session": ORIGIN, "clp_per_usd": 951.0, "source": "x", "is_provisional": False, "is_quarantined": False}
    row = pl.DataFrame([dict.fromkeys(USDCLP_SCHEMA) | close], schema=USDCLP_SCHEMA)
    session.tables.write(names.USDCLP, row.with_columns(is_suspect=pl.lit(False)))
    held = report_tables(open_session()).held
    assert [(band.issued, band.session, band.close) for band in held] == [(week_before, ORIGIN, 951.0)]
    assert held[0].low80 == pytest.approx(fan("7d", origin=week_before)["q10"][-1])


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--lang", "fr"], 2, "--lang fr: the report is written in es or en"),
        (["--pdf", "x.pdf"], 1, "no Chromium, Chrome or Edge"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    fans: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], code: int, words: str
) -> None:
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    done = CliRunner().invoke(app, ["report", *options], env={"COLUMNS": "300"})
    assert done.exit_code == code
    assert words in done.stderr


def test_the_page_goes_where_it_is_told(fans: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", "--lang", "es", "--out", str(tmp_path / "informe.html")])
    assert done.exit_code == 0
    assert 'lang="es"' in (tmp_path / "informe.html").read_text()
    assert not (fans / "report/daily.html").exists()

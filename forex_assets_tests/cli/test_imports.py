"""Reading commands import neither Dagster nor a model; known errors are found by name."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from forex_assets.accuracy.scorecard import scorecard
from forex_assets.cli.common import KNOWN_ERRORS, reported
from forex_assets.core import names
from forex_assets.core.schemas import REALIZED_SCHEMA, empty
from forex_assets.core.session import open_session
from forex_assets.market.ingestion import ingest_usdclp
from forex_assets.market.price_sources import PriceSources

HEAVY = ("dagster", "torch", "chronos", "mlflow", "matplotlib", "pandas", "scipy.stats", "sqlalchemy")


@pytest.mark.parametrize("command", ["scorecard", "report"])
def test_reading_a_table_imports_neither_dagster_nor_a_model(workspace: Path, command: str) -> None:
    session = open_session()
    prices = ingest_usdclp(PriceSources(session, 30.0)).prices
    session.tables.write(names.USDCLP, prices)
    session.tables.write(names.SCORECARD, scorecard(empty(REALIZED_SCHEMA), session.today))
    code = (
        "import sys\nfrom forex_assets.cli import main\n"
        f"sys.argv = ['forex-assets', '{command}']\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    print('ENDED', ended.code)\n"
        f"print('LOADED', *sorted({set(HEAVY)} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "ENDED 0" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED", done.stdout + done.stderr


@pytest.mark.parametrize("code", sorted(KNOWN_ERRORS))
def test_each_known_error_ends_with_its_exit_code(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    for name in KNOWN_ERRORS[code]:
        module, _, known = name.rpartition(".")
        error = getattr(importlib.import_module(module), known)

        @reported
        def command(error: type[Exception] = error) -> None:
            raise error("why it failed")

        with pytest.raises(typer.Exit) as ended:
            command()
        assert ended.value.exit_code == code, name
        assert "why it failed" in capsys.readouterr().err

"""The desk's commands and Python API on a stored warehouse, without any model library."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import forex_assets as fx
from forex_assets.cli import app
from forex_assets.core import names
from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.core.session import open_session
from forex_assets.core.settings import PROJECT
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets_tests.desk.worlds import CALENDAR, DAYS, ORIGIN, SD, fan


@pytest.fixture
def desk(workspace: Path) -> Path:
    """A sample warehouse with today's four fans, a year of prices, and the 30-day fan of a week before."""
    session = open_session()
    for horizon in DAYS:
        today = fan(horizon, source=SAMPLE_SOURCE)
        session.sample_tables.write(names.LATEST, today, horizon)
    ledger = LedgerStore(session.sample_tables)
    for rows in (fan("30d", price=930, sd=SD / 2, origin=date(2025, 6, 6), source=SAMPLE_SOURCE), today):
        if rows["horizon"][0] == "30d":
            ledger.append(rows, issued_at=session.now, code_version="test", is_replay=True)
    _prices(session.sample_tables)
    return workspace


def _prices(tables: object) -> None:
    """Three years of peso and copper: the peso moves by -.4 of copper."""
    import numpy as np

    from forex_assets.core.schemas import COPPER_SCHEMA, USDCLP_SCHEMA, UTC

    sessions = CALENDAR.between(date(2022, 6, 13), ORIGIN)
    generator = np.random.default_rng(2)
    copper = np.cumsum(generator.normal(0, 0.012, len(sessions)))
    peso = -0.4 * copper + np.cumsum(generator.normal(0, 0.004, len(sessions)))
    for key, column, values, schema in (
        (names.USDCLP, "clp_per_usd", 940 * np.exp(peso - peso[-1]), USDCLP_SCHEMA),
        (names.COPPER, "close_usd_lb", 4 * np.exp(copper), COPPER_SCHEMA),
    ):
        instants = pl.lit(date(2025, 6, 13)).cast(UTC)
        rows = pl.DataFrame({"session": sessions, column: values}).with_columns(
            source=pl.lit(SAMPLE_SOURCE), is_provisional=False, is_suspect=False, is_quarantined=False,
            available_at=instants, fetched_at=instants, monthly_level_usd_lb=pl.lit(None, dtype=pl.Float64),
        )  # fmt: skip
        tables.write(key, rows.select(list(schema)))  # type: ignore[attr-defined]


def run(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), env={"COLUMNS": "80"})


def rows_of(*args: str) -> dict[str, object]:
    result = run(*args, "--json")
    assert result.exit_code == 0, result.output
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


FACTS = {"price_clp_per_usd", "price_session", "price_age_sessions", "model", "past_errors", "data"}
QUESTIONS = [
    ["odds", "1000", "--by", "2025-06-30"],
    ["odds", "--table"],
    ["average", "--sessions", "20"],
    ["scenario", "--copper", "-10%"],
    ["compare-fans", "--horizon", "30d"],
]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: " ".join(question))
def test_every_answer_names_what_it_rests_on(desk: Path, question: list[str]) -> None:
    answer = rows_of(*question)
    assert set(answer["basis"]) >= FACTS  # type: ignore[call-overload]
    (csv_row, *_) = csv.DictReader(io.StringIO(run(*question, "--csv").stdout))
    assert set(csv_row) >= FACTS
    output = run(*question).stdout
    assert "SAMPLE DATA" in output
    assert "Price 940.00 of 2025-06-13 (current)" in " ".join(output.split())
    assert max(len(line) for line in output.splitlines()) <= 80


def test_odds_are_those_of_the_fan(desk: Path) -> None:
    """By hand: Φ(-ln(1000/940) / (.007·√19)) on 11 July."""
    (row,) = rows_of("odds", "1000", "--by", "2025-07-11")["rows"]  # type: ignore[misc]
    assert row["sessions"] == 19
    assert row["above"] == pytest.approx(0.0213, abs=2e-4)
    assert row["touch"] > row["above"]


def test_a_fan_compared_with_last_weeks_names_the_causes(desk: Path) -> None:
    answer = rows_of("compare-fans", "--horizon", "30d")
    before, after = answer["rows"]  # type: ignore[misc]
    assert (before["as_of"], after["as_of"]) == ("2025-06-06", "2025-06-13")
    assert after["price_change"] == pytest.approx(10)
    assert after["by_volatility"] == pytest.approx(2)


def test_a_file_of_flows_becomes_pesos(desk: Path) -> None:
    path = desk / "flows.csv"
    path.write_text(run("exposure", "--example").stdout)
    answer = rows_of("exposure", str(path), "--budget", "950")
    assert [row["direction"] for row in answer["rows"]] == ["pay", "receive", "pay"]  # type: ignore[index,attr-defined]
    assert answer["totals"][0]["median"] == pytest.approx(30e3 * 940 + 125e3 * 10, abs=5e5)  # type: ignore[index]
    book = desk / "out.xlsx"
    options = ("--hedge", "0,100", "--peso-rate", "5", "--dollar-rate", "4", "--excel", str(book))
    assert len(rows_of("exposure", str(path), *options)["totals"]) == 3  # type: ignore[arg-type]
    assert book.stat().st_size > 1000


@pytest.mark.parametrize(
    ("question", "code", "words"),
    [
        (["odds"], 2, "give a level"),
        (["odds", "1000", "--by", "soon"], 2, "no date and no horizon"),
        (["odds", "1000", "--by", "2026-12-31"], 2, "end on 2025-09-11"),
        (["odds", "10"], 2, "a price of the dollar lies between"),
        (["odds", "1000", "--target", "euro"], 2, "there are price, observado"),
        (["odds", "1000", "--json", "--csv"], 2, "not both"),
        (["scenario"], 2, "--copper -10%"),
        (["scenario", "--copper", "ten"], 2, "write it as -10%"),
        (["scenario", "--dxy", "2%"], 1, "no prices of the dollar index are stored"),
        (["exposure", "absent.csv"], 2, "no such file"),
        (["average", "--month", "March"], 2, "write it as 2026-03"),
        (["average"], 2, "is not stored"),
        (["odds", "1000", "--target", "observado", "--by", "2025-06-12"], 2, "after the trades"),
        (["compare-fans", "--days", "60"], 1, "the oldest is 7 days older: give --days 7"),
        (["compare-fans", "--horizon", "7d", "--days", "1"], 1, "compare again after the next forecast"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_questions_without_an_answer_say_why(desk: Path, question: list[str], code: int, words: str) -> None:
    result = run(*question)
    assert result.exit_code == code
    assert words in " ".join(result.output.split())


def test_without_fans_the_next_command_is_named(workspace: Path) -> None:
    result = run("odds", "1000")
    assert result.exit_code == 1
    assert "forex-assets forecast" in " ".join(result.output.split())


def test_the_python_api_answers_as_the_commands_do(desk: Path) -> None:
    month = fx.fan("30d")
    (row,) = rows_of("odds", "1000", "--by", "2025-07-11")["rows"]  # type: ignore[misc]
    assert month.probability_above(1000, "2025-07-11") == pytest.approx(row["above"], abs=1e-4)
    assert month.probability_touch(1000, date(2025, 7, 11)) == pytest.approx(row["touch"], abs=1e-4)
    assert month.quantile(0.5) == pytest.approx(940)
    frame = month.to_pandas()
    assert frame.index.name == "session"
    assert frame["q50"].iloc[-1] == pytest.approx(940)
    assert month.basis.data == "sample"
    falls = fx.scenario(copper=-0.10)
    assert falls.median > 950
    assert falls.to_pandas().loc["fan", "median"] == pytest.approx(940)
    assert fx.fan().probability_above(940, "2025-06-24") == pytest.approx(0.5)
    with pytest.raises(ValueError, match="no horizon '31d'"):
        fx.fan("31d")


def test_no_question_loads_a_model_library(desk: Path) -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom forex_assets.cli import app\n"
        "import forex_assets as fx\n"
        f"for args in {QUESTIONS}:\n    assert CliRunner().invoke(app, args).exit_code == 0, args\n"
        "fx.scenario(copper=-.1)\nfx.fan('30d').quantile(.5)\n"
        "print(sorted({'torch', 'chronos', 'transformers', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_notebook_runs(desk: Path, environment: Callable[..., None]) -> None:
    """Every code cell, in order, on the stored warehouse."""
    cells = json.loads((PROJECT / "docs/desk.ipynb").read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(sources) >= 4
    space: dict[str, object] = {}
    for source in sources:
        exec(compile(source, "desk.ipynb", "exec"), space)
    assert isinstance(space["chance"], float)


def test_the_pages_python_examples_run(desk: Path) -> None:
    page = (PROJECT / "docs/desk.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    space: dict[str, object] = {}
    exec(compile(example, "desk.md", "exec"), space)
    assert isinstance(space["fan"], fx.fan().__class__)

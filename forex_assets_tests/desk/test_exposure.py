"""Pesos of flows, worked by hand on log-normal fans; files by line and column."""

import math
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from forex_assets.desk.exposure import joint_prices, pesos_of
from forex_assets.desk.exposure_answer import Rates, exposure_answer
from forex_assets.desk.flows import Flow, flows_of
from forex_assets.desk.flows_file import example, read_flows, write_excel
from forex_assets.desk.outlook import QuestionError
from forex_assets_tests.desk.worlds import PRICE, SD, outlook

NEAR, FAR = date(2025, 6, 27), date(2025, 7, 11)
Z95 = 1.6448536


def test_one_payment_by_hand() -> None:
    """100,000 dollars to pay in 9 sessions: median 940, bad side 940·e^(1.645·.007·3) a dollar."""
    view = outlook()
    pesos = pesos_of([Flow(NEAR, 100_000, "pay")], joint_prices([view.at(NEAR)]), None, budget_rate=950)
    assert pesos.median == pytest.approx(-100_000 * PRICE, rel=1e-4)
    assert pesos.p05 == pytest.approx(-100_000 * PRICE * math.exp(Z95 * SD * 3), rel=2e-4)
    assert pesos.at_risk == pytest.approx(100_000 * PRICE * (math.exp(Z95 * SD * 3) - 1), rel=1e-2)
    # The budget of 950 is passed with chance 1 - Φ(ln(950/940) / .021) = .3074; the mean excess is an integral.
    assert pesos.breach == pytest.approx(0.3074, abs=1e-3)
    grid = np.linspace(950, 1100, 200_001)
    density = np.exp(-((np.log(grid / PRICE) / (3 * SD)) ** 2) / 2) / (grid * 3 * SD * math.sqrt(2 * math.pi))
    excess = np.sum((grid - 950) * density) * (grid[1] - grid[0]) / 0.3074
    assert pesos.breach_size == pytest.approx(100_000 * excess, rel=5e-3)


def test_flows_of_both_directions_on_a_day_offset() -> None:
    view = outlook()
    joint = joint_prices([view.at(NEAR)])
    pesos = pesos_of([Flow(NEAR, 300, "receive"), Flow(NEAR, 100, "pay")], joint, None)
    alone = pesos_of([Flow(NEAR, 200, "receive")], joint, None)
    assert (pesos.p05, pesos.median, pesos.p95) == pytest.approx((alone.p05, alone.median, alone.p95))


def test_two_dates_depend_on_each_other_as_a_walk_does() -> None:
    """A simulated walk is the oracle: paid on the 9th session, received on the 18th."""
    view = outlook()
    h_near, h_far = view.at(NEAR).sessions, view.at(FAR).sessions
    steps = np.random.default_rng(11).normal(0, SD, (200_000, h_far))
    walk = PRICE * np.exp(np.cumsum(steps, axis=1))
    total = 1000 * walk[:, h_far - 1] - 800 * walk[:, h_near - 1]
    flows = [Flow(NEAR, 800, "pay"), Flow(FAR, 1000, "receive")]
    pesos = pesos_of(flows, joint_prices([view.at(NEAR), view.at(FAR)]), None)
    low, middle, high = np.quantile(total, (0.05, 0.5, 0.95))
    assert (pesos.p05, pesos.median, pesos.p95) == pytest.approx((low, middle, high), abs=0.02 * (high - low))


def test_a_full_hedge_has_no_spread_and_costs_the_forward() -> None:
    view = outlook()
    joint = joint_prices([view.at(NEAR)])
    flow = Flow(NEAR, 1000, "pay")
    full = pesos_of([flow], joint, {NEAR: 941.0}, hedged=1.0)
    assert (full.p05, full.median, full.p95) == pytest.approx((-941_000, -941_000, -941_000))
    half, none = (pesos_of([flow], joint, {NEAR: 941.0}, hedged=share) for share in (0.5, 0.0))
    assert half.at_risk == pytest.approx(none.at_risk / 2, rel=1e-6)


def test_a_hedge_of_the_file_counts_at_its_own_rate() -> None:
    view = outlook()
    joint = joint_prices([view.at(NEAR)])
    pesos = pesos_of([Flow(NEAR, 1000, "pay", hedged=1.0, hedge_rate=925.0)], joint, None, budget_rate=930)
    assert pesos.median == pytest.approx(-925_000)
    assert pesos.breach == 0
    assert pesos.breach_size == 0


def test_an_answer_compares_hedges_and_names_its_rates() -> None:
    view = outlook()
    rates = Rates(0.06, 0.04, "both typed in")
    answer = exposure_answer(
        view, [Flow(NEAR, 1000, "pay", line=2)], view.at, rates=rates, budget_rate=930, hedges=(0.0, 0.5, 1.0)
    )
    totals = (answer.more or {})["totals"]
    assert [row["hedged"] for row in totals] == ["as in the file", "0 %", "50 %", "100 %"]
    # By hand: 940 (1 + .06·14/360) / (1 + .04·14/360).
    assert answer.rows[0]["forward"] == pytest.approx(940.73, abs=0.01)
    assert totals[3]["median"] == pytest.approx(-940_730, abs=10)
    assert any("both typed in" in note for note in answer.notes)


def test_a_hedge_without_rates_says_what_to_type() -> None:
    view = outlook()
    with pytest.raises(QuestionError, match="--dollar-rate"):
        exposure_answer(
            view, [Flow(NEAR, 1, "pay")], view.at, rates=None, missing_rates="give --dollar-rate 4.1", hedges=(1.0,)
        )


def test_a_date_that_no_fan_reaches_is_named_by_line() -> None:
    view = outlook()
    with pytest.raises(
        QuestionError, match=r"line 7, column date: 2026-06-01: the fans of 2025-06-13 end on 2025-09-11"
    ):
        exposure_answer(view, [Flow(date(2026, 6, 1), 1, "pay", line=7)], view.at, rates=None)


HEADER = ["date", "amount_usd", "direction", "hedged_percent", "hedge_rate", "account"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (["31/12/2025", "1", "pay", "", "", ""], "line 2, column date: '31/12/2025'; write it as 2026-03-31"),
        (["2025-12-31", "-5", "pay", "", "", ""], "line 2, column amount_usd: '-5'"),
        (
            ["2025-12-31", "250.000", "pay", "", "", ""],
            "line 2, column amount_usd: '250.000'; a number without separators",
        ),
        (["2025-12-31", "", "pay", "", "", ""], "line 2, column amount_usd: 'empty'"),
        (["2025-12-31", "1", "buy", "", "", ""], "line 2, column direction: 'buy'; pay or receive"),
        (["2025-12-31", "1", "pay", "150", "", ""], "line 2, column hedged_percent: '150'; a number from 0 to 100"),
        (["2025-12-31", "1", "pay", "5", "9", ""], "line 2, column hedge_rate: '9'"),
        (["2025-12-31", "1", "pay", "", "", "", "7"], "line 2: 7 cells, the header has 6"),
        (["2025-12-31", "nan", "pay", "", "", ""], "line 2, column amount_usd: 'nan'"),
    ],
)
def test_faults_of_a_file_are_named_by_line_and_column(row: list[str], words: str) -> None:
    with pytest.raises(QuestionError) as error:
        flows_of([HEADER, row], "flows.csv")
    assert words in str(error.value)


def test_every_fault_is_named_at_once_and_none_is_lost() -> None:
    rows = [HEADER, *[["x", "y", "z", "", "", ""]] * 6]
    with pytest.raises(QuestionError, match="and 8 more"):
        flows_of(rows, "flows.csv")


def test_missing_and_unknown_columns_are_named() -> None:
    with pytest.raises(QuestionError) as error:
        flows_of([["date", "amount", "direction"], ["2025-12-31", "1", "pay"]], "flows.csv")
    assert "column 'amount_usd' is missing" in str(error.value)
    assert "column 'amount' is unknown" in str(error.value)


def test_the_template_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "flows.csv"
    path.write_text(example(date(2025, 6, 13)))
    flows = read_flows(path)
    assert [(flow.amount, flow.direction, flow.hedged) for flow in flows] == [
        (250_000, "pay", 0.5), (400_000, "receive", 0), (120_000, "pay", 0),
    ]  # fmt: skip
    assert flows[0].day == date(2025, 6, 27)


def test_a_file_of_chilean_excel_has_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    path = tmp_path / "flows.csv"
    path.write_bytes(
        "\ufefffecha".encode()[:3] + b"date;amount_usd;direction;hedged_percent\r\n2025-07-01;1500,5;pay;50\r\n"
    )
    (flow,) = read_flows(path)
    assert (flow.amount, flow.hedged) == (1500.5, 0.5)


def test_excel_files_are_read_and_written(tmp_path: Path) -> None:
    from openpyxl import Workbook, load_workbook

    book = Workbook()
    book.active.append(["date", "amount_usd", "direction"])
    book.active.append([date(2025, 7, 1), 1000, "receive"])
    path = tmp_path / "flows.xlsx"
    book.save(path)
    (flow,) = read_flows(path)
    assert (flow.day, flow.amount, flow.direction) == (date(2025, 7, 1), 1000, "receive")
    out = tmp_path / "out.xlsx"
    write_excel(out, {"totals": [{"hedged": "0 %", "median": -1}]}, ["Price 940"])
    rows = list(load_workbook(out)["totals"].iter_rows(values_only=True))
    assert rows == [("Price 940", None), ("hedged", "median"), ("0 %", -1)]


@pytest.mark.parametrize("name", ["flows.csv", "flows.xlsx"])
def test_files_that_are_something_else_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(QuestionError, match="no such file"):
        read_flows(path)
    path.write_bytes(b"\xff\xfe\x00garbage")
    with pytest.raises(QuestionError, match=r"is no (UTF-8 text|Excel workbook)"):
        read_flows(path)

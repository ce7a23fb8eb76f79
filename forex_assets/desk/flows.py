"""Dollar flows of a treasury, read from cells."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

from forex_assets.desk.outlook import QuestionError

REQUIRED: Final = ("date", "amount_usd", "direction")
OPTIONAL: Final = ("hedged_percent", "hedge_rate", "account")
COLUMNS: Final = (*REQUIRED, *OPTIONAL)

EXAMPLE: Final = """\
date,amount_usd,direction,hedged_percent,hedge_rate,account
{first},250000,pay,50,930,Imports
{second},400000,receive,0,,Exports
{third},120000,pay,0,,Freight
"""
"""Template of a file; dates are filled in."""

_THOUSANDS: Final = re.compile(r"\d{1,3}([.,]\d{3})+")
"""Text such as 250.000, which may mean 250 or 250 thousand."""


@dataclass(frozen=True)
class Flow:
    """One flow of dollars.

    Attributes:
        day: when it is due.
        amount: USD, above 0.
        direction: `pay` buys dollars, `receive` sells them.
        hedged: share already sold or bought forward, 0 to 1.
        hedge_rate: rate of that hedge, CLP per USD; None stands for today's forward.
        account: for people; may be empty.
        line: of the file, for messages.
    """

    day: date
    amount: float
    direction: Literal["pay", "receive"]
    hedged: float = 0.0
    hedge_rate: float | None = None
    account: str = ""
    line: int = 0

    @property
    def sign(self) -> int:
        """+1 for dollars received, -1 for dollars paid."""
        return 1 if self.direction == "receive" else -1


def flows_of(rows: Sequence[Sequence[Any]], what: str) -> list[Flow]:
    """Reads flows from a table's cells.

    Args:
        rows: the header first; cells as text, numbers or dates.
        what: name of the file, for messages.

    Raises:
        QuestionError: every fault, by line and column.
    """
    if not rows:
        raise QuestionError(f"{what}: the file is empty; `forex-assets exposure --example` prints a template")
    header = [_text(cell).lower() for cell in rows[0]]
    faults = [f"line 1: column {name!r} is missing" for name in REQUIRED if name not in header]
    faults += [f"line 1: column {name!r} is unknown" for name in header if name and name not in COLUMNS]
    faults += [f"line 1: column {name!r} stands twice" for name in COLUMNS if header.count(name) > 1]
    flows = list[Flow]()
    if not faults:
        for line, cells in enumerate(rows[1:], start=2):
            if any(_text(cell) for cell in cells):
                flow = _flow(dict(zip(header, [*cells, *[None] * len(header)], strict=False)), line, faults)
                if flow is not None:
                    flows.append(flow)
                if any(_text(cell) for cell in cells[len(header) :]):
                    faults.append(
                        f"line {line}: {len(cells)} cells, the header has {len(header)}; a comma in a number?"
                    )
        if not flows and not faults:
            faults.append("there is no flow below the header")
    if faults:
        lines = faults[:10] + ([f"and {len(faults) - 10} more"] if len(faults) > 10 else [])
        raise QuestionError("\n".join(f"{what}: {fault}" for fault in lines) + f"\ncolumns are {', '.join(COLUMNS)}")
    return flows


def _flow(cells: dict[str, Any], line: int, faults: list[str]) -> Flow | None:
    """Reads one line; adds its faults."""
    before = len(faults)

    def fault(column: str, allowed: str) -> None:
        faults.append(f"line {line}, column {column}: {_text(cells.get(column)) or 'empty'!r}; {allowed}")

    def number(column: str, allowed: str, low: float, high: float, default: float | None) -> float | None:
        cell = cells.get(column)
        text = _text(cell).removesuffix("%").strip()
        if column == "amount_usd" and isinstance(cell, str) and _THOUSANDS.fullmatch(text):
            fault(
                column,
                f"a number without separators: write {re.sub('[.,]', '', text)}, or {text[:-4]}.00 with two decimals",
            )
            return default
        if not text:
            if default is None and column in REQUIRED:
                fault(column, allowed)
            return default
        try:
            value = float(text)
        except ValueError:
            fault(column, allowed)
            return default
        if not low <= value <= high:
            fault(column, allowed)
        return value

    day = _date(cells.get("date"))
    if day is None:
        fault("date", "write it as 2026-03-31")
    amount = number("amount_usd", "a number above 0, without separators, such as 250000.50", 0.01, 1e12, None)
    hedged = number("hedged_percent", "a number from 0 to 100", 0, 100, 0.0)
    rate = number("hedge_rate", "a rate in CLP per USD, or empty for today's forward", 100, 10_000, None)
    direction = _text(cells.get("direction")).lower()
    if direction not in ("pay", "receive"):
        fault("direction", "pay or receive")
    if len(faults) > before or day is None or amount is None:
        return None
    side: Literal["pay", "receive"] = "pay" if direction == "pay" else "receive"
    return Flow(day, amount, side, (hedged or 0.0) / 100, rate, _text(cells.get("account")), line)


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _date(cell: Any) -> date | None:
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    try:
        return date.fromisoformat(_text(cell))
    except ValueError:
        return None

"""Tables of the desk's answers, 80 columns wide."""

import csv
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.console import RenderableType

from forex_assets.cli.common import BAD_USAGE, fail, out, print_json
from forex_assets.cli.tables import Column, banner, each, fixed, interval, prices, table, whole
from forex_assets.desk.answers import Answer

_chance = each(lambda value: "<1" if value < 0.005 else ">99" if value >= 0.995 else f"{100 * value:.0f}")
_breach = each(lambda value: f"{100 * value:.0f}" if value in (0, 1) else next(iter(_chance([value]))))
_moves = each(lambda value: f"{100 * value:+.1f}")
_factors = each(lambda value: f"{100 * (value - 1):+.0f}")


def _band(low: str, high: str) -> Any:
    return lambda row: None if row[low] is None else (row[low], row[high])


_PESOS: Final = (
    Column("p05", lambda row: row["p05"] / 1e6, fixed(1)),
    Column("median", lambda row: row["median"] / 1e6, fixed(1)),
    Column("p95", lambda row: row["p95"] / 1e6, fixed(1)),
    Column("at risk", lambda row: row["at_risk"] / 1e6, fixed(1)),
    Column("breach %", lambda row: row.get("breach"), _breach),
)
"""Millions of pesos, and the chance of a breach."""

COLUMNS: Final[dict[str, Sequence[Column]]] = {
    "touch": (
        Column("level", "level", prices),
        Column("by", "date"),
        Column("sessions", "sessions", whole),
        Column("above %", "above", _chance),
        Column("below %", "below", _chance),
        Column("touch %", "touch", _chance),
    ),
    "highest_p90": (
        Column("by", "date"),
        Column("sessions", "sessions", whole),
        Column("no close below", "lowest_p10", prices),
        Column("no close above", "highest_p90", prices),
    ),
    "p02_5": (
        Column("", "what"),
        Column("on", "date"),
        Column("median", "median", prices),
        Column("8 of 10", _band("p10_0", "p90_0"), interval(prices, "–")),
        Column("19 of 20", _band("p02_5", "p97_5"), interval(prices, "–")),
    ),
    "hedged_percent": (
        Column("date", "date"),
        Column("account", "account"),
        Column("", "direction"),
        Column("USD", "amount_usd", whole),
        *_PESOS,
    ),
    "hedged": (
        Column("hedged", "hedged"),
        *_PESOS,
        Column("by", lambda row: row["breach_size"] / 1e6 if row.get("breach") else None, fixed(1)),
    ),
    "by_volatility": (
        Column("", "horizon"),
        Column("issued", "as_of"),
        Column("price", "price", prices),
        Column("median", "median", prices),
        Column("19 of 20", _band("low", "high"), interval(prices, "–")),
        Column("width %", "width_ratio", _factors),
    ),
    "peso_per_1": (
        Column("driver", "driver"),
        Column("asked %", "move", _moves),
        Column("dollar, % per %", "peso_per_1", fixed(2)),
    ),
    "dollar": (
        Column("from", "from"),
        Column("to", "to"),
        Column("copper %", lambda row: row.get("copper"), _moves),
        Column("index %", lambda row: row.get("dxy"), _moves),
        Column("real %", lambda row: row.get("brl"), _moves),
        Column("dollar %", "dollar", _moves),
    ),
}
"""Columns of a table, by a name that only its rows have."""

TITLES: Final = {
    "extremes": "Nine times of ten",
    "totals": "In total, millions of CLP",
    "drivers": "Drivers",
    "history": "Past stretches with such moves",
}


def show(answer: Answer, *, as_json: bool, as_csv: bool) -> None:
    """Prints an answer as JSON, CSV, or tables for people."""
    if as_json and as_csv:
        fail("give --json or --csv, not both", BAD_USAGE)
    if as_json:
        print_json(answer.as_json())
    elif as_csv:
        rows = answer.flat_rows()
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        for part in drawn(answer):
            out.print(part)


def drawn(answer: Answer) -> Iterator[RenderableType]:
    """Yields tables, notes, and the facts behind them."""
    if answer.basis.is_sample:
        yield banner()
    yield rows_table(answer.rows, answer.title)
    for name, rows in (answer.more or {}).items():
        if rows:
            yield rows_table(rows, TITLES[name])
    yield from answer.notes
    yield answer.basis.words()


def rows_table(rows: Sequence[dict[str, Any]], title: str) -> RenderableType:
    """Draws rows; columns without a value are left out."""
    columns = next(columns for name, columns in COLUMNS.items() if name in rows[0])
    used = [column for column in columns if any(_value(column, row) not in (None, "") for row in rows)]
    return table(rows, used, title=title)


def _value(column: Column, row: dict[str, Any]) -> Any:
    return column.value(row) if callable(column.value) else row.get(column.value)

"""Terminal tables: rows and column formats in, a `rich` table out.

One style for every command. `-` stands for a missing value, decimals are constant within a column, thousands have a
comma, times are Santiago's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import floor, log10
from typing import Any, Final

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from forex_assets.core.calendar import santiago_time
from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.report.formats import number

MISSING: Final = "-"
Row = Mapping[str, Any]
Format = Callable[[Sequence[Any]], Iterable[str]]
"""Formats the values of a column that are there, all at once."""

COLOURS: Final = {
    **dict.fromkeys(("approved", "deployed", "used", "intact"), "green"),
    **dict.fromkeys(("rejected", "failed", "broken"), "red"),
    **dict.fromkeys(("inconclusive", "refused", "missing", "damaged", "stale", "passed over"), "yellow"),
}
"""Colour of a cell that begins with a word."""


def each(one: Callable[[Any], str]) -> Format:
    """Formats values one by one."""
    return lambda values: map(one, values)


def _number(value: float, decimals: int) -> str:
    """Formats a number with a plain minus, which spreadsheets and scripts read."""
    return number(value, decimals, "en").replace("\N{MINUS SIGN}", "-")


def fixed(decimals: int) -> Format:
    """Numbers with so many decimals."""
    return each(lambda value: _number(value, decimals))


def percent(decimals: int) -> Format:
    """Shares as per cent, without the sign of per cent."""
    return each(lambda value: _number(100 * value, decimals))


def gains(estimates: Sequence[tuple[float, float | None, float | None]]) -> Iterable[str]:
    """Shares as per cent with their intervals, `1.2 [-0.3, 2.7]`.

    One decimal; none where any figure of the column reaches 100 %.
    """
    figures = [part for estimate in estimates for part in estimate if part is not None]
    share = percent(0 if any(abs(part) >= 1 for part in figures) else 1)
    for value, *ends in estimates:
        (first, *interval) = share([part for part in (value, *ends) if part is not None])
        yield f"{first} [{', '.join(interval)}]" if len(interval) == len(ends) else first


def prices(values: Sequence[float]) -> Iterable[str]:
    """Prices with two decimals, one where any reaches a thousand."""
    decimals = 1 if any(value >= 1000 for value in values) else 2
    return (_number(value, decimals) for value in values)


def figures(values: Sequence[float]) -> Iterable[str]:
    """Numbers of different sizes: two significant digits for the smallest.

    Two to four decimals, none where all are whole.
    """
    if all(float(value).is_integer() for value in values):
        return fixed(0)(values)
    smallest = min(abs(value) for value in values if value)
    return fixed(min(4, max(2, 1 - floor(log10(smallest)))))(values)


def interval(one: Format, between: str = " to ") -> Format:
    """Pairs of numbers; decimals as for one column of them."""

    def formatted(pairs: Sequence[tuple[Any, Any]]) -> Iterable[str]:
        ends = list(one([end for pair in pairs for end in pair]))
        return (f"{low}{between}{high}" for low, high in zip(ends[::2], ends[1::2], strict=True))

    return formatted


whole = fixed(0)
text = each(str)
yes_no = each(lambda value: "yes" if value else "no")


def moment(at: datetime | str | None) -> str:
    """An instant as Santiago's date and time, to the minute."""
    if at is None:
        return MISSING
    return santiago_time(datetime.fromisoformat(at) if isinstance(at, str) else at)


when = each(moment)
bands = interval(prices, "–")
LEFT: Final = (text, yes_no, when)
"""Formats of words and times, which stand to the left."""


def price(value: float) -> str:
    """One price, outside a table."""
    return next(iter(prices([value])))


def band(low: float, high: float) -> str:
    """One price range, outside a table."""
    return next(iter(bands([(low, high)])))


def ends(low: str, high: str) -> Callable[[Row], Any]:
    """Row function: two values as a pair, None where either is missing."""
    return lambda row: None if row[low] is None or row[high] is None else (row[low], row[high])


def estimate(name: str, *, needs_interval: bool = False) -> Callable[[Row], Any]:
    """Row function: a value with its interval, for `gains`."""

    def triple(row: Row) -> tuple[Any, ...] | None:
        values = tuple(row[name + end] for end in ("", "_low", "_high"))
        return None if values[0] is None or (needs_interval and None in values) else values

    return triple


@dataclass(frozen=True)
class Column:
    """A table column.

    Attributes:
        head: its heading.
        value: key in the row, or a function of the row; None and pairs with a None are shown as `-`.
        format: of its values; numbers stand to the right, words and times to the left.
        wraps: whether long cells go on in the next line; others are never cut.
    """

    head: str
    value: str | Callable[[Any], Any]
    format: Format = text
    wraps: bool = False

    def cells(self, rows: Sequence[Row]) -> list[str]:
        """Formatted cells, one a row."""
        values = [row[self.value] if isinstance(self.value, str) else self.value(row) for row in rows]
        is_there = [value is not None and value != "" for value in values]
        texts = iter(self.format([value for value, there in zip(values, is_there, strict=True) if there]))
        return [next(texts) if there else MISSING for there in is_there]


def table(
    rows: Iterable[Row],
    columns: Sequence[Column],
    *,
    title: str = "",
    caption: str = "",
    is_bold: Callable[[Row], bool] = lambda row: False,
) -> RenderableType:
    """Draws rows; columns say what of them and how."""
    rows = list(rows)
    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        side: Any = "left" if column.format in LEFT else "right"
        drawn.add_column(Text(column.head), justify=side, no_wrap=not column.wraps, overflow="fold")
    for row, *cells in zip(rows, *(column.cells(rows) for column in columns), strict=True):
        drawn.add_row(*(Text(cell, colour(cell)) for cell in cells), style="bold" if is_bold(row) else None)
    return Group(*([Text(title, "bold")] if title else []), drawn, Text(caption, end="\n" if caption else ""))


def facts(pairs: Iterable[tuple[str, str]], title: str = "") -> Panel:
    """Names with words, in a frame."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for name, words in pairs:
        grid.add_row(name, Text(words, colour(words)))
    return Panel(grid, title=title, title_align="left")


def banner() -> Panel:
    """Notice over everything made from the generated market."""
    return Panel(Text(SAMPLE_SOURCE, "bold red"), border_style="red", expand=False)


def colour(cell: str) -> str:
    """Colour of a cell, by its first words."""
    return next((colour for word, colour in COLOURS.items() if cell.startswith(word)), "")

"""Files of flows: CSV and Excel, read and written."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path, PurePath
from typing import Any, Final

from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.desk.flows import EXAMPLE, Flow, flows_of
from forex_assets.desk.outlook import DeskError, QuestionError

EXCEL: Final = ".xlsx"


def read_flows(path: Path) -> list[Flow]:
    """Reads flows from a CSV or Excel file; Excel's first sheet.

    Raises:
        QuestionError: no such file, another kind, or faults by line and column.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise QuestionError(
            f"{path}: there is no such file; `forex-assets exposure --example` prints a template"
        ) from None
    except OSError as error:
        raise QuestionError(f"{path}: cannot be read: {error.strerror}") from None
    return flows_in(path, content)


def flows_in(path: PurePath, content: bytes) -> list[Flow]:
    """Reads flows from a file's bytes, see `read_flows`."""
    rows = _excel_rows(path, content) if path.suffix.lower() == EXCEL else _csv_rows(path, content)
    return flows_of(rows, path.name)


def _csv_rows(path: PurePath, content: bytes) -> list[list[str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise QuestionError(f"{path}: is no UTF-8 text; save it as CSV UTF-8 or as {EXCEL}") from None
    first = text.split("\n", 1)[0]
    # Excel in Chile separates with semicolons, since the comma is its decimal sign.
    separator = ";" if first.count(";") > first.count(",") else ","
    rows = list(csv.reader(io.StringIO(text), delimiter=separator))
    if separator == ";":
        rows = rows[:1] + [[_decimal(cell) for cell in row] for row in rows[1:]]
    return rows


def _decimal(cell: str) -> str:
    """Turns a decimal comma into a point; other text stays."""
    swapped = cell.strip().replace(",", ".")
    return swapped if swapped.replace(".", "", 1).removesuffix("%").isdigit() else cell


def _excel_rows(path: PurePath, content: bytes) -> list[list[Any]]:
    from zipfile import BadZipFile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        return [list(row) for row in sheet.iter_rows(values_only=True)]
    except (BadZipFile, InvalidFileException, KeyError, IndexError, ValueError, OSError) as error:
        raise QuestionError(f"{path}: is no Excel workbook ({error}); save it as {EXCEL} or CSV") from None


def example(today: date) -> str:
    """Returns a template with dates in the coming weeks."""
    days = [today + timedelta(days=n) for n in (14, 28, 60)]
    return EXAMPLE.format(
        **{name: day.isoformat() for name, day in zip(("first", "second", "third"), days, strict=True)}
    )


def write_excel(path: Path, sheets: Mapping[str, Sequence[Mapping[str, Any]]], notes: Sequence[str]) -> None:
    """Writes tables as one workbook, atomically.

    Args:
        sheets: rows by sheet name.
        notes: lines above each table.

    Raises:
        DeskError: the file cannot be written.
    """
    from openpyxl import Workbook
    from openpyxl.styles import Font

    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for note in notes:
            sheet.append([note])
        header = list(rows[0]) if rows else []
        sheet.append(header)
        for cell in sheet[sheet.max_row]:
            cell.font = Font(bold=True)
        for row in rows:
            sheet.append([row.get(column) for column in header])
        for column, title in enumerate(header, start=1):
            sheet.column_dimensions[sheet.cell(1, column).column_letter].width = max(12, len(str(title)) + 2)
    out = io.BytesIO()
    book.save(out)
    try:
        write_bytes_atomically(path, out.getvalue())
    except OSError as error:
        raise DeskError(f"cannot write {path}: {error.strerror}; check the folder and its permissions") from None

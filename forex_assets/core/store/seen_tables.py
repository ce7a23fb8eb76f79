"""Tables that one run has read."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import polars as pl

MOST_HELD: Final = 32 * 2**20
"""Bytes of the largest table that a run holds after reading."""

Columns = tuple[str, ...] | None
State = tuple[int, int, int]
Read = Callable[[Path, Columns], pl.DataFrame | None]


class SeenTables:
    """Tables read by one run; no unchanged file is read twice.

    A file replaced meanwhile is read again: atomic writers change its inode, size and time. Tables of years are not
    held: their readers take the columns they need.
    """

    def __init__(self) -> None:
        self._tables: dict[tuple[Path, Columns], tuple[State, pl.DataFrame]] = {}

    def table(self, path: Path, read: Read, columns: Columns = None) -> pl.DataFrame | None:
        """Returns the current table of a file; None without a file.

        Args:
            columns: the only ones that are wanted; None for all.
        """
        state = _state(path)
        for known in dict.fromkeys((None, columns)):
            held = self._tables.get((path, known))
            if held is not None and held[0] == state:
                return held[1] if known == columns else chosen_columns(held[1], columns)
        table = read(path, columns)
        if table is not None and state is not None and state == _state(path) and _is_small(table):
            self._tables[path, columns] = (state, table)
        return table

    def keep(self, path: Path, table: pl.DataFrame) -> None:
        """Stores a table that this run has written."""
        for key in [key for key in self._tables if key[0] == path]:
            del self._tables[key]
        state = _state(path)
        if state is not None and _is_small(table):
            self._tables[path, None] = (state, table)


def _is_small(table: pl.DataFrame) -> bool:
    return table.estimated_size() <= MOST_HELD


def chosen_columns(table: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """Returns the wanted columns that a table has."""
    return table if columns is None else table.select(name for name in columns if name in table.columns)


def _state(path: Path) -> State | None:
    """Returns inode, size and time of a file; None if absent."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns

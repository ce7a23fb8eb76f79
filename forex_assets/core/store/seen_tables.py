"""Tables that one run has read."""

import io
from typing import Final

import polars as pl

from forex_assets.core.names import LEDGER, PRICE_HISTORY
from forex_assets.core.schemas import with_later_columns
from forex_assets.core.store.damage import is_damaged
from forex_assets.core.store.port import Entry, Store, WarehouseError

MOST_HELD: Final = 32 * 2**20
"""Bytes of the largest table that a run holds after reading."""

Columns = tuple[str, ...] | None
Tagged = tuple[pl.DataFrame | None, object]
"""A table and its tag; both None if absent."""


class SeenTables:
    """Tables read by one run; no unchanged table is read twice.

    One replaced meanwhile is read again: its state differs. Tables of years are not held: their readers take the
    columns they need.
    """

    def __init__(self) -> None:
        self._tables: dict[tuple[str, Columns], tuple[str, object, pl.DataFrame]] = {}
        """State, tag and table by place and columns."""

    def table(self, store: Store, path: str, columns: Columns = None, *, needs_tag: bool = False) -> Tagged:
        """Returns a key's current table and tag.

        Args:
            columns: the only ones that are wanted; None for all.
            needs_tag: reads a table again that this run has written, whose tag is not known.
        """
        place, state = store.place(path), None
        for known in dict.fromkeys((None, columns)):
            held = self._tables.get((place, known))
            if held is not None and not (needs_tag and held[1] is None):
                state = state or store.state(path)
                if held[0] == state:
                    return held[2] if known == columns else chosen_columns(held[2], columns), held[1]
        entry = store.get(path)
        if entry is None:
            return None, None
        table = parsed_table(store, path, entry, columns)
        if _is_small(table):
            self._tables[place, columns] = entry.state, entry.tag, table
        return table, entry.tag

    def keep(self, store: Store, path: str, table: pl.DataFrame) -> None:
        """Stores a table that this run has written."""
        place = store.place(path)
        for key in [key for key in self._tables if key[0] == place]:
            del self._tables[key]
        if _is_small(table) and (state := store.state(path)) is not None:
            self._tables[place, None] = state, None, table


def _is_small(table: pl.DataFrame) -> bool:
    return table.estimated_size() <= MOST_HELD


def chosen_columns(table: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """Returns the wanted columns that a table has."""
    return table if columns is None else table.select(name for name in columns if name in table.columns)


def parsed_table(
    store: Store, path: str, entry: Entry, columns: Columns = None, where: pl.Expr | None = None
) -> pl.DataFrame:
    """Parses a table, or the chosen columns and rows it has.

    Raises:
        WarehouseError: it is not parquet, or memory is short.
    """
    content = entry.content
    try:
        buffer = io.BytesIO(content)
        if where is not None:
            table = with_later_columns(pl.scan_parquet(buffer).filter(where).collect())
            return chosen_columns(table, columns)
        if columns is not None and set(columns) <= set(pl.read_parquet_schema(buffer)):
            buffer.seek(0)
            return pl.read_parquet(buffer, columns=list(columns))
        buffer.seek(0)
        return chosen_columns(with_later_columns(pl.read_parquet(buffer)), columns)
    # A damaged page can make polars panic; PanicException is no Exception.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, MemoryError) as error:
        reason, place = str(error).splitlines()[0] if str(error) else type(error).__name__, store.place(path)
        if not is_damaged(content):
            raise WarehouseError(
                f"{place} could not be read now ({reason}), and is sound: memory or threads are short; end other "
                "programs, or raise the limit (ulimit -u, ulimit -v, the container's pids and memory)"
            ) from error
        raise WarehouseError(f"{place} is damaged ({reason}); {_remedy(place)}") from error


def _remedy(place: str) -> str:
    """Remedy for a damaged table.

    No run makes histories and ledger anew.
    """
    if any(f"/{key}/" in place for key in (PRICE_HISTORY, LEDGER)):
        return "restore it from a backup (forex-assets backup list), and leave it in its place: no run makes it anew"
    return "restore a backup, or move it away and the next run rewrites it"

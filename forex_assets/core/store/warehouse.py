"""Tables in a store: parquet by asset path.

A key is a path such as `market/usdclp`; each partition is an object of its own.
"""

import io
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from forex_assets.core.columns import COLUMNS
from forex_assets.core.schemas import Schema
from forex_assets.core.store.folder import Folder
from forex_assets.core.store.port import Changed, Confirm, Store, Taken, WarehouseError, plain_segment, waits
from forex_assets.core.store.seen_tables import Columns, SeenTables, Tagged, parsed_table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SUFFIX", "Warehouse", "WarehouseError", "arrow_table"]

SUFFIX: Final = ".parquet"
BLOCK: Final = 2**14
"""Rows of a table that are decoded together."""


class Warehouse:
    """Parquet tables of one store.

    Args:
        store: where they lie; a path means that folder, made at the first write.
        seen: tables that one run has read; None reads the store every time.
    """

    def __init__(self, store: Store | Path, seen: SeenTables | None = None) -> None:
        self.store = Folder(store, follows_links=True) if isinstance(store, Path) else store
        self._seen = seen

    def __repr__(self) -> str:
        return f"Warehouse({self.place()!r})"

    @property
    def records(self) -> Store:
        """Store of records and pages next to the tables.

        A link planted there is not followed.
        """
        return replace(self.store, follows_links=False) if isinstance(self.store, Folder) else self.store

    def branch(self, name: str) -> "Warehouse":
        """Returns a warehouse in a folder below, such as `sample`."""
        return Warehouse(self.store.under(plain_segment(name, name)), self._seen)

    def key(self, key: str, partition: str | None = None) -> str:
        """Returns a table's key in the store.

        Raises:
            WarehouseError: the key or partition is no plain name.
        """
        segments = [plain_segment(part, key) for part in key.split("/")]
        if partition is not None:
            segments.append(plain_segment(partition, f"{key}, partition {partition}"))
        return "/".join(segments) + SUFFIX

    def place(self, key: str | None = None, partition: str | None = None) -> str:
        """Returns the place of a table, or of the warehouse, for messages."""
        return self.store.place() if key is None else self.store.place(self.key(key, partition))

    def exists(self, key: str, partition: str | None = None) -> bool:
        """Tells whether a table has been written."""
        return self.store.state(self.key(key, partition)) is not None

    def partitions(self, key: str) -> list[str]:
        """Lists the written partitions of a key, ascending."""
        folder = self.key(key).removesuffix(SUFFIX)
        names = (name.removeprefix(f"{folder}/") for name in self.store.list(folder) if name.endswith(SUFFIX))
        return sorted(name.removesuffix(SUFFIX) for name in names if "/" not in name)

    def read(
        self,
        key: str,
        partition: str | None = None,
        schema: Schema | None = None,
        *,
        columns: Sequence[str] | None = None,
        where: pl.Expr | None = None,
    ) -> pl.DataFrame | None:
        """Reads a table as last written; None if absent.

        Args:
            key: such as `market/usdclp`.
            partition: such as `7d`.
            schema: required columns; None checks nothing.
            columns: the only ones that are decoded; None for all.
            where: rows that are wanted, by stored columns; blocks of the file without any are not decoded.

        Raises:
            WarehouseError: it cannot be read, is not parquet, or lacks columns.
        """
        chosen = None if columns is None else tuple(columns)
        if where is None:
            table, _ = self._read(key, partition, chosen)
        else:
            entry = self.store.get(self.key(key, partition))
            table = None if entry is None else parsed_table(self.store, self.key(key, partition), entry, chosen, where)
        if table is None:
            return None
        lacking = [name for name in schema or chosen or () if name not in table.columns]
        if lacking:
            raise WarehouseError(
                f"{self.place(key, partition)} was written by another version: it lacks {', '.join(lacking[:3])}; "
                "the next run rewrites it"
            )
        return table

    def write(self, key: str, frame: pl.DataFrame, partition: str | None = None) -> str:
        """Replaces a table atomically; its place.

        Equal frames give equal bytes. Known columns carry unit, source and description as field metadata.

        Raises:
            WarehouseError: the disk or a permission prevents it; the table is unchanged.
        """
        whole = frame.rechunk()
        try:
            self.store.put(self.key(key, partition), self._content(key, partition, whole))
        except WarehouseError as error:
            raise WarehouseError(f"{error}; the table is unchanged") from error
        self.keep(key, whole, partition)
        return self.place(key, partition)

    def update(
        self,
        key: str,
        change: Callable[[pl.DataFrame | None], pl.DataFrame | None],
        partition: str | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        """Replaces a table by what `change` makes of it.

        No other process's write is lost.

        Args:
            change: from the table, None where there is none, to the new one; None writes nothing. Called again where
                another process has written meanwhile.
            timeout_s: longest wait for another writer, in seconds.

        Raises:
            WarehouseError: another writer is at work for too long, or the storage fails; the table is unchanged.
        """
        with self.store.turn(self.key(key, partition).removesuffix(SUFFIX), timeout_s):
            self.update_in_turn(key, change, partition)

    def update_in_turn(
        self, key: str, change: Callable[[pl.DataFrame | None], pl.DataFrame | None], partition: str | None = None
    ) -> None:
        """Replaces a table, see `update`; the caller has the store's turn."""
        if self.store.has_turns:
            after = change(self.read(key, partition))
            if after is not None:
                self.write(key, after, partition)
            return
        path = self.key(key, partition)
        for wait_s in waits():
            before, tag = self._read(key, partition, needs_tag=True)
            after = change(before)
            if after is None:
                break
            whole = after.rechunk()
            content = self._content(key, partition, whole)
            try:
                if tag is None:
                    self.store.create(path, content)
                else:
                    self.store.replace(path, content, tag)
            except (Taken, Changed):
                time.sleep(wait_s)
                continue
            self.keep(key, whole, partition)
            break

    def create(self, key: str, frame: pl.DataFrame, partition: str | None = None) -> None:
        """Writes a new table.

        Raises:
            Taken: there is one already.
            WarehouseError: the disk or a permission prevents it.
        """
        whole = frame.rechunk()
        self.store.create(self.key(key, partition), self._content(key, partition, whole))
        self.keep(key, whole, partition)

    def remove(self, key: str, partition: str | None = None) -> None:
        """Removes a table; a missing one is no error."""
        self.store.remove(self.key(key, partition))

    def keep(self, key: str, table: pl.DataFrame, partition: str | None = None) -> None:
        """Stores a table just written, so that it is not read again."""
        if self._seen is not None:
            self._seen.keep(self.store, self.key(key, partition), table)

    def lock(self, name: str, timeout_s: float = 60.0) -> AbstractContextManager[Confirm]:
        """Holds a name exclusively, see `Store.lock`."""
        return self.store.lock(name, timeout_s)

    def _read(self, key: str, partition: str | None, columns: Columns = None, *, needs_tag: bool = False) -> Tagged:
        path = self.key(key, partition)
        if self._seen is not None:
            return self._seen.table(self.store, path, columns, needs_tag=needs_tag)
        entry = self.store.get(path)
        return (None, None) if entry is None else (parsed_table(self.store, path, entry, columns), entry.tag)

    def _content(self, key: str, partition: str | None, whole: pl.DataFrame) -> bytes:
        from pyarrow import ArrowException, parquet

        # Floats seldom repeat: a dictionary of them costs two thirds of the writing, and space.
        repeated = [name for name, dtype in whole.schema.items() if not dtype.is_float()]
        buffer = io.BytesIO()
        try:
            parquet.write_table(
                arrow_table(whole),
                buffer,
                compression="zstd",
                compression_level=3,
                use_dictionary=repeated,
                row_group_size=BLOCK,
            )
        except (OSError, pl.exceptions.PolarsError, ArrowException) as error:
            place = self.place(key, partition)
            raise WarehouseError(f"cannot write {place}: {error}; the table is unchanged") from error
        return buffer.getvalue()


def arrow_table(frame: pl.DataFrame) -> "pa.Table":
    """Converts a frame to arrow, with `core.columns` as field metadata."""
    import pyarrow as pa

    # Older readers cannot read string views.
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    fields = [
        field.with_metadata(COLUMNS[field.name].metadata) if field.name in COLUMNS else field for field in table.schema
    ]
    return table.cast(pa.schema(fields))

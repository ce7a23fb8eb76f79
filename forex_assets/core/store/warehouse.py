"""Tables on disk: parquet files by asset path.

A key is a path such as `market/usdclp`; each partition is a file of its own. An object store can replace this class by
offering the same methods.
"""

import io
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import filelock
import polars as pl

from forex_assets.core.columns import COLUMNS
from forex_assets.core.names import LEDGER, PRICE_HISTORY
from forex_assets.core.schemas import Schema, with_later_columns
from forex_assets.core.store.atomic import write_atomically, write_bytes_atomically
from forex_assets.core.store.damage import is_damaged
from forex_assets.core.store.seen_tables import Columns, SeenTables, chosen_columns

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIX: Final = ".parquet"
LOCKS: Final = ".locks"
# No separator and no leading dot, so no `..`, draft or lock folder.
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,=+%-]{0,199}")


class WarehouseError(Exception):
    """A table cannot be read, written or locked; says the remedy."""


class Warehouse:
    """Parquet files under one folder.

    Args:
        root: made at the first write.
        seen: tables that one run has read; None reads files every time.
    """

    def __init__(self, root: Path, seen: SeenTables | None = None) -> None:
        self.root = Path(root)
        self._seen = seen

    def __repr__(self) -> str:
        return f"Warehouse({str(self.root)!r})"

    def branch(self, name: str) -> "Warehouse":
        """Returns a warehouse in a folder below, such as `sample`."""
        return Warehouse(self.root / _segment(name, name), self._seen)

    def path(self, key: str, partition: str | None = None) -> Path:
        """Returns a table's file.

        Raises:
            WarehouseError: the key or partition is no plain name.
        """
        segments = [_segment(part, key) for part in key.split("/")]
        if partition is not None:
            segments.append(_segment(partition, f"{key}, partition {partition}"))
        return self.root.joinpath(*segments[:-1], segments[-1] + SUFFIX)

    def exists(self, key: str, partition: str | None = None) -> bool:
        """Tells whether a table has been written."""
        return self.path(key, partition).is_file()

    def partitions(self, key: str) -> list[str]:
        """Lists the written partitions of a key, ascending."""
        folder = self.path(key).with_name(key.rpartition("/")[2])
        names = (file.name.removesuffix(SUFFIX) for file in folder.glob(f"*{SUFFIX}") if file.is_file())
        return sorted(name for name in names if not name.startswith("."))

    def read(
        self,
        key: str,
        partition: str | None = None,
        schema: Schema | None = None,
        *,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame | None:
        """Reads a table as last written; None if absent.

        Args:
            key: such as `market/usdclp`.
            partition: such as `7d`.
            schema: required columns; None checks nothing.
            columns: the only ones that are decoded; None for all.

        Raises:
            WarehouseError: the file cannot be read, is not parquet, or lacks columns.
        """
        path = self.path(key, partition)
        chosen = None if columns is None else tuple(columns)
        table = _read_table(path, chosen) if self._seen is None else self._seen.table(path, _read_table, chosen)
        if table is None:
            return None
        lacking = [name for name in schema or chosen or () if name not in table.columns]
        if lacking:
            raise WarehouseError(
                f"{path} was written by another version: it lacks {', '.join(lacking[:3])}; the next run rewrites it"
            )
        return table

    def write(self, key: str, frame: pl.DataFrame, partition: str | None = None) -> Path:
        """Replaces a table atomically.

        Equal frames give equal bytes. Known columns carry unit, source and description as field metadata.

        Raises:
            WarehouseError: the disk or a permission prevents it; the table is unchanged.
        """
        from pyarrow import ArrowException, parquet

        path = self.path(key, partition)
        whole = frame.rechunk()
        # Floats seldom repeat: a dictionary of them costs two thirds of the writing, and space.
        repeated = [name for name, dtype in whole.schema.items() if not dtype.is_float()]

        def write(file: BinaryIO) -> None:
            parquet.write_table(
                arrow_table(whole), file, compression="zstd", compression_level=3, use_dictionary=repeated
            )

        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, write)
        except (OSError, pl.exceptions.PolarsError, ArrowException) as error:
            raise WarehouseError(
                f"cannot write {path}: {error}; the table is unchanged: check space and permissions under {self.root}"
            ) from error
        self.keep(path, whole)
        return path

    def keep(self, path: Path, table: pl.DataFrame) -> None:
        """Stores a table just written, so that it is not read again."""
        if self._seen is not None:
            self._seen.keep(path, table)

    @contextmanager
    def lock(self, name: str, timeout_s: float = 60.0) -> Iterator[None]:
        """Holds a name exclusively among threads and processes of this machine.

        The lock ends with its process. It is not reentrant.

        Raises:
            WarehouseError: another process holds it for longer than `timeout_s`.
        """
        stem = ".".join(_segment(part, name) for part in name.split("/"))
        folder = self.root / LOCKS
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WarehouseError(f"cannot make {folder}: {error.strerror}; check its permissions and disk") from error
        holder = folder / f"{stem}.holder"
        lock = filelock.FileLock(folder / f"{stem}.lock", timeout=timeout_s)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise WarehouseError(
                f"{name} in {self.root} has been locked for over {timeout_s:g} s by {_holder(holder)}; "
                "wait for that run or end it: the lock goes with its process, no file need be removed"
            ) from error
        try:
            note = f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
            write_bytes_atomically(holder, note.encode(), through_link=False)
            _give_to_owner(self.root, folder, holder, Path(lock.lock_file))
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()


def arrow_table(frame: pl.DataFrame) -> "pa.Table":
    """Converts a frame to arrow, with `core.columns` as field metadata."""
    import pyarrow as pa

    # Older readers cannot read string views.
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    fields = [
        field.with_metadata(COLUMNS[field.name].metadata) if field.name in COLUMNS else field for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _read_table(path: Path, columns: Columns = None) -> pl.DataFrame | None:
    """Reads a table, or the chosen columns it has; None if absent.

    Raises:
        WarehouseError: the file cannot be read or is not parquet.
    """
    try:
        # Not mapped: a mapped file changes under its reader when another run replaces it.
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WarehouseError(f"cannot read {path}: {error.strerror}; check its permissions and disk") from error
    try:
        buffer = io.BytesIO(content)
        if columns is not None and set(columns) <= set(pl.read_parquet_schema(buffer)):
            buffer.seek(0)
            return pl.read_parquet(buffer, columns=list(columns))
        buffer.seek(0)
        return chosen_columns(with_later_columns(pl.read_parquet(buffer)), columns)
    # A damaged page can make polars panic; PanicException is no Exception.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, MemoryError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if not is_damaged(content):
            raise WarehouseError(
                f"{path} could not be read now ({reason}), and is sound: memory or threads are short; end other "
                "programs, or raise the limit (ulimit -u, ulimit -v, the container's pids and memory)"
            ) from error
        raise WarehouseError(f"{path} is damaged ({reason}); {_remedy(path)}") from error


def _remedy(path: Path) -> str:
    """Remedy for a damaged table.

    No run makes histories and ledger anew.
    """
    if any(f"/{key}/" in path.as_posix() for key in (PRICE_HISTORY, LEDGER)):
        return "restore it from a backup (forex-assets backup list), and leave it in its place: no run makes it anew"
    return "restore a backup, or move it away and the next run rewrites it"


def _give_to_owner(root: Path, *paths: Path) -> None:
    """Gives lock files that root made to the folder's owner."""
    if os.geteuid() == 0:
        owner = root.stat()
        for path in paths:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _segment(text: str, whole: str) -> str:
    """Returns the text if it is a safe file name."""
    if not _SEGMENT.fullmatch(text):
        raise WarehouseError(
            f"{whole!r} cannot name a table: {text!r} is no plain name (letters, digits and _ . , = + % -, "
            "no leading dot, at most 200 characters)"
        )
    return text


def _holder(path: Path) -> str:
    """Names the holder of a lock."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return "another process"

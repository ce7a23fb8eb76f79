"""Files of the ledger: names, reading, creation, and check of the compaction."""

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import polars as pl

from forex_assets.core.horizon import days_of
from forex_assets.core.schemas import LEDGER_SCHEMA, Schema, conform
from forex_assets.core.store.port import Taken, WarehouseError
from forex_assets.core.store.warehouse import SUFFIX, Warehouse
from forex_assets.forecasts.ledger import LedgerError, Misfit, header

_NAME: Final = re.compile(r"(\d{6,})(?:_(\d{4}-\d{2}-\d{2}_.+)_v(\d+))?" + re.escape(SUFFIX))


class EntryFile(NamedTuple):
    """An entry's file, named for its sequence number alone.

    So two writers of one number collide. Older versions of forex-assets added `about` (date and config fingerprint)
    and version to the name.
    """

    sequence: int
    about: str = ""
    version: int = 0

    @property
    def stem(self) -> str:
        """The name without its suffix: `000002`, or `000002_2024-01-09_c0ffee_v1`."""
        return f"{self.sequence:06d}" + (f"_{self.about}_v{self.version}" if self.about else "")

    @classmethod
    def of(cls, stem: str) -> "EntryFile":
        """Parses a name without its suffix."""
        return entry_files([stem + SUFFIX])[0]


@dataclass(frozen=True)
class Appended:
    """Result of appending a forecast.

    Attributes:
        entry_hash: of the forecast's entry; the head of the chain if `is_new`.
        sequence: place in the chain, from 1.
        version: of this (horizon, as_of, config fingerprint), from 1.
        is_new: False if an equal forecast was issued before; nothing is written then.
    """

    entry_hash: str
    sequence: int
    version: int
    is_new: bool

    @classmethod
    def of(cls, entry: pl.DataFrame, *, is_new: bool) -> "Appended":
        """Result of an entry's append."""
        return cls(entry["entry_hash"][0], entry["sequence"][0], entry["version"][0], is_new)


def entry_files(names: Iterable[str]) -> list[EntryFile]:
    """Entries by sequence, from the names of their files alone."""
    matches = (_NAME.fullmatch(name) for name in names)
    return sorted(EntryFile(int(match[1]), match[2] or "", int(match[3] or 0)) for match in matches if match)


def subject_of(rows: pl.DataFrame) -> tuple[str, str]:
    """Horizon of a forecast, and date and fingerprint in its file name.

    Raises:
        LedgerError: rows of several forecasts.
    """
    fields = header(rows, ["horizon", "as_of", "config_fingerprint"])
    return str(fields["horizon"]), f"{fields['as_of']}_{fields['config_fingerprint']}"


def place_of(entry: pl.DataFrame) -> tuple[str, EntryFile]:
    """Horizon of an entry, and its file's name with all parts.

    Raises:
        LedgerError: rows of several entries.
    """
    horizon, about = subject_of(entry)
    header(entry, ["sequence", "version"])
    return horizon, EntryFile(entry["sequence"][0], about, entry["version"][0])


class EntryFiles:
    """Reads and creates the files of one ledger.

    Args:
        key: table of the entries.
    """

    def __init__(self, warehouse: Warehouse, key: str) -> None:
        self._warehouse = warehouse
        self._key = key

    def listed(self, horizon: str) -> list[EntryFile]:
        """Entries by sequence, from the names in the horizon's folder."""
        folder = self._folder(horizon)
        return entry_files(key.removeprefix(f"{folder}/") for key in self._warehouse.store.list(folder))

    def entry(self, horizon: str, file: EntryFile) -> pl.DataFrame:
        """The rows of one file that must be there.

        Raises:
            LedgerError: it is gone, damaged, or another's.
        """
        entry = self.stored(horizon, file)
        if entry is None:
            raise LedgerError(
                f"{self._warehouse.place(self._folder(horizon), file.stem)} is gone; put a backup in its place"
            )
        return entry

    def stored(self, horizon: str, file: EntryFile) -> pl.DataFrame | None:
        """The rows of one file; None if absent.

        Raises:
            LedgerError: it is damaged, or its rows do not match its name.
        """
        entry = read_rows(self._warehouse, self._folder(horizon), file.stem, "put a backup in its place")
        if entry is None:
            return None
        place, held = place_of(entry)
        if place != horizon or file not in (held, EntryFile(held.sequence)):
            raise LedgerError(f"its file is that of {horizon} {file.stem}, its rows are those of {place} {held.stem}")
        return entry

    def hash(self, horizon: str, file: EntryFile) -> str:
        """Hash of a file's entry, as `entry`."""
        return str(self.entry(horizon, file)["entry_hash"][0])

    def create(self, horizon: str, entry: pl.DataFrame) -> bool:
        """Writes an entry's file; False where its number is taken.

        Raises:
            LedgerError: it cannot be written; the chain is unchanged.
        """
        folder, stem, buffer = self._folder(horizon), EntryFile(entry["sequence"][0]).stem, io.BytesIO()
        whole = entry.rechunk()
        whole.write_parquet(buffer, compression="zstd", statistics=False)
        try:
            self._warehouse.store.create(self._warehouse.key(folder, stem), buffer.getvalue())
        except Taken:
            return False
        except WarehouseError as error:
            raise LedgerError(f"{error}; the ledger is unchanged") from error
        self._warehouse.keep(folder, whole, stem)
        return True

    def _folder(self, horizon: str) -> str:
        days_of(horizon)
        return f"{self._key}/{horizon}"


def read_rows(
    warehouse: Warehouse,
    key: str,
    partition: str,
    remedy: str,
    columns: Sequence[str] | None = None,
    where: pl.Expr | None = None,
) -> pl.DataFrame | None:
    """A table of entries; None if absent.

    Raises:
        LedgerError: it cannot be read; says the remedy.
    """
    try:
        rows = warehouse.read(key, partition, columns=columns, where=where)
        return None if rows is None else conform(rows, part_of(columns), "its columns")
    except (WarehouseError, ValueError) as error:
        reason = str(error.__cause__ or error).partition("\n")[0]
        raise LedgerError(f"{key}/{partition}{SUFFIX} cannot be read ({reason}); {remedy}") from error


def part_of(columns: Sequence[str] | None) -> Schema:
    """Schema of the chosen columns, in their order."""
    return LEDGER_SCHEMA if columns is None else {name: LEDGER_SCHEMA[name] for name in columns}


@dataclass
class Compaction:
    """Compares the compaction with its chain, entry by entry."""

    rows: pl.DataFrame
    entries: int = 0
    passed: int = 0
    unlike: int = 0

    def compare(self, entry: pl.DataFrame) -> None:
        """Notes the first entry with other rows.

        The compaction may end before the chain.
        """
        self.entries += 1
        if self.passed < self.rows.height and not self.unlike:
            self.unlike = 0 if self.rows.slice(self.passed, entry.height).equals(entry) else self.entries
        self.passed += entry.height

    def misfit(self) -> Misfit | None:
        """The first difference, after all entries."""
        if self.unlike:
            reason = "the compaction differs from the entry's own file, which fits; remove it, it is a cache"
            return Misfit(self.unlike, reason)
        if self.passed < self.rows.height:
            return Misfit(self.entries + 1, "the chain's end was cut off: the compaction has more entries")
        return None

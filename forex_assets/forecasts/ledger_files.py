"""Files of the ledger: names, and check of the compaction."""

import io
import re
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

import polars as pl

from forex_assets.core.schemas import LEDGER_SCHEMA, conform
from forex_assets.core.store.port import Store, Taken, WarehouseError
from forex_assets.core.store.warehouse import SUFFIX, Warehouse
from forex_assets.forecasts.ledger import LedgerError, Misfit, header

_NAME: Final = re.compile(r"(\d{6,})_(\d{4}-\d{2}-\d{2}_.+)_v(\d+)" + re.escape(SUFFIX))


class EntryFile(NamedTuple):
    """An entry's file name; `about` is date and config fingerprint."""

    sequence: int
    about: str
    version: int

    @property
    def stem(self) -> str:
        """The name without its suffix, such as `000002_2024-01-09_c0ffee_v1`."""
        return f"{self.sequence:06d}_{self.about}_v{self.version}"


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
    return sorted(EntryFile(int(match[1]), match[2], int(match[3])) for match in matches if match)


def subject_of(rows: pl.DataFrame) -> tuple[str, str]:
    """Horizon of a forecast, and date and fingerprint in its file name.

    Raises:
        LedgerError: rows of several forecasts.
    """
    fields = header(rows, ["horizon", "as_of", "config_fingerprint"])
    return str(fields["horizon"]), f"{fields['as_of']}_{fields['config_fingerprint']}"


def place_of(entry: pl.DataFrame) -> tuple[str, EntryFile]:
    """Horizon and file of an entry.

    Raises:
        LedgerError: rows of several entries.
    """
    horizon, about = subject_of(entry)
    header(entry, ["sequence", "version"])
    return horizon, EntryFile(entry["sequence"][0], about, entry["version"][0])


def create_entry(warehouse: Warehouse, key: str, entry: pl.DataFrame) -> bool:
    """Writes an entry's file; False where its number is taken.

    Args:
        key: table of the entries.

    Raises:
        LedgerError: there is such a file in spite of a lock, or it cannot be written; the chain is unchanged.
    """
    horizon, file = place_of(entry)
    buffer, entry = io.BytesIO(), entry.rechunk()
    entry.write_parquet(buffer, compression="zstd", statistics=False)
    store, folder, content = warehouse.store, f"{key}/{horizon}", buffer.getvalue()
    path = warehouse.key(folder, file.stem)
    try:
        number = f"{key}_numbers/{horizon}/{file.sequence:06d}{SUFFIX}"
        if not store.has_turns and not claim(store, number, content, folder):
            return False
        with nullcontext() if store.has_turns else suppress(Taken):  # whoever found the number wrote the file
            store.create(path, content)
    except Taken as error:
        message = f"{store.place(path)} is there already, and no entry is ever replaced; issue the forecast again"
        raise LedgerError(message) from error
    except WarehouseError as error:
        raise LedgerError(f"{error}; the ledger is unchanged") from error
    warehouse.keep(folder, entry, file.stem)
    return True


def claim(store: Store, number: str, content: bytes, folder: str) -> bool:
    """Takes a sequence number in a store without locks.

    A number that is taken has its entry's file afterwards, also where its writer died.

    Args:
        number: key of the sequence number.
        content: of the entry.
        folder: of the entries' files.

    Returns:
        Whether it was free.
    """
    try:
        store.create(number, content)
        return True
    except Taken:
        taken = store.get(number)
    if taken is not None:
        rows = conform(pl.read_parquet(io.BytesIO(taken.content)), LEDGER_SCHEMA, store.place(number))
        with suppress(Taken):  # its writer, or another finder, was first
            store.create(f"{folder}/{place_of(rows)[1].stem}{SUFFIX}", taken.content)
    return False


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

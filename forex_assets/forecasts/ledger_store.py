"""The ledger in the store: every forecast ever issued.

One file an entry, written once. In a folder a lock orders the writers. In a store without locks an entry is first
created under its sequence number alone, so that two writers of one number collide; whoever finds a number without its
file writes the file, so that a writer's death leaves no gap.

A horizon's compaction holds its entries in one table: a cache, rebuilt when it does
not fit, so that reading a long ledger reads one file. `ledger` defines the chain of hashes.
"""

import hashlib
import logging
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import polars as pl

from forex_assets.core import names
from forex_assets.core.horizon import days_of
from forex_assets.core.schemas import FORECAST_SCHEMA, LEDGER_SCHEMA, Schema, conform, empty
from forex_assets.core.store.port import Store, WarehouseError, waits
from forex_assets.core.store.warehouse import SUFFIX, Warehouse
from forex_assets.forecasts.ledger import LedgerError, Misfit, entry_of, first_misfit, header, says_the_same
from forex_assets.forecasts.ledger_files import (
    Appended,
    Compaction,
    EntryFile,
    create_entry,
    entry_files,
    place_of,
    subject_of,
)

KINDS: Final = ("is_shadow", "is_replay")
"""Columns that separate the records of champion, challenger and replays."""

PLACED: Final = ("sequence", "entry_hash")
"""Columns that tell which entries a compaction covers."""

_log = logging.getLogger(__name__)


class LedgerStore:
    """The chains of all horizons in one warehouse.

    Args:
        key: table of the entries: `forecasts/ledger`, or that of the fixing.
        compact_after: entries that the compaction may lag behind before a read renews it.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        key: str = names.LEDGER,
        *,
        compact_after: int = 64,
    ) -> None:
        self._warehouse = warehouse
        self._key = key
        self._compacted_key = f"{key}_compacted"
        self._compact_after = compact_after

    def append(
        self,
        forecast: pl.DataFrame,
        *,
        issued_at: datetime,
        code_version: str,
        is_shadow: bool = False,
        is_replay: bool = False,
    ) -> Appended:
        """Appends a forecast to its chain, unless the newest version equals it.

        Args:
            forecast: `FORECAST_SCHEMA` of one horizon and date.
            issued_at: with a time zone.
            is_shadow: a challenger's forecast, which nobody acts on.
            is_replay: issued at a clock set by hand.

        Raises:
            ValueError: other columns than a forecast's, or an unknown horizon.
            LedgerError: several forecasts, a damaged last entry, or a failed write; the chain is unchanged.
            WarehouseError: another process holds the chain.
        """
        horizon, about = subject_of(conform(forecast, FORECAST_SCHEMA, "forecast for the ledger"))
        store = self._warehouse.store
        with store.turn(f"{self._key}/{horizon}"):
            for wait_s in waits():
                files = self._files(horizon)
                versions = [file for file in files if file.about == about]
                entry = entry_of(
                    forecast,
                    issued_at=issued_at,
                    code_version=code_version,
                    is_shadow=is_shadow,
                    is_replay=is_replay,
                    sequence=files[-1].sequence + 1 if files else 1,
                    version=max((file.version for file in versions), default=0) + 1,
                    previous_hash=self._hash(horizon, files[-1]) if files else "",
                )
                # Only the newest of its kind counts: A after B is written again, or B would seem the latest.
                for file in reversed(versions):
                    known = self._entry(horizon, file)
                    if header(known, KINDS) == header(entry, KINDS):
                        if says_the_same(known, entry):
                            return Appended.of(known, is_new=False)
                        break
                if create_entry(self._warehouse, self._key, entry):
                    return Appended.of(entry, is_new=True)
                time.sleep(wait_s)
        raise AssertionError("waits() never ends")

    def read(self, horizon: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """All entries of a horizon, `LEDGER_SCHEMA`, oldest first; may be empty.

        Args:
            columns: the only ones that are wanted, in this order.

        Raises:
            LedgerError: a file is damaged; the message names it.
        """
        needed = None if columns is None else list(dict.fromkeys((*columns, *PLACED)))
        rows = self._usable_compaction(horizon, needed)
        files = self._files(horizon)  # listed after the compaction: an entry written in between would seem lost
        covered = self._covered(rows, files, horizon)
        is_spoilt = not covered and self._warehouse.exists(self._compacted_key, horizon)
        is_due = covered < len(files) and (is_spoilt or len(files) - covered > self._compact_after)
        if is_due and needed is not None:
            return self.read(horizon).select(columns or [])
        tail = [self._entry(horizon, file).select(rows.columns) for file in files[covered:]]
        rows = pl.concat([rows if covered else rows.clear(), *tail], rechunk=needed is None)
        if is_due:
            self._compact(horizon, rows)
        return rows if columns is None else rows.select(columns)

    @property
    def store(self) -> Store:
        """Store of the warehouse; two warehouses may share Dagster's records."""
        return self._warehouse.store

    def count(self, horizon: str) -> int:
        """Number of entries of a horizon, by file names."""
        return len(self._files(horizon))

    def head(self, horizon: str) -> str | None:
        """Hash of the last entry; None for an empty chain.

        Raises:
            LedgerError: the last file is damaged.
        """
        files = self._files(horizon)
        return self._hash(horizon, files[-1]) if files else None

    def verify(self, horizon: str, expected_heads: Collection[str] = ()) -> Misfit | None:
        """The first changed or missing entry; None for an intact chain.

        Args:
            expected_heads: hashes recorded elsewhere while each was the last. Without them a chain with its end cut off
                looks intact.
        """
        cache = f"{self._compacted_key}/{horizon}{SUFFIX}"
        try:
            compaction = Compaction(self._compacted(horizon))
        except LedgerError as error:
            return Misfit(1, str(error), cache)
        files = self._files(horizon)
        hashes: set[str] = set()

        def entries() -> Iterator[pl.DataFrame]:
            for file in files:
                entry = self._entry(horizon, file)
                hashes.add(entry["entry_hash"][0])
                compaction.compare(entry)
                yield entry

        if misfit := first_misfit(entries()):
            return replace(misfit, file=files[misfit.place - 1].stem + SUFFIX)
        if lost := [head for head in expected_heads if head not in hashes]:
            reason = (
                f"the chain was cut off or rewritten: it lacks {len(lost)} of {len(expected_heads)} entries noted "
                f"elsewhere, such as {lost[0][:12]}…"
            )
            return Misfit(len(files) + 1, reason)
        return (misfit := compaction.misfit()) and replace(misfit, file=cache)

    def files_digest(self, horizon: str, count: int) -> str:
        """Digest of file names, sizes and times of the first entries."""
        digest, states = hashlib.sha256(), self._warehouse.store.states(self._folder(horizon))
        for file in self._files(horizon, states)[:count]:
            digest.update(f"{file.stem} {states[self._path(horizon, file)]}\n".encode())
        return digest.hexdigest()

    def verify_after(self, horizon: str, count: int, head: str) -> Misfit | None:
        """The first changed or missing entry after a verified part.

        Reads the entry at the part's end and those after it, so that a long chain costs no more than a short one.

        Args:
            count: entries verified before.
            head: hash of the last of them.
        """
        files = self._files(horizon)
        if gap := next((n for n, file in enumerate(files, start=1) if file.sequence != n), 0):
            return Misfit(gap, "an entry is missing or extra", files[gap - 1].stem + SUFFIX)
        if len(files) < count:
            return Misfit(len(files) + 1, f"the chain was cut off: {count} entries were verified before")
        place = max(count, 1)  # the verified head is read again: what follows must follow it
        entries = (self._entry(horizon, file) for file in files[place - 1 :])
        try:
            before = header(self._entry(horizon, files[place - 1]))["previous_hash"] if files else ""
        except LedgerError as error:
            return Misfit(place, str(error), files[place - 1].stem + SUFFIX)
        if count and (found := self._hash(horizon, files[count - 1])) != head:
            return Misfit(count, f"it carries the hash {found[:12]}…, {head[:12]}… was verified before")
        misfit = first_misfit(entries, place, str(before) if count else "")
        return misfit and replace(misfit, file=files[misfit.place - 1].stem + SUFFIX)

    def _files(self, horizon: str, keys: Iterable[str] | None = None) -> list[EntryFile]:
        """Entries by sequence, from the keys of the horizon's folder."""
        folder = self._folder(horizon)
        listed = self._warehouse.store.list(folder) if keys is None else keys
        return entry_files(key.removeprefix(f"{folder}/") for key in listed)

    def _folder(self, horizon: str) -> str:
        days_of(horizon)
        return f"{self._key}/{horizon}"

    def _path(self, horizon: str, file: EntryFile) -> str:
        return self._warehouse.key(self._folder(horizon), file.stem)

    def _entry(self, horizon: str, file: EntryFile) -> pl.DataFrame:
        """The rows of one file, which must match its name."""
        entry = self._table(f"{self._key}/{horizon}", file.stem, "put a backup in its place")
        if entry is None:
            raise LedgerError(
                f"{self._warehouse.place(self._folder(horizon), file.stem)} is gone; put a backup in its place"
            )
        if (held := place_of(entry)) != (horizon, file):
            raise LedgerError(
                f"its file is that of {horizon} {file.stem}, its rows are those of {held[0]} {held[1].stem}"
            )
        return entry

    def _hash(self, horizon: str, file: EntryFile) -> str:
        return str(self._entry(horizon, file)["entry_hash"][0])

    def _compacted(self, horizon: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The stored compaction; may be empty."""
        remedy = "remove it: it is a cache, and the next read makes it anew"
        rows = self._table(self._compacted_key, horizon, remedy, columns)
        return empty(_part(columns)) if rows is None else rows

    def _usable_compaction(self, horizon: str, columns: Sequence[str] | None) -> pl.DataFrame:
        """The compaction; empty if unreadable, since a reader can do without."""
        try:
            return self._compacted(horizon, columns)
        except LedgerError as error:
            _log.warning("%s ledger is read entry by entry: %s", horizon, error)
            return empty(_part(columns))

    def _compact(self, horizon: str, rows: pl.DataFrame) -> None:
        """Renews the compaction; a failure is logged, the read goes on."""
        try:
            self._warehouse.write(self._compacted_key, rows, horizon)
        except WarehouseError as error:
            _log.warning("reading the %s ledger stays slow: %s", horizon, error)

    def _table(
        self, key: str, partition: str, remedy: str, columns: Sequence[str] | None = None
    ) -> pl.DataFrame | None:
        """A table of entries; None if absent."""
        try:
            rows = self._warehouse.read(key, partition, columns=columns)
            return None if rows is None else conform(rows, _part(columns), "its columns")
        except (WarehouseError, ValueError) as error:
            reason = str(error.__cause__ or error).partition("\n")[0]
            raise LedgerError(f"{key}/{partition}{SUFFIX} cannot be read ({reason}); {remedy}") from error

    def _covered(self, rows: pl.DataFrame, files: list[EntryFile], horizon: str) -> int:
        """Number of leading files in the compaction; 0 for another chain."""
        count = rows["sequence"].n_unique()
        is_chain = 0 < count <= len(files) and self._hash(horizon, files[count - 1]) == rows["entry_hash"][-1]
        return count if is_chain else 0


def _part(columns: Sequence[str] | None) -> Schema:
    """Schema of the chosen columns, in their order."""
    return LEDGER_SCHEMA if columns is None else {name: LEDGER_SCHEMA[name] for name in columns}

"""The ledger in the store: every forecast ever issued.

One file an entry, named for its sequence number and created once: two writers of one number collide, in a folder and
in a store without locks. In a folder a lock spares the second try. `ledger_index` knows a chain's end and the entries
of a date, so that an append lists nothing; it is a cache.

A horizon's compaction holds its entries in one table: a cache, rebuilt when it does
not fit, so that reading a long ledger reads one file. `ledger` defines the chain of hashes.
"""

import logging
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Final

import polars as pl

from forex_assets.core import names
from forex_assets.core.schemas import FORECAST_SCHEMA, conform, empty
from forex_assets.core.store.port import Store, WarehouseError, waits
from forex_assets.core.store.warehouse import SUFFIX, Warehouse
from forex_assets.forecasts.ledger import LedgerError, Misfit, entry_of, first_misfit, header, says_the_same
from forex_assets.forecasts.ledger_files import (
    Appended,
    Compaction,
    EntryFile,
    EntryFiles,
    part_of,
    read_rows,
    subject_of,
)
from forex_assets.forecasts.ledger_index import LedgerIndex, Tip
from forex_assets.forecasts.ledger_tail import Tail, Verified

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
        self._files = EntryFiles(warehouse, key)
        self._index = LedgerIndex(warehouse.records.under(f"{key}_index"))
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
        with self._warehouse.store.turn(f"{self._key}/{horizon}"):
            stored, tip = self._indexed_tip(horizon)
            for wait_s in waits():
                version, known = self._newest(horizon, tip, about, {"is_shadow": is_shadow, "is_replay": is_replay})
                entry = entry_of(
                    forecast,
                    issued_at=issued_at,
                    code_version=code_version,
                    is_shadow=is_shadow,
                    is_replay=is_replay,
                    sequence=tip.sequence + 1,
                    version=version + 1,
                    previous_hash=tip.head,
                )
                if known is not None and says_the_same(known, entry):
                    if tip != stored:
                        self._index.put(horizon, tip)
                    return Appended.of(known, is_new=False)
                if self._files.create(horizon, entry):
                    self._index.put(horizon, tip.after(entry))
                    return Appended.of(entry, is_new=True)
                time.sleep(wait_s)
                tip = self._walked(horizon, tip)
        raise AssertionError("waits() never ends")

    def read(self, horizon: str, columns: Sequence[str] | None = None, *, since: date | None = None) -> pl.DataFrame:
        """All entries of a horizon, `LEDGER_SCHEMA`, oldest first; may be empty.

        Args:
            columns: the only ones that are wanted, in this order.
            since: first date of issue that is wanted, of all columns; None for all.

        Raises:
            LedgerError: a file is damaged; the message names it.
        """
        needed = list(dict.fromkeys((*(columns or ()), *PLACED))) if columns or since else None
        rows = self._usable_compaction(horizon, needed)
        files = self._files.listed(horizon)  # listed after the compaction: an entry written in between would seem lost
        covered = self._covered(rows, files, horizon)
        is_spoilt = not covered and self._warehouse.exists(self._compacted_key, horizon)
        is_due = covered < len(files) and (is_spoilt or len(files) - covered > self._compact_after)
        if is_due and needed is not None:
            return _wanted(self.read(horizon), columns, since)
        if since is not None:
            is_recent = (pl.col("as_of") >= since) & (pl.col("sequence") <= covered)
            rows = self._usable_compaction(horizon, columns, where=is_recent)
        tail = [_wanted(self._files.entry(horizon, file), rows.columns, since) for file in files[covered:]]
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
        return len(self._files.listed(horizon))

    def head(self, horizon: str) -> str | None:
        """Hash of the last entry; None for an empty chain.

        Raises:
            LedgerError: the last file is damaged.
        """
        return self._tip(horizon)[1].head or None

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
        files = self._files.listed(horizon)
        hashes: set[str] = set()

        def entries() -> Iterator[pl.DataFrame]:
            for file in files:
                entry = self._files.entry(horizon, file)
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

    def verify_after(self, horizon: str, count: int, head: str) -> Verified:
        """Verifies the end of a verified part and what follows.

        Args:
            count: entries verified before.
            head: hash of the last of them.
        """
        return Tail(self._files, horizon, count, head, self._index.tip(horizon)).verified()

    def _indexed_tip(self, horizon: str) -> tuple[Tip | None, Tip]:
        """The stored tip and the actual one, all entries indexed.

        Raises:
            LedgerError: an entry that must be read is damaged.
            WarehouseError: the index cannot be written.
        """
        stored, tip = self._tip(horizon)
        if stored is None and tip.sequence:
            subjects = ["sequence", "as_of", "config_fingerprint"]
            rows = self.read(horizon, subjects).unique(maintain_order=True).iter_rows()
            about = {sequence: f"{as_of}_{fingerprint}" for sequence, as_of, fingerprint in rows}
            # Not those that other writers have added since.
            files = [file for file in self._files.listed(horizon) if file.sequence <= tip.sequence]
            self._index.add(horizon, [(about[file.sequence], file.stem) for file in files])
        return stored, tip

    def _tip(self, horizon: str) -> tuple[Tip | None, Tip]:
        """The stored tip and the actual one.

        The stored one is None where it does not fit the chain.
        """
        stored = self._index.tip(horizon)
        if stored is not None and stored.sequence:
            last = self._files.stored(horizon, EntryFile.of(stored.file))
            if last is None or last["entry_hash"][0] != stored.head:
                stored = None  # the chain was cut off or replaced
        if stored is not None:
            return stored, self._walked(horizon, stored)
        files = self._files.listed(horizon)
        if not files:
            return None, Tip()
        older = max((file.sequence for file in files if file.about), default=0)
        head = self._files.hash(horizon, files[-1])
        return None, Tip(sequence=files[-1].sequence, file=files[-1].stem, head=head, older=older)

    def _walked(self, horizon: str, tip: Tip) -> Tip:
        """Moves a tip to the chain's end.

        Other writers may have died or won since it was noted.
        """
        while (entry := self._files.stored(horizon, EntryFile(tip.sequence + 1))) is not None:
            tip = tip.after(entry)
        return tip

    def _newest(self, horizon: str, tip: Tip, about: str, kind: dict[str, object]) -> tuple[int, pl.DataFrame | None]:
        """Newest version of a subject, and its newest entry of a kind.

        The version is 0 for none. Only the newest of its kind counts: A after B is written again, or B would seem the
        latest.

        Args:
            kind: columns that separate the records of champion, challenger and replays.
        """
        version = 0
        for file in reversed(self._index.files(horizon, tip, about)):
            entry = self._files.stored(horizon, file)
            if entry is None or subject_of(entry)[1] != about:
                continue  # the index is of another chain
            version = max(version, entry["version"][0])
            if header(entry, list(kind)) == kind:
                return version, entry
        return version, None

    def _compacted(
        self, horizon: str, columns: Sequence[str] | None = None, where: pl.Expr | None = None
    ) -> pl.DataFrame:
        """The stored compaction; may be empty."""
        remedy = "remove it: it is a cache, and the next read makes it anew"
        rows = read_rows(self._warehouse, self._compacted_key, horizon, remedy, columns, where)
        return empty(part_of(columns)) if rows is None else rows

    def _usable_compaction(
        self, horizon: str, columns: Sequence[str] | None, where: pl.Expr | None = None
    ) -> pl.DataFrame:
        """The compaction; empty if unreadable, since a reader can do without."""
        try:
            return self._compacted(horizon, columns, where)
        except LedgerError as error:
            _log.warning("%s ledger is read entry by entry: %s", horizon, error)
            return empty(part_of(columns))

    def _compact(self, horizon: str, rows: pl.DataFrame) -> None:
        """Renews the compaction; a failure is logged, the read goes on."""
        try:
            self._warehouse.write(self._compacted_key, rows, horizon)
        except WarehouseError as error:
            _log.warning("reading the %s ledger stays slow: %s", horizon, error)

    def _covered(self, rows: pl.DataFrame, files: list[EntryFile], horizon: str) -> int:
        """Number of leading files in the compaction; 0 for another chain."""
        count = rows["sequence"].n_unique()
        is_chain = 0 < count <= len(files) and self._files.hash(horizon, files[count - 1]) == rows["entry_hash"][-1]
        return count if is_chain else 0


def _wanted(rows: pl.DataFrame, columns: Sequence[str] | None, since: date | None) -> pl.DataFrame:
    chosen = rows if since is None else rows.filter(pl.col("as_of") >= since)
    return chosen if columns is None else chosen.select(columns)

"""Index of the ledger's chains: their ends, and entries by subject.

A cache, so that an append costs the same however long the chain is. A subject is a forecast's date and config
fingerprint. The last entries of a chain are listed in its `Tip`, all others in one object a month of forecast dates.

An entry is indexed after it was created. Whatever the index lacks stands after the tip in the chain, where the next
writer finds it. Months only grow, and a tip is true whenever it was written: writers need no order among each other.
"""

import logging
from collections.abc import Iterable
from typing import Final

import polars as pl
from pydantic import BaseModel, ConfigDict

from forex_assets.core.store.port import Store, WarehouseError
from forex_assets.core.store.records import Records
from forex_assets.forecasts.ledger_files import EntryFile, subject_of

RECENT: Final = 64
"""Entries that a tip lists before they go to their months."""

Indexed = tuple[str, str]
"""Subject and file name, without its suffix, of an entry."""

_log = logging.getLogger(__name__)


class Tip(BaseModel):
    """The end of a chain that is wholly indexed up to there.

    Attributes:
        sequence: place of the last entry, from 1; 0 for an empty chain.
        file: name of its file, without suffix.
        head: its hash.
        older: entries whose names an older version made.
        recent: entries that no month lists yet, oldest first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence: int = 0
    file: str = ""
    head: str = ""
    older: int = 0
    recent: tuple[Indexed, ...] = ()

    def after(self, entry: pl.DataFrame) -> "Tip":
        """Returns the tip after one more entry."""
        sequence, stem = self.sequence + 1, EntryFile(self.sequence + 1).stem
        recent = (*self.recent, (subject_of(entry)[1], stem))
        return Tip(sequence=sequence, file=stem, head=entry["entry_hash"][0], older=self.older, recent=recent)


class _Month(BaseModel):
    """File names by subject, oldest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: dict[str, tuple[str, ...]] = {}


class LedgerIndex:
    """The index of all horizons of one ledger.

    Args:
        store: of the index alone.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tips = Records(store, Tip)

    def tip(self, horizon: str) -> Tip | None:
        """Returns a chain's tip; None where the index must be made anew."""
        try:
            return self._tips.get(horizon)
        except WarehouseError as error:
            _log.warning("the index of the %s ledger is made anew: %s", horizon, error)
            return None

    def files(self, horizon: str, tip: Tip, about: str) -> list[EntryFile]:
        """Files of a subject, oldest first; some may be gone.

        Raises:
            WarehouseError: the month cannot be read.
        """
        month = self._months(horizon).get(_month_of(about)) or _Month()
        recent = [stem for subject, stem in tip.recent if subject == about]
        return sorted({EntryFile.of(stem) for stem in (*month.files.get(about, ()), *recent)})

    def put(self, horizon: str, tip: Tip) -> None:
        """Notes a tip; a failure is logged, the next append catches up."""
        try:
            if len(tip.recent) > RECENT:
                self.add(horizon, tip.recent)
                tip = tip.model_copy(update={"recent": ()})
            self._tips.put(horizon, tip)
        except WarehouseError as error:
            _log.warning("appending to the %s ledger stays slow: %s", horizon, error)

    def add(self, horizon: str, entries: Iterable[Indexed]) -> None:
        """Lists entries in their months; listed ones stay.

        Raises:
            WarehouseError: a month cannot be read or written.
        """
        by_month: dict[str, list[Indexed]] = {}
        for entry in entries:
            by_month.setdefault(_month_of(entry[0]), []).append(entry)
        for month, added in by_month.items():
            self._months(horizon).update(month, lambda known, added=added: _with(known, added))  # type: ignore[misc]

    def _months(self, horizon: str) -> Records[_Month]:
        remedy = f"remove the folder {self._store.place()}: it is a cache, and the next append makes it anew"
        return Records(self._store.under(horizon), _Month, remedy)


def _month_of(about: str) -> str:
    """Month of a subject, such as `2024-01`."""
    return about[:7]


def _with(known: _Month | None, added: Iterable[Indexed]) -> _Month:
    """A month with more entries; equal however often it is applied."""
    files = dict(known.files) if known else {}
    for about, stem in added:
        files[about] = tuple(dict.fromkeys((*files.get(about, ()), stem)))
    return _Month(files=files)

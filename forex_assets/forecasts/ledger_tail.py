"""Verification of a chain's end, at a constant cost."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from forex_assets.core.store.warehouse import SUFFIX
from forex_assets.forecasts.ledger import LedgerError, Misfit, first_misfit, header
from forex_assets.forecasts.ledger_files import EntryFile, EntryFiles
from forex_assets.forecasts.ledger_index import Tip

READ_AGAIN: Final = 32
"""Verified entries that are verified again with the new ones."""


@dataclass(frozen=True)
class Verified:
    """Result of verifying the end of a chain.

    Attributes:
        misfit: the first fault; None for an intact end.
        count: number of entries up to the last that is intact.
        head: its hash; empty for none.
    """

    misfit: Misfit | None
    count: int
    head: str


@dataclass
class Tail:
    """The end of one chain, read entry by entry.

    Attributes:
        count: entries verified before.
        head: hash of the last of them; empty for none.
        tip: of the index; None where it is to be made anew.
        place: of the last entry that was read, from 1.
        last: its hash.
    """

    files: EntryFiles
    horizon: str
    count: int
    head: str
    tip: Tip | None
    place: int = field(init=False)
    last: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self.first = max(self.count - READ_AGAIN + 1, 1)
        self.place = self.first - 1
        is_named_plainly = self.tip is not None and self.first > self.tip.older
        listed = [] if is_named_plainly else self.files.listed(self.horizon)
        self._older = {file.sequence: file for file in listed if file.about}

    def verified(self) -> Verified:
        """Verifies the last verified entries and all after them."""
        misfit = self._misfit()
        known = max(self.count, self.tip.sequence if self.tip else 0)
        if misfit is None and self.place < known:
            reason = f"the chain was cut off: {known} entries were verified or appended before"
            misfit = Misfit(self.place + 1, reason)
        if misfit:
            misfit = replace(misfit, file=self._file(misfit.place).stem + SUFFIX)
        return Verified(misfit, self.place, self.last)

    def _misfit(self) -> Misfit | None:
        """The first fault; the entry before the first is not read."""
        entries = self._entries()
        try:
            first = next(entries, None)
            previous = "" if first is None or self.first == 1 else str(header(first)["previous_hash"])
        except LedgerError as error:
            return Misfit(self.first, str(error))
        return first_misfit(itertools.chain([] if first is None else [first], entries), self.first, previous)

    def _entries(self) -> Iterator[pl.DataFrame]:
        for number in itertools.count(self.first):
            entry = self.files.stored(self.horizon, self._file(number))
            if entry is None:
                return
            entry_hash = str(entry["entry_hash"][0])
            if number == self.count and entry_hash != self.head:
                raise LedgerError(f"it carries the hash {entry_hash[:12]}…, {self.head[:12]}… was verified before")
            yield entry
            self.place, self.last = number, entry_hash

    def _file(self, number: int) -> EntryFile:
        return self._older.get(number, EntryFile(number))

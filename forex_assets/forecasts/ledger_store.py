"""The ledger on disk: every forecast ever issued, one file an entry, written once and never touched again.

What links the entries is said in `domain.forecast.ledger`. Beside them lies the compaction, a horizon's entries in
one table: a cache, made anew whenever it does not fit, so that reading a long ledger is reading one file.
"""

import io
import logging
import os
import re
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from forex_assets.core.horizon import days_of
from forex_assets.core.schemas import FORECAST_SCHEMA, LEDGER_SCHEMA, conform, empty
from forex_assets.core.store.atomic import DRAFT_PREFIX, write_bytes_atomically
from forex_assets.core.store.warehouse import SUFFIX, Warehouse, WarehouseError
from forex_assets.forecasts.ledger import LedgerError, Misfit, entry_of, first_misfit, header, says_the_same

LEDGER: Final = "forecasts/ledger"
KINDS: Final = ("is_shadow", "is_replay")
COMPACTED: Final = "forecasts/ledger_compacted"
_NAME: Final = re.compile(r"(\d{6,})_(\d{4}-\d{2}-\d{2}_.+)_v(\d+)" + re.escape(SUFFIX))
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Appended:
    """What became of a forecast.

    Attributes:
        entry_hash: of the entry that holds it; the head of the chain where `is_new`.
        sequence: its place in the chain, from 1.
        version: of this (horizon, as_of, config fingerprint), from 1.
        is_new: False where the same had been issued before, and nothing was written.
    """

    entry_hash: str
    sequence: int
    version: int
    is_new: bool


class _File(NamedTuple):
    """What a file's name says of its entry; `about` is date and config fingerprint."""

    sequence: int
    about: str
    version: int

    @property
    def stem(self) -> str:
        return f"{self.sequence:06d}_{self.about}_v{self.version}"


@dataclass
class _Compaction:
    """A compaction that is held against the entries of its chain, one after another."""

    rows: pl.DataFrame
    entries: int = 0
    passed: int = 0
    unlike: int = 0

    def hold_against(self, entry: pl.DataFrame) -> None:
        """Note the place of the first entry that has other rows here; the compaction may end before the chain does."""
        self.entries += 1
        if self.passed < self.rows.height and not self.unlike:
            self.unlike = 0 if self.rows.slice(self.passed, entry.height).equals(entry) else self.entries
        self.passed += entry.height

    def misfit(self) -> Misfit | None:
        """What was found, once all entries have passed."""
        if self.unlike:
            reason = "the compaction differs from the entry's own file, which fits; remove it, it is a cache"
            return Misfit(self.unlike, reason)
        if self.passed < self.rows.height:
            return Misfit(self.entries + 1, "the chain's end was cut off: the compaction has more entries")
        return None


class LedgerStore:
    """The chains of all horizons in one warehouse.

    Args:
        warehouse: where they lie.
        compact_after: entries that the compaction may lag behind before a read renews it.
        at_step: told each step of writing an entry, as `atomic.write_atomically` has them; tests end the process there.
    """

    def __init__(
        self, warehouse: Warehouse, *, compact_after: int = 64, at_step: Callable[[str], None] = lambda _: None
    ) -> None:
        self._warehouse = warehouse
        self._compact_after = compact_after
        self._at_step = at_step

    def append(
        self,
        forecast: pl.DataFrame,
        *,
        issued_at: datetime,
        code_version: str,
        is_shadow: bool = False,
        is_replay: bool = False,
    ) -> Appended:
        """Put a forecast at the end of its horizon's chain, unless the newest version there says the same already.

        Args:
            forecast: `FORECAST_SCHEMA` of one horizon and date.
            issued_at: with a time zone.
            code_version: of what made the numbers.
            is_shadow: a challenger's, not acted on.
            is_replay: issued at a clock that was set by hand.

        Raises:
            ValueError: the columns are not those of a forecast, or there is no such horizon.
            LedgerError: not one forecast, a damaged entry to link to, or no writing; the chain is as it was before.
            WarehouseError: another process holds the chain.
        """
        horizon, about = _subject(conform(forecast, FORECAST_SCHEMA, "forecast for the ledger"))
        with self._warehouse.lock(f"{LEDGER}/{horizon}"):
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
            # Only the newest of its kind: A after B is said again, or the record would show B as what was last said.
            for file in reversed(versions):
                known = self._entry(horizon, file)
                if header(known, KINDS) == header(entry, KINDS):
                    if says_the_same(known, entry):
                        return _appended(known, is_new=False)
                    break
            self._create(entry)
        return _appended(entry, is_new=True)

    def read(self, horizon: str) -> pl.DataFrame:
        """All entries of a horizon, `LEDGER_SCHEMA`, oldest first; no rows where there are none.

        Raises:
            LedgerError: a file that has to be read is damaged; the message names it.
        """
        rows = self._usable_compaction(horizon)
        files = self._files(horizon)  # after the compaction was read, or an entry made in between would seem to be lost
        covered = self._covered(rows, files, horizon)
        tail = [self._entry(horizon, file) for file in files[covered:]]
        rows = pl.concat([rows if covered else rows.clear(), *tail], rechunk=True)
        is_spoilt = not covered and self._warehouse.exists(COMPACTED, horizon)
        if tail and (is_spoilt or len(tail) > self._compact_after):
            self._compact(horizon, rows)
        return rows

    @property
    def root(self) -> Path:
        """Folder of the warehouse: two of them may share Dagster's records."""
        return self._warehouse.root

    def count(self, horizon: str) -> int:
        """How many entries a horizon's chain has, by their files."""
        return len(self._files(horizon))

    def head(self, horizon: str) -> str | None:
        """Hash of the last entry, to be noted elsewhere; None where there is none.

        Raises:
            LedgerError: the last file is damaged.
        """
        files = self._files(horizon)
        return self._hash(horizon, files[-1]) if files else None

    def verify(self, horizon: str, expected_heads: Collection[str] = ()) -> Misfit | None:
        """The first entry of a horizon that is not as it was written; None where the chain is whole.

        Args:
            horizon: name, such as `7d`.
            expected_heads: hashes that were noted elsewhere, each when its entry was the last: without any, a chain
                whose end was cut off looks whole.
        """
        cache = f"{COMPACTED}/{horizon}{SUFFIX}"
        try:
            compaction = _Compaction(self._compacted(horizon))
        except LedgerError as error:
            return Misfit(1, str(error), cache)
        files = self._files(horizon)
        hashes: set[str] = set()

        def entries() -> Iterator[pl.DataFrame]:
            for file in files:
                entry = self._entry(horizon, file)
                hashes.add(entry["entry_hash"][0])
                compaction.hold_against(entry)
                yield entry

        if misfit := first_misfit(entries()):
            return replace(misfit, file=files[misfit.place - 1].stem + SUFFIX)
        if lost := [head for head in expected_heads if head not in hashes]:
            reason = (
                f"the chain was cut off or rewritten: it lacks {len(lost)} of {len(expected_heads)} entries noted "
                f"elsewhere, such as {lost[0][:12]}…"
            )
            return Misfit(len(files) + 1, reason)
        misfit = compaction.misfit()
        return replace(misfit, file=cache) if misfit else None

    def _files(self, horizon: str) -> list[_File]:
        """What there is of a horizon's chain, oldest first, from names alone."""
        try:
            names = os.listdir(self._folder(horizon))
        except FileNotFoundError:
            return []
        found = (_NAME.fullmatch(name) for name in names)
        return sorted(_File(int(match[1]), match[2], int(match[3])) for match in found if match)

    def _folder(self, horizon: str) -> Path:
        days_of(horizon)
        return self._warehouse.path(f"{LEDGER}/{horizon}").with_suffix("")

    def _entry(self, horizon: str, file: _File) -> pl.DataFrame:
        """The rows of one file, which must be those that its name promises."""
        entry = self._table(f"{LEDGER}/{horizon}", file.stem, "put a backup in its place")
        if entry is None:
            raise LedgerError(f"{file.stem}{SUFFIX} is gone from {self._folder(horizon)}; put a backup in its place")
        if (held := _place(entry)) != (horizon, file):
            raise LedgerError(
                f"its file is that of {horizon} {file.stem}, its rows are those of {held[0]} {held[1].stem}"
            )
        return entry

    def _hash(self, horizon: str, file: _File) -> str:
        return str(self._entry(horizon, file)["entry_hash"][0])

    def _compacted(self, horizon: str) -> pl.DataFrame:
        """The compaction as it lies there; no rows where there is none."""
        rows = self._table(COMPACTED, horizon, "remove it: it is a cache, and the next read makes it anew")
        return empty(LEDGER_SCHEMA) if rows is None else rows

    def _usable_compaction(self, horizon: str) -> pl.DataFrame:
        """The compaction, or no rows where it cannot be read: a reader can do without."""
        try:
            return self._compacted(horizon)
        except LedgerError as error:
            _log.warning("%s ledger is read entry by entry: %s", horizon, error)
            return empty(LEDGER_SCHEMA)

    def _compact(self, horizon: str, rows: pl.DataFrame) -> None:
        """Renew the compaction; failing to is no reason not to read."""
        try:
            self._warehouse.write(COMPACTED, rows, horizon)
        except WarehouseError as error:
            _log.warning("reading the %s ledger stays slow: %s", horizon, error)

    def _table(self, key: str, partition: str, remedy: str) -> pl.DataFrame | None:
        """A table of entries, or None where there is none."""
        try:
            rows = self._warehouse.read(key, partition)
            return None if rows is None else conform(rows, LEDGER_SCHEMA, "its columns")
        except (WarehouseError, ValueError) as error:
            reason = str(error.__cause__ or error).partition("\n")[0]
            raise LedgerError(f"{key}/{partition}{SUFFIX} cannot be read ({reason}); {remedy}") from error

    def _covered(self, rows: pl.DataFrame, files: list[_File], horizon: str) -> int:
        """How many of `files`, from the first, the compaction's rows stand for: 0 where they are not of this chain."""
        count = rows["sequence"].n_unique()
        is_chain = 0 < count <= len(files) and self._hash(horizon, files[count - 1]) == rows["entry_hash"][-1]
        return count if is_chain else 0

    def _create(self, entry: pl.DataFrame) -> None:
        """Write an entry's file, which must not be there."""
        horizon, file = _place(entry)
        path = self._warehouse.path(f"{LEDGER}/{horizon}", file.stem)
        buffer, entry = io.BytesIO(), entry.rechunk()
        entry.write_parquet(buffer, compression="zstd", statistics=False)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            create_once(path, buffer.getvalue(), at_step=self._at_step)
            self._warehouse.keep(path, entry)
        except FileExistsError as error:
            raise LedgerError(
                f"{path} is there already, and no entry is ever replaced; issue the forecast again"
            ) from error
        except OSError as error:
            raise LedgerError(
                f"cannot write {path}: {error}; the ledger is unchanged: see to space and permissions"
            ) from error


def create_once(path: Path, content: bytes, *, at_step: Callable[[str], None] = lambda _: None) -> None:
    """Give `path` its content whole, on the disk, and only if there is no such file, whoever else tries at this moment.

    Raises:
        FileExistsError: there is one; it is untouched.
        OSError: no space, no permission, no folder, or a file system without hard links.
    """
    draft = path.with_name(f"{DRAFT_PREFIX}{uuid.uuid4().hex}")

    def publish(step: str) -> None:
        if step == "replaced":
            os.link(draft, path)  # refuses a name that is taken, as a replacement would not
        at_step(step)

    try:
        write_bytes_atomically(draft, content, at_step=publish)
    finally:
        draft.unlink(missing_ok=True)


def _subject(rows: pl.DataFrame) -> tuple[str, str]:
    """Horizon of a forecast, and its date and config fingerprint as a file's name has them."""
    fields = header(rows, ["horizon", "as_of", "config_fingerprint"])
    return str(fields["horizon"]), f"{fields['as_of']}_{fields['config_fingerprint']}"


def _place(entry: pl.DataFrame) -> tuple[str, _File]:
    """Where an entry belongs."""
    horizon, about = _subject(entry)
    header(entry, ["sequence", "version"])
    return horizon, _File(entry["sequence"][0], about, entry["version"][0])


def _appended(entry: pl.DataFrame, *, is_new: bool) -> Appended:
    return Appended(entry["entry_hash"][0], entry["sequence"][0], entry["version"][0], is_new)

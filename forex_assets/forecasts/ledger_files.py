"""Files of the ledger: names, creation, and check of the compaction."""

import os
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from forex_assets.core.store.atomic import DRAFT_PREFIX, write_bytes_atomically
from forex_assets.core.store.warehouse import SUFFIX
from forex_assets.forecasts.ledger import Misfit, header

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


def appended_entry(entry: pl.DataFrame, *, is_new: bool) -> Appended:
    """Result of appending an entry."""
    return Appended(entry["entry_hash"][0], entry["sequence"][0], entry["version"][0], is_new)


def entry_files(folder: Path) -> list[EntryFile]:
    """Entries of a horizon's folder by sequence, from names alone."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
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


def create_once(path: Path, content: bytes, *, at_step: Callable[[str], None] = lambda _: None) -> None:
    """Creates a whole, flushed file; never replaces one.

    Raises:
        FileExistsError: the file exists; it is untouched.
        OSError: no space, no permission, no folder, or a file system without hard links.
    """
    draft = path.with_name(f"{DRAFT_PREFIX}{uuid.uuid4().hex}")

    def publish(step: str) -> None:
        if step == "replaced":
            os.link(draft, path)  # refuses an existing name; a rename would replace it
        at_step(step)

    try:
        write_bytes_atomically(draft, content, at_step=publish)
    finally:
        draft.unlink(missing_ok=True)


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

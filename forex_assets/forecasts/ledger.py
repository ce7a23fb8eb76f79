"""The ledger's chain of hashes, which makes later edits visible.

An entry is one forecast as issued. Its hash covers rows and header, and the header holds the hash of the entry before:
editing an entry means changing all later ones, and the last hash is also recorded elsewhere. `ledger_store` keeps the
files.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import polars as pl

from forex_assets.core.schemas import FORECAST_SCHEMA, LEDGER_SCHEMA, ORIGIN_SCHEMA, conform

FAN_COLUMNS: Final = tuple(name for name in FORECAST_SCHEMA if name in LEDGER_SCHEMA)
"""Columns of the forecast itself; the engine's running time is left out."""

INPUTS: Final = ("data_fingerprint", "config_fingerprint", "code_version", "engine", "model", "is_shadow", "is_replay")
"""Columns that, equal with an equal fan, make a forecast a repetition."""

SCHEMA_VERSION: Final = 2
"""Version of the columns of new entries."""

ADDED_COLUMNS: Final = {2: tuple(ORIGIN_SCHEMA)}
"""Columns of the forecast by the schema version that added them.

An entry's hash covers the columns of its own version, so that a new column breaks no older entry.
"""

NULLABLE: Final = frozenset({*ORIGIN_SCHEMA})
"""Columns that a forecast may leave open."""

AGEING: Final = frozenset({"origin_age_hours", "origin_disagreement_pct"})
"""Columns that change while the forecast stays; they make no new version."""

HEADER: Final = ("horizon", "as_of", "sequence", "version", "issued_at", "previous_hash", *INPUTS)
"""Constant columns of an entry, hashed with the fan's hash."""


class LedgerError(Exception):
    """An entry is unusable; the message names it and the reason."""


@dataclass(frozen=True)
class Misfit:
    """The first fault of a chain.

    Attributes:
        place: in the chain, from 1.
        reason: in words.
        file: name of the file at that place; may be empty.
    """

    place: int
    reason: str
    file: str = ""

    def __str__(self) -> str:
        return f"entry {self.place}{f' ({self.file})' if self.file else ''}: {self.reason}"


def fan_hash(rows: pl.DataFrame, version: int = SCHEMA_VERSION, without: Collection[str] = ()) -> str:
    """SHA-256 (hex) of a forecast's columns as of a schema version.

    Floats enter as `float.hex`: the last bit counts, printing does not. Null differs from "null".

    Args:
        rows: one row a step; their order counts.
        version: of the schema.
        without: columns left out.
    """
    left_out = {*_later_columns(version), *without}
    columns = [name for name in FAN_COLUMNS if name not in left_out]
    return _sha256({name: [_plain(value) for value in rows[name].to_list()] for name in columns})


def entry_hash(entry: pl.DataFrame) -> str:
    """SHA-256 (hex) of an entry's header and fan hash, as canonical JSON.

    From schema version 2 on the version itself is part of the header.

    Raises:
        LedgerError: the header differs between rows, or a newer version of forex-assets wrote the entry.
    """
    version = version_of(entry)
    fields = header(entry, HEADER if version == 1 else [*HEADER, "schema_version"])
    hashed = fan_hash(entry, version)
    return _sha256({"fan_hash": hashed, **{name: _plain(value) for name, value in fields.items()}})


def _later_columns(version: int) -> list[str]:
    """Names the columns that came after a schema version."""
    return [name for added, names in ADDED_COLUMNS.items() if added > version for name in names]


def version_of(entry: pl.DataFrame) -> int:
    """Schema version of an entry.

    Raises:
        LedgerError: a version that this code does not know.
    """
    version = header(entry, ["schema_version"])["schema_version"]
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        raise LedgerError(
            f"its schema version is {version}, this version of forex-assets reads 1 to {SCHEMA_VERSION}; "
            "use the version that wrote it"
        )
    return version


def header(rows: pl.DataFrame, names: Sequence[str] = HEADER) -> dict[str, object]:
    """The values of columns that must be constant.

    Raises:
        LedgerError: no rows, a null, or several values; the message names the columns.
    """
    if rows.height == 0:
        raise LedgerError("the entry has no rows")
    values = {name: set(rows[name].to_list()) for name in names}
    if faulty := [name for name, held in values.items() if len(held) != 1 or None in held]:
        raise LedgerError(f"the entry should have one {', one '.join(faulty)} for all its rows, and no null there")
    return {name: held.pop() for name, held in values.items()}


def entry_of(
    forecast: pl.DataFrame,
    *,
    issued_at: datetime,
    code_version: str,
    sequence: int,
    version: int,
    previous_hash: str,
    is_shadow: bool = False,
    is_replay: bool = False,
) -> pl.DataFrame:
    """Makes an entry from one forecast.

    Args:
        forecast: `FORECAST_SCHEMA` of one horizon and date, in any order, no nulls but in `NULLABLE`.
        issued_at: with a time zone.
        sequence: place in the chain, from 1.
        version: of this (horizon, as_of, config fingerprint), from 1.
        previous_hash: hash of the entry before; empty for the first.
        is_shadow: a challenger's forecast, which nobody acts on.
        is_replay: issued at a clock set by hand.

    Returns:
        `LEDGER_SCHEMA`, by step.

    Raises:
        LedgerError: no rows, a null, two forecasts in one frame, or a time without a zone.
        ValueError: other columns than a forecast's.
    """
    rows = conform(forecast, FORECAST_SCHEMA, "forecast for the ledger").select(FAN_COLUMNS).sort("step")
    if nulls := [column.name for column in rows if column.null_count() and column.name not in NULLABLE]:
        raise LedgerError(f"forecast for the ledger: null in {', '.join(nulls)}")
    if rows["step"].is_duplicated().any():
        raise LedgerError("forecast for the ledger: a step stands twice; hand in one forecast at a time")
    if issued_at.tzinfo is None:
        raise LedgerError(f"forecast for the ledger: issued at {issued_at}, which has no time zone; use UTC")
    added = {
        "issued_at": issued_at.astimezone(UTC),
        "sequence": sequence,
        "version": version,
        "is_shadow": is_shadow,
        "is_replay": is_replay,
        "code_version": code_version,
        "previous_hash": previous_hash,
        "schema_version": SCHEMA_VERSION,
    }
    entry = rows.with_columns(pl.lit(value, dtype=LEDGER_SCHEMA[name]).alias(name) for name, value in added.items())
    entry = entry.with_columns(pl.lit(entry_hash(entry)).alias("entry_hash")).select(list(LEDGER_SCHEMA))
    return conform(entry, LEDGER_SCHEMA, "entry of the ledger")


def says_the_same(entry: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Whether two entries have equal inputs and fans, whenever issued.

    An older entry is compared on the columns of its own schema version.
    """
    version = min(version_of(entry), version_of(other))
    hashes = [fan_hash(one, version, without=AGEING) for one in (entry, other)]
    return header(entry, INPUTS) == header(other, INPUTS) and hashes[0] == hashes[1]


def first_misfit(entries: Iterable[pl.DataFrame], place: int = 1, previous_hash: str = "") -> Misfit | None:
    """Checks one horizon's chain; None if intact.

    A chain cannot show that its end was cut off: compare its last hash with one recorded elsewhere.

    Args:
        entries: `LEDGER_SCHEMA`, one frame an entry, oldest first. A `LedgerError` raised by the iterator becomes the
            misfit's reason.
        place: of the first of these entries in the chain.
        previous_hash: of the entry before them; empty at the chain's beginning.
    """
    try:
        for entry in entries:
            _hold_link(entry, place, previous_hash)
            place, previous_hash = place + 1, entry["entry_hash"][0]
    except LedgerError as error:
        return Misfit(place, str(error))
    return None


def _hold_link(entry: pl.DataFrame, place: int, previous_hash: str) -> None:
    """Raises LedgerError for a changed entry or a broken link."""
    fields = header(entry, [*HEADER, "entry_hash"])
    actual = entry_hash(entry)
    if added := [name for name in _later_columns(version_of(entry)) if entry[name].null_count() < entry.height]:
        raise LedgerError(f"it holds {', '.join(added)}, which its schema version does not have")
    if actual != fields["entry_hash"]:
        raise LedgerError(f"its content gives the hash {actual[:12]}…, it carries {str(fields['entry_hash'])[:12]}…")
    if fields["sequence"] != place:
        raise LedgerError(f"its sequence is {fields['sequence']}, should be {place}: an entry is missing or extra")
    if fields["previous_hash"] != previous_hash:
        names = [f"{str(digest)[:12]}…" if digest else "nothing" for digest in (fields["previous_hash"], previous_hash)]
        raise LedgerError(f"it was chained to {names[0]}, but before it stands {names[1]}")


def _sha256(values: dict[str, object]) -> str:
    """Hash of the canonical JSON of plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(value: object) -> object:
    """A value as exact JSON."""
    if isinstance(value, float):
        return value.hex()
    return value if value is None or isinstance(value, (int, str)) else value.isoformat()  # type: ignore[attr-defined]

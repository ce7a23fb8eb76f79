"""Stores pydantic models as JSON, one for each key of a store.

`Records` turns models into bytes and back. `update` retries until nobody else has written between its read and its
write.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from forex_assets.core.store.port import Store, Taken, WarehouseError, update

VERSION_FIELD: Final = "schema_version"
"""First field of each file. A file without it has version 1."""

SUFFIX: Final = ".json"
_KEY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,=+%-]{0,199}")

Model = TypeVar("Model", bound=BaseModel)


class RecordExists(WarehouseError):
    """Says that `create` found its key taken."""


@dataclass(frozen=True)
class Listing(Generic[Model]):
    """Records of a store, and files that hold none.

    Attributes:
        records: newest first, by key.
        faults: one line for each unreadable file, with the remedy.
    """

    records: tuple[Model, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Records(Generic[Model]):
    """Records of one kind by key.

    Keys that begin with a time sort by it.

    Attributes:
        files: the store that holds nothing else at its top.
        model: their pydantic model.
        remedy: what a person does about a file that cannot be used.
        version: of the model's fields; a file with another version cannot be used.
    """

    files: Store
    model: type[Model]
    remedy: str = "restore it from a backup or move it away"
    version: int = 1

    def keys(self) -> list[str]:
        """Keys that are there, newest first."""
        names = (name for name in self.files.list() if name.endswith(SUFFIX) and "/" not in name)
        return sorted((name.removesuffix(SUFFIX) for name in names), reverse=True)

    def get(self, key: str) -> Model | None:
        """The record of a key; None where there is none.

        Raises:
            WarehouseError: the file cannot be read or used; it is named, with the remedy.
        """
        entry = self.files.get(_name(key))
        return None if entry is None else self._parse(key, entry.content)

    def all(self) -> list[Model]:
        """Every record, newest first.

        Raises:
            WarehouseError: a file cannot be read or used.
        """
        return [record for record in map(self.get, self.keys()) if record is not None]

    def listing(self) -> Listing[Model]:
        """Usable records, and a line for each unusable file."""
        records, faults = list[Model](), list[str]()
        for key in self.keys():
            try:
                record = self.get(key)
                if record is not None:  # else removed since the names were listed
                    records.append(record)
            except WarehouseError as error:
                faults.append(str(error))
        return Listing(tuple(records), tuple(faults))

    def put(self, key: str, record: Model) -> None:
        """Writes a record over the one of its key.

        Raises:
            WarehouseError: it cannot be written.
        """
        self.files.put(_name(key), self._content(record))

    def create(self, key: str, record: Model) -> None:
        """Writes a record under a new key.

        Raises:
            RecordExists: the key is taken.
            WarehouseError: it cannot be written.
        """
        try:
            self.files.create(_name(key), self._content(record))
        except Taken as error:
            raise RecordExists(str(error)) from error

    def update(self, key: str, change: Callable[[Model | None], Model]) -> Model:
        """Replaces a record by what `change` makes of it.

        Args:
            key: of the record.
            change: from the record as it is now, None where there is none, to the new one; called again where another
                process has written meanwhile.

        Raises:
            WarehouseError: the record cannot be read, used or written.
        """
        written: list[Model] = []

        def renewed(before: bytes | None) -> bytes:
            written[:] = [change(None if before is None else self._parse(key, before))]
            return self._content(written[0])

        update(self.files, _name(key), renewed)
        return written[0]

    def remove(self, key: str) -> None:
        """Removes a record; a missing one is no error.

        Raises:
            WarehouseError: it cannot be removed.
        """
        self.files.remove(_name(key))

    def _content(self, record: Model) -> bytes:
        values = {VERSION_FIELD: self.version, **record.model_dump(mode="json")}
        return (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode()

    def _parse(self, key: str, content: bytes) -> Model:
        place = self.files.place(f"{key}{SUFFIX}")
        try:
            values = json.loads(content)
            version = values.pop(VERSION_FIELD, 1) if isinstance(values, dict) else 1
            if version != self.version:
                raise WarehouseError(
                    f"{place} has {VERSION_FIELD} {version}, this version of forex-assets reads {self.version}; "
                    "use the version that wrote it"
                )
            # From JSON again: only then do strict models take dates, which JSON writes as text.
            return self.model.model_validate_json(json.dumps(values))
        except ValueError as error:
            raise WarehouseError(f"{place} cannot be used ({reason_of(error)}); {self.remedy}") from error


def reason_of(error: ValueError) -> str:
    """First fault of a parse or validation, on one line."""
    first = (
        error.errors(include_url=False, include_input=False)[0]["msg"] if isinstance(error, ValidationError) else error
    )
    return re.sub(r"\s+", " ", str(first))


def _name(key: str) -> str:
    """File name of a key.

    Raises:
        WarehouseError: the key is no plain file name.
    """
    if not _KEY.fullmatch(key):
        raise WarehouseError(
            f"{key!r} cannot name a record: use letters, digits and _ . , = + % - without a leading dot"
        )
    return f"{key}{SUFFIX}"

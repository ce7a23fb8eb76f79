"""Stores pydantic models as JSON files, one for each key.

`Records` turns models into bytes and back; `Files` is the port that keeps the bytes, and `Folder` its disk. Writes are
atomic, and `update` retries until nobody else has written between its read and its write.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.core.store.warehouse import Warehouse, WarehouseError

VERSION_FIELD: Final = "schema_version"
"""First field of each file. A file without it has version 1."""

_KEY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,=+%-]{0,199}")

Model = TypeVar("Model", bound=BaseModel)


class RecordExists(WarehouseError):
    """Says that `create` found its key taken."""


class Files(Protocol):
    """Named byte strings. Every method raises `WarehouseError` where the storage fails."""

    def names(self) -> list[str]:
        """Names that are there, in any order."""

    def read(self, name: str) -> bytes | None:
        """Content of a name; None where there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Replaces the content of a name atomically."""

    def swap(self, name: str, before: bytes | None, after: bytes) -> bool:
        """Writes `after` only where the content is `before`; whether it was written."""

    def remove(self, name: str) -> None:
        """Removes a name; a missing one is no error."""

    def place(self, name: str) -> str:
        """Place of a name, for messages."""


@dataclass(frozen=True)
class Folder(Files):
    """The `.json` files of one folder, made at the first write."""

    root: Path

    def names(self) -> list[str]:
        return [path.name for path in self.root.glob("[!.]*.json")]

    def read(self, name: str) -> bytes | None:
        with self._explained("read", name):
            try:
                return (self.root / name).read_bytes()
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        with self._explained("write", name):
            self.root.mkdir(parents=True, exist_ok=True)
            write_bytes_atomically(self.root / name, content, through_link=False)

    def swap(self, name: str, before: bytes | None, after: bytes) -> bool:
        with Warehouse(self.root).lock("records"):  # shared by all processes of this machine
            if self.read(name) != before:
                return False
            self.write(name, after)
            return True

    def remove(self, name: str) -> None:
        with self._explained("remove", name):
            (self.root / name).unlink(missing_ok=True)

    def place(self, name: str) -> str:
        return str(self.root / name)

    @contextmanager
    def _explained(self, verb: str, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WarehouseError(
                f"cannot {verb} {self.place(name)}: {error.strerror}; check space and permissions"
            ) from error


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
        files: where the records lie.
        model: their pydantic model.
        remedy: what a person does about a file that cannot be used.
        version: of the model's fields; a file with another version cannot be used.
    """

    files: Files
    model: type[Model]
    remedy: str = "restore it from a backup or move it away"
    version: int = 1

    def keys(self) -> list[str]:
        """Keys that are there, newest first."""
        return sorted((name.removesuffix(".json") for name in self.files.names()), reverse=True)

    def get(self, key: str) -> Model | None:
        """The record of a key; None where there is none.

        Raises:
            WarehouseError: the file cannot be read or used; it is named, with the remedy.
        """
        content = self.files.read(_name(key))
        return None if content is None else self._parse(key, content)

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
                content = self.files.read(f"{key}.json")
                if content is None:
                    continue  # removed since the names were listed
                records.append(self._parse(key, content))
            except WarehouseError as error:
                faults.append(str(error))
        return Listing(tuple(records), tuple(faults))

    def put(self, key: str, record: Model) -> None:
        """Writes a record over the one of its key.

        Raises:
            WarehouseError: it cannot be written.
        """
        self.files.write(_name(key), self._content(record))

    def create(self, key: str, record: Model) -> None:
        """Writes a record under a new key.

        Raises:
            RecordExists: the key is taken.
            WarehouseError: it cannot be written.
        """
        if not self.files.swap(_name(key), None, self._content(record)):
            raise RecordExists(f"{self.files.place(_name(key))} is there already; nothing was written")

    def update(self, key: str, change: Callable[[Model | None], Model]) -> Model:
        """Replaces a record by what `change` makes of it.

        Args:
            key: of the record.
            change: from the record as it is now, None where there is none, to the new one; called again where another
                process has written meanwhile.

        Raises:
            WarehouseError: the record cannot be read, used or written.
        """
        name = _name(key)
        while True:
            before = self.files.read(name)
            record = change(None if before is None else self._parse(key, before))
            if self.files.swap(name, before, self._content(record)):
                return record

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
        place = self.files.place(f"{key}.json")
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
    return f"{key}.json"

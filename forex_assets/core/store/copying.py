"""Copies a store into another: verified, resumable, overwriting nothing."""

import hashlib
from dataclasses import dataclass
from typing import Final

from forex_assets.core.store.lease import FOLDER as LEASES
from forex_assets.core.store.port import Store, Taken, WarehouseError

LEFT_OUT: Final = (f"{LEASES}/", "dagster/", "mlflow/", "backups/forex-assets_")
"""Keys of locks, Dagster's and MLflow's databases, and archives."""
SHOWN: Final = 5


class CopyFault(WarehouseError):
    """A copy is not whole; says which keys, and the remedy."""


@dataclass(frozen=True)
class Copied:
    """Result of a copy.

    Attributes:
        written: keys that were copied.
        present: keys that the target held already, with equal content.
        size: bytes written.
    """

    written: int
    present: int
    size: int


def copy_store(source: Store, target: Store) -> Copied:
    """Copies every key that the target lacks, and reads each back.

    An interrupted copy goes on where it ended: equal content is not written again.

    Raises:
        CopyFault: the target holds other content under some key, or a copy reads back otherwise. Nothing is
            overwritten; the other keys are copied.
        WarehouseError: a store fails.
    """
    written = present = size = 0
    faults = list[str]()
    for key in source.list():
        if key.startswith(LEFT_OUT):
            continue
        entry = source.get(key)
        if entry is None:
            continue  # removed since it was listed
        try:
            target.create(key, entry.content)
            written, size = written + 1, size + len(entry.content)
        except Taken:
            present += 1
        copy = target.get(key)
        if copy is None or _digest(copy.content) != _digest(entry.content):
            faults.append(key)
    if faults:
        raise CopyFault(
            f"{len(faults)} of {written + present} keys differ in {target.place()}, such as "
            f"{', '.join(faults[:SHOWN])}; nothing was overwritten: copy into an empty folder, or remove those that "
            "are out of date"
        )
    return Copied(written, present, size)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

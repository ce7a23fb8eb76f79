"""Identity of a warehouse, which moves and is restored with it."""

import uuid
from contextlib import suppress
from typing import Final

from forex_assets.core.store.port import Store, Taken, WarehouseError

KEY: Final = "warehouse_id"


def identity(store: Store) -> str | None:
    """Returns a warehouse's id; None where none was written.

    Raises:
        WarehouseError: it cannot be read.
    """
    entry = store.get(KEY)
    try:
        return None if entry is None else entry.content.decode("ascii").strip() or None
    except UnicodeDecodeError as error:
        raise WarehouseError(f"cannot read {store.place(KEY)}: {error}; restore it from a backup") from error


def ensured_identity(store: Store) -> str:
    """Returns a warehouse's id; the first call writes it, once.

    Raises:
        WarehouseError: it cannot be read or written.
    """
    known = identity(store)
    if known is not None:
        return known
    with suppress(Taken):  # another process was first
        store.create(KEY, f"{uuid.uuid4().hex}\n".encode())
    return identity(store) or ""

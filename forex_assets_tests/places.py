"""Where a warehouse in a folder keeps its tables."""

from pathlib import Path

from forex_assets.core.store.warehouse import Warehouse


def root_of(warehouse: Warehouse) -> Path:
    """The folder of a warehouse."""
    return Path(warehouse.place())


def path_of(warehouse: Warehouse, key: str, partition: str | None = None) -> Path:
    """The file of a table."""
    return Path(warehouse.place(key, partition))

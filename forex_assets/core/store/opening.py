"""Opens the store that an address names."""

from pathlib import Path

from forex_assets.core.store.address import MEMORY, is_remote
from forex_assets.core.store.folder import Folder
from forex_assets.core.store.memory import Memory
from forex_assets.core.store.port import Store
from forex_assets.core.store.remote import Remote

_MEMORIES: dict[str, Memory] = {}
"""Stores of this process by address."""


def open_store(address: str | Path, *, follows_links: bool = False) -> Store:
    """Opens a store; nothing is read, written or made.

    Args:
        address: a folder, `memory://name`, or `s3://`, `gs://`, `az://` with bucket and folder.
        follows_links: whether a folder's links are followed when they are written.
    """
    text = str(address)
    if text.startswith(MEMORY):
        return _MEMORIES.setdefault(text, Memory())
    return Remote(text.rstrip("/")) if is_remote(text) else Folder(Path(address), follows_links)

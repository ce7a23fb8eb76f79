"""Identity of a warehouse, which moves and is restored with it."""

import os
import uuid
from pathlib import Path
from typing import Final

from forex_assets.core.store.atomic import DRAFT_PREFIX, write_bytes_atomically
from forex_assets.core.store.warehouse import WarehouseError

FILE: Final = "warehouse_id"


def identity(root: Path) -> str | None:
    """Returns a warehouse's id; None where none was written.

    Raises:
        WarehouseError: the file cannot be read.
    """
    path = root / FILE
    try:
        return path.read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise WarehouseError(f"cannot read {path}: {error}; restore it from a backup") from error


def ensured_identity(root: Path) -> str:
    """Returns a warehouse's id; the first call writes it, once.

    Raises:
        WarehouseError: the file cannot be read or written.
    """
    known = identity(root)
    if known is not None:
        return known
    draft = root / f"{DRAFT_PREFIX}{uuid.uuid4().hex}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(draft, f"{uuid.uuid4().hex}\n".encode())
        try:
            os.link(draft, root / FILE)  # refuses an existing name: another process was first
        except FileExistsError:
            pass
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise WarehouseError(f"cannot write {root / FILE}: {error.strerror}; check space and permissions") from error
    return identity(root) or ""

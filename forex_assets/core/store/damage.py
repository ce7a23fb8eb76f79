"""Tells a damaged parquet file from one that could not be read."""

import io
from typing import Final

MAGIC: Final = b"PAR1"
"""First and last bytes of a parquet file."""


def is_damaged(content: bytes) -> bool:
    """Tells whether a second reader, on one thread, cannot read it either.

    Where memory or threads are short the first reader fails on a sound file.
    """
    if len(content) < 12 or content[:4] != MAGIC or content[-4:] != MAGIC:
        return True
    try:
        from pyarrow import ArrowException, ArrowMemoryError, parquet
    except (ImportError, MemoryError):
        return False  # magic and footer are there, and there is no room for more
    try:
        parquet.ParquetFile(io.BytesIO(content), pre_buffer=False).read(use_threads=False)
    except (ArrowMemoryError, MemoryError):
        return False
    except (ArrowException, OSError, ValueError):
        return True
    return False

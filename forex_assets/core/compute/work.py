"""Runs one block where it was sent; checks the code's version first.

Everything arrives pickled, and is unpickled after the check: code of another version may fail in any way, or quietly
compute other numbers.
"""

import os
import pickle
import socket
import threading
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from forex_assets.core.code_version import PACKAGE, sources_hash

WHOLE: Final = ("**/*.py", "models/embedded/SHA256SUMS")
"""Globs of all sources: any of them may run in a block."""

_ONE_BLOCK: Final = threading.Lock()
"""Held while a block runs.

Models set the process's threads and random numbers.
"""


class ComputeError(Exception):
    """Blocks cannot be computed; the message names place, reason and remedy."""


@dataclass(frozen=True)
class SharedFile:
    """Inputs that all blocks share, pickled in a file."""

    path: str


@cache
def package_version() -> str:
    """Hash of all sources of the package, 12 hex digits."""
    return sources_hash(PACKAGE, WHOLE)[:12]


def is_edited() -> bool:
    """Tells whether the sources are no longer those of this process."""
    return sources_hash(PACKAGE, WHOLE)[:12] != package_version()


def check_version(wanted: str) -> None:
    """Refuses to work for a command with other code.

    Raises:
        ComputeError: this worker has another version; it names host, process and both versions.
    """
    if (present := package_version()) != wanted:
        raise ComputeError(
            f"the worker on {socket.gethostname()} (process {os.getpid()}) has code {present}, and this command has "
            f"{wanted}: it could compute other numbers, so it was refused. Install one version on every machine, "
            "restart the workers, and run the command again"
        )


def load(wanted: str, payload: bytes) -> Any:
    """Unpickles shared inputs on a worker of the same version."""
    check_version(wanted)
    return pickle.loads(payload)


def run(wanted: str, function: bytes, shared: Any, block: bytes) -> Any:
    """Runs a pickled function on shared inputs and one pickled block.

    Args:
        wanted: code version of the command.
        function: takes shared inputs and a block.
        shared: inputs, or the `SharedFile` that holds them.
        block: its own inputs.

    Raises:
        ComputeError: this worker has another version of the code.
    """
    check_version(wanted)
    with _ONE_BLOCK:
        inputs = _read(shared.path) if isinstance(shared, SharedFile) else shared
        return pickle.loads(function)(inputs, pickle.loads(block))


@lru_cache(maxsize=2)
def _read(path: str) -> Any:
    """Inputs of a file, kept for the next block."""
    return pickle.loads(Path(path).read_bytes())

"""Version of the code that made a forecast.

A hash of the sources, not a commit: it covers uncommitted changes and needs no git.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parents[1]

DECIDING: Final = (
    "core/*.py",
    "market/*.py",
    "features/*.py",
    "forecasts/**/*.py",
    "accuracy/**/*.py",
    "models/embedded/SHA256SUMS",
)
"""Sources that can change a number, as globs under the package."""


@cache  # a process runs the code that it started with, whatever is edited later
def code_version() -> str:
    """Returns version and source hash, such as `0.1.0+0123456789ab`."""
    return f"{version('forex-assets')}+{sources_hash(PACKAGE)[:12]}"


def sources_hash(package: Path, patterns: Sequence[str] = DECIDING) -> str:
    """Hashes names and texts of sources, by default the deciding ones.

    Returns:
        SHA-256 in hex; line ends do not count.

    Raises:
        FileNotFoundError: there are no sources under `package`.
    """
    files = {file for pattern in patterns for file in package.glob(pattern)}
    if not files:
        raise FileNotFoundError(f"no sources under {package}: the package is incomplete, install it anew")
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.relative_to(package).as_posix()):
        text = file.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{file.relative_to(package).as_posix()} {len(text)}\n".encode() + text)
    return digest.hexdigest()

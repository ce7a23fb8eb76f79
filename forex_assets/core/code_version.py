"""Which code made a forecast's numbers: the package's version and a hash of the sources that decide them.

A hash rather than a commit: it also tells a changed working copy, and needs no git where the platform runs.
"""

import hashlib
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
"""Sources whose change may change a number, from the package's folder."""


@cache  # the code that runs is the one that was there when the process started, whatever is edited later
def code_version() -> str:
    """Version and first 12 hex digits of the sources' hash, such as `0.1.0+0123456789ab`."""
    return f"{version('forex-assets')}+{sources_hash(PACKAGE)[:12]}"


def sources_hash(package: Path) -> str:
    """SHA-256 (hex) of the names and texts of the deciding sources under `package`; line ends do not count.

    Raises:
        FileNotFoundError: there are none at all, so that this would not be a version of anything.
    """
    files = {file for pattern in DECIDING for file in package.glob(pattern)}
    if not files:
        raise FileNotFoundError(f"no sources under {package}: the package is incomplete, install it anew")
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.relative_to(package).as_posix()):
        text = file.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{file.relative_to(package).as_posix()} {len(text)}\n".encode() + text)
    return digest.hexdigest()

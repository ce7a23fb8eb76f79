"""The generated market's peso, made once for all tests of the room."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is kept once a test has made it, see `contests.fill`."""
    return tmp_path_factory.mktemp("market") / "warehouse"

"""What every test may use: an environment of its own, and a workspace of its own."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from forex_assets.core.settings import PROJECT

settings.register_profile("any load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any load")

OWN = ("FOREX_", "FRED_", "BCCH_", "DAGSTER_HOME", "HF_", "MLFLOW_")


@pytest.fixture
def environment() -> Iterator[Callable[..., None]]:
    """Sets environment names for one test; the machine's own names of ours are hidden, and come back afterwards."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith(OWN):
            del os.environ[name]

    def change(**names: str) -> None:
        os.environ.update(names)

    yield change
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def workspace(tmp_path: Path, environment: Callable[..., None]) -> Path:
    """A folder with a warehouse, configs and a Dagster home of its own: the generated market, the walk, a fixed day."""
    shutil.copytree(PROJECT / "configs", tmp_path / "configs")
    environment(
        FOREX_WAREHOUSE=str(tmp_path / "warehouse"),
        FOREX_CONFIGS=str(tmp_path / "configs"),
        DAGSTER_HOME=str(tmp_path / "dagster"),
        FOREX_MARKET="sample",
        FOREX_MODEL="ewma",
        FOREX_AS_OF="2025-06-13",
    )
    return tmp_path

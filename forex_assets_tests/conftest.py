"""What every test may use: an environment of its own, and a workspace of its own."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from forex_assets.core.settings import PROJECT
from forex_assets.core.store.opening import open_store
from forex_assets_tests.core.store.s3_server import KEYS, NO_SERVER, program, s3_server

settings.register_profile("any load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any load")

OWN = ("FOREX_", "FRED_", "BCCH_", "DAGSTER_HOME", "HF_", "MLFLOW_", "AWS_")


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
        FOREX_COMPUTE="processes:1",  # a slow machine must not start workers
        FOREX_AS_OF="2025-06-13",
    )
    return tmp_path


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Endpoint of a real S3 server for the whole session."""
    if program() is None:
        pytest.skip(NO_SERVER)
    with s3_server(tmp_path_factory.mktemp("s3")) as endpoint:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {"AWS_ENDPOINT_URL": endpoint, **KEYS}.items():
                patch.setenv(name, value)
            open_store("s3://tests").put("ready", bytes(5000))  # makes the bucket, and room for it
        yield endpoint


@pytest.fixture
def s3_address(s3_endpoint: str, environment: Callable[..., None], request: pytest.FixtureRequest) -> str:
    """Address of an empty folder in the server's bucket, with credentials in the environment."""
    environment(AWS_ENDPOINT_URL=s3_endpoint, **KEYS)
    return f"s3://tests/{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]}"

"""What every test may use: an environment of its own, and a workspace of its own."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import coverage
import pytest
from hypothesis import HealthCheck, settings

from forex_assets.core.settings import PROJECT
from forex_assets.core.store.opening import open_store
from forex_assets_tests.core.store.s3_server import KEYS, NO_SERVER, program, s3_server
from forex_assets_tests.stock import fill_from, quicken_databases

settings.register_profile("any load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any load")

LONGEST = ("docs", "e2e", "replay", "locations")
"""Folders whose tests begin first, so that no process waits for one of their files at the end."""

UNTRACED = ("docs", "e2e", "replay/test_against_the_platform.py")
"""Folders and files whose tests are left out of coverage, unless `--trace-all` is given.

Tracing makes whole runs half as slow again, in libraries most of all; the floor is held by the other tests alone.
"""

OWN = ("FOREX_", "FRED_", "BCCH_", "DAGSTER_", "HF_", "MLFLOW_", "AWS_")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Lets coverage be measured with whole runs too."""
    parser.addoption("--trace-all", action="store_true", help="count whole runs in coverage too")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first; within them, and among the others, the order stays."""

    def place(item: pytest.Item) -> int:
        folder = folder_of(item.path)
        return LONGEST.index(folder) if folder in LONGEST else len(LONGEST)

    items.sort(key=place)


def folder_of(path: Path) -> str:
    """The folder of the tests' root in which a test lies."""
    return path.relative_to(Path(__file__).parent).parts[0]


@pytest.fixture(scope="module", autouse=True)
def _tracing(request: pytest.FixtureRequest) -> Iterator[None]:
    """Stops coverage's tracing for an untraced file."""
    tracer, place = coverage.Coverage.current(), request.path.relative_to(Path(__file__).parent).as_posix()
    if tracer is None or request.config.getoption("--trace-all") or not place.startswith(UNTRACED):
        yield
        return
    tracer.stop()
    yield
    tracer.start()


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
    quicken_databases()
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


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that all processes of this session share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture
def with_market(workspace: Path, stock: Path) -> Path:
    """The workspace with the generated market up to its day, as `forex-assets ingest` leaves it."""
    from forex_assets.cli.runner import materialize_market
    from forex_assets.core.session import open_session

    fill_from(stock / "market", workspace, lambda: materialize_market(open_session()))
    return workspace


@pytest.fixture
def with_forecasts(workspace: Path, stock: Path) -> Path:
    """The workspace with market and fans of all horizons, as `forex-assets forecast` leaves it."""
    from forex_assets.cli.runner import materialize_forecasts, materialize_market
    from forex_assets.core.horizon import HORIZONS
    from forex_assets.core.session import open_session

    def make() -> None:
        materialize_market(open_session())
        materialize_forecasts(open_session(), list(HORIZONS))

    fill_from(stock / "forecasts", workspace, make)
    return workspace


@pytest.fixture
def three_evenings(workspace: Path, environment: Callable[..., None], stock: Path) -> Path:
    """The warehouse's folder after prices and a forecast of 7 days on 2, 3 and 4 June 2025; the clock stays there."""
    from forex_assets.cli.runner import materialize_forecasts, materialize_market
    from forex_assets.core.session import open_session

    def make() -> None:
        for text in ("2025-06-02", "2025-06-03", "2025-06-04"):
            environment(FOREX_AS_OF=text)
            session = open_session()
            materialize_market(session)
            materialize_forecasts(session, ["7d"])
            realized = session.tables.read("accuracy/realized", "7d")
            assert realized is not None
            assert (realized.height == 0) is (text == "2025-06-02"), "on the first evening nothing has come true"

    fill_from(stock / "three_evenings", workspace, make)
    environment(FOREX_AS_OF="2025-06-04")
    return workspace / "warehouse/sample"

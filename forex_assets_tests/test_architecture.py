"""Rooms import from themselves and from rooms to their left; rules know no Dagster, clock, disk or environment."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "forex_assets"
ORDER = [
    "core", "market", "features", "forecasts", "accuracy", "monitoring", "optimizer", "deployment", "replay", "desk",
    "report", "operations", "locations", "cli",
]  # fmt: skip
OPTIMIZATION = ["monitoring", "optimizer", "deployment", "replay"]
"""Rooms of the optimization location: a forecast must not need them."""

DAGSTER_FILES = {"assets.py", "checks.py", "sensors.py", "jobs.py", "resources.py"}
HEAVY = {"torch", "chronos", "mlflow", "yfinance", "matplotlib", "transformers", "pandas", "fredapi", "arch"}
HEAVY |= {"statsforecast", "scipy"}


def files(room: str = "") -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


def imports(path: Path, *, top_only: bool = False) -> Iterator[str]:
    """Every module that a file may import, whichever way it is written: `from a import b` names `a` and `a.b`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module",
            "__import__",
        ):
            yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant))


def rooms_used(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("forex_assets.")} & set(ORDER)


def test_every_folder_of_the_package_is_a_room() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if any(path.rglob("*.py"))}
    assert folders <= set(ORDER)


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_only_from_itself_and_from_its_left(room: str) -> None:
    for path in files(room):
        later = rooms_used(path) & set(ORDER[ORDER.index(room) + 1 :])
        assert not later, f"{path.relative_to(PACKAGE)} imports from {later}"


@pytest.mark.parametrize("room", ["core", "market", "features", "forecasts", "accuracy"])
def test_nothing_that_forecasts_imports_the_optimization_rooms(room: str) -> None:
    for path in files(room):
        assert not rooms_used(path) & set(OPTIMIZATION), path.relative_to(PACKAGE)


def test_no_two_modules_import_each_other() -> None:
    """Walks the graph of modules, imports inside functions included."""
    names = {".".join(("forex_assets", *p.relative_to(PACKAGE).with_suffix("").parts)): p for p in files()}
    graph = {name: {other for other in imports(path) if other in names} for name, path in names.items()}
    settled: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join((*trail[trail.index(name) :], name))
        if name not in settled:
            for other in sorted(graph[name]):
                visit(other, (*trail, name))
            settled.add(name)

    for name in graph:
        visit(name, ())


def test_dagster_is_imported_only_where_assets_checks_sensors_jobs_and_resources_are() -> None:
    for path in files():
        room = path.relative_to(PACKAGE).parts[0]
        allowed = path.name in DAGSTER_FILES or room in ("locations", "cli") or path.parent == PACKAGE / "core/dagster"
        if not allowed:
            used = {name for name in imports(path) if name.split(".")[0].startswith("dagster")}
            assert not used, f"{path.relative_to(PACKAGE)} imports {used}"


def test_no_file_is_longer_than_300_lines() -> None:
    long = {str(p.relative_to(PACKAGE)): n for p in files() if (n := len(p.read_text("utf-8").splitlines())) > 300}
    assert not long


def test_every_room_says_what_it_holds() -> None:
    for folder in {path.parent for path in files()} - {PACKAGE}:
        doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
        assert len(doc) > 60, f"{folder.relative_to(PACKAGE)}/__init__.py says nothing of the room"


def test_nothing_heavy_is_imported_at_the_top_of_a_module() -> None:
    for path in files():
        heavy = {name for name in imports(path, top_only=True) if name.split(".")[0] in HEAVY}
        assert not heavy, f"{path.relative_to(PACKAGE)} imports {heavy}"


def test_only_the_chronos_folder_imports_torch() -> None:
    users = {path for path in files() if any(name.split(".")[0] == "torch" for name in imports(path))}
    assert {path.parent for path in users} == {PACKAGE / "forecasts/chronos"}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys\n{statement}\nprint('LOADED', *sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return set(next(line for line in done.stdout.splitlines() if line.startswith("LOADED")).split())


def test_loading_a_code_location_loads_no_model_library() -> None:
    assert not loaded_by("import forex_assets.locations.forecasting") & {"torch", "chronos", "yfinance", "matplotlib"}


def test_help_loads_neither_dagster_nor_torch() -> None:
    statement = (
        "from typer.testing import CliRunner\nfrom forex_assets.cli import app\n"
        "for args in (['--help'], ['forecast', '--help'], ['doctor', '--help']):\n"
        "    assert CliRunner().invoke(app, args).exit_code == 0"
    )
    assert not loaded_by(statement) & {"dagster", "torch", "polars", "pandas"}


def test_telemetry_is_off_as_soon_as_the_package_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import forex_assets, os; print(os.environ['HF_HUB_DISABLE_TELEMETRY'])"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin"},
    )
    assert done.stdout.strip() == "1"

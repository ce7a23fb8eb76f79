"""The one import direction, read from the source: domain ← adapters ← resources ← defs ← locations, cli last."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "forex_assets"
ORDER = ["domain", "adapters", "resources", "defs", "locations", "cli"]
PURE = {"polars", "numpy", "scipy", "pydantic"}
HEAVY = {"torch", "chronos", "mlflow", "scipy.stats", "yfinance", "matplotlib", "transformers", "pandas", "fredapi"}


def modules(layer: str) -> list[Path]:
    return sorted((PACKAGE / layer).rglob("*.py"))


def imports(path: Path, *, top_only: bool = False) -> set[str]:
    """Modules that a file imports; those for type checkers only do not run and do not count at the top."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_only else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module}
    return found


@pytest.mark.parametrize("layer", ORDER)
def test_a_layer_imports_only_from_its_left(layer: str) -> None:
    later = ORDER[ORDER.index(layer) + 1 :]
    assert modules(layer), layer
    for path in modules(layer):
        wrong = {name for name in imports(path) if name.split(".")[:2] in [["forex_assets", x] for x in later]}
        assert not wrong, f"{path.relative_to(PACKAGE)} imports {wrong}"


def test_the_domain_is_pure() -> None:
    allowed = (
        set(sys.stdlib_module_names) - {"os", "subprocess", "socket", "requests", "random"} | PURE | {"forex_assets"}
    )
    for path in modules("domain"):
        wrong = {name for name in imports(path) if name.split(".")[0] not in allowed}
        assert not wrong, f"{path.relative_to(PACKAGE)} imports {wrong}"


def test_nothing_heavy_is_imported_at_the_top_of_a_module() -> None:
    for path in PACKAGE.rglob("*.py"):
        wrong = {name for name in imports(path, top_only=True) if name in HEAVY or name.split(".")[0] in HEAVY}
        assert not wrong, f"{path.relative_to(PACKAGE)} imports {wrong}"


def test_only_the_adapters_of_chronos_import_torch() -> None:
    users = {path.name for path in PACKAGE.rglob("*.py") if any(n.split(".")[0] == "torch" for n in imports(path))}
    assert users <= {"chronos_model.py", "chronos_grid.py", "t5_sampler.py", "embedded_training.py"}


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

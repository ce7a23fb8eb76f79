"""State goes through the store: no other module touches files, but for those listed with their reason."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "forex_assets"
CALLS = {
    "read_bytes", "write_bytes", "read_text", "write_text", "mkdir", "makedirs", "unlink", "touch", "glob",
    "rglob", "iterdir", "rmtree", "copytree", "copyfile", "listdir", "walk", "link", "write_atomically",
    "write_bytes_atomically", "create_once", "FileLock", "NamedTemporaryFile", "TemporaryDirectory", "mkdtemp",
}  # fmt: skip
ALLOWED = {
    "core/store/atomic.py": "the folder adapter's writes",
    "core/store/folder.py": "the folder adapter",
    "core/compute/": "what is handed to worker processes",
    "core/dagster/run_retention.py": "Dagster's own run records",
    "core/dagster/instance": "Dagster's own home, which Postgres replaces",
    "core/code_version.py": "the package's own files",
    "core/dotenv_file.py": "a person's settings",
    "core/processes.py": "the kernel's files of a process",
    "cli/limits.py": "the kernel's files of a process",
    "cli/reference.py": "a page of the project",
    "cli/report.py": "a copy for the browser",
    "cli/rehearsal.py": "a copy that is deleted, of a folder or a store",
    "deployment/git.py": "the export into a clone",
    "desk/flows_file.py": "a person's input and output files",
    "forecasts/chronos/": "weights of models",
    "market/sources/yahoo.py": "yfinance's cache of cookies, empty for each process",
    "operations/backup/": "archives of folders; a bucket keeps versions of its own",
    "operations/tracking/": "MLflow's sqlite without MLFLOW_TRACKING_URI, and uploads",
    "report/daily.py": "a person's output file",
    "report/pdf.py": "a person's output file",
}


def calls(path: Path) -> set[str]:
    """Calls of a module that may touch files."""
    matches = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            is_open = isinstance(node.func, ast.Name) and name == "open"
            matches |= {name} & CALLS | ({name} if is_open else set())
    return matches


def test_no_module_touches_files_but_the_folder_adapter_and_those_with_a_reason() -> None:
    names = {path.relative_to(PACKAGE).as_posix(): calls(path) for path in PACKAGE.rglob("*.py")}
    users = {name: used for name, used in names.items() if used}
    assert {name: used for name, used in users.items() if not name.startswith(tuple(ALLOWED))} == {}
    assert [reason for reason in ALLOWED if not any(name.startswith(reason) for name in users)] == [], "remove it"

"""Generated parts of pages, and the code behind their figures.

A part lies between two comment lines. The first names the script that made it and the fingerprint of its code; a test
compares that with the code at hand. `python benchmarks/pages.py` lists the parts with outdated figures.
"""

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from forex_assets.core.settings import PROJECT

BENCHMARKS = PROJECT / "benchmarks"
WEIGHTS = "forex_assets/models/embedded/SHA256SUMS"
ENGINE = "forex_assets/forecasts/chronos/model.py"
WITHOUT_FIGURES = (
    *(f"forex_assets/core/{name}.py" for name in ("columns", "finding", "names", "plots", "session", "settings")),
    *("forex_assets/core/validated_file.py", "forex_assets/core/progress.py", "benchmarks/pages.py"),
    *("forex_assets/**/*_store.py", "forex_assets/core/store/*.py"),
)
"""Globs of modules without figures; their imports are not followed."""

BEGIN = re.compile(r"^<!-- measured: (?P<name>\S+) by (?P<script>\S+), code (?P<code>\S+) -->$", re.MULTILINE)
END = "<!-- measured: end -->"


def code_fingerprint(script: str) -> str:
    """Hash of the script and every module that it imports.

    Comments, docstrings, error messages, layout and the names of modules do not count.

    Args:
        script: path under the project, such as `benchmarks/gate.py`.
    """
    files = modules_of(script)
    digests = sorted(hashlib.sha256(essence(file.read_text(encoding="utf-8")).encode()).digest() for file in files)
    weights = (PROJECT / WEIGHTS).read_bytes() if PROJECT / ENGINE in files else b""
    return hashlib.sha256(b"".join([*digests, weights])).hexdigest()[:12]


def modules_of(script: str) -> set[Path]:
    """Files of a script and all its imports in this project."""
    skipped = {file for pattern in WITHOUT_FIGURES for file in PROJECT.glob(pattern)}
    waiting, files = [PROJECT / script], set[Path]()
    while waiting:
        file = waiting.pop()
        if file not in files and file not in skipped:
            files.add(file)
            waiting += _imports(file)
    return files


def _imports(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = list[str]()
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            for root in (PROJECT, BENCHMARKS):
                path = root / name.replace(".", "/")
                yield from (
                    candidate for candidate in (path.with_suffix(".py"), path / "__init__.py") if candidate.is_file()
                )


def essence(source: str) -> str:
    """Source without what cannot change a figure.

    Equal on every Python version.
    """
    return _essence(ast.parse(source))


def _essence(node: object) -> str:
    if isinstance(node, list):
        return "[" + ",".join(_essence(item) for item in node if not _is_idle(item)) + "]"
    if isinstance(node, ast.Raise):
        return "Raise"
    if isinstance(node, ast.AST):
        fields = [f"{name}={_essence(value)}" for name, value in ast.iter_fields(node) if value not in (None, [])]
        return f"{type(node).__name__}({','.join(fields)})"
    return repr(node)


def _is_idle(node: object) -> bool:
    """Whether a statement is an import or a docstring."""
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return is_text or isinstance(node, ast.Import | ast.ImportFrom)


def part_of(page: Path, name: str = "all") -> tuple[str, str]:
    """Text before and after a generated part of a page.

    Raises:
        SystemExit: the page has no such part.
    """
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    begin = next((mark for mark in BEGIN.finditer(text) if mark["name"] == name), None)
    if begin is None or END not in text[begin.end() :]:
        line = f"<!-- measured: {name} by SCRIPT, code 0 -->"
        raise SystemExit(f"{page} needs the lines {line} and {END} around the tables' place; nothing was written")
    return text[: begin.start()], text[begin.end() :].partition(END)[2]


def put(text: str, page: Path, script: str, name: str = "all") -> None:
    """Replaces a generated part of a page; errors as `part_of`."""
    before, after = part_of(page, name)
    begin = f"<!-- measured: {name} by {script}, code {code_fingerprint(script)} -->"
    page.write_text(f"{before}{begin}\n{text.strip()}\n{END}{after}", encoding="utf-8")


def outdated(pages: Path = PROJECT / "docs") -> list[str]:
    """Parts whose code has changed since, as `page: name, by script`."""
    return [
        f"{page.name}: {mark['name']}, by {mark['script']}"
        for page in sorted(pages.glob("*.md"))
        for mark in BEGIN.finditer(page.read_text(encoding="utf-8"))
        if mark["code"] != code_fingerprint(mark["script"])
    ]


if __name__ == "__main__":
    print("\n".join(outdated()) or "every published figure is of this code")

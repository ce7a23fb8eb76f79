"""Docstrings begin with a short line that says what a thing is or does; variables are nouns."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "forex_assets"
MAX_WORDS = 12
FORBIDDEN = re.compile(r"(Of|The same|What|Where|Beside|Whoever)\b")
NO_NOUNS = {"made", "found", "said", "shown", "told", "own", "here", "each", "ready", "wrong", "beside", "of_horizon"}
ROOMS = [*(path for path in sorted(PACKAGE.iterdir()) if (path / "__init__.py").is_file()), PROJECT / "benchmarks"]


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring: of modules, classes, functions, constants and fields."""
    for node in ast.walk(tree):
        for statement in getattr(node, "body", []) if isinstance(getattr(node, "body", None), list) else []:
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield statement.lineno, text


def faults(text: str) -> Iterator[str]:
    first = text.strip().split("\n")[0].strip()
    words = len(first.split())
    if words > MAX_WORDS:
        yield f"{words} words"
    if FORBIDDEN.match(first):
        yield "begins with a forbidden word"


def offenders(room: Path) -> list[str]:
    return [
        f"{path.relative_to(PROJECT)}:{line} {fault}: {text.strip().splitlines()[0]}"
        for path in sorted(room.rglob("*.py"))
        for line, text in docstrings(ast.parse(path.read_text(encoding="utf-8")))
        for fault in faults(text)
    ]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_first_lines_of_docstrings_are_short_and_plain(room: Path) -> None:
    lines = offenders(room)
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Returns the price.", 0),
        ("One two three four five six seven eight nine ten eleven twelve", 0),
        ("One two three four five six seven eight nine ten eleven twelve thirteen", 1),
        ("Of a horizon without a config.", 1),
        ("What is read.", 1),
        ("\n    Where tables are.\n\n    Details.", 1),
        ("Whoever asks", 1),
        ("The same: a fingerprint.", 1),
        ("Offers a price.", 0),
        ("Short line.\n\nA second paragraph of as many words as one likes to write about it, even many more.", 0),
    ],
)
def test_a_line_that_is_long_or_begins_badly_is_found(text: str, count: int) -> None:
    assert len(list(faults(text))) == count


def test_docstrings_of_constants_and_private_functions_are_read() -> None:
    source = (
        '"""Module."""\nX = 1\n"""Constant."""\nclass A:\n    y: int = 2\n    """Field."""\n'
        '    def _f(self):\n        """Private."""\n'
    )
    assert [text for _, text in docstrings(ast.parse(source))] == ["Module.", "Constant.", "Field.", "Private."]


def vague_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of every variable, field and parameter that is no noun of the field."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store(), lineno=line) | ast.arg(arg=name, lineno=line) if name in NO_NOUNS:
                yield line, name


@pytest.mark.parametrize("folder", ["forex_assets", "benchmarks", "forex_assets_tests"])
def test_variables_and_parameters_are_nouns(folder: str) -> None:
    vague = {
        f"{path.relative_to(PROJECT)}:{line} {name}"
        for path in (PROJECT / folder).rglob("*.py")
        for line, name in vague_names(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert vague == set()


def test_a_variable_and_a_parameter_that_are_no_nouns_are_found() -> None:
    tree = ast.parse("def f(wrong):\n    found = [\n        each for each in wrong]\n    return g(own=found)\n")
    assert sorted(vague_names(tree)) == [(1, "wrong"), (2, "found"), (3, "each")]

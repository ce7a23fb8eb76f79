"""Every command of the README and the tutorial is run, in order, in a copy of the project, and does what they say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from forex_assets.core.settings import PROJECT
from forex_assets_tests.docs.pages import LIMIT_S, Shell, commands_of, fits

ELSEWHERE = {
    "README.md": {"make test": "is what runs this test", "make run": "is the tutorial's first command"},
    "docs/tutorial.md": {},
}
SERVES = {"make ui"}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    console = Shell(tmp_path_factory.mktemp("pages"))
    yield console
    console.close()


@pytest.mark.timeout(LIMIT_S * 2)
@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_what_a_page_shows_is_what_happens(shell: Shell, page: str) -> None:
    commands = list(commands_of((PROJECT / page).read_text(encoding="utf-8")))
    assert commands
    for command in commands:
        typed = command.text.partition(" #")[0].strip()
        if typed in SERVES:
            shell.serve(command)
        elif typed not in ELSEWHERE[page]:
            shell.run(command)


def test_a_block_that_would_not_be_run_is_found() -> None:
    with pytest.raises(ValueError, match="not run"):
        list(commands_of("```\n$ ls\n```\n"))
    (command,) = commands_of("```console\n$ cat <<E # exit code 3\n> a\n> E\na\n```\n")
    assert (command.text, command.prints, command.code) == ("cat <<E # exit code 3\na\nE", "a", 3)


@pytest.mark.parametrize(
    ("example", "printed", "expected"),
    [
        ("a … c", "a b c", True),
        ("a … c", "a b d", False),
        ("…b…", "a\nb\nc", True),
        ("a b", "a\n   b\n", True),
        ("a.c", "abc", False),
        ("", "anything", False),
    ],
)
def test_what_is_printed_is_held_against_what_is_said(example: str, printed: str, expected: bool) -> None:
    assert fits(example, printed) is expected


def test_a_command_that_fails_or_prints_something_else_is_found(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    try:
        for block in ("$ false", "$ echo a\nb", "$ true # exit code 1"):
            (command,) = commands_of(f"```console\n{block}\n```\n")
            with pytest.raises(AssertionError, match=r"exit code|the page says"):
                shell.run(command)
    finally:
        shell.close()

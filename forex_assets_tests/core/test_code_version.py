"""The code version changes with the deciding sources only."""

import hashlib
import re
import shutil
from pathlib import Path

import pytest

from forex_assets.core.code_version import DECIDING, PACKAGE, code_version, sources_hash


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small package of which three files decide."""
    for name in (
        "market/a.py",
        "accuracy/deep/b.py",
        "forecasts/chronos/model.py",
        "market/sources/yahoo.py",
        "cli/c.py",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# {name}\n")
    return tmp_path


def test_it_is_the_version_and_twelve_digits_of_the_sources_hash() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\+[0-9a-f]{12}", code_version())
    assert code_version().endswith(sources_hash(PACKAGE)[:12])


def test_the_hash_is_that_of_names_lengths_and_texts_in_order(package: Path) -> None:
    text = (
        "accuracy/deep/b.py 21\n# accuracy/deep/b.py\n"
        "forecasts/chronos/model.py 29\n# forecasts/chronos/model.py\n"
        "market/a.py 14\n# market/a.py\n"
    )
    assert sources_hash(package) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("name", ["market/a.py", "accuracy/deep/b.py", "forecasts/chronos/model.py"])
def test_a_change_of_one_character_in_a_deciding_source_changes_it(name: str, package: Path) -> None:
    before = sources_hash(package)
    (package / name).write_text(f"# {name}!\n")
    assert sources_hash(package) != before


def test_a_new_name_changes_it_even_with_the_same_text(package: Path) -> None:
    before = sources_hash(package)
    (package / "market/a.py").rename(package / "market/z.py")
    assert sources_hash(package) != before


def test_other_sources_the_folder_and_line_ends_do_not_count(
    package: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "package"
    shutil.copytree(package, elsewhere)
    (elsewhere / "market/sources/yahoo.py").write_text("other")
    (elsewhere / "market/__pycache__").mkdir()
    (elsewhere / "market/__pycache__/a.pyc").write_bytes(b"compiled")
    (elsewhere / "market/a.py").write_bytes(b"# market/a.py\r\n")
    assert sources_hash(elsewhere) == sources_hash(package)


def test_a_package_without_sources_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no sources under"):
        sources_hash(tmp_path)


@pytest.mark.parametrize("pattern", DECIDING)
def test_every_pattern_still_means_a_file(pattern: str) -> None:
    assert list(PACKAGE.glob(pattern)), f"{pattern} matches nothing: renamed?"

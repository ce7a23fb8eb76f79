"""Published figures carry the fingerprint of their code: what changes it, what does not, and how a page is replaced."""

from pathlib import Path

import pytest

import pages

PAGE = "before\n\n<!-- measured: closes by benchmarks/gate.py, code 000 -->\nold\n<!-- measured: end -->\n\nafter\n"


@pytest.mark.parametrize(
    ("before", "after", "is_equal"),
    [
        ("x = 1  # one", "x   =   1", True),
        ('def f():\n    """Old words."""\n    return 2', 'def f():\n    """New words."""\n\n    return 2', True),
        ("raise ValueError('old')", "raise ValueError('new')", True),
        ("from a import b\nb()", "from c.d import b\nb()", True),
        ("x = 0.97", "x = 0.94", False),
        ("x = a + b", "x = a - b", False),
        ("if a < b: c()", "if a <= b: c()", False),
        ("x = True", "x = False", False),
    ],
)
def test_words_do_not_change_a_fingerprint_and_figures_do(before: str, after: str, is_equal: bool) -> None:
    assert (pages.essence(before) == pages.essence(after)) is is_equal


@pytest.mark.parametrize(
    ("script", "module"),
    [
        ("accuracy", "forecasts/calibration"),  # bands
        ("accuracy", "forecasts/chronos/sampler"),  # the engine, imported inside a function
        ("accuracy", "core/scores"),
        ("gate", "optimizer/criteria"),
        ("detectors", "monitoring/drift"),
        ("copper", "features/copper"),
    ],
)
def test_engine_calibration_and_scores_are_behind_the_figures(script: str, module: str) -> None:
    files = pages.modules_of(f"benchmarks/{script}.py")
    assert pages.PROJECT / f"forex_assets/{module}.py" in files
    assert pages.PROJECT / "forex_assets/core/store/warehouse.py" not in files


def test_a_part_is_replaced_and_carries_the_code_of_now(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    assert pages.outdated(tmp_path) == ["page.md: closes, by benchmarks/gate.py"]
    pages.put("new", page, "benchmarks/gate.py", "closes")
    assert pages.outdated(tmp_path) == []
    text = page.read_text()
    assert text.startswith("before\n\n<!-- measured: closes by ")
    assert text.endswith("-->\nnew\n<!-- measured: end -->\n\nafter\n")


def test_a_page_without_the_part_is_left_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    with pytest.raises(SystemExit, match="nothing was written"):
        pages.put("new", page, "benchmarks/gate.py", "warehouse")
    assert page.read_text() == PAGE


def test_every_published_figure_is_of_this_code() -> None:
    parts = {
        page.stem: [mark["code"] for mark in pages.BEGIN.finditer(page.read_text(encoding="utf-8"))]
        for page in (pages.PROJECT / "docs").glob("*.md")
    }
    assert all(parts[name] for name in ("accuracy", "copper", "monitoring", "validation"))
    if any("unknown" in codes for codes in parts.values()):
        pytest.skip("pages are being made anew: python benchmarks/pages.py")
    assert pages.outdated() == [], "make bench-accuracy, bench-copper, bench-monitoring or bench-gate"

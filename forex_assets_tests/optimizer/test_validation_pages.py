"""A report's files: JSON that says everything, HTML that parses, shows its pictures and asks for nothing outside."""

import base64
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from forex_assets.core.policy import Policy
from forex_assets.core.schemas import SAMPLE_SOURCE, USDCLP_SCHEMA, empty
from forex_assets.core.store.warehouse import Warehouse, WarehouseError
from forex_assets.optimizer.validation import Subject, Validation, nothing_to_validate, validate
from forex_assets.optimizer.validation_pages import write_pages
from forex_assets.optimizer.validation_plots import differences_figure
from forex_assets_tests.optimizer.rows import realized_rows

WHEN = datetime(2025, 6, 13, 23, tzinfo=UTC)
SUBJECT = Subject("7d", "20250613T230000Z-abc123", "s1", WHEN, "old", "new", '{"model": "<b>x</b>"}')
NOTHING = empty(USDCLP_SCHEMA)
VOID = {"meta", "img", "br", "link", "input", "hr"}


def found(notes: tuple[str, ...] = ()) -> Validation:
    old = 12 * np.random.default_rng(1).standard_normal(80)
    rows = [realized_rows(np.full(80, 900.0), errors, half_width=25.0) for errors in (old, 0.9 * old)]
    return validate(SUBJECT, *rows, np.ones((2, 15)), Policy(), notes=notes)


class Reader(HTMLParser):
    """Holds open tags against closing ones, and collects addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_parses_carries_its_pictures_and_has_no_outside_address(tmp_path: Path) -> None:
    pages = write_pages(Warehouse(tmp_path), found(), history=NOTHING, fans={}, is_sample=True)
    text = Path(pages.html).read_text()
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert reader.addresses
    assert all(address.startswith("data:image/png;base64,") for address in reader.addresses)
    assert not re.search(r"https?://|@import|url\(", text)
    assert base64.b64decode(reader.addresses[0].partition(",")[2]).startswith(b"\x89PNG")
    assert SAMPLE_SOURCE in text
    assert "Approved on 80 origins" in text


def test_what_people_wrote_is_text_and_no_markup(tmp_path: Path) -> None:
    report = found(("<script>alert(1)</script>",))
    pages = write_pages(Warehouse(tmp_path), report, history=NOTHING, fans={}, is_sample=False)
    text = Path(pages.html).read_text()
    assert "<script" not in text
    assert "&lt;b&gt;x&lt;/b&gt;" in text
    assert SAMPLE_SOURCE not in text


def test_the_document_says_all_that_the_report_knows(tmp_path: Path) -> None:
    report = found()
    pages = write_pages(Warehouse(tmp_path), report, history=NOTHING, fans={}, is_sample=False)
    assert pages.json == str(tmp_path / "optimizer/validation_reports/7d/20250613T230000Z-abc123.json")
    document = json.loads(Path(pages.json).read_text())
    assert (document["verdict"], document["market"], document["words"]) == ("approved", "live", report.words)
    assert document["criteria"][0]["value"] == pytest.approx(0.1)
    assert len(document["origins"]) == 80
    assert document["origins"][0]["champion_crps"] == pytest.approx(10 / 9 * document["origins"][0]["challenger_crps"])
    assert len(document["seconds"]) == 15
    assert document["false_pass"] == {"calibrated": report.chance.calibrated, "literal": report.chance.literal}  # type: ignore[union-attr]
    assert document["challenger_config"] == {"model": "<b>x</b>"}


def test_a_report_of_nothing_new_has_its_files_too(tmp_path: Path) -> None:
    nothing = nothing_to_validate(SUBJECT, Policy())
    pages = write_pages(Warehouse(tmp_path), nothing, history=NOTHING, fans={}, is_sample=False)
    assert "data:image" not in Path(pages.html).read_text().partition("<body>")[2]
    assert json.loads(Path(pages.json).read_text())["origins"] == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "optimizer").write_text("in the way")
    with pytest.raises(WarehouseError, match="validation_reports"):
        write_pages(Warehouse(tmp_path), found(), history=NOTHING, fans={}, is_sample=False)


def test_the_picture_shows_each_difference_their_mean_and_their_sum() -> None:
    report = found()
    assert report.evidence is not None
    above, below = differences_figure(report.evidence, "title", False).axes
    difference = report.evidence.crps[0] - report.evidence.crps[1]
    segments = above.collections[0].get_segments()
    assert [float(segment[1][1]) for segment in segments] == pytest.approx(difference)
    assert any(line.get_ydata()[0] == pytest.approx(difference.mean()) for line in above.lines)
    assert below.lines[0].get_ydata()[-1] == pytest.approx(difference.sum())

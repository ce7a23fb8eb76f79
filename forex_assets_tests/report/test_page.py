"""Tests the daily report: figures, languages, escaping, no outside request."""

import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from forex_assets.core.schemas import FORECAST_SCHEMA, QUANTILE_COLUMNS, USDCLP_SCHEMA
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.features.copper import COPPER_FEATURES
from forex_assets.optimizer.tables import CANDIDATES_SCHEMA, CRITERIA, VALIDATION_SCHEMA
from forex_assets.report.page import render_report, shared_charts
from forex_assets.report.tables import ReportTables
from forex_assets.report.words import _TEXTS, number, speaker

NOW = datetime(2025, 6, 13, 23, 0, tzinfo=UTC)
TODAY = date(2025, 6, 13)
CHROMIUM = shutil.which("chromium")


class Text(HTMLParser):
    """The text that a reader sees, without scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data)


def text_of(page: str) -> str:
    reader = Text()
    reader.feed(page)
    return re.sub(r"\s+", " ", " ".join(reader.parts))


def prices(rows: int = 90) -> pl.DataFrame:
    days = [TODAY - timedelta(days=rows - 1 - i) for i in range(rows)]
    values = {"session": days, "clp_per_usd": [900 + 5 * np.sin(i / 5) for i in range(rows)], "source": "yahoo"}
    flags = {"is_provisional": False, "is_suspect": False, "is_quarantined": False}
    return pl.DataFrame({**values, **flags, "available_at": NOW, "fetched_at": NOW}).select(
        pl.col(name).cast(dtype) for name, dtype in USDCLP_SCHEMA.items()
    )


def fan(horizon: str = "7d", model: str = "embedded") -> pl.DataFrame:
    steps = 5
    bounds = dict(zip(QUANTILE_COLUMNS, (811.1, 822.2, 833.3, 844.4, 855.5, 866.6, 877.7, 888.8, 899.9), strict=True))
    columns = {
        "as_of": TODAY,
        "horizon": horizon,
        "target_date": date(2025, 6, 20),
        "step": list(range(1, steps + 1)),
        "session": [TODAY + timedelta(days=i) for i in range(1, steps + 1)],
        **{name: [value] * steps for name, value in bounds.items()},
        **{f"walk_{name}": [value - 1] * steps for name, value in bounds.items()},
        "origin_session": TODAY,
        "origin_clp_per_usd": 901.25,
        "model": model,
        "engine": "chronos-t5",
        "is_calibrated": True,
        "calibration_errors": 129,
        "source": "yahoo",
    }
    frame = pl.DataFrame(columns)
    rest = {name: pl.lit(None) for name in FORECAST_SCHEMA if name not in columns}
    return frame.with_columns(**rest).select(pl.col(name).cast(dtype) for name, dtype in FORECAST_SCHEMA.items())


def filled(schema: dict[str, object], rows: list[dict[str, object]]) -> pl.DataFrame:
    blank = dict.fromkeys(schema)
    return pl.DataFrame([blank | row for row in rows], schema=schema)  # type: ignore[arg-type]


def tables() -> ReportTables:
    features = pl.DataFrame({"session": [TODAY], **{feature.name: [0.125] for feature in COPPER_FEATURES}})
    candidates = filled(
        CANDIDATES_SCHEMA,
        [
            {"searched_at": NOW, "n": 126, "gain": 0.0312, "is_chosen": True, "is_incumbent": False},
            {"searched_at": NOW, "n": 126, "gain": 0.0, "is_chosen": False, "is_incumbent": True},
        ],
    )
    head = {"validated_at": NOW, "verdict": "inconclusive", "false_pass": 0.0412, "calibrated": "inconclusive"}
    criteria = [head | {"criterion": name, "value": 0.0625, "limit": 0.05, "literal": True} for name in CRITERIA]
    record = DeploymentRecord(
        id="20250601", horizon="7d", kind="rollback", state="deployed", at=NOW, by="watch", reason="3 failed forecasts",
        from_fingerprint="a", to_fingerprint="b",
    )  # fmt: skip
    return ReportTables(
        as_of=NOW,
        is_sample=False,
        usdclp=prices(),
        features=features,
        fans={"7d": fan()},
        candidates={"7d": candidates},
        validations={"7d": filled(VALIDATION_SCHEMA, criteria)},
        deployments={"7d": record},
        ages={"market/usdclp": 0, "market/copper_hgf_usd_lb": 9, "forecasts/latest/90d": None},
        sources={"market/usdclp": "yahoo"},
    )


def test_a_fan_says_what_level_it_starts_from_its_source_and_age_in_both_languages() -> None:
    start = {"origin_kind": "dólar observado", "origin_dated": date(2025, 6, 16), "origin_age_hours": 1.2,
             "is_origin_assumed": False}  # fmt: skip
    fresh = fan().with_columns(pl.lit(value).alias(name) for name, value in start.items())
    shown = replace(tables(), fans={"7d": fresh})
    assert "Starts from 901.2 (dólar observado of 2025-06-16, 1 h old when issued). Half of" in text_of(
        render_report(shown, "en")
    )
    assert "Parte de 901,2 (dólar observado del 2025-06-16, 1 h al emitirse). Se espera" in text_of(
        render_report(shown, "es")
    )
    guessed = replace(shown, fans={"7d": fresh.with_columns(is_origin_assumed=pl.lit(True))})
    assert "1 h old when issued, availability assumed)" in text_of(render_report(guessed, "en"))


def test_fans_that_agree_within_five_per_cent_share_the_longest_ones_chart() -> None:
    """A band 4 % wider is the same picture, one 6 % wider is not; nor is that of another starting level."""

    def wider(percent: float) -> pl.DataFrame:
        half = (899.9 - 811.1) / 2 * (1 + percent / 100)
        return fan("90d").with_columns(q025=pl.lit(855.5 - half), q975=pl.lit(855.5 + half))

    assert shared_charts({"7d": fan("7d"), "15d": fan("15d"), "90d": wider(4)}) == {"7d": "90d", "15d": "90d"}
    assert shared_charts({"7d": fan("7d"), "15d": fan("15d"), "90d": wider(6)}) == {"7d": "15d"}
    other = fan("15d").with_columns(origin_clp_per_usd=pl.lit(902.0))
    assert shared_charts({"7d": fan("7d"), "15d": other}) == {}
    page = render_report(replace(tables(), fans={"7d": fan("7d"), "90d": fan("90d")}), "en")
    assert "Drawn in the chart of 90 days." in text_of(page)
    assert ("fan-90d" in page, "fan-7d" in page) == (True, False)


def test_bands_are_explained_with_the_figures_of_the_target() -> None:
    page = text_of(render_report(tables(), "en"))
    assert "From 901.2 on 2025-06-13. Half of the outcomes are expected above 855.5" in page, "a fan of before"
    assert "8 in 10 between 833.3 and 877.7, 19 in 20 between 811.1 and 899.9" in page
    assert "(random walk) gives 810.1 to 898.9" in page
    assert "bands calibrated on 129 past errors" in page


def test_the_loops_last_search_verdict_and_change_are_told() -> None:
    page = text_of(render_report(tables(), "en"))
    assert "2 candidates on 126 past test dates; the best lowers the loss of the current settings by 3.1 %" in page
    assert "Validation 2025-06-13: inconclusive, the current settings stay." in page
    assert "would have been approved with a chance of 4.1 %" in page
    assert "rollback, current." in page
    assert "watch: 3 failed forecasts" in page
    assert "9 (stale)" in page


def test_spanish_has_decimal_commas_and_no_sentence_of_the_english_page() -> None:
    page = text_of(render_report(tables(), "es"))
    assert "8 de 10 entre 833,3 y 877,7" in page
    assert "2 candidatos en 126 fechas de prueba pasadas" in page
    shared = {"-1, 0 or 1", "0 to 100"}
    for english, spanish in _TEXTS.values():
        if english != spanish and len(english) > 12 and "{" not in english and english not in shared:
            assert english not in page, english


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_text_has_the_same_places_in_both_languages(language: str) -> None:
    for key, (english, spanish) in _TEXTS.items():
        assert set(re.findall(r"{(\w+)}", english)) == set(re.findall(r"{(\w+)}", spanish)), key
    with pytest.raises(KeyError):
        speaker("en" if language == "en" else "es")("no such sentence")


def test_figures_are_written_as_their_readers_do() -> None:
    assert number(1234.5, 1, "en") == "1,234.5"
    assert number(1234.5, 1, "es") == "1.234,5"
    assert number(-0.0004, 1, "en") == "0.0"
    assert number(None, 1, "es") == "–"


def test_an_empty_warehouse_makes_a_page_that_says_what_to_type() -> None:
    page = text_of(render_report(ReportTables(as_of=NOW, is_sample=False), "en"))
    for command in ("forex-assets forecast", "forex-assets backtest", "forex-assets ingest", "optimize decide"):
        assert command in page


def test_sample_data_is_named_in_both_languages_and_market_data_is_not_called_so() -> None:
    for language in ("en", "es"):
        sample = render_report(replace(tables(), is_sample=True), language)  # type: ignore[arg-type]
        assert "SAMPLE DATA, not market prices" in text_of(sample)
    assert "SAMPLE DATA" not in text_of(render_report(tables(), "en"))


def test_what_a_table_says_stays_text() -> None:
    evil = '<img src=x onerror="alert(1)"></script><script>alert(2)</script>'
    page = render_report(replace(tables(), fans={"7d": fan(model=evil)}), "en")
    assert evil not in page
    assert "<img src=x" not in page
    assert 'onerror="alert(1)"></script>' in text_of(page)


def test_the_page_names_no_address_that_a_browser_would_ask_for() -> None:
    page = render_report(tables(), "en")
    assert not re.findall(r'<(?:script|img|link|iframe)[^>]+(?:src|href)=["\'](?:https?:)?//', page)
    assert "default-src 'none'" in page


def drawn(folder: Path, page: str) -> tuple[str, str]:
    """The page after its scripts ran, and the browser's console."""
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
    more = ("--disable-component-update", "--disable-sync", "--disable-quic", "--enable-logging=stderr")
    command = [str(CHROMIUM), *quiet, *more, f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000"]
    done = subprocess.run(
        [*command, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt install chromium")
@pytest.mark.parametrize("language", ["en", "es"])
def test_a_real_browser_draws_every_chart_without_an_error_or_a_request(tmp_path: Path, language: str) -> None:
    """Checks the console, where a forbidden request would be named."""
    page, console = drawn(tmp_path, render_report(tables(), language))  # type: ignore[arg-type]
    assert console == ""
    assert page.count('class="main-svg"') >= 2  # the fan's; copper has no prices here
    assert "855" in text_of(page)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt install chromium")
def test_a_request_to_the_outside_would_be_seen(tmp_path: Path) -> None:
    page = render_report(tables(), "en").replace("</body>", '<img src="http://127.0.0.1:9/x.png"></body>')
    assert "Content Security Policy" in drawn(tmp_path, page)[1]

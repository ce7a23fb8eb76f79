"""Tests the daily report: figures, languages, escaping, no outside request."""

import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from forex_assets.core.schemas import COPPER_SCHEMA, USDCLP_SCHEMA
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.desk.answers import Answer
from forex_assets.desk.events import Events
from forex_assets.desk.observado import Fixings
from forex_assets.desk.outlook import Outlook
from forex_assets.monitoring.drift import DRIFT_SCHEMA
from forex_assets.monitoring.trigger import DECISION_SCHEMA
from forex_assets.optimizer.tables import CANDIDATES_SCHEMA, CRITERIA, VALIDATION_SCHEMA
from forex_assets.replay.tables import LOOP_SCHEMA
from forex_assets.report.first_page import SMALL
from forex_assets.report.formats import Language
from forex_assets.report.page import render_report
from forex_assets.report.svg import line_svg
from forex_assets.report.tables import HeldBand, ReportTables
from forex_assets.report.words import _TEXTS, speaker
from forex_assets_tests.desk.worlds import CALENDAR, ORIGIN, outlook

NOW = datetime(ORIGIN.year, ORIGIN.month, ORIGIN.day, 23, 0, tzinfo=UTC)
CHROMIUM = shutil.which("chromium")
HELD = HeldBand(date(2025, 6, 5), date(2025, 6, 12), 912.34, 900.0, 920.0, 890.0, 930.0)


class Text(HTMLParser):
    """The text that a reader sees, without scripts, styles and values for the pointer."""

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


def prices(schema: dict[str, object], column: str, last: float) -> pl.DataFrame:
    """Closes of 400 days up to the fan's first day: 1 % below the last one a day before, 10 % a week, 20 % a year."""
    days = CALENDAR.between(ORIGIN - timedelta(days=400), ORIGIN)
    values = np.full(len(days), last / 1.25)
    values[[day > ORIGIN - timedelta(days=300) for day in days]] = last / 0.9
    values[[day > ORIGIN - timedelta(days=7) for day in days]] = last / 1.01
    values[-1] = last
    filled = {"session": days, column: values, "source": "yahoo", "available_at": NOW, "fetched_at": NOW}
    flags = dict.fromkeys(("is_provisional", "is_suspect", "is_quarantined"), False)
    frame = pl.DataFrame(filled | flags)
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)  # type: ignore[arg-type]
        for name, dtype in schema.items()
    )


def filled(schema: dict[str, object], rows: list[dict[str, object]]) -> pl.DataFrame:
    blank = dict.fromkeys(schema)
    return pl.DataFrame([blank | row for row in rows], schema=schema)  # type: ignore[arg-type]


def tables() -> ReportTables:
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
    fans = outlook()
    return ReportTables(
        as_of=NOW,
        is_sample=False,
        outlook=fans,
        usdclp=prices(USDCLP_SCHEMA, "clp_per_usd", fans.price),  # type: ignore[arg-type]
        copper=prices(COPPER_SCHEMA, "close_usd_lb", 4.5),  # type: ignore[arg-type]
        copper_correlation=-0.345,
        held=(HELD,),
        fixings=Fixings({ORIGIN: 1234.56}),
        events=Events(policy_meetings=(ORIGIN + timedelta(days=5),)),
        candidates={"7d": candidates},
        validations={"7d": filled(VALIDATION_SCHEMA, criteria)},
        deployments={"7d": record},
        ages={"market/usdclp": 0, "market/copper_hgf_usd_lb": 9},
        sources={"market/usdclp": "yahoo"},
    )


def from_observado(fans: Outlook) -> Outlook:
    """Fans that start from an observado of a day later, an hour old."""
    start = {"origin_kind": "dólar observado", "origin_dated": date(2025, 6, 16), "origin_age_hours": 1.2}
    columns = [pl.lit(value).alias(name) for name, value in start.items()]
    return replace(fans, fans={name: fan.with_columns(columns) for name, fan in fans.fans.items()})


def test_the_first_sentence_says_price_changes_range_and_chance() -> None:
    page, law = text_of(render_report(tables(), "en")), tables().outlook.target("30d").law  # type: ignore[union-attr]
    assert "+1.0% on the day, -10.0% in a week, +25.0% in a year".replace("-", "−") in page
    assert f"between {law.quantiles[2]:,.1f} and {law.quantiles[6]:,.1f} in 8 of 10 cases" in page


def test_years_without_a_listed_meeting_are_named_and_the_others_say_that_none_falls_there() -> None:
    """The fans reach September 2025; the list ends in 2024, or has a meeting of December 2025."""
    ended = replace(tables(), events=Events(policy_meetings=(date(2024, 12, 17),)))
    assert "No meetings of 2025 are known here" in text_of(render_report(ended, "en"))
    spanish = text_of(render_report(ended, "es"))
    assert "No se conocen las reuniones de 2025: falta agregar las fechas" in spanish
    assert "configs/events.yaml" in spanish
    later = text_of(render_report(replace(tables(), events=Events(policy_meetings=(date(2025, 12, 16),))), "en"))
    assert "None falls in this period." in later
    assert "known here" not in later


def test_dollar_index_and_real_stand_in_one_line_with_day_and_month() -> None:
    """A month before, the index was at 100 and the real at 5; a day before, at 98 and 5.5; the real is a day older."""
    month, before, last = ORIGIN - timedelta(days=30), ORIGIN - timedelta(days=1), ORIGIN
    rows = [{"session": month, "dollar_index": 100.0, "brl_per_usd": 5.0},
            {"session": before, "dollar_index": 98.0, "brl_per_usd": 5.5},
            {"session": last, "dollar_index": 98.98, "brl_per_usd": 5.61}]  # fmt: skip
    drivers = pl.DataFrame(rows)
    page = text_of(render_report(replace(tables(), drivers=drivers), "en")).replace("−", "-")
    assert "dollar index 98.98 (+1.0% on the day, -1.0% in a month)" in page
    assert "Brazilian real 5.61 per dollar (+2.0% on the day, +12.2% in a month)." in page
    older = drivers.with_columns(brl_per_usd=pl.when(pl.col("session") < last).then("brl_per_usd"))
    spanish = text_of(render_report(replace(tables(), drivers=older, copper=None), "es"))
    assert "el 12 de junio de 2025: real brasileño 5,50 por dólar" in spanish
    assert "real brasileño" not in text_of(render_report(tables(), "es"))


def test_each_horizon_has_a_date_with_its_bands() -> None:
    page, fans = text_of(render_report(tables(), "en")), tables().outlook
    assert fans is not None
    for name, days in (("7d", 7), ("15d", 15), ("30d", 30), ("90d", 90)):
        row = fans.fans[name].row(-1, named=True)
        assert f"({days} days)" in page
        assert f"{row['q10']:,.1f} – {row['q90']:,.1f}" in page
        assert f"{row['q025']:,.1f} – {row['q975']:,.1f}" in page


@pytest.mark.parametrize(
    ("close", "words"),
    [
        (912.3, "said 900.0 to 920.0 for 8 of 10. It came to 912.3: inside."),
        (925.0, "It came to 925.0: outside it, inside the range for 19 of 20 (890.0 to 930.0)."),
        (931.0, "said 890.0 to 930.0 for 19 of 20. It came to 931.0: outside."),
    ],
)
def test_an_earlier_range_is_held_against_the_price_that_came(close: float, words: str) -> None:
    page = text_of(render_report(replace(tables(), held=(replace(HELD, close=close),)), "en"))
    assert words in page
    assert "The range of 5 June 2025 for 12 June 2025" in page


def test_a_provisional_price_is_called_so() -> None:
    fans = outlook(is_origin_provisional=True)
    assert "The price is provisional" in text_of(render_report(replace(tables(), outlook=fans), "en"))
    assert "El precio es provisorio" in text_of(render_report(replace(tables(), outlook=fans), "es"))
    assert "provisional" not in text_of(render_report(tables(), "en"))


def test_the_level_that_the_range_starts_from_is_named() -> None:
    fans = from_observado(outlook())
    page = text_of(render_report(replace(tables(), outlook=fans), "es"))
    assert "Punto de partida: dólar observado del 16 de junio de 2025, 1 h de antigüedad al emitirse." in page


def test_the_companys_flows_are_told_in_millions() -> None:
    total = {"median": -850_000_000, "p05": -883_900_000, "p95": -816_500_000}
    answer = Answer("", [], outlook().basis(), more={"totals": [total]})
    page = text_of(render_report(replace(tables(), exposure=answer), "es")).replace("\N{MINUS SIGN}", "-")
    assert "correlation of \N{MINUS SIGN}0.3" in text_of(render_report(tables(), "en"))
    assert (
        "en millones de pesos: -850,0 en la mediana, -883,9 en el caso malo (1 de cada 20), -816,5 en el bueno" in page
    )


def test_the_loops_last_search_verdict_and_change_are_told() -> None:
    page = text_of(render_report(tables(), "en"))
    assert "2 settings were compared on 126 past dates: another one looked better by 3.1%." in page
    assert "Check on later dates: not conclusive, the current settings stay." in page
    assert "return to the earlier settings, in force." in page
    assert "The price is 9 trading days old." in page


def test_a_search_of_one_setting_reads_well_and_a_due_search_is_named_until_it_was_made() -> None:
    alone = tables().candidates["7d"].filter("is_incumbent").with_columns(is_chosen=True)
    asked = {"decided_at": NOW + timedelta(hours=1), "rule": "age", "counts": True}
    decision = filled(DECISION_SCHEMA, [asked])  # type: ignore[arg-type]
    later = replace(tables(), candidates={"7d": alone}, decisions={"7d": decision})
    page = text_of(render_report(later, "es"))
    assert "solo se probó la configuración vigente en 126 fechas pasadas" in page
    assert "corresponde una búsqueda" in page
    before = decision.with_columns(decided_at=pl.lit(NOW - timedelta(hours=1)).cast(DECISION_SCHEMA["decided_at"]))
    answered = text_of(render_report(replace(later, decisions={"7d": before}), "es"))
    assert "corresponde una búsqueda" not in answered


def test_a_chart_has_at_least_two_grid_lines() -> None:
    """Prices from 3.6 to 4.45 hold one multiple of .5 only."""
    days = CALENDAR.between(ORIGIN - timedelta(days=300), ORIGIN)
    for low, high in ((3.6, 4.45), (735.0, 835.0), (899.0, 905.0)):
        points = list(zip(days, np.linspace(low, high, len(days)).tolist(), strict=True))
        assert 2 <= line_svg(points, SMALL, "en", "price", 2).count('text-anchor="end"') <= 4


def test_a_loss_is_never_called_an_improvement() -> None:
    worse = tables().candidates["7d"].with_columns(gain=-pl.col("gain"))
    page = text_of(render_report(replace(tables(), candidates={"7d": worse}), "en"))
    assert "none was clearly better" in page
    assert "looked better" not in page


def test_drift_is_told_in_a_sentence() -> None:
    row = {"series": "usdclp_return", "statistic": "ks", "value": 0.4, "percentile": 0.991, "severity": "HIGH"}
    drift = filled(DRIFT_SCHEMA, [row, row | {"percentile": 0.5, "severity": "NONE"}])  # type: ignore[arg-type]
    page = text_of(render_report(replace(tables(), drift=drift), "en"))
    assert "The market has changed: the dollar is more unusual than in 99% of its history." in page
    calm = drift.with_columns(severity=pl.lit("LOW"))
    assert "resembles that of the years before" in text_of(render_report(replace(tables(), drift=calm), "en"))


def test_spanish_has_its_decimals_and_dates_and_no_sentence_of_the_english_page() -> None:
    page, law = text_of(render_report(tables(), "es")), tables().outlook.target("30d").law  # type: ignore[union-attr]
    assert f"{law.quantiles[2]:.1f}".replace(".", ",") in page
    assert "5 de junio de 2025" in page
    assert "1.234,56 pesos" in page
    for english, spanish in _TEXTS.values():
        if english != spanish and len(english) > 12 and "{" not in english:
            assert english not in page, english
    assert not re.search(r"forex-assets|market/|_clp|q\d\d|\d\d\d\d-\d\d-\d\d", page)


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_text_has_the_same_places_in_both_languages(language: str) -> None:
    for key, (english, spanish) in _TEXTS.items():
        assert set(re.findall(r"{(\w+)}", english)) == set(re.findall(r"{(\w+)}", spanish)), key
    with pytest.raises(KeyError):
        speaker("en" if language == "en" else "es")("no such sentence")


def test_sample_data_is_named_in_both_languages_and_market_data_is_not_called_so() -> None:
    languages: tuple[Language, ...] = ("en", "es")
    for language in languages:
        assert "SAMPLE DATA, not market prices" in text_of(render_report(replace(tables(), is_sample=True), language))
    assert "SAMPLE DATA" not in text_of(render_report(tables(), "en"))


def test_what_a_table_says_stays_text() -> None:
    evil = '<img src=x onerror="alert(1)"></script><script>alert(2)</script>'
    page = render_report(replace(tables(), outlook=outlook(model=evil), faults=(evil,)), "en")
    assert evil not in page
    assert "<img src=x" not in page
    assert text_of(page).count('onerror="alert(1)"></script>') == 2


def test_the_page_is_small_and_names_no_address_that_a_browser_would_ask_for() -> None:
    page = render_report(tables(), "en")
    assert len(page.encode()) < 400_000
    assert not re.findall(r'<(?:script|img|link|iframe)[^>]+(?:src|href)=["\'](?:https?:)?//', page)
    assert "default-src 'none'" in page


def test_the_fan_is_drawn_at_its_quantiles() -> None:
    """The 95 % band's edges, read back from the picture by the places of two grid lines."""
    page, fans = render_report(tables(), "en"), tables().outlook
    assert fans is not None
    wide = ElementTree.fromstring(re.findall(r"<svg.*?</svg>", page, re.DOTALL)[0])
    ticks = [
        (float(t.get("y", "")) - 4, float((t.text or "").replace(",", "")))
        for t in wide.iter("text")
        if t.get("text-anchor") == "end" and t.get("class") == "tick"
    ]
    (y0, v0), (y1, v1) = ticks[0], ticks[-1]
    points = next(p.get("points", "") for p in wide.iter("polygon") if p.get("class") == "b95").split()
    drawn = [v0 + (float(p.split(",")[1]) - y0) * (v1 - v0) / (y1 - y0) for p in points]
    law = fans.target("90d").law
    middle = len(points) // 2
    assert drawn[0] == pytest.approx(fans.price, rel=1e-3)
    assert drawn[middle - 1] == pytest.approx(law.quantiles[0], rel=1e-3)
    assert drawn[middle] == pytest.approx(law.quantiles[-1], rel=1e-3)


def in_browser(folder: Path, page: str, *flags: str) -> tuple[str, str]:
    """What the browser gives out after the page's script ran, and its console."""
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
    more = ("--disable-component-update", "--disable-sync", "--disable-quic", "--enable-logging=stderr")
    command = [str(CHROMIUM), *quiet, *more, f"--user-data-dir={folder / 'profile'}", *flags, file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


MEASURE = """<script>addEventListener("load", () => {
  const svg = [...document.querySelectorAll("svg")].find((each) => each.clientWidth), box = svg.getBoundingClientRect();
  svg.dispatchEvent(new PointerEvent("pointermove", {clientX: box.right - 1, clientY: box.top + 5}));
  document.body.dataset.measured = document.documentElement.scrollWidth + " " + innerWidth;
});</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt install chromium")
@pytest.mark.parametrize(("language", "width"), [("en", 1400), ("es", 500)])  # chromium's windows are no narrower
def test_a_real_browser_shows_values_without_an_error_or_sideways_scrolling(
    tmp_path: Path, language: Language, width: int
) -> None:
    """Checks the console too, where a forbidden request would be named."""
    page = render_report(tables(), language).replace("</body>", MEASURE)
    dom, console = in_browser(tmp_path, page, f"--window-size={width},900", "--dump-dom")
    assert console == ""
    whole, visible = map(int, re.findall(r'data-measured="(\d+) (\d+)"', dom)[0])
    assert whole <= visible
    assert re.search(r'readout" aria-live="polite">[^<]+95\s%: ', dom)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt install chromium")
@pytest.mark.parametrize("language", ["en", "es"])
def test_it_prints_on_two_pages_of_a4(tmp_path: Path, language: Language) -> None:
    from forex_assets.report.pdf import print_page

    rows = {"n": 120, "rmse": 10.0, "walk_rmse": 10.0, "coverage_80": 0.8, "coverage_95": 0.95, "crps_skill": 0.0}
    card = pl.DataFrame(
        [
            rows | {"scope": "all", "horizon": h, "record": r}
            for h in ("7d", "15d", "30d", "90d")
            for r in ("ledger", "backtest")
        ]
    ).with_columns(crps_skill_low=pl.lit(None, pl.Float64), crps_skill_high=pl.lit(None, pl.Float64))
    answer = Answer("", [], outlook().basis(), more={"totals": [{"median": 1e9, "p05": 1e9, "p95": 1e9}]})
    fans = from_observado(outlook(is_origin_provisional=True))
    full = replace(tables(), is_sample=True, scorecard=card, exposure=answer, held=(HELD, replace(HELD, close=925.0)))
    (tmp_path / "page.html").write_text(render_report(replace(full, outlook=fans), language))
    print_page(tmp_path / "page.html", tmp_path / "page.pdf")
    content = (tmp_path / "page.pdf").read_bytes()
    assert len(re.findall(rb"/Type\s*/Page\b", content)) == 2
    sizes = {tuple(float(n) for n in box.split()[2:]) for box in re.findall(rb"/MediaBox\s*\[([^\]]+)\]", content)}
    assert all(size == pytest.approx((595.3, 841.9), abs=1) for size in sizes)  # 210 x 297 mm in points


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt install chromium")
def test_a_request_to_the_outside_would_be_seen(tmp_path: Path) -> None:
    page = render_report(tables(), "en").replace("</body>", '<img src="http://127.0.0.1:9/x.png"></body>')
    assert "Content Security Policy" in in_browser(tmp_path, page, "--dump-dom")[1]


@pytest.mark.parametrize(
    ("gain", "low", "high", "words"),
    [
        (0.021, 0.004, 0.038, "better by 2.1% than"),
        (-0.03, -0.05, -0.01, "worse by 3.0% than"),
        (0.001, -0.01, 0.012, "not clearly different from"),
        (0.5, None, None, "not clearly different from"),
    ],
)
def test_a_replay_says_whether_tuning_paid_by_its_interval(
    gain: float, low: float | None, high: float | None, words: str
) -> None:
    row = dict.fromkeys(LOOP_SCHEMA) | {
        "strategy": "calibrated rules",
        "horizon": "7d",
        "first_evening": date(2015, 1, 2),
        "last_evening": date(2022, 12, 30),
        "n": 400,
        "crps_gain": gain,
        "crps_gain_low": low,
        "crps_gain_high": high,
        "deployments": 3,
        "rollbacks": 1,
    }
    replays = {"7d": pl.DataFrame([row], schema=LOOP_SCHEMA)}
    page = text_of(render_report(replace(tables(), replays=replays), "en"))
    assert "made 4 changes of settings" in page
    assert words in page

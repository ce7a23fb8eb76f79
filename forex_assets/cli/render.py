"""Tables and lines of the desk's commands, 80 columns wide."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import polars as pl
from rich.console import RenderableType

from forex_assets.cli.starting_price import starting_price_words
from forex_assets.cli.tables import (
    Column,
    band,
    bands,
    banner,
    ends,
    fixed,
    interval,
    moment,
    price,
    prices,
    table,
    when,
    whole,
)
from forex_assets.cli.trial import trial_words
from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.core.session import Session
from forex_assets.market.origin_table import start_words

WEEK: Final = 5
"""Sessions between two rows of a short fan."""


def fan(frame: pl.DataFrame, *, is_full: bool) -> Iterator[RenderableType]:
    """Median and bands by session, with the benchmark's band."""
    rows = frame.to_dicts()
    first, last = rows[0], rows[-1]
    kept = {1, last["step"]} | set(range(WEEK, last["step"], WEEK if last["step"] <= 4 * WEEK + 2 else 2 * WEEK))
    sample = f"\n{SAMPLE_SOURCE}" if first["source"] == SAMPLE_SOURCE else ""
    yield table(
        [row for row in rows if is_full or row["step"] in kept],
        [
            Column("session", "session"),
            Column("step", "step", whole),
            Column("median", "q50", prices),
            Column("80 % band", ends("q10", "q90"), bands),
            Column("95 % band", ends("q025", "q975"), bands),
            Column("no change 95 %", ends("walk_q025", "walk_q975"), bands),
        ],
        title=f"USD/CLP {first['horizon']}: issued {first['as_of']}, target {first['target_date']}{sample}",
        caption=f"{first['engine']}: {first['model']}. {_start(first)} Width from {first['source']}. "
        f"{_calibration(last)} No change: EWMA(.97) volatility around the last price.",
        is_bold=lambda row: row["step"] == last["step"],
    )


def _start(first: dict[str, Any]) -> str:
    """Level that a fan starts from, with its source and age."""
    if words := start_words(first):
        return f"Starts from {words}."
    provisional = ", provisional" if first["is_origin_provisional"] else ""
    return f"Starts from {price(first['origin_clp_per_usd'])} on {first['origin_session']}{provisional}."


def _calibration(last: dict[str, Any]) -> str:
    """Says by which errors the bands are corrected."""
    if not last["is_calibrated"]:
        return "Bands: the model's own."
    model_band = band(last["model_q025"], last["model_q975"])
    return f"Bands: corrected by {last['calibration_errors']} past errors; the model's own 95 % was {model_band}."


def closing_words(session: Session, models: Sequence[tuple[str, str]]) -> Iterator[RenderableType]:
    """Models and why, and where to look next."""
    yield from (f"Model: {model} ({why})" for model, why in models)
    yield f"Tables: {session.tables.place()}/forecasts/latest/   Graph and plots: make ui"
    if session.market == "sample":
        yield banner()


def ingest(report: Sequence[dict[str, Any]]) -> Iterator[RenderableType]:
    """Ingested series, their sources and skipped sources."""
    if any(SAMPLE_SOURCE in str(record.get("data")) for record in report):
        yield banner()
    yield table(
        report,
        [
            Column("table", "asset"),
            Column("rows", lambda record: record.get("row_count"), whole),
            Column("first", lambda record: record.get("first_session")),
            Column("last", lambda record: record.get("last_session")),
            Column("source", lambda record: _source(record.get("source") or record.get("data"))),
        ],
        title="Prices in",
    )
    for record in report:
        for attempt in record.get("sources_tried", []):
            result = "used" if attempt["used"] else "passed over"
            seconds = f"{attempt['seconds']:.1f} s"
            yield f"{record['asset']}: {_source(attempt['source'])} {result}: {attempt['answer']} ({seconds})"


def status(report: dict[str, Any]) -> Iterator[RenderableType]:
    """Stored prices, latest forecasts, recent runs."""
    if report["is_sample"]:
        yield banner()
    yield f"Clock {moment(report['clock'])} in Santiago   warehouse {report['warehouse']}"
    yield price_table(report["prices"])
    yield starting_price_words(report["starting_price"])
    yield table(
        report["forecasts"],
        [
            Column("horizon", "horizon"),
            Column("issued", "as_of"),
            Column("target", "target_date"),
            Column("median", "median", prices),
            Column("95 % band", ends("low_95", "high_95"), bands),
            Column("engine", "engine"),
            Column("age", _age),
        ],
    )
    yield from optimization(report["optimization"])
    if report["runs"]:
        columns = [Column(name, name) for name in ("run", "job", "status")]
        yield table(report["runs"], [*columns, Column("started (Santiago)", "started", when)])
    else:
        yield "No runs yet: forex-assets forecast"


def price_table(records: Sequence[dict[str, Any]]) -> RenderableType:
    """Stored prices with unit, source and age."""
    return table(
        records,
        [
            Column("prices", "table"),
            Column("last session", "last_session"),
            Column("value", "last", fixed(3)),
            Column("source", lambda r: _source(r["source"]), wraps=True),
            Column("age (sessions)", _age),
        ],
    )


def optimization(records: Sequence[dict[str, Any]]) -> Iterator[RenderableType]:
    """Age of each horizon's settings and the last decision."""
    yield table(
        records,
        [
            Column("search", "horizon"),
            Column("last optimized", "last_optimized"),
            Column("age (days)", "age_days", whole),
            Column("decided (Santiago)", "decided_at", when),
            Column("fires", _fires),
        ],
    )
    for record in records:
        if record["words"]:
            yield record["words"]
        for request in record["requests"]:
            yield f"{record['horizon']}: requested by {request}; waits for a decision"


def _fires(record: dict[str, Any]) -> str | None:
    if record["fires"] is None and not record["is_searching"]:
        return None
    return ("yes" if record["fires"] else "no") + (", searching" if record["is_searching"] else "")


def _source(name: str | None) -> str | None:
    """A source's name for a narrow column."""
    return "sample" if name and SAMPLE_SOURCE in name else name


def _age(record: dict[str, Any]) -> str:
    """Age in sessions, or that it is stale."""
    age = record["age_in_sessions"]
    if record["fault"]:
        return "damaged"
    words = "missing" if age is None else f"stale, {age}" if record["is_stale"] else str(age)
    return words + ", provisional" * bool(record.get("is_provisional"))


def doctor(report: dict[str, Any]) -> Iterator[RenderableType]:
    """Installation, sources, models and stale data."""
    yield "Installed: " + ", ".join(f"{k} {v}" for k, v in report["installed"].items())
    yield "Folders: " + ", ".join(f"{name} {folder}" for name, folder in report["folders"].items())
    if report["sources"]:
        yield table(
            report["sources"],
            [
                Column("source", "source"),
                Column("answers", lambda r: "yes" if r["answers"] else "failed"),
                Column("answer", "answer", wraps=True),
                Column("seconds", "seconds", fixed(1)),
            ],
        )
    else:
        yield f"FOREX_MARKET=sample: no source is asked. {SAMPLE_SOURCE}."
    yield from trial_words(report["prices"])
    models: dict[str, list[str]] = {}
    for record in report["models"]:
        models.setdefault(record["error"] or f"{record['used']} ({record['why']})", []).append(record["horizon"])
    yield from (f"{', '.join(horizons)}: {words}" for words, horizons in models.items())
    if report["unknown_names"]:
        yield f"Unknown names, misspelt? {', '.join(report['unknown_names'])}"
    yield f"Prices: {report['account']}"
    yield "Stale or missing: " + (", ".join(report["stale"]) or "nothing")
    yield "A forecast can be made." if report["can_forecast"] else "No forecast can be made: see above."


def fixings(fans: Sequence[pl.DataFrame]) -> Iterator[RenderableType]:
    """Fans of the dólar observado on each horizon's date; nothing without one."""
    if fans:
        yield table(
            [fan.row(-1, named=True) for fan in fans],
            [
                Column("horizon", "horizon"),
                Column("fixing of", "session"),
                Column("median", "q50", prices),
                Column("80 % band", ends("q10", "q90"), interval(fixed(1))),
                Column("95 % band", ends("q025", "q975"), interval(fixed(1))),
            ],
            title=f"Dólar observado, on which contracts settle; last known {fans[0]['origin_session'][0]}",
        )

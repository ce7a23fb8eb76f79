"""Tables of status, doctor, ingest and fans, 80 columns wide."""

from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.core.session import Session

WEEK = 5


def banner(console: Console) -> None:
    """The words that stand over everything made from the generated market."""
    console.print(Panel(f"[bold red]{SAMPLE_SOURCE}[/]", border_style="red", expand=False))


def price(value: float | None) -> str:
    """A price with two decimals, one from a thousand on."""
    return "–" if value is None else f"{value:.{2 if value < 1000 else 1}f}"


def band(low: float | None, high: float | None) -> str:
    """Two prices as a range; a dash where there are none."""
    return "–" if low is None or high is None else f"{price(low)}–{price(high)}"


def fan(console: Console, frame: pl.DataFrame, *, is_full: bool) -> None:
    """Median and bands by session, with the benchmark's band."""
    first, last = frame.row(0, named=True), frame.row(-1, named=True)
    is_sample = first["source"] == SAMPLE_SOURCE
    table = Table(
        title=f"USD/CLP {first['horizon']}: issued {first['as_of']}, target {first['target_date']}"
        + (f"\n[bold red]{SAMPLE_SOURCE}[/]" if is_sample else ""),
        caption=f"{first['engine']}: {escape(first['model'])}. From {price(first['origin_clp_per_usd'])} on "
        f"{first['origin_session']}{', provisional' if first['is_origin_provisional'] else ''} "
        f"({first['source']}). {_calibration(last)} Walk: no change, EWMA(.97) volatility.",
        title_justify="left",
        caption_justify="left",
    )
    for name in ("session", "step", "median", "80 % band", "95 % band", "walk 95 %"):
        table.add_column(name, justify="left" if name == "session" else "right", no_wrap=True)
    keep = {1, last["step"]} | set(range(WEEK, last["step"], WEEK if last["step"] <= 4 * WEEK + 2 else 2 * WEEK))
    for row in frame.iter_rows(named=True):
        if is_full or row["step"] in keep:
            table.add_row(
                str(row["session"]),
                str(row["step"]),
                price(row["q50"]),
                band(row["q10"], row["q90"]),
                band(row["q025"], row["q975"]),
                band(row["walk_q025"], row["walk_q975"]),
                style="bold" if row["step"] == last["step"] else None,
            )
    console.print(table)


def _calibration(last: dict[str, Any]) -> str:
    """Whose the bands are."""
    if not last["is_calibrated"]:
        return "Bands: the model's own."
    own = band(last["model_q025"], last["model_q975"])
    return f"Bands: corrected by {last['calibration_errors']} past errors; the model's own 95 % was {own}."


def closing_words(console: Console, session: Session, models: list[tuple[str, str]]) -> None:
    """Which models and why, and where to look next."""
    for model, why in models:
        console.print(f"Model: {escape(model)} ({escape(why)})", soft_wrap=True)
    console.print(f"Tables: {session.tables.root}/forecasts/latest/   Graph and plots: make ui", soft_wrap=True)
    if session.market == "sample":
        banner(console)


def ingest(console: Console, report: list[dict[str, Any]]) -> None:
    """Ingested series, their sources and skipped sources."""
    if any(SAMPLE_SOURCE in str(record.get("data")) for record in report):
        banner(console)
    table = Table("table", "rows", "first", "last", "source", title="Prices in", title_justify="left")
    for record in report:
        table.add_row(
            record["asset"],
            str(record.get("row_count", "")),
            record.get("first_session", "–"),
            record.get("last_session", "–"),
            _source(record.get("source") or (SAMPLE_SOURCE if "data" in record else "")),
        )
    console.print(table)
    for record in report:
        for attempt in record.get("sources_tried", []):
            mark = "[green]used[/]" if attempt["used"] else "[yellow]passed over[/]"
            console.print(
                f"{record['asset']}: {attempt['source']} {mark}: {escape(attempt['answer'])} "
                f"({attempt['seconds']:.1f} s)",
                soft_wrap=True,
            )


def status(console: Console, report: dict[str, Any]) -> None:
    """Stored prices, latest forecasts, recent runs."""
    if report["is_sample"]:
        banner(console)
    console.print(f"Clock {report['clock']}   warehouse {report['warehouse']}", soft_wrap=True)
    prices = Table("prices", "last session", "value", "source", "age (sessions)")
    for r in report["prices"]:
        value = "–" if r["last"] is None else f"{r['last']:,.4g}" if r["last"] < 100 else price(r["last"])
        provisional = " (provisional)" if r["is_provisional"] else ""
        prices.add_row(r["table"], (r["last_session"] or "none") + provisional, value, _source(r["source"]), _age(r))
    console.print(prices)
    fans = Table("horizon", "issued", "target", "median", "95 % band", "engine", "age")
    for r in report["forecasts"]:
        bounds = band(r["low_95"], r["high_95"])
        fans.add_row(
            r["horizon"],
            r["as_of"] or "none",
            r["target_date"] or "–",
            price(r["median"]),
            bounds,
            r["engine"] or "–",
            _age(r),
        )
    console.print(fans)
    optimization(console, report["optimization"])
    if report["runs"]:
        runs = Table("run", "job", "status", "started")
        for r in report["runs"]:
            runs.add_row(r["run"], r["job"], r["status"], r["started"])
        console.print(runs)
    else:
        console.print("No runs yet: forex-assets forecast")


def optimization(console: Console, records: list[dict[str, Any]]) -> None:
    """Age of each horizon's settings and the last decision."""
    table = Table("search", "last optimized", "age (days)", "last decision", "fires")
    for r in records:
        fires = "–" if r["fires"] is None else "[yellow]yes[/]" if r["fires"] else "no"
        table.add_row(
            r["horizon"],
            r["last_optimized"] or "never",
            "–" if r["age_days"] is None else str(r["age_days"]),
            "none" if r["decided_at"] is None else r["decided_at"][:16].replace("T", " ") + " UTC",
            fires + (", searching" if r["is_searching"] else ""),
        )
    console.print(table)
    for r in records:
        if r["words"]:
            console.print(escape(r["words"]), highlight=False)
        for request in r["requests"]:
            console.print(f"{r['horizon']}: asked for by {escape(request)}; waits for a decision", highlight=False)


def _source(name: str | None) -> str:
    """A source's name for a narrow column."""
    return "sample" if name == SAMPLE_SOURCE else name or ""


def _age(record: dict[str, Any]) -> str:
    age = record["age_in_sessions"]
    if age is None:
        return "[yellow]missing[/]"
    return f"[yellow]{age}, stale[/]" if record["is_stale"] else str(age)


def doctor(console: Console, report: dict[str, Any]) -> None:
    """Installation, sources, models and stale data."""
    console.print("Installed: " + ", ".join(f"{k} {v}" for k, v in report["installed"].items()), soft_wrap=True)
    folders = ", ".join(f"{name} {folder}" for name, folder in report["folders"].items())
    console.print(f"Folders: {folders}", markup=False, highlight=False, soft_wrap=True)
    if report["sources"]:
        sources = Table("source", "answers", "what it said", "seconds")
        for r in report["sources"]:
            sources.add_row(
                r["source"],
                "[green]yes[/]" if r["answers"] else "[yellow]no[/]",
                escape(r["answer"]),
                f"{r['seconds']:.1f}",
            )
        console.print(sources)
    else:
        console.print(f"FOREX_MARKET=sample: no source is asked. {SAMPLE_SOURCE}.")
    for r in report["models"]:
        console.print(f"{r['horizon']}: " + escape(r["error"] or f"{r['used']} ({r['why']})"), soft_wrap=True)
    if report["unknown_names"]:
        console.print(f"[yellow]Unknown names, misspelt?[/] {', '.join(report['unknown_names'])}", soft_wrap=True)
    console.print("Stale or missing: " + (", ".join(report["stale"]) or "nothing"), soft_wrap=True)
    ready = report["can_forecast"]
    console.print("[green]A forecast can be made.[/]" if ready else "[red]No forecast can be made: see above.[/]")

"""Replays the whole loop over past years: `make bench-replay`.

Prices are the generated market unless others are named: `--bars BARS.csv --observado OBSERVADO.csv` (date, open, high,
low, close_raw, as Yahoo serves `CLP=X`; date, observado): what the platform could know, starting levels included; or
`--closes CLOSES.csv` (date, close): true market closes, known at 18:00 of their day. `--copper COPPER.csv` adds what
drift watches besides. No such file comes with the project: their owners grant no redistribution.

With `--store` fans are kept in a folder: a run that was ended goes on where it was, and another stretch or policy makes
only what is missing. The embedded model, its grid, and the settings of `configs/`.
"""

import argparse
import os
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from accuracy_prices import closes_from, generated
from forex_assets.core import names
from forex_assets.core.calendar import issue_instant
from forex_assets.core.holidays import market_calendar
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import COPPER_SCHEMA, QUOTES_SCHEMA, SAMPLE_SOURCE
from forex_assets.core.session import Session
from forex_assets.core.settings import load_settings
from forex_assets.forecasts.engines import engines_of
from forex_assets.market.origin import observado_quotes
from forex_assets.market.prices import COPPER, USDCLP
from forex_assets.market.quality import marked_anew
from forex_assets.market.sources.fetching import fetched_frame
from forex_assets.market.sources.yahoo_dating import Bar, dated_rows, dating_of
from forex_assets.replay.replay_run import Stretch, run_replay
from origin_worth import bars_from, levels_from
from pages import part_of, put
from replay_page import markdown, picture


def quotes_from(file: Path) -> pl.DataFrame:
    """Observados of a CSV as the archive would hold them (`QUOTES_SCHEMA`)."""
    levels = levels_from(file, "observado")
    rows = [
        (q.kind, q.session, q.dated, q.level, q.observed_at, q.known_from, q.known_from, True, q.source)
        for q in observado_quotes(sorted(levels.items()), market_calendar(USDCLP.calendar))
    ]
    return pl.DataFrame(rows, schema=QUOTES_SCHEMA, orient="row")


def copper_from(file: Path) -> pl.DataFrame:
    """Copper bars of a CSV as `COPPER_SCHEMA`, under Yahoo's dating rule."""
    table = pl.read_csv(file, try_parse_dates=True).select("date", "open", "close_raw", "high", "low")
    bars = [Bar(*row) for row in table.iter_rows()]
    calendar = market_calendar(COPPER.calendar)
    rows = dated_rows(bars, None, dating_of("HG=F"), calendar, datetime(9999, 1, 1, tzinfo=UTC))
    frame = fetched_frame(COPPER.value, "yahoo", rows).with_columns(
        fetched_at=pl.col("available_at"),
        is_quarantined=pl.lit(False),
        monthly_level_usd_lb=pl.lit(None, dtype=pl.Float64),
    )
    return marked_anew(frame.select(list(COPPER_SCHEMA)), COPPER)


def filled(options: argparse.Namespace, folder: Path) -> tuple[Session, str, str]:
    """A session on the named prices, and their names."""
    if options.closes:
        name, what, peso = "closes", "true market closes, known at 18:00 of their day", closes_from(options.closes)
    elif options.bars:
        name, peso = "live", bars_from(options.bars, market_calendar(USDCLP.calendar))
        what = "bars under Yahoo's dating rule and dólar observado from 18:00 of the evening before its date"
    else:
        name, what, peso = "generated", f"the generated market: {SAMPLE_SOURCE}", generated(options.last)
    market = "sample" if name == "generated" else "live"
    settings = load_settings(warehouse=folder, market=market, model="embedded", compute=options.compute)
    session = Session(settings, max(issue_instant(options.last), peso["available_at"].max()))  # type: ignore[type-var]
    session.tables.write(names.USDCLP, peso)
    if options.observado and not options.closes:
        session.tables.write(names.QUOTES, quotes_from(options.observado))
    if options.copper:
        session.tables.write(names.COPPER, copper_from(options.copper))
    return session, options.name or name, what


def run(options: argparse.Namespace) -> None:
    """Replays what was asked for, and writes what is wanted."""
    part = options.name or ("closes" if options.closes else "live" if options.bars else "generated")
    if options.out:
        part_of(options.out, part)  # a refusal must not come after an hour's work
    began, cpu = time.perf_counter(), os.times()
    with tempfile.TemporaryDirectory() as scratch:
        session, part, what = filled(options, options.store or Path(scratch))
        columns = (TextColumn("{task.description:14}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as progress:
            task = progress.add_task("replay")
            results = run_replay(
                session,
                engines_of(session.settings),
                Stretch(options.first, options.last, options.every),
                horizons=options.horizons.split(","),
                report=lambda done, total: progress.update(task, completed=done, total=total),
            )
            loop, changes, evenings = results.loop, results.changes, results.evenings
    spent = os.times()
    seconds = sum(spent[:4]) - sum(cpu[:4])
    asked = f"from {options.first}, to {options.last}, every {options.every}, horizons {options.horizons}"
    text = markdown(loop, changes, evenings, what, asked, (time.perf_counter() - began, seconds))
    print(text)
    if options.tables:
        options.tables.mkdir(parents=True, exist_ok=True)
        for name, table in (("loop", loop), ("changes", changes), ("evenings", evenings)):
            table.write_parquet(options.tables / f"{name}.parquet")
    if options.picture:
        options.picture.write_bytes(picture(loop, what))
    if options.out:
        put(text, options.out, "benchmarks/replay.py", part)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    prices = parser.add_mutually_exclusive_group()
    prices.add_argument("--bars", type=Path, metavar="CSV", help="Yahoo's bars; with --observado the live start")
    prices.add_argument("--closes", type=Path, metavar="CSV", help="true market closes")
    parser.add_argument("--observado", type=Path, metavar="CSV", help="dólar observado by its own date")
    parser.add_argument("--copper", type=Path, metavar="CSV", help="copper's bars")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=date(2015, 1, 1), metavar="DATE")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, default=date(2023, 12, 31), metavar="DATE")
    parser.add_argument("--every", default="1w", help="distance of evenings (default 1w)")
    parser.add_argument("--horizons", default=",".join(HORIZONS), help="commas between (default: all)")
    parser.add_argument("--compute", default="processes:2", help="as FOREX_COMPUTE (default processes:2)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="keep fans here, and take them over from here")
    parser.add_argument("--tables", type=Path, metavar="DIR", help="write the three tables there")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="write the picture there")
    parser.add_argument("--out", type=Path, metavar="FILE", help="put the page's part between the markers of this file")
    parser.add_argument("--name", help="of the markers (default: live, closes or generated)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run(arguments()))  # type: ignore[func-returns-value]

"""Scores bands from live starting levels against those of a former version.

    python benchmarks/fans_live.py --bars BARS.csv --observado OBSERVADO.csv --closes CLOSES.csv --former OLD
        [--out docs/accuracy.md]

The files are those of `origin_worth.py`. Weekly origins 2015–2023, embedded model: histories are Yahoo's finished bars,
fans start from the dólar observado as published on the evening of issue, and true closes score them. OLD is a cache of
`benchmarks/accuracy.py --warehouse --engines embedded --seed 0` and `--seed 1`, written by the other version's own code
on a warehouse with the same bars; its fans are moved to the same starting levels.
"""

import argparse
import time
from datetime import date
from pathlib import Path

import polars as pl

from accuracy import Entrant, entrant, origins_of
from accuracy_prices import closes_from
from fans import Sample, cached, current, former, sample_of, scores_table
from forex_assets.accuracy.backtest import backtest
from forex_assets.accuracy.past_dates import parse_every
from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.holidays import market_calendar
from forex_assets.core.schemas import MODEL_QUANTILE_COLUMNS
from forex_assets.market.origin import QuoteBook, observado_quotes
from forex_assets.market.prices import USDCLP
from origin_worth import bars_from, levels_from
from pages import part_of, put

SCRIPT = "benchmarks/fans_live.py"
PART = "fans-live"


def live_fans(
    who: Entrant, bars: pl.DataFrame, book: QuoteBook, origins: list[date], calendar: SessionCalendar
) -> pl.DataFrame:
    """Fans of one engine from live starting levels, `FORECAST_SCHEMA`."""
    tables = backtest(who.engine, who.config, bars, None, origins, calendar, clock=time.process_time, book=book)
    return pl.concat(list(tables))


def restarted(fans: pl.DataFrame, live: pl.DataFrame) -> pl.DataFrame:
    """Moves fans to the starting levels of others, step by step."""
    starts = live.select("as_of", "step", "session", start="origin_clp_per_usd")
    factor = pl.col("start") / pl.col("origin_clp_per_usd")
    return (
        fans.drop("session")
        .join(starts, on=["as_of", "step"])
        .with_columns(pl.col(name) * factor for name in MODEL_QUANTILE_COLUMNS)
        .drop("start")
    )


def main() -> None:
    """Measures, prints and publishes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("bars", "observado", "closes"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="CSV")
    parser.add_argument(
        "--former", type=Path, required=True, metavar="OLD", help="cache of the version to compare with"
    )
    parser.add_argument("--seeds", default="0,1", help="comma-separated")
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"page with the part `{PART}`")
    options = parser.parse_args()
    if options.out:
        part_of(options.out, PART)
    calendar = market_calendar(USDCLP.calendar)
    bars, closes = bars_from(options.bars, calendar), closes_from(options.closes)
    book = QuoteBook(observado_quotes(sorted(levels_from(options.observado, "observado").items()), calendar))
    weekly = origins_of(date(2015, 1, 1), date(2023, 12, 31), parse_every("1w"), None)
    new, old = list[Sample](), list[Sample]()
    for seed in map(int, options.seeds.split(",")):
        who = entrant("embedded", 200, seed)
        live = live_fans(who, bars, book, weekly, calendar)
        moved = restarted(cached(options.former, who), live)
        common = moved.select("as_of").unique()
        new.append(sample_of(live.join(common, on="as_of", how="semi"), closes, current))
        old.append(sample_of(moved, closes, former))
    text = f"{len(new[0].as_of)} origins, {new[0].as_of[0]} to {new[0].as_of[-1]}.\n\n{scores_table(new, old)}"
    print(text)
    if options.out:
        put(text, options.out, SCRIPT, PART)


if __name__ == "__main__":
    main()

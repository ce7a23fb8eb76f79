"""Measures forecasts of the dólar observado on past dates.

Skill against the last fixing, coverage by year.

`python benchmarks/fixing.py --bars BARS.csv --observado OBSERVADO.csv --closes CLOSES.csv`, files as for
`origin_worth.py`.

Weekly dates, 19:00 in Santiago, EWMA benchmark from finished bars, started from the observado of the next banking day;
bands corrected by errors known before each date. With closes also what a good last price says of the next fixings, each
session, against the last one published.
"""

import argparse
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

import pages
from forex_assets.accuracy.backtest import backtest
from forex_assets.accuracy.compare import skills
from forex_assets.accuracy.past_dates import Every, origin_dates
from forex_assets.accuracy.scorecard import scorecard
from forex_assets.core.holidays import market_calendar
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import OBSERVADO_SCHEMA
from forex_assets.forecasts.baselines import EwmaEngine
from forex_assets.forecasts.calibration import calibrated_history
from forex_assets.forecasts.observado.fixing import SOURCE, weight_of_fixing
from forex_assets.forecasts.observado.history import fixing_backtest, published_by_rule
from forex_assets.forecasts.realized import join_realized, score_rows
from forex_assets.market.origin import QuoteBook, observado_quotes
from forex_assets.market.prices import USDCLP
from origin_worth import bars_from, levels_from

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
AHEAD = (0, 1, 2, 5)
NEAREST_HEAD = (
    "| j | fixing of the close's own session | n | RMSE lower than the last fixing's by, % |\n"
    "| ---: | --- | ---: | ---: |"
)
HEAD = (
    "| horizon | n | RMSE skill, % | CRPS skill, % | inside 80 % | inside 95 % | years at 95 % |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | --- |"
)


def fixings_from(levels: dict[date, float]) -> pl.DataFrame:
    """Observados as `OBSERVADO_SCHEMA`, public by the bank's rule."""
    rows = pl.DataFrame({"session": list(levels), USDCLP.value: list(levels.values())}).with_columns(
        *(pl.lit(False).alias(name) for name in ("is_provisional", "is_suspect", "is_quarantined")),
        *(pl.lit(NEVER).cast(OBSERVADO_SCHEMA[name]).alias(name) for name in ("available_at", "fetched_at")),
        source=pl.lit(SOURCE),
    )  # fmt: skip
    return published_by_rule(rows.select(list(OBSERVADO_SCHEMA)), market_calendar(USDCLP.calendar))


def scored(options: argparse.Namespace, horizon: str) -> pl.DataFrame:
    """Scorecard of one horizon's fixing fans."""
    calendar = market_calendar(USDCLP.calendar)
    levels = {day: value for day, value in levels_from(options.observado, "observado").items() if day.year >= 2010}
    bars, fixings = bars_from(options.bars, calendar), fixings_from(levels)
    book = QuoteBook(observado_quotes(levels.items(), calendar))
    config = InferenceConfig(horizon=horizon, model="ewma", context_length=500)
    origins = origin_dates(calendar, date(options.first.year - 3, 1, 1), options.last, Every(1, "w"))
    batches = backtest(EwmaEngine(), config, bars, None, origins, calendar, clock=lambda: 0.0, book=book)
    joined = join_realized(fixing_backtest(pl.concat(list(batches)), fixings, calendar), fixings, NEVER)
    rows = score_rows(calibrated_history(joined)).filter("is_target", pl.col("as_of") >= options.first)
    return scorecard(rows, options.last)


def nearest(observado: Mapping[date, float], closes: Mapping[date, float], first: date, last: date) -> str:
    """Table of the next fixings.

    Error of the centre from the close, against the last fixing.

    j: banking days from the close's session t to the trades that the fixing averages; it is dated the day after them.
    """
    calendar = market_calendar(USDCLP.calendar)
    days = [day for day in calendar.between(first - timedelta(days=1), last) if day in closes]
    rows = [NEAREST_HEAD]
    for ahead in AHEAD:
        weight = float(weight_of_fixing(np.array([float(ahead)]))[0])
        for is_out in (False, True) if ahead else (False,):
            errors = []
            for day in days:
                following = calendar.next(day)
                known, target = following if is_out else day, following
                for _ in range(ahead):
                    target = calendar.next(target)
                if target > last or known not in observado or target not in observado:
                    continue
                price, fixing, truth = (np.log(rate) for rate in (closes[day], observado[known], observado[target]))
                errors.append((truth - price - weight * (fixing - price), truth - fixing))
            squares = np.square(np.array(errors))
            (effect,) = skills([(squares[:, 0], squares[:, 1], True)], overlap=max(1, ahead))
            figures = (effect.value, effect.low, effect.high)
            words = "out" if is_out else "not out"
            gain = "{:+.1f} [{:.1f}, {:.1f}]".format(*(100 * float(figure or 0) for figure in figures))
            rows.append(f"| {ahead} | {words} | {len(errors)} | {gain} |")
    return "\n".join(rows)


def line(horizon: str, card: pl.DataFrame) -> str:
    """One row of the table."""
    row = card.filter(pl.col("scope") == "all").row(0, named=True)
    years = card.filter(pl.col("scope").str.contains(r"^\d{4}$")).select("scope", "coverage_95", "n").iter_rows()
    parts = [f"{100 * share:.0f} ({year})" for year, share, n in years if n >= 20]
    cells = (horizon, str(row["n"]), _skill(row, "rmse_skill"), _skill(row, "crps_skill"),
             f"{100 * row['coverage_80']:.1f}", f"{100 * row['coverage_95']:.1f}", ", ".join(parts))  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _skill(row: dict[str, float], name: str) -> str:
    value, low, high = (round(100 * row[name + end], 1) + 0.0 for end in ("", "_low", "_high"))  # no "-0.0"
    return f"{value:+.1f} [{low:.1f}, {high:.1f}]"


def main() -> None:
    """Prints the table; with `--out` puts it into a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=Path, required=True, metavar="CSV")
    parser.add_argument("--observado", type=Path, required=True, metavar="CSV")
    parser.add_argument("--closes", type=Path, metavar="CSV", help="also measure the next fixings from these closes")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=date(2015, 1, 1), metavar="DATE")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, default=date(2023, 12, 31), metavar="DATE")
    parser.add_argument("--out", type=Path, metavar="FILE", help="put the table into this page's part `fixing`")
    options = parser.parse_args()
    if options.out:
        pages.part_of(options.out, "fixing")  # a refusal must not come after the work
        if options.closes:
            pages.part_of(options.out, "next-fixing")
    text = "\n".join([HEAD, *(line(horizon, scored(options, horizon)) for horizon in HORIZONS)])
    print(text)
    if options.out:
        pages.put(text, options.out, "benchmarks/fixing.py", "fixing")
    if options.closes:
        levels = (levels_from(options.observado, "observado"), levels_from(options.closes, "close"))
        text = nearest(*levels, options.first, options.last)
        print(text)
        if options.out:
            pages.put(text, options.out, "benchmarks/fixing.py", "next-fixing")


if __name__ == "__main__":
    main()

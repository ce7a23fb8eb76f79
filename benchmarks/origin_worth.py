"""Measures what the starting level of a fan is worth.

`python benchmarks/origin_worth.py --bars BARS.csv --observado OBSERVADO.csv --closes CLOSES.csv`.

BARS.csv: date, open, high, low, close_raw, as Yahoo serves `CLP=X`; OBSERVADO.csv: date, observado; CLOSES.csv: date,
close, the market's close on its true date. No such file comes with the project: their owners grant no redistribution.

Each session at 19:00 in Santiago, the EWMA benchmark's fan is made from the finished bars known then; only its starting
level changes: the last finished bar, the dólar observado dated that day, the one dated the next banking day, the true
close. Fans are calibrated by errors known before, and scored against the true close 5, 11, 21 and 64 sessions later.
"""

import argparse
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl

import pages
from forex_assets.accuracy.compare import Skill, skill
from forex_assets.accuracy.history_view import HistoryView, unfit
from forex_assets.core.calendar import SessionCalendar, issue_instant
from forex_assets.core.fan import QUANTILE_SCORES
from forex_assets.core.holidays import market_calendar
from forex_assets.core.schemas import MODEL_QUANTILE_COLUMNS, QUANTILE_COLUMNS, USDCLP_SCHEMA
from forex_assets.core.scores import crps
from forex_assets.forecasts.baselines import origin_volatility
from forex_assets.forecasts.calibration import calibrated_targets
from forex_assets.market.origin import QuoteBook, observado_quotes, pick_origin
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import marked_anew
from forex_assets.market.sources.fetching import fetched_frame
from forex_assets.market.sources.yahoo_dating import Bar, dated_rows, dating_of

SESSIONS = (5, 11, 21, 64)
STORED, SAME_DAY, NEXT_DAY, CLOSE = "last finished bar", "observado dated t", "observado dated t+1", "true close"
EARLIER = {SAME_DAY: (9.7, 5.5, 3.2, None), NEXT_DAY: (17.7, 9.5, 5.0, 2.0), CLOSE: (19.4, 10.1, 5.2, None)}
"""CRPS gains in % measured by an earlier study, at `SESSIONS`."""
HEAD = "| starting level | 5 sessions | 11 | 21 | 64 |\n| --- | ---: | ---: | ---: | ---: |"

Levels = Mapping[date, float]


def bars_from(file: Path, calendar: SessionCalendar) -> pl.DataFrame:
    """Reads Yahoo's bars of a CSV as `USDCLP_SCHEMA`, under its dating rule."""
    columns = ("date", "open", "close_raw", "high", "low")
    table = pl.read_csv(file, try_parse_dates=True).select(columns)
    bars = [Bar(*row) for row in table.iter_rows()]
    rows = dated_rows(bars, None, dating_of("CLP=X"), calendar, datetime(9999, 1, 1, tzinfo=UTC))
    frame = fetched_frame(USDCLP.value, "yahoo", rows).with_columns(
        fetched_at=pl.col("available_at"), is_quarantined=pl.lit(False)
    )
    return marked_anew(frame.select(list(USDCLP_SCHEMA)), USDCLP)


def levels_from(file: Path, column: str) -> dict[date, float]:
    """Reads dated values of a CSV."""
    return dict(pl.read_csv(file, try_parse_dates=True).select("date", column).drop_nulls().iter_rows())


def origins_of(
    bars: pl.DataFrame, observado: Levels, closes: Levels, calendar: SessionCalendar, days: Sequence[date]
) -> pl.DataFrame:
    """Volatility and starting levels of each session; null where unknown."""
    past, rows = HistoryView(bars), []
    book = QuoteBook(observado_quotes(sorted(observado.items()), calendar))
    for day in days:
        known, _ = past.at(day)
        if unfit(known, day, calendar):
            continue
        sd = origin_volatility(known[USDCLP.value].to_numpy())
        origin = pick_origin(book, sd, issue_instant(day), calendar)
        rows.append(
            {
                "as_of": day,
                "age": calendar.age(known["session"][-1], day),
                "ewma_sd": sd,
                STORED: known[USDCLP.value][-1],
                SAME_DAY: observado.get(day),
                NEXT_DAY: origin.level if origin is not None and origin.session == day else None,
                CLOSE: closes.get(day),
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def fans_at(origins: pl.DataFrame, level: str, ahead: int, sessions: Sequence[date], closes: Levels) -> pl.DataFrame:
    """Calibrated fans of one starting level, with realized closes.

    The target is `ahead` sessions later.

    A fan from an older price has more sessions to go.
    """
    place = {day: i for i, day in enumerate(sessions)}
    later = [sessions[i] if (i := place[day] + ahead) < len(sessions) else None for day in origins["as_of"]]
    rows = (
        origins.with_columns(
            session=pl.Series(later, dtype=pl.Date),
            realized_clp_per_usd=pl.Series([closes.get(day) if day else None for day in later], dtype=pl.Float64),
            step=pl.lit(ahead) + (pl.col("age") if level == STORED else 0),
            issued_at=pl.Series([issue_instant(day) for day in origins["as_of"]]),
        )
        .drop_nulls([level, "realized_clp_per_usd"])
        .with_columns(realized_available_at=pl.col("session").map_elements(issue_instant, pl.Datetime("us", "UTC")))
    )
    width = (rows["ewma_sd"] * rows["step"].sqrt()).to_numpy()
    quantiles = rows[level].to_numpy()[:, None] * np.exp(width[:, None] * QUANTILE_SCORES)
    fans = rows.with_columns(
        pl.Series("mean", rows[level].to_numpy() * np.exp(width**2 / 2)),
        *(pl.Series(name, quantiles[:, i]) for i, name in enumerate(MODEL_QUANTILE_COLUMNS)),
    )
    return calibrated_targets(fans)


def gain(fans: pl.DataFrame, reference: pl.DataFrame, ahead: int, first: date, last: date) -> Skill:
    """CRPS gain of fans over others of the same dates."""
    both = fans.join(reference.select("as_of"), on="as_of", how="semi").filter(pl.col("as_of").is_between(first, last))
    other = reference.join(both.select("as_of"), on="as_of", how="semi")
    losses = [crps(f["realized_clp_per_usd"].to_numpy(), f.select(QUANTILE_COLUMNS).to_numpy()) for f in (both, other)]
    return skill(losses[0], losses[1], overlap=float(ahead))


def report(options: argparse.Namespace) -> str:
    """The table of gains, beside those of the earlier study."""
    calendar = market_calendar(USDCLP.calendar)
    observado, closes = levels_from(options.observado, "observado"), levels_from(options.closes, "close")
    sessions = calendar.between(date(2011, 12, 31), max(closes))
    bars = bars_from(options.bars, calendar)
    origins = origins_of(bars, observado, closes, calendar, [day for day in sessions if day <= options.last])
    gains: dict[str, list[Skill]] = {level: [] for level in (SAME_DAY, NEXT_DAY, CLOSE)}
    for ahead in SESSIONS:
        reference = fans_at(origins, STORED, ahead, sessions, closes)
        for level, skills in gains.items():
            fans = fans_at(origins, level, ahead, sessions, closes)
            skills.append(gain(fans, reference, ahead, options.first, options.last))
    lines = [HEAD]
    for level, skills in gains.items():
        lines.append(f"| {level} | {' | '.join(map(_cell, skills))} |")
        earlier = (" " if value is None else f"{value:+.1f}" for value in EARLIER[level])
        lines.append(f"| the same, earlier study | {' | '.join(earlier)} |")
    ages = origins.filter(pl.col("as_of").is_between(options.first, options.last))["age"]
    old = 100 * float((ages == 2).mean()), 100 * float((ages > 2).mean())  # type: ignore[arg-type]
    words = (
        f"CRPS gain over a fan from the last finished bar, % [95 %], {options.first} to {options.last}, "
        f"{gains[NEXT_DAY][0].n} sessions at 5. The last finished bar is two sessions old on {old[0]:.0f} % of "
        f"evenings, older on {old[1]:.0f} %."
    )
    return f"{words}\n\n" + "\n".join(lines)


def _cell(result: Skill) -> str:
    if result.value is None or result.low is None or result.high is None:
        return "–"
    value, low, high = (100 * number for number in (result.value, result.low, result.high))
    return f"{value:+.1f} [{low:.1f}, {high:.1f}]"


def main() -> None:
    """Prints the table; with `--out` puts it into a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("bars", "observado", "closes"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="CSV")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=date(2015, 1, 1), metavar="DATE")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, default=date(2023, 12, 31), metavar="DATE")
    parser.add_argument("--out", type=Path, metavar="FILE", help="put the table into this page's part `origin-worth`")
    options = parser.parse_args()
    if options.out:
        pages.part_of(options.out, "origin-worth")  # a refusal must not come after the work
    text = report(options)
    print(text)
    if options.out:
        pages.put(text, options.out, "benchmarks/origin_worth.py", "origin-worth")


if __name__ == "__main__":
    main()

"""Effect of copper, with naive and with correct dating.

    python benchmarks/copper.py --peso PESO.csv --copper COPPER.csv [--from 2015-01-01] [--to 2023-12-31]

No prices come with the project: their owners grant no redistribution. COPPER.csv is Yahoo's `HG=F` as served (`date`,
`open`, `high`, `low`, `close_raw`, USD/lb). PESO.csv is told by its columns: `open`, `high`, `low`, `close_raw` are
Yahoo's `CLP=X`, `observado` the Banco Central's dólar observado, `close` a market close on its true date.

Weekly origins, EWMA(.97) walk, once with each row taken for the day that it is dated and once as the platform dates it;
each with all ten features and with the last day's return alone, which is what wrong stamps turn into a leak. `next`
is the first session after the last known one, where a leak of one day shows undiluted.
Prints Markdown: percentages only.
"""

import argparse
import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from datetime import time as clock_time
from pathlib import Path

import polars as pl

from forex_assets.accuracy.backtest import backtest
from forex_assets.accuracy.copper_effect import copper_effect, lead_lag_by_year
from forex_assets.accuracy.past_dates import origin_dates, parse_every
from forex_assets.accuracy.superiority import spa_p_value
from forex_assets.accuracy.verdict import POWER_NOTE
from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.holidays import market_calendar
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import COPPER_SCHEMA
from forex_assets.features.copper import FEATURE_NAMES, copper_features
from forex_assets.forecasts.baselines import EwmaEngine
from forex_assets.forecasts.realized import as_issued, realize
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries
from forex_assets.market.quality import marked_anew
from forex_assets.market.sources.central_bank import observed_rows
from forex_assets.market.sources.fetching import Row, fetched_frame
from forex_assets.market.sources.yahoo_dating import Bar, dated_rows, dating_of, is_price

FAR = datetime(2100, 1, 1, tzinfo=UTC)
NEXT = "next"
CLOSED = clock_time(16)
"""Time in Santiago at which a close is known."""


def bars(table: pl.DataFrame) -> list[Bar]:
    return [Bar(*row) for row in table.select("date", "open", "close_raw", "high", "low").iter_rows()]


def on_its_day(day: date, value: float, is_suspect: bool = False) -> Row:
    return Row(day, value, datetime.combine(day, CLOSED, SANTIAGO), is_suspect=is_suspect)


def peso_rows(table: pl.DataFrame, is_naive: bool) -> list[Row]:
    """Rows dated by the source's rule, or naively by their stamps."""
    calendar = market_calendar("CLP")
    if "close_raw" in table.columns:
        rule = dating_of("CLP=X")
        if not is_naive:
            return dated_rows(bars(table), None, rule, calendar, FAR)
        real = ((bar.day, bar.close, rule.is_suspect(bar.close, bar)) for bar in bars(table) if is_price(bar.close))
        return [on_its_day(*row) for row in real if calendar.is_session(row[0])]
    name = "observado" if "observado" in table.columns else "close"
    values = [row for row in table.select("date", name).drop_nulls().iter_rows() if is_price(row[1])]
    if name == "observado" and not is_naive:
        return observed_rows(values, calendar, FAR)
    return [on_its_day(*row) for row in values if calendar.is_session(row[0])]


def priced(rows: Iterable[Row], series: PriceSeries) -> pl.DataFrame:
    """The platform's table of one series, bad ticks marked."""
    fetched = fetched_frame(series.value, "csv", list(rows))
    marked = fetched.with_columns(fetched_at=pl.col("available_at"), is_quarantined=pl.lit(False))
    if series is COPPER:
        marked = marked.with_columns(monthly_level_usd_lb=pl.lit(None, dtype=pl.Float64)).select(list(COPPER_SCHEMA))
    return marked_anew(marked, series)


def realized(peso: pl.DataFrame, first: date, last: date) -> dict[str, pl.DataFrame]:
    """Scored weekly forecasts of the walk, all horizons."""
    calendar = market_calendar("CLP")
    origins = origin_dates(calendar, first, last, parse_every("1w"))
    rows = {}
    for horizon in HORIZONS:
        config = InferenceConfig(horizon=horizon, model="ewma", context_length=512)
        made = backtest(EwmaEngine(), config, peso, None, origins, calendar, clock=time.perf_counter)
        rows[horizon] = realize(as_issued(pl.concat(made)), peso, FAR)
    first_steps = rows["7d"].filter(pl.col("step") == 1)
    following = first_steps.with_columns(horizon=pl.lit(NEXT), is_target=pl.lit(True), target_date="session")
    return {NEXT: following} | {horizon: steps.filter("is_target") for horizon, steps in rows.items()}


def percent(row: dict[str, float | None], score: str) -> str:
    value, low, high = (row[f"{score}_skill{end}"] for end in ("", "_low", "_high"))
    if value is None or low is None or high is None:
        return "–"
    return f"{100 * value:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def markdown(header: list[str], rows: Iterable[list[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def p_value(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def effects(effect: pl.DataFrame) -> str:
    """One line a horizon and comparison, over all origins."""
    header = ["horizon", "correction", "n", "independent", "moved", "RMSE skill %", "CRPS skill %", "SPA p", "verdict"]
    return markdown(header, (
        [row["horizon"], row["comparison"], row["n"], round(row["n_effective"]), row["moved"], percent(row, "rmse"),
         percent(row, "crps"), f"{p_value(row['rmse_spa_p'])} / {p_value(row['crps_spa_p'])}", row["verdict"]]
        for row in effect.filter(pl.col("scope") == "all").iter_rows(named=True)
    ))  # fmt: skip


def by_year(effect: pl.DataFrame) -> str:
    """RMSE skill of the raw ridge, by year and horizon."""
    years = effect.filter((pl.col("scope") != "all") & (pl.col("comparison") == "ridge"))
    cells = {(row["scope"], row["horizon"]): percent(row, "rmse") for row in years.iter_rows(named=True)}
    columns = (NEXT, *HORIZONS)
    lines = ([year, *(cells.get((year, name), "–") for name in columns)] for year in years["scope"].unique().sort())
    return markdown(["year", *columns], lines)


def lead_lags(copper: pl.DataFrame, peso: pl.DataFrame, first: date, last: date) -> str:
    """Lag correlations of daily returns by year; positive: copper leads."""
    within = pl.col("session").is_between(first, last)
    table = lead_lag_by_year(copper.filter(within), peso.filter(within)).pivot(
        "lag", index="year", values="correlation"
    )
    return markdown(["year", *(f"{int(name):+d}" for name in table.columns[1:])], (
        [row[0], *("–" if value is None else f"{value:+.2f}" for value in row[1:])] for row in table.iter_rows()
    ))  # fmt: skip


def main(say: Callable[[str], None] = print) -> None:
    """Prints the tables of both stamps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peso", type=Path, required=True)
    parser.add_argument("--copper", type=Path, required=True)
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=date(2015, 1, 1))
    parser.add_argument("--to", dest="last", type=date.fromisoformat, default=date(2023, 12, 31))
    given = parser.parse_args()
    table, metal = (pl.read_csv(path, try_parse_dates=True) for path in (given.peso, given.copper))
    dated = dated_rows(bars(metal), None, dating_of("HG=F"), market_calendar("COMEX"), FAR)
    copper = priced(dated, COPPER)
    for is_naive in (True, False):
        peso = priced(peso_rows(table, is_naive), USDCLP)
        features = copper_features(copper, peso)
        rows = realized(peso, given.first, given.last)
        say(f"## {given.peso.name}, {'naive stamps' if is_naive else 'the platform’s dating rules'}\n")
        for title, names in (("ten features", FEATURE_NAMES), ("the last day's return alone", FEATURE_NAMES[:1])):
            parts = [copper_effect(rows[h], features, superiority=spa_p_value, names=names).table for h in rows]
            say(f"### {title}\n")
            say(effects(pl.concat(parts)))
            say(f"What the data could have shown: {POWER_NOTE}.\n")
            say(by_year(pl.concat(parts)))
        say(lead_lags(copper, peso, given.first, given.last))


if __name__ == "__main__":
    main()

"""Effect of copper, with naive and with correct dating.

    python benchmarks/copper.py --close CLOSE.csv --yahoo CLP.csv --observado OBS.csv --copper HG.csv
                                [--from 2015-01-01] [--to 2023-12-31] [--out docs/copper.md]

No prices come with the project: their owners grant no redistribution. Copper and `--yahoo` are Yahoo's `HG=F` and
`CLP=X` as served (`date`, `open`, `high`, `low`, `close_raw`); `--observado` is the Banco Central's (`date`,
`observado`), `--close` a market close on its true date (`date`, `close`). Each may be left out.

Weekly origins, EWMA(.97) walk, once with each row taken for the day that it is dated and once as the platform dates it;
each with all ten features and with the last day's return alone, which is what wrong stamps turn into a leak. `next`
is the first session after the last known one, where a leak of one day shows undiluted. `--out` puts the tables between
the markers of an existing file, else they are printed. Percentages only.
"""

import argparse
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as clock_time
from pathlib import Path

import polars as pl

from forex_assets.accuracy.backtest import backtest
from forex_assets.accuracy.copper_effect import copper_effect, lead_lag_by_year
from forex_assets.accuracy.past_dates import origin_dates, parse_every
from forex_assets.accuracy.superiority import spa_p_value
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
from forex_assets.market.sources.fetching import Row, fetched_frame
from forex_assets.market.sources.published import BANK_CLOSE, published_rows
from forex_assets.market.sources.yahoo_dating import Bar, dated_rows, dating_of, is_price
from pages import put

FAR = datetime(2100, 1, 1, tzinfo=UTC)
NEXT = "next"
LAST_RETURN, TEN = "last day's return", "ten features"
SERIES = {"close": "market close", "observado": "observado", "yahoo": "Yahoo"}
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
        return published_rows(values, BANK_CLOSE, calendar, FAR)
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
        tables = backtest(EwmaEngine(), config, peso, None, origins, calendar, clock=time.perf_counter)
        rows[horizon] = realize(as_issued(pl.concat(tables)), peso, FAR)
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


@dataclass(frozen=True, eq=False)
class Measured:
    """One peso series under one dating.

    Attributes:
        effects: rows of `copper_effect` of all horizons, by features.
        lags: correlations of daily returns by year and lag; positive: copper leads.
    """

    effects: Mapping[str, pl.DataFrame]
    lags: pl.DataFrame


def measured(table: pl.DataFrame, copper: pl.DataFrame, first: date, last: date, *, is_naive: bool) -> Measured:
    """Effect of copper on one peso series."""
    peso = priced(peso_rows(table, is_naive), USDCLP)
    features, rows = copper_features(copper, peso), realized(peso, first, last)
    tables = {
        title: pl.concat([copper_effect(rows[h], features, superiority=spa_p_value, names=names).table for h in rows])
        for title, names in ((TEN, FEATURE_NAMES), (LAST_RETURN, FEATURE_NAMES[:1]))
    }
    within = pl.col("session").is_between(first, last)
    return Measured(tables, lead_lag_by_year(copper.filter(within), peso.filter(within)))


def over_all(effect: pl.DataFrame, comparison: str) -> dict[str, dict[str, float | None]]:
    """Rows over all origins, by horizon."""
    rows = effect.filter((pl.col("scope") == "all") & (pl.col("comparison") == comparison))
    return {row["horizon"]: row for row in rows.iter_rows(named=True)}


def effects(name: str, effect: pl.DataFrame) -> str:
    """Effect of the ten features by date; how often the gate opened."""
    gated = over_all(effect, "gated")
    header = ["horizon", "n", "RMSE skill %", "CRPS skill %", "SPA p", "gated: moved", "could have shown"]
    rows = (
        [horizon, row["n"], percent(row, "rmse"), percent(row, "crps"),
         f"{p_value(row['rmse_spa_p'])} / {p_value(row['crps_spa_p'])}", gated[horizon]["moved"],
         "–" if row["detectable"] is None else f"{100 * row['detectable']:.1f} %"]
        for horizon, row in over_all(effect, "ridge").items()
    )  # fmt: skip
    return f"Ten features, {name}, each price on its own day.\n\n" + markdown(header, rows)


def by_year(name: str, effect: pl.DataFrame) -> str:
    """RMSE skill of the raw ridge, by year and horizon."""
    years = effect.filter((pl.col("scope") != "all") & (pl.col("comparison") == "ridge"))
    cells = {(row["scope"], row["horizon"]): percent(row, "rmse") for row in years.iter_rows(named=True)}
    columns = (NEXT, *HORIZONS)
    lines = ([year, *(cells.get((year, name), "–") for name in columns)] for year in years["scope"].unique().sort())
    return f"RMSE skill in % by year, ridge, {name}.\n\n" + markdown(["year", *columns], lines)


def lead_lags(measurements: Mapping[tuple[str, bool], Measured]) -> str:
    """Lag correlations by year: the same day, and copper a session earlier."""
    cells = {
        key: {(row["year"], row["lag"]): row["correlation"] for row in measurement.lags.iter_rows(named=True)}
        for key, measurement in measurements.items()
    }
    years = sorted({year for correlations in cells.values() for year, _ in correlations})

    def cell(key: tuple[str, bool], year: object) -> str:
        pair = (cells[key].get((year, lag)) for lag in (0, 1))
        return " / ".join("–" if value is None else f"{value:+.2f}" for value in pair)

    head = [f"{name}, {'naive' if is_naive else 'dated'}" for name, is_naive in measurements]
    caption = "Correlation of daily returns, same day / copper a session earlier.\n\n"
    return caption + markdown(["year", *head], ([year, *(cell(key, year) for key in measurements)] for year in years))


def stamps(measurements: Mapping[tuple[str, bool], Measured]) -> str:
    """Skill with naive stamps beside that with the platform's dating rules."""
    lines = []
    for name in dict.fromkeys(name for name, is_naive in measurements if is_naive):
        for title in (LAST_RETURN, TEN):
            naive, dated = (
                over_all(measurements[name, is_naive].effects[title], "ridge") for is_naive in (True, False)
            )
            gates = [over_all(measurements[name, is_naive].effects[title], "gated") for is_naive in (True, False)]
            for horizon, row in naive.items():
                pairs = [(table[horizon], score) for table in (naive, dated) for score in ("rmse", "crps")]
                opened = " / ".join(str(gate[horizon]["moved"]) for gate in gates)
                skills = [percent(figures, score) for figures, score in pairs]
                lines.append([f"{name}, {title}", horizon, *skills, f"{opened} of {row['n']}"])
    head = ["series, features", "horizon", "naive: RMSE", "naive: CRPS", "dated: RMSE", "dated: CRPS", "gate open"]
    return "RMSE and CRPS skill in %, ridge; dates at which the gate was open, naive / dated.\n\n" + markdown(
        head, lines
    )


def main() -> None:
    """Prints the tables, or puts them into a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in SERIES:
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--copper", type=Path, required=True)
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=date(2015, 1, 1))
    parser.add_argument("--to", dest="last", type=date.fromisoformat, default=date(2023, 12, 31))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    began, metal = time.process_time(), pl.read_csv(given.copper, try_parse_dates=True)
    dated = dated_rows(bars(metal), None, dating_of("HG=F"), market_calendar("COMEX"), FAR)
    copper, measurements = priced(dated, COPPER), dict[tuple[str, bool], Measured]()
    for option, name in SERIES.items():
        if path := getattr(given, option):
            table = pl.read_csv(path, try_parse_dates=True)
            for is_naive in (False,) if option == "close" else (True, False):  # a close stands on its true date
                measurements[name, is_naive] = measured(table, copper, given.first, given.last, is_naive=is_naive)
    parts = [
        part(name, measurement.effects[TEN]) for (name, is_naive), measurement in measurements.items() if not is_naive
        for part in ((effects, by_year) if name == SERIES["close"] else (effects,))
    ]  # fmt: skip
    parts += [lead_lags(measurements), stamps(measurements), f"{time.process_time() - began:.0f} s of one core."]
    if given.out:
        put("\n".join(parts), given.out, "benchmarks/copper.py")
    else:
        print("\n".join(parts))


if __name__ == "__main__":
    main()

"""Calibration of the desk's answers on past prices: odds, touches, averages, scenarios.

    python benchmarks/desk.py --closes CLOSE.csv --observado OBSERVADO.csv --copper COPPER.csv [--dxy DXY.csv]
        [--brl BRL.csv] [--from 2015-01-01] [--to 2023-12-31] [--out docs/desk.md]

No prices come with the project: their owners grant no redistribution. CLOSE.csv is a market close on its true date
(`date`, `close`), OBSERVADO.csv the Banco Central's dólar observado (`date`, `observado`), the others are Yahoo's
`HG=F`, `DX-Y.NYB`, `BRL=X` as served (`date`, `close_raw`). Before the first close, volatility is the observado's.

Weekly origins, each with what was known at its close; the fan is the EWMA(.97) walk's. Prints Markdown, percentages
only.
"""

import argparse
import time
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from forex_assets.accuracy.backtest import backtest
from forex_assets.accuracy.compare import coverage_interval, effective_size
from forex_assets.accuracy.past_dates import origin_dates, parse_every
from forex_assets.core.calendar import SANTIAGO, previous_weekday
from forex_assets.core.fan import Array
from forex_assets.core.holidays import market_calendar
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import USDCLP_SCHEMA
from forex_assets.desk.averages import fixing_law, mean_of_closes, mean_of_fixings
from forex_assets.desk.reliability import ALL, reliability
from forex_assets.desk.scenario import DEGREES, fit, t_scores, width_correction
from forex_assets.desk.touches import highest_close, lowest_close
from forex_assets.forecasts.baselines import EwmaEngine, origin_volatility
from forex_assets.forecasts.realized import as_issued, realize
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import marked_anew
from pages import part_of, put

CALENDAR = market_calendar("CLP")
FAR = datetime(2100, 1, 1, tzinfo=UTC)
SESSIONS = (5, 11, 21, 64)
WEEK = 5
STEP = {"7d": 5, "15d": 11, "30d": 21, "90d": 64}
BANDS = ((80, 0.1), (95, 0.025))
WARM = 250
"""Past dates behind a scenario's width before its answers count."""

TICKS = {"copper": [date(2021, 4, 27)]}
"""Bad ticks of the raw series."""


def series(file: Path, column: str) -> pl.DataFrame:
    read = pl.read_csv(file, try_parse_dates=True)
    if missing := {"date", column} - set(read.columns):
        raise SystemExit(f"{file.name} has columns {read.columns}; {sorted(missing)} are wanted")
    return (
        read.select("date", value=pl.col(column).cast(pl.Float64)).drop_nulls().filter(pl.col("value") > 0).sort("date")
    )


def markdown(header: list[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def share(hits: Array, sessions: int) -> str:
    """Share of hits with its 95 % interval, at weekly origins."""
    held = np.asarray(hits, dtype=np.float64)
    low, high = coverage_interval(float(held.mean()), effective_size(held, max(1.0, sessions / WEEK)))
    return f"{100 * held.mean():.0f} [{100 * low:.0f}, {100 * high:.0f}]"


def table_of(closes: pl.DataFrame) -> pl.DataFrame:
    known = pl.col("session").dt.combine(pl.time(18)).dt.replace_time_zone(SANTIAGO.key).dt.convert_time_zone("UTC")
    flags = dict.fromkeys(("is_provisional", "is_suspect", "is_quarantined"), pl.lit(False))
    rows = closes.rename({"value": "clp_per_usd"}).with_columns(
        source=pl.lit("market close"), available_at=known, fetched_at=known, **flags
    )
    return marked_anew(rows.select(list(USDCLP_SCHEMA)), USDCLP)


def chances(peso: pl.DataFrame, first: date, last: date) -> str:
    """Stated chances and observed shares of the walk's fans."""
    origins = origin_dates(CALENDAR, first, last, parse_every("1w"))
    parts = []
    for horizon in HORIZONS:
        config = InferenceConfig.model_validate({"horizon": horizon, "model": "ewma", "context_length": 512})
        tables = backtest(EwmaEngine(), config, peso, None, origins, CALENDAR, clock=time.perf_counter)
        parts.append(realize(as_issued(pl.concat(tables)), peso, FAR).filter(pl.col("session") <= last))
    table = reliability(pl.concat(parts))
    lines = list[list[object]]()
    for question in ("above", "touch"):
        for horizon in HORIZONS:
            rows = table.filter((pl.col("question") == question) & (pl.col("horizon") == horizon))
            by_bin = {row["bin"]: row for row in rows.to_dicts()}
            cells = [
                f"{100 * by_bin[b]['mean_chance']:.0f} / {100 * by_bin[b]['observed_share']:.0f}"
                if b in by_bin
                else "–"
                for b in (f"{10 * k}-{10 * k + 10} %" for k in range(10))
            ]
            lines.append([question, horizon, by_bin[ALL]["fans"], *cells, f"{100 * by_bin[ALL]['brier_skill']:.0f}"])
    return markdown(["question", "horizon", "fans", *(f"{10 * k}s" for k in range(10)), "Brier skill"], lines)


class Origins:
    """Weekly origins with their price, volatility and coming closes."""

    def __init__(self, closes: pl.DataFrame, first: date, last: date) -> None:
        self.days, self.values = closes["session"].to_list(), closes["value"].to_numpy()
        self.end = max(k for k, day in enumerate(self.days) if day <= last)
        start = next(k for k, day in enumerate(self.days) if day >= first)
        self.places = list(range(start, self.end, WEEK))
        self.sd = {k: origin_volatility(self.values[: k + 1]) for k in self.places}


def averages(origins: Origins) -> str:
    """Coverage of means of closes and of the highest and lowest close."""
    lines = list[list[object]]()
    for h in SESSIONS:
        places = [k for k in origins.places if k + h <= origins.end]
        paths = np.stack([origins.values[k + 1 : k + h + 1] for k in places])
        starts = [(origins.values[k], origins.sd[k]) for k in places]
        laws = [mean_of_closes(price, sd, h) for price, sd in starts]
        mean = paths.mean(axis=1)
        cells = [
            share(np.array([law.quantile(p) <= m <= law.quantile(1 - p) for law, m in zip(laws, mean, strict=True)]), h)
            for _, p in BANDS
        ]
        for p in (0.9, 0.975):
            high = np.array([highest_close(price, sd, h, p) for price, sd in starts])
            low = np.array([lowest_close(price, sd, h, 1 - p) for price, sd in starts])
            cells += [share(paths.max(axis=1) <= high, h), share(paths.min(axis=1) >= low, h)]
        lines.append([h, len(places), *cells])
    header = ["sessions", "origins", "mean 80 %", "mean 95 %"]
    return markdown([*header, "highest 90 %", "lowest 90 %", "highest 97.5 %", "lowest 97.5 %"], lines)


def fixings(origins: Origins, observado: pl.DataFrame, is_out: bool) -> str:
    """Coverage of single observados, and gain over the last one."""
    values = dict(observado.iter_rows())
    lines = list[list[object]]()
    for ahead in (0, 1, 2, 5, 11, 21):
        if is_out and ahead == 0:
            continue
        hits, errors, last = {p: list[bool]() for _, p in BANDS}, list[float](), list[float]()
        for k in origins.places:
            if k + ahead + 1 > origins.end:
                continue
            day, target = origins.days[k], origins.days[k + ahead + 1]
            fixing = values.get(origins.days[k + 1] if is_out else day)
            came = values.get(target)
            if fixing is None or came is None:
                continue
            law = fixing_law(float(origins.values[k]), fixing, origins.sd[k], ahead)
            for _, p in BANDS:
                hits[p].append(law.quantile(p) <= came <= law.quantile(1 - p))
            errors.append(np.log(came / law.median))
            last.append(np.log(came / fixing))
        gain = np.sqrt(np.mean(np.square(errors)) / np.mean(np.square(last))) - 1
        lines.append(
            [ahead, len(errors), *(share(np.array(hits[p]), ahead + 1) for _, p in BANDS), f"{100 * gain:+.0f}"]
        )
    return markdown(["banking days ahead", "origins", "80 %", "95 %", "RMSE against the last one"], lines)


def months(origins: Origins, observado: pl.DataFrame) -> str:
    """Coverage of a month's average, by days that are published."""
    values = dict(observado.iter_rows())
    by_month: dict[tuple[int, int], list[date]] = {}
    for day in sorted(values):
        by_month.setdefault((day.year, day.month), []).append(day)
    place = {day: k for k, day in enumerate(origins.days)}
    lines = list[list[object]]()
    for known in (0, 5, 10, 15):
        hits, errors, last = {p: list[bool]() for _, p in BANDS}, list[float](), list[float]()
        for days in by_month.values():
            before = CALENDAR.previous(days[known]) if known < len(days) else None
            # The price is of the day that the next observado averages: that one is still to come.
            if (
                before is None
                or before not in place
                or not origins.places[0] <= place[before]
                or days[-1] > origins.days[origins.end]
            ):
                continue
            k = place[before]
            ahead = [CALENDAR.age(before, CALENDAR.previous(day)) for day in days[known:]]
            fixing = values.get(before) or float(origins.values[k])
            law = mean_of_fixings(
                float(origins.values[k]), fixing, origin_volatility(origins.values[: k + 1]),
                [values[day] for day in days[:known]], ahead,
            )  # fmt: skip
            came = float(np.mean([values[day] for day in days]))
            plain = float(np.mean([*(values[day] for day in days[:known]), *[fixing] * len(ahead)]))
            for _, p in BANDS:
                hits[p].append(law.quantile(p) <= came <= law.quantile(1 - p))
            errors.append(np.log(came / law.median))
            last.append(np.log(came / plain))
        gain = np.sqrt(np.mean(np.square(errors)) / np.mean(np.square(last))) - 1
        lines.append([known, len(errors), *(share(np.array(hits[p]), 1) for _, p in BANDS), f"{100 * gain:+.0f}"])
    return markdown(["published days", "months", "80 %", "95 %", "RMSE against last one kept"], lines)


def scenarios(closes: pl.DataFrame, drivers: dict[str, pl.DataFrame], wanted: list[str]) -> list[list[object]]:
    """Errors given the drivers' true moves, and coverage of the bands."""
    joined = closes
    for name in wanted:
        joined = joined.join(drivers[name].rename({"value": name}), on="session", how="inner")
    peso, moves = np.log(joined["value"].to_numpy()), np.log(joined.select(wanted).to_numpy())
    regressions, lines = fit(peso, moves), list[list[object]]()
    for h in SESSIONS:
        past = regressions.past(h, len(peso) - 1)
        z = past.errors / past.sds
        known = np.maximum(np.arange(len(z)) - h + 1, 0)  # outcomes known at each origin
        places = np.arange(WARM, len(z), WEEK)
        corrections = np.array([width_correction(z[: known[k]], h) for k in places])
        came = peso[past.origins + h] - peso[past.origins]
        reach = t_scores(DEGREES + len(wanted))
        cells = [share(np.abs(z[places]) <= corrections * reach[level], h) for level in (-3, -1)]
        size = np.abs(moves[past.origins + h, 0] - moves[past.origins, 0])[places]
        daily = np.sqrt(h * regressions.covariance[past.origins, 0, 0])[places]
        is_far = size > 1.5 * daily
        far = f"{100 * np.mean((np.abs(z[places]) <= corrections * reach[-1])[is_far]):.0f} of {is_far.sum()}"
        gain = np.sqrt(np.mean(past.errors[places] ** 2) / np.mean(came[places] ** 2)) - 1
        lines.append([" + ".join(wanted), h, len(places), f"{100 * gain:+.0f}", *cells, far])
    return lines


def main() -> None:
    """Prints all tables, or puts them into a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("closes", "observado", "copper"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--dxy", type=Path)
    parser.add_argument("--brl", type=Path)
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=date(2015, 1, 1))
    parser.add_argument("--to", dest="last", type=date.fromisoformat, default=date(2023, 12, 31))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.out:
        part_of(given.out)  # before hours of work
    within = pl.col("date") <= given.last
    observado = series(given.observado, "observado").filter(within)
    closes = series(given.closes, "close").filter(within).rename({"date": "session"})
    sessions = [CALENDAR.previous(day) for day in observado["date"]]
    early = observado.select(session=pl.Series(sessions), value="value").filter(
        (pl.col("session") < closes["session"][0]) & (pl.col("session") >= date(2012, 1, 1))
    )
    whole = pl.concat([early, closes]).filter(
        pl.col("session").map_elements(CALENDAR.is_session, return_dtype=pl.Boolean)
    )
    drivers = {"copper": series(given.copper, "close_raw").filter(~pl.col("date").is_in(TICKS["copper"]))}
    if given.dxy:
        drivers["dxy"] = series(given.dxy, "close_raw")
    if given.brl:
        bars = series(given.brl, "close_raw").filter(pl.col("date").dt.weekday() <= 5)
        drivers["brl"] = bars.with_columns(pl.Series("date", [previous_weekday(day) for day in bars["date"]]))
    drivers = {name: rows.rename({"date": "session"}) for name, rows in drivers.items()}
    origins = Origins(whole, given.first, given.last)
    lines = []
    for wanted in (["copper"], ["copper", "dxy"], ["copper", "brl"], ["copper", "dxy", "brl"]):
        if set(wanted) <= set(drivers):
            lines += scenarios(closes, drivers, wanted)
    header = ["drivers", "sessions", "origins", "RMSE", "80 %", "95 %", "95 %, moves over 1.5 sd"]
    odds = chances(table_of(whole), given.first, given.last)
    text = "\n".join([
        "### Odds and touches: stated chance / came true, by tenth of the chance\n", odds,
        "### Means of closes, highest and lowest close\n", averages(origins),
        "### One dólar observado, tomorrow's not yet out\n", fixings(origins, observado, False),
        "### One dólar observado, tomorrow's already out\n", fixings(origins, observado, True),
        "### Average of a month's observados\n", months(origins, observado),
        "### Scenarios, given what the drivers really did\n", markdown(header, lines),
    ])  # fmt: skip
    if given.out:
        put(text, given.out, "benchmarks/desk.py")
    else:
        print(text)


if __name__ == "__main__":
    main()

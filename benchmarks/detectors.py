"""Measures the monitoring rules on generated markets and real prices.

    python benchmarks/detectors.py [--worlds 60] [--closes PESO.csv --copper COPPER.csv]
                                   [--out docs/monitoring.md] [--curve docs/detection.png]

No prices come with the project: their owners grant no redistribution. PESO.csv has `date` and `close`, market closes on
their true dates; COPPER.csv is Yahoo's `HG=F` as served. Of them only rates of alarms are printed.

60 markets of 20 fortnights are 1,200 fortnights and take two processor minutes, in as many processes as FOREX_COMPUTE
says; the curve takes one more. `--out` puts the tables between the markers of an existing file, else they are printed.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from copper import FAR, bars, on_its_day, priced
from detector_simulation import (
    DETECTORS,
    FORTNIGHT,
    RULES,
    measure,
)
from drift_batch import is_calibrated_drift, is_literal_drift
from feed_faults import feed_table
from forex_assets.core.compute.opening import compute_of
from forex_assets.core.holidays import market_calendar
from forex_assets.core.plots import BLUE, COPPER_BROWN, GRID, INK, png_of, titled_figure
from forex_assets.core.policy import Policy
from forex_assets.core.policy_store import read_policy
from forex_assets.core.settings import load_settings
from forex_assets.core.store.folder import Folder
from forex_assets.market.prices import COPPER, USDCLP
from forex_assets.market.quality import usable
from forex_assets.market.sources.yahoo_dating import dated_rows, dating_of
from forex_assets.monitoring.realized_sums import SUMS, measure_ratios, rank_of, window_pair
from forex_assets.monitoring.series import COPPER_RETURN, FORECAST_ERROR, PESO_RETURN
from forex_assets.monitoring.statistic_series import EWMA, statistic_series
from market_faults import (
    DOUBLED,
    NOTHING,
    STEPS,
    TRIPLED,
    Market,
    ewma_variances,
    next_errors,
    week_sums,
)
from pages import put

BUDGETS = (0.65, 1.3, 2.6, 5.2, 10.4)
FEEDS = 100


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def rules_markdown(table: pl.DataFrame, policy: Policy) -> str:
    """Table of detection rates within 7 and 14 days, per cent."""
    rows = {(row["fault"], row["detector"], row["rule"]): row for row in table.iter_rows(named=True)}
    columns = [(detector, rule) for detector in DETECTORS for rule in RULES]
    lines = [
        [fault, *(_cell(rows[fault, *column]) for column in columns)]
        for fault in table["fault"].unique(maintain_order=True)
    ]
    yearly = [
        "alarms a year, with nothing wrong",
        *(f"{rows[NOTHING.name, *column]['per_year']:.1f}" for column in columns),
    ]
    caption = (
        f"Found within 7 / 14 days, % of {table['n'][0]:,} fortnights ± standard error between markets. The line "
        f"`nothing` is false alarms; the budget is {policy.budget_per_14_days:.1%} of fortnights, "
        f"{policy.false_alarms_per_year:g} a year.\n\n"
    )
    header = ["fault", *(f"{detector}, {'published' if rule == 'literal' else rule}" for detector, rule in columns)]
    return caption + markdown(header, [*lines, yearly])


def _cell(row: dict[str, float]) -> str:
    return " / ".join(f"{100 * row[f'found_{d}_days']:.1f} ± {100 * row[f'se_{d}_days']:.1f}" for d in (7, 14))


def feeds_markdown(table: pl.DataFrame) -> str:
    """A line a fault of a feed and check."""
    lines = []
    for row in table.iter_rows(named=True):
        ends = "–" if row["soonest"] is None else "–".join(str(x) for x in sorted({row["soonest"], row["latest"]}))
        lines.append([row["fault"], f"`{row['check']}`", row["severity"], f"{row['found']:.0%}", ends,
                      f"{row['false_alarms']:.0%}"])  # fmt: skip
    header = ["fault", "check", "does", "found", "after sessions", "false alarms"]
    return f"{table['n'][0]} generated markets.\n\n" + markdown(header, lines)


def real_series(closes: Path, copper: Path) -> tuple[np.ndarray, dict[str, pl.DataFrame], np.ndarray]:
    """Real series that drift watches; errors of the EWMA walk."""
    table, metal = (pl.read_csv(path, try_parse_dates=True) for path in (closes, copper))
    calendar = market_calendar(USDCLP.calendar)
    days = [row for row in table.select("date", "close").drop_nulls().iter_rows() if calendar.is_session(row[0])]
    peso = usable(priced([on_its_day(*row) for row in days], USDCLP), USDCLP)
    dated = dated_rows(bars(metal), None, dating_of("HG=F"), market_calendar(COPPER.calendar), FAR)
    lead = usable(priced(dated, COPPER), COPPER)
    returns = {
        COPPER_RETURN: lead.select("session", value=pl.col(COPPER.value).log().diff()).drop_nulls(),
        PESO_RETURN: peso.select("session", value=pl.col(USDCLP.value).log().diff()).drop_nulls(),
    }
    peso_returns = returns[PESO_RETURN]
    values = peso_returns["value"].to_numpy()
    variances = ewma_variances(values, float(np.var(values[:60])))
    errors = peso_returns.select("session", value=pl.Series(next_errors(_alone(values), variances))).filter(
        pl.col("value").is_finite()
    )
    first = max(errors["session"][0], returns[COPPER_RETURN]["session"][0])
    series = {
        name: frame.filter(pl.col("session") >= first) for name, frame in (returns | {FORECAST_ERROR: errors}).items()
    }
    last = min(frame["session"][-1] for frame in series.values())
    series = {name: frame.filter(pl.col("session") <= last) for name, frame in series.items()}
    return peso_returns["session"].to_numpy(), series, values


def _alone(values: np.ndarray) -> Market:
    """The peso's returns; the rest of the market is not asked for."""
    nothing = np.zeros_like(values)
    return Market(values, nothing, nothing, nothing)


def real_drift(series: dict[str, pl.DataFrame], policy: Policy) -> pl.DataFrame:
    """Both verdicts on every look with history enough: session, literal, calibrated."""
    watched = statistic_series(series, policy.drift, max(frame["session"][-1] for frame in series.values()))
    looks = np.unique(np.concatenate([track.sessions for track in watched]))
    columns = {
        track.name: np.concatenate([[np.nan], track.effects])[np.searchsorted(track.sessions, looks, side="right")]
        for track in watched
    }
    literal = is_literal_drift({name: values for name, values in columns.items() if name[1] != EWMA}, policy.drift)
    needed = policy.drift.history_sessions + policy.drift.looks
    start = max(int(np.flatnonzero(~np.isnan(values))[0]) for values in columns.values()) + needed
    calibrated = [
        is_calibrated_drift({n: v[i + 1 - needed : i + 1] for n, v in columns.items()}, policy, policy.drift.looks)
        for i in range(start, len(looks))
    ]
    return pl.DataFrame({"session": looks[start:], "literal": literal[start:], "calibrated": calibrated})


def real_degradation(sessions: np.ndarray, values: np.ndarray, policy: Policy) -> pl.DataFrame:
    """Degradation verdicts on the EWMA walk's 7-day forecasts."""
    sums = week_sums(_alone(values), ewma_variances(values, float(np.var(values[:60]))))
    days = np.array([day.toordinal() for day in pl.Series(sessions).to_list()], dtype=np.int64)[STEPS:]
    windows = window_pair(days, sums, days, policy)
    square, errors = SUMS.index("square"), SUMS.index("errors")
    with np.errstate(invalid="ignore", divide="ignore"):
        recent, baseline = (np.sqrt(window[square] / window[errors]) for window in windows)
        ratios = measure_ratios(windows)
    literal = recent >= (1 + policy.degradation.rmse_increase) * baseline
    rows = []
    for i, day in enumerate(pl.Series(sessions[STEPS:]).to_list()):
        ranked = rank_of(days[: i + 1], sums[:, : i + 1], day, policy)
        if np.isfinite(ranked.limits).any():
            rows.append((day, bool(literal[i]), bool((ratios[:, i] > ranked.limits).any())))
    return pl.DataFrame(
        rows, schema={"session": pl.Date, "literal": pl.Boolean, "calibrated": pl.Boolean}, orient="row"
    )


def by_year(looks: pl.DataFrame, detector: str) -> list[list[object]]:
    """Share of fortnights with an alarm, by year and rule."""
    numbered = looks.with_row_index("i").with_columns(block=pl.col("i") // FORTNIGHT, year=pl.col("session").dt.year())
    blocks = numbered.group_by("block").agg(
        pl.col("year").first(), pl.len().alias("sessions"), *(pl.col(rule).any() for rule in RULES)
    ).filter(pl.col("sessions") == FORTNIGHT)  # fmt: skip
    whole = [("all", blocks), *((str(y[0]), part) for y, part in sorted(blocks.group_by("year"), key=lambda x: x[0]))]
    return [
        [detector, year, part.height, *(f"{100 * part[rule].mean():.0f} ({part[rule].sum()})" for rule in RULES)]
        for year, part in whole
    ]


def real_markdown(closes: Path, copper: Path, policy: Policy) -> str:
    sessions, series, values = real_series(closes, copper)
    rows = by_year(real_drift(series, policy), "drift") + by_year(
        real_degradation(sessions, values, policy), "degradation"
    )
    caption = (
        "Real closes, % of fortnights with an alarm (how many), looked at every session. An alarm that lasts into the "
        "next fortnight counts in both; whether something was wrong nobody has said.\n\n"
    )
    return caption + markdown(["detector", "year", "fortnights", "published", "calibrated"], rows)


def curve(policy: Policy, worlds: int, seed: int) -> tuple[str, bytes]:
    """Detections within 7 days against the budget: table and PNG."""
    points = []
    for budget in BUDGETS:
        asked = policy.model_copy(update={"false_alarms_per_year": budget})
        table = measure(asked, worlds=worlds, seed=seed, faults=(NOTHING, DOUBLED, TRIPLED))
        rates = table.filter(detector="drift", rule="calibrated")
        points.append((budget, *rates["found_7_days"], rates["per_year"][0], *rates["se_7_days"][1:]))
    lines = [
        [f"{p[0]:g}", f"{p[4]:.1f}", f"{100 * p[2]:.0f} ± {100 * p[5]:.0f}", f"{100 * p[3]:.0f} ± {100 * p[6]:.0f}"]
        for p in points
    ]
    head = ["budget, false alarms a year", "measured", "doublings within 7 days, %", "triplings within 7 days, %"]
    caption = f"Calibrated drift, {20 * worlds:,} fortnights a point.\n\n"
    return caption + markdown(head, lines), png_of(_figure(points))


def _figure(points: Sequence[tuple[float, ...]]):  # type: ignore[no-untyped-def]
    figure, axes = titled_figure(7.0, 4.2, "What a budget of false alarms buys", is_sample=False)
    budgets = [p[0] for p in points]
    for place, label, colour in ((3, "volatility tripled", COPPER_BROWN), (2, "volatility doubled", BLUE)):
        shares, errors = [100 * p[place] for p in points], [100 * p[place + 3] for p in points]
        axes.errorbar(budgets, shares, errors, marker="o", capsize=3, color=colour, label=label)
    chance = [100 * p[1] for p in points]
    axes.plot(budgets, chance, color=INK, linestyle=":", marker=".", label="nothing wrong: false alarms")
    axes.set_xscale("log")
    axes.set_xticks(budgets, [f"{b:g}" for b in budgets])
    axes.minorticks_off()
    axes.set_xlabel("budget: false alarms a year")
    axes.set_ylabel("found within 7 days, %")
    axes.set_ylim(0, 100)
    axes.grid(color=GRID)
    axes.legend(loc="upper left", frameon=False)
    return figure


def main() -> None:
    """Prints the tables, or puts them into a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--policy", type=Path, default=Path("configs/policy.yaml"))
    parser.add_argument("--closes", type=Path)
    parser.add_argument("--copper", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--curve", type=Path)
    given = parser.parse_args()
    policy = read_policy(Folder(given.policy.parent), given.policy.name)
    with compute_of(load_settings().compute_setting) as compute:
        table = measure(policy, worlds=given.worlds, seed=given.seed, compute=compute)
    parts = [rules_markdown(table, policy), feeds_markdown(feed_table(FEEDS, given.seed))]
    if given.closes and given.copper:
        parts.append(real_markdown(given.closes, given.copper, policy))
    if given.curve:
        text, picture = curve(policy, math.ceil(given.worlds / 3), given.seed)
        given.curve.write_bytes(picture)
        parts.append(text)
    if given.out:
        put("\n".join(parts), given.out, "benchmarks/detectors.py")
    else:
        print("\n".join(parts))


if __name__ == "__main__":
    main()

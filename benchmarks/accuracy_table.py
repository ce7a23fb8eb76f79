"""Markdown tables of engines' scores on common origins.

A horizon's step is the one whose session is `as_of` + 7, 15, 30 or 90 calendar days, rolled back to a session.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from forex_assets.accuracy.compare import Skill, coverage_interval, effective_size, overlap_between, skill
from forex_assets.core.holidays import market_calendar
from forex_assets.core.horizon import HORIZON_DAYS as DAYS
from forex_assets.core.schemas import QUANTILE_COLUMNS, WALK_QUANTILE_COLUMNS, quantile_column
from forex_assets.core.scores import covered, crps
from forex_assets.forecasts.realized import truth_of
from forex_assets.market.prices import USDCLP

HEAD = (
    "| engine | n | independent | RMSE skill, % | CRPS skill, % | covered at 80, % | covered at 95, % "
    "| worst year at 95 | CPU s / 100 origins |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)
EXPLAINED = (
    "Skill is 1 - loss / reference on the same dates, with a 95 % interval by paired stationary bootstrap: RMSE of the "
    "median against the random walk (tomorrow is like today), CRPS against the EWMA(.97) walk; above 0 is better. "
    "`independent`: forecasts overlap, and this many separate ones would say as much. Worst year: the lowest share "
    "among calendar years of issue with at least half of a full year's origins. Processor seconds of this machine "
    "(all threads; other load does not count) for whole 90-day fans, after loading."
)


@dataclass(frozen=True)
class Row:
    """Scores of one engine at one horizon; shares from 0 to 1."""

    engine: str
    n: int
    independent: float
    rmse: Skill
    crps: Skill
    at_80: float
    at_95: tuple[float, float, float]
    worst: tuple[int, float]
    seconds: float


def targets(fans: pl.DataFrame, days: int) -> pl.DataFrame:
    """Rows of 90-day fans at `as_of` + `days`, rolled back."""
    calendar = market_calendar(USDCLP.calendar)
    origins = fans["as_of"].unique().to_list()
    due = pl.DataFrame(
        {"as_of": origins, "session": [calendar.roll_back(day + timedelta(days=days)) for day in origins]},
        schema={"as_of": pl.Date, "session": pl.Date},
    )
    return fans.join(due, on=["as_of", "session"], how="semi").sort("as_of")


def common(fans: Mapping[str, pl.DataFrame], truth: pl.DataFrame, days: int) -> dict[str, pl.DataFrame]:
    """Joins target rows and prices on common origins."""
    scored = {name: targets(frame, days).join(truth, on="session", how="inner") for name, frame in fans.items()}
    shared = set.intersection(*(set(frame["as_of"]) for frame in scored.values()))
    return {name: frame.filter(pl.col("as_of").is_in(list(shared))).sort("as_of") for name, frame in scored.items()}


def row_of(engine: str, rows: pl.DataFrame) -> Row:
    """Scores of one engine's published quantiles at one horizon."""
    y, last = rows["realized_clp_per_usd"].to_numpy(), rows["origin_clp_per_usd"].to_numpy()
    overlap = overlap_between(
        rows["as_of"].to_numpy().astype("datetime64[D]"), (rows["session"] - rows["as_of"]).dt.total_days().to_numpy()
    )
    error = y - rows["q50"].to_numpy()
    published, walk = (rows.select(c).to_numpy() for c in (QUANTILE_COLUMNS, WALK_QUANTILE_COLUMNS))
    in_80, in_95 = (
        covered(y, rows[quantile_column(low)].to_numpy(), rows[quantile_column(1 - low)].to_numpy())
        for low in (0.10, 0.025)
    )
    share = float(in_95.mean())
    bounds = coverage_interval(share, effective_size(in_95.astype(np.float64), overlap))
    return Row(
        engine,
        len(y),
        effective_size(error, overlap),
        skill(error**2, (y - last) ** 2, overlap=overlap, root=True),
        skill(crps(y, published), crps(y, walk), overlap=overlap),
        float(in_80.mean()),
        (share, *bounds),
        _worst_year(rows.select("as_of", hit=pl.Series(in_95))),
        100 * float(rows["engine_seconds"].mean()),  # type: ignore[arg-type]
    )


def _worst_year(hits: pl.DataFrame) -> tuple[int, float]:
    """Year of issue with the lowest coverage, without sparse years."""
    years = hits.group_by(year=pl.col("as_of").dt.year()).agg(pl.len().alias("n"), pl.col("hit").mean()).sort("year")
    worst = years.filter(pl.col("n") * 2 >= years["n"].max()).sort("hit", "year").row(0, named=True)
    return int(worst["year"]), float(worst["hit"])


def markdown(
    fans: Mapping[str, pl.DataFrame],
    prices: pl.DataFrame,
    *,
    what: str,
    asked: Mapping[str, object],
    notes: Sequence[str] = (),
) -> str:
    """The tables of all horizons, with how they were got.

    Args:
        fans: 90-day fans (`FORECAST_SCHEMA`) by engine; its `q…` columns are scored, calibrated or not.
        prices: `USDCLP_SCHEMA`, bad ticks marked: the same table gives what came true.
        what: the prices in words.
        asked: options by name.
        notes: what else a reader must know.
    """
    made_with = " ".join(f"--{name} {value}" for name, value in asked.items())
    parts = [f"Prices: {what}. `{made_with}`", *(f"*{note}*" for note in notes)]
    truth = truth_of(prices, prices["available_at"].max())  # type: ignore[arg-type]
    for horizon, days in DAYS.items():
        rows = common(fans, truth, days) if fans else {}
        height = min((frame.height for frame in rows.values()), default=0)
        if height < 2:
            parts.append(f"### {horizon}\n\n{height} origins came true in these prices; two are needed.")
            continue
        some = next(iter(rows.values()))
        steps = sorted(some["step"].unique())
        ahead = f"{steps[0]} to {steps[-1]}" if len(steps) > 1 else str(steps[0])
        parts.append(f"### {horizon}\n\nOrigins {some['as_of'][0]} to {some['as_of'][-1]}, {ahead} sessions ahead.")
        parts.append("\n".join([HEAD, *(_line(row_of(name, frame)) for name, frame in rows.items())]))
    return "\n\n".join([*parts, EXPLAINED])


def _line(row: Row) -> str:
    """One row of a table."""
    share, low, high = row.at_95
    cells = (
        row.engine,
        str(row.n),
        f"{row.independent:.0f}",
        _percent(row.rmse),
        _percent(row.crps),
        f"{100 * row.at_80:.1f}",
        f"{100 * share:.1f} [{100 * low:.1f}, {100 * high:.1f}]",
        f"{100 * row.worst[1]:.0f} ({row.worst[0]})",
        f"{row.seconds:.2g}",
    )
    return f"| {' | '.join(cells)} |"


def _percent(skill: Skill) -> str:
    """A skill with its interval, in percent."""
    if skill.value is None or skill.low is None or skill.high is None:
        return "–"
    # `+ 0.0` and the rounding before it: no "-0.0".
    value, low, high = (round(100 * number, 1) + 0.0 for number in (skill.value, skill.low, skill.high))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"

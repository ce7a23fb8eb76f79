"""Measures the laws of bands, against a former version's fans.

    python benchmarks/fans.py --closes CLOSES.csv --cache NEW [--former OLD] [--out docs/accuracy.md]

NEW and OLD are caches of `benchmarks/accuracy.py --engines embedded --seed 0` and `--seed 1`, OLD written by the other
version's own code. Missing fans are made in NEW. Fans of 64 sessions at weekly origins, true closes. The former bands
are calibrated by the former rule: each step by itself, half of it from each side's errors, weight n / (n + 20).
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from rich.progress import Progress

from accuracy import Entrant, entrant, fans_of, origins_of
from accuracy_prices import closes_from
from forex_assets.accuracy.backtest_store import BacktestStore, engine_key
from forex_assets.accuracy.compare import block_of, stationary_indices
from forex_assets.accuracy.past_dates import parse_every
from forex_assets.core.calendar import issue_instant
from forex_assets.core.fan import QUANTILE_SCORES, Array, Fan
from forex_assets.core.schemas import MODEL_QUANTILE_COLUMNS, QUANTILE_LEVELS
from forex_assets.core.scores import crps, interval_score, normal_score
from forex_assets.core.store.warehouse import Warehouse
from forex_assets.forecasts import calibration as rule
from forex_assets.forecasts.calibration import Calibration, PastErrors, calibrated
from pages import part_of, put

STEPS = 57
"""Sessions that every 90-day fan has."""
HORIZON_STEPS = {"7d": 5, "15d": 10, "30d": 20, "90d": 57}
REPETITIONS = 2000
NIGHTS = (date(2023, 6, 1), date(2023, 9, 29))
"""First and last of the daily origins of the overnight law."""
SCRIPT = "benchmarks/fans.py"


@dataclass(frozen=True)
class Sample:
    """Fans of one seed on common origins.

    Attributes:
        as_of: origins, ascending.
        model_quantiles: the model's quantiles, shape (origins, STEPS, levels).
        bands: calibrated quantiles.
        price: realized, NaN where unknown, shape (origins, STEPS).
        sd: EWMA(.97) volatility at each origin.
    """

    as_of: list[date]
    model_quantiles: Array
    bands: Array
    price: Array
    sd: Array


def sample_of(fans: pl.DataFrame, prices: pl.DataFrame, calibrate: Callable[[PastErrors, date], Calibration]) -> Sample:
    """Arrays of the first STEPS steps, calibrated.

    By errors known before each origin.
    """
    rows = fans.filter(pl.col("step") <= STEPS).sort("as_of", "step")
    truth = prices.select("session", y="clp_per_usd", known="available_at")
    rows = rows.join(truth, on="session", how="left", maintain_order="left")
    as_of = rows["as_of"].unique(maintain_order=True).to_list()
    shape = (len(as_of), STEPS)
    model_quantiles = rows.select(MODEL_QUANTILE_COLUMNS).to_numpy().reshape(*shape, len(QUANTILE_LEVELS))
    price = rows["y"].fill_null(float("nan")).to_numpy().reshape(shape)
    known = rows["known"].to_physical().fill_null(np.iinfo(np.int64).max).to_numpy().reshape(shape)
    scores = np.full(shape, np.nan)
    is_known = np.isfinite(price)
    scores[is_known] = normal_score(price[is_known], model_quantiles[is_known])
    errors = PastErrors(scores, known, np.array([(day - date(1970, 1, 1)).days for day in as_of]))
    bands = np.stack([
        calibrated(Fan(model_quantiles[row].mean(axis=1), model_quantiles[row]), calibrate(errors, day)).quantiles
        for row, day in enumerate(as_of)
    ])  # fmt: skip
    return Sample(as_of, model_quantiles, bands, price, rows["ewma_sd"].to_numpy().reshape(shape)[:, 0])


def current(errors: PastErrors, day: date) -> Calibration:
    """Calibration by today's rule."""
    return errors.calibration(issue_instant(day), STEPS)


def former(errors: PastErrors, day: date) -> Calibration:
    """Calibration by the rule of the former version."""
    instant, today = issue_instant(day).timestamp() * 1e6, (day - date(1970, 1, 1)).days
    scores, count = np.tile(QUANTILE_SCORES, (STEPS, 1)), np.zeros(STEPS, dtype=np.int64)
    levels = np.array(QUANTILE_LEVELS)
    for k in range(STEPS):
        known = errors.known_at[:, k] < instant
        if known.sum() < 30:
            continue
        z, as_of = errors.scores[known, k], errors.as_of[known]
        weights = 0.5 ** ((today - as_of) / (4 * 365))
        n = weights.sum() ** 2 / (weights**2).sum() / rule._overlap(as_of, k + 1)
        side = rule._weighted_quantiles(z, weights, levels)
        width = rule._weighted_quantiles(np.abs(z), weights, 1 - 2 * levels[:4])
        both = np.concatenate([-width, [0.0], width[::-1]])
        share = n / (n + 20)
        scores[k] = share * (side - side[4] + both) / 2 + (1 - share) * QUANTILE_SCORES
        count[k] = known.sum()
    return Calibration(scores, count)


def losses(sample: Sample) -> dict[str, Array]:
    """Losses and hits by origin and step.

    NaN where no price is known.
    """
    is_known = np.isfinite(sample.price)
    y, fans = sample.price[is_known], sample.bands[is_known]
    values = {
        "CRPS": crps(y, fans),
        "Winkler 95": interval_score(y, fans[:, 0], fans[:, 8], 0.05),
        "Winkler 80": interval_score(y, fans[:, 2], fans[:, 6], 0.2),
        "in 95": ((y >= fans[:, 0]) & (y <= fans[:, 8])).astype(float),
        "in 80": ((y >= fans[:, 2]) & (y <= fans[:, 6])).astype(float),
    }
    tables = {}
    for name, column in values.items():
        tables[name] = np.full(sample.price.shape, np.nan)
        tables[name][is_known] = column
    return tables


def gain(new: list[Array], old: list[Array], steps: list[int]) -> tuple[float, float, float]:
    """Mean improvement over steps in per cent, with a 95 % interval.

    A resample draws blocks of origins (mean 1.5 × the longest overlap) and one seed of each side.
    """
    columns = [step - 1 for step in steps]
    both = np.stack([*new, *old])[:, :, columns]
    both = both[:, np.isfinite(both).all(axis=(0, 2))]

    def mean_gain(left: Array, right: Array) -> float:
        return float(100 * (1 - left.mean(axis=0) / right.mean(axis=0)).mean())

    value = mean_gain(both[: len(new)].mean(axis=0), both[len(new) :].mean(axis=0))
    rng = np.random.default_rng(0)
    places = stationary_indices(both.shape[1], block_of(max(1.0, max(steps) / 5)), REPETITIONS, rng)
    seeds = rng.integers(len(new), size=REPETITIONS), len(new) + rng.integers(len(old), size=REPETITIONS)
    drawn = [mean_gain(both[a, row], both[b, row]) for row, a, b in zip(places, *seeds, strict=True)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return value, float(low), float(high)


def scores_table(new: list[Sample], old: list[Sample]) -> str:
    """Improvement over the former version, and both coverages."""
    lines = [
        "| steps | CRPS, % | Winkler 95, % | Winkler 80, % | inside 95 % | before | inside 80 % | before "
        "| worst year, 95 % | before |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    tables = [losses(sample) for sample in new], [losses(sample) for sample in old]
    for name, steps in {**{f"{h}: {k}": [k] for h, k in HORIZON_STEPS.items()}, "1–57": list(range(1, 58))}.items():
        cells = []
        for loss in ("CRPS", "Winkler 95", "Winkler 80"):
            value, low, high = gain(*([table[loss] for table in side] for side in tables), steps)
            cells.append(f"{value:+.2f} [{low:+.2f}, {high:+.2f}]")
        for hit in ("in 95", "in 80"):
            for side in tables:
                cells.append(f"{100 * np.nanmean([table[hit][:, [k - 1 for k in steps]] for table in side]):.1f}")
        cells += [worst_year(side[0]["in 95"], new[0].as_of, steps) for side in tables]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def worst_year(hits: Array, as_of: list[date], steps: list[int]) -> str:
    """Lowest share of a calendar year of issue.

    Of years with at least 26 origins.
    """
    years = np.array([day.year for day in as_of])
    shares = {
        year: np.nanmean(hits[years == year][:, [k - 1 for k in steps]])
        for year in np.unique(years)
        if (years == year).sum() >= 26
    }
    year = min(shares, key=lambda calendar_year: shares[calendar_year])
    return f"{100 * shares[year]:.0f} ({year})"


def width(bands: Array, low: int = 0, high: int = 8) -> Array:
    """Log width of the bands, the widest by default."""
    return np.asarray(np.log(bands[..., high] - bands[..., low]))


def laws_table(new: list[Sample], nights: Sample) -> str:
    """The laws of calibrated bands, with their limits."""
    narrower = np.mean([(np.diff(width(sample.bands), axis=1) < 0).mean() for sample in new])
    seeds = np.median(np.abs(width(new[0].bands) - width(new[1].bands)), axis=0) if len(new) > 1 else np.array([np.nan])
    root = 0.5 * np.log(np.arange(1, STEPS + 1))
    unit = width(nights.bands) - root - np.log(nights.sd)[:, None]
    night = 100 * np.quantile(np.abs(unit[1:, :-1] - unit[:-1, 1:]), 0.95)
    lines = [
        "| law of the 95 % band | limit | measured |",
        "| --- | ---: | ---: |",
        f"| share of steps at which it narrows | 0 | {narrower:.4f} |",
        f"| two seeds, median difference of width at the worst step | 5 % | {100 * seeds.max():.1f} % |",
        f"| one date's band overnight in units of σ√k, 95th percentile | 6 % | {night:.1f} % |",
    ]
    return "\n".join(lines)


def horizons_law(sample: Sample) -> str:
    """Largest difference of a short horizon's calibrated band from the 90-day fan's."""
    lines = []
    scores = np.full(sample.price.shape, np.nan)
    is_known = np.isfinite(sample.price)
    scores[is_known] = normal_score(sample.price[is_known], sample.model_quantiles[is_known])
    days = np.array([(day - date(1970, 1, 1)).days for day in sample.as_of])
    known = np.where(is_known, (days[:, None] + 1.4 * np.arange(1, STEPS + 1) + 1) * 86_400e6, np.inf)
    whole = PastErrors(scores, known, days)
    for horizon, steps in list(HORIZON_STEPS.items())[:-1]:
        part = PastErrors(scores[:, :steps], known[:, :steps], days)
        gaps = [
            np.abs(np.log(part.calibration(issue_instant(day), steps).scores[:, 8])
                   - np.log(whole.calibration(issue_instant(day), STEPS).scores[:steps, 8])).max()
            for day in sample.as_of[::20]
        ]  # fmt: skip
        text = f"| {horizon} and 90d: largest difference of the band for one session | 5 % | {100 * max(gaps):.1f} % |"
        lines.append(text)
    return "\n".join(lines)


def cached(folder: Path, who: Entrant) -> pl.DataFrame:
    """Fans of another version's cache, whatever its code's hash."""
    key = engine_key(who.engine.name, who.engine.model, who.config.fingerprint)
    tables = [BacktestStore(Warehouse(path)).read("90d", key) for path in sorted(folder.iterdir()) if path.is_dir()]
    fans = max(tables, key=len, default=pl.DataFrame())
    if fans.is_empty():
        raise SystemExit(f"{folder} holds no fans of {key}; make them with benchmarks/accuracy.py of that version")
    return fans


def main() -> None:
    """Measures, prints and publishes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--closes", type=Path, required=True, metavar="CSV", help="columns date, close")
    parser.add_argument("--cache", type=Path, metavar="NEW", help="keeps fans, and takes them over")
    parser.add_argument("--former", type=Path, metavar="OLD", help="cache of the version to compare with")
    parser.add_argument("--seeds", default="0,1", help="comma-separated")
    parser.add_argument("--out", type=Path, metavar="FILE", help="page with the part `fans`")
    asked = parser.parse_args()
    if asked.out:
        part_of(asked.out, "fans")
    prices = closes_from(asked.closes)
    weekly = origins_of(date(2015, 1, 1), date(2023, 12, 31), parse_every("1w"), None)
    with tempfile.TemporaryDirectory() as scratch, Progress(disable=True) as progress:
        cache, new, old = asked.cache or Path(scratch), list[Sample](), list[Sample]()
        for seed in map(int, asked.seeds.split(",")):
            who = entrant("embedded", 200, seed)
            fans, _ = fans_of(who, prices, weekly, cache, progress)
            new.append(sample_of(fans, prices, current))
            if asked.former:
                old.append(sample_of(cached(asked.former, who), prices, former))
        first, last = NIGHTS
        nightly = origins_of(first, last, parse_every("1d"), None)
        before = [day for day in weekly if day < first - timedelta(days=1)]
        fans, _ = fans_of(entrant("embedded", 200, 0), prices, [*before, *nightly], cache, progress)
        nights = sample_of(fans, prices, current)
        kept = [row for row, day in enumerate(nights.as_of) if day >= first]
        nights = Sample(*(np.array(part)[kept] for part in vars(nights).values()))  # type: ignore[arg-type]
    parts = [laws_table(new, nights) + "\n" + horizons_law(new[0])]
    if old:
        parts.append(scores_table(new, old))
    text = "\n\n".join(parts)
    print(text)
    if asked.out:
        put(text, asked.out, SCRIPT, "fans")


if __name__ == "__main__":
    main()

"""Compares engines on common origins: `make bench-accuracy`.

Every engine makes 90-day fans once, at each origin from what was available at 19:00 in Santiago of that day; the steps
that stand for 7, 15, 30 and 90 calendar days are scored. Prices are the generated market unless others are named:
`--closes CSV` (columns date, close: true market closes, known at 18:00 of their day; closes on days without a session
are left out) or `--warehouse` (the stored
market/usdclp, with its source's own dating). With `--cache` a run that was ended goes on where it was.

Engines: ewma, random-walk, autoarima, autoets, autotheta, garch, embedded, or a folder with a Chronos model.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from accuracy_prices import closes_from, generated, stored
from accuracy_table import markdown
from forex_assets.accuracy.backtest import backtest
from forex_assets.accuracy.backtest_store import BacktestStore, engine_key
from forex_assets.accuracy.history_view import HistoryView
from forex_assets.accuracy.past_dates import Every, origin_dates, parse_every
from forex_assets.accuracy.peers import PEERS
from forex_assets.core.holidays import market_calendar
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import QUANTILE_COLUMNS, SAMPLE_SOURCE
from forex_assets.core.settings import PROJECT, SettingsError
from forex_assets.core.store.warehouse import Warehouse, WarehouseError
from forex_assets.forecasts.baselines import EwmaEngine, RandomWalkEngine
from forex_assets.forecasts.calibration import calibrated_history
from forex_assets.forecasts.engine import Engine, EngineError, Origin
from forex_assets.forecasts.realized import as_issued, join_realized
from forex_assets.market.prices import USDCLP
from pages import part_of, put

PACKAGE = PROJECT / "forex_assets"
MODELS = PACKAGE / "models"
WALKS: dict[str, Engine] = {"ewma": EwmaEngine(), "random-walk": RandomWalkEngine()}
CALIBRATED = ("ewma", "embedded")
"""Engines whose bands are shown calibrated too."""
BATCH = 16
SHARED_SOURCES = (
    *(f"forecasts/{name}.py" for name in ("baselines", "forecast", "representation", "smoothing")),
    *("core/fan.py", "accuracy/backtest.py", "accuracy/history_view.py", "market/quality.py"),
)


@dataclass(frozen=True)
class Entrant:
    """Engine of the comparison: name, settings, hash of its code."""

    label: str
    engine: Engine
    config: InferenceConfig
    digest: str


def entrant(label: str, samples: int, seed: int) -> Entrant:
    """Engine and settings of a name or a model's folder."""
    simple = {**WALKS, **PEERS}
    if label in simple:
        sources = [*SHARED_SOURCES, "accuracy/peers/*.py"] if label in PEERS else SHARED_SOURCES
        config = InferenceConfig(horizon="90d", model=label, context_length=500)  # they read none of it
        return Entrant(label, simple[label], config, _digest(sources, ()))
    folder = MODELS / label if (MODELS / label / "config.json").is_file() else Path(label).expanduser()
    if not (folder / "config.json").is_file():
        raise SystemExit(f"no engine {label!r}; there are {', '.join(simple)}, embedded, or a folder with a model")
    from forex_assets.forecasts.chronos.model import ChronosEngine

    engine: Engine = ChronosEngine(str(folder), label=folder.resolve().name)
    ours = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("forex_assets", {})
    is_sampling = engine.name == "chronos-t5"
    config = InferenceConfig(
        horizon="90d",
        model=engine.model,
        context_length=256 if ours else 512,  # what a published T5 reads at most
        num_samples=samples if is_sampling else None,
        temperature=1.0 if is_sampling else None,
        representation=ours.get("representation", "anchored"),
        seed=seed,
    )
    chronos = [f"forecasts/chronos/{name}.py" for name in ("decoder", "draws", "feeding", "grid", "model", "sampler")]
    sources = [*SHARED_SOURCES, *chronos]
    weights = sorted(file for pattern in ("*.json", "*.safetensors", "*.bin") for file in folder.glob(pattern))
    return Entrant(engine.model, engine, config, _digest(sources, weights))


def _digest(patterns: Iterable[str], weights: Iterable[Path]) -> str:
    """Hash of the sources and weights that decide an engine's fans."""
    files = sorted({file for pattern in patterns for file in PACKAGE.glob(pattern)})
    digest = hashlib.sha256()
    for file in (*files, *weights):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:12]


def fans_of(
    who: Entrant, prices: pl.DataFrame, origins: list[date], cache: Path, progress: Progress
) -> tuple[pl.DataFrame, list[tuple[date, str]]]:
    """Fans of one engine, `FORECAST_SCHEMA`, and skipped origins.

    Raises:
        EngineError: a fit failed; what was done before it is kept.
    """
    calendar = market_calendar(USDCLP.calendar)
    store = BacktestStore(Warehouse(cache / who.digest))
    key = engine_key(who.engine.name, who.engine.model, who.config.fingerprint)
    done, skipped = store.read("90d", key), list[tuple[date, str]]()
    task = progress.add_task(who.label, total=len(origins))

    def skip(as_of: date, why: str) -> None:
        progress.advance(task)
        if why != "run before":
            skipped.append((as_of, why))

    # What is loaded or compiled at the first use is not what an origin costs.
    warm_up = 800 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.005, 600)))
    who.engine.forecast([Origin(warm_up, 65, {})], who.config)
    for frame in backtest(
        who.engine, who.config, prices, None, origins, calendar,
        clock=time.process_time, done=done, batch=BATCH, on_skip=skip,
    ):  # fmt: skip
        store.add("90d", key, frame)
        progress.advance(task, frame["as_of"].n_unique())
    store.compact("90d", key)
    past = HistoryView(prices)
    wanted = pl.DataFrame(
        {"as_of": origins, "data_fingerprint": [past.at(as_of)[1] for as_of in origins]},
        schema={"as_of": pl.Date, "data_fingerprint": pl.String},
    )
    # The cache may hold fans of other prices too.
    fans = store.read("90d", key).filter(pl.col("config_fingerprint") == who.config.fingerprint)
    return fans.join(wanted, on=["as_of", "data_fingerprint"], how="semi"), skipped


WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")
WARM_UP = timedelta(days=5 * 365)
"""Time before the first origin whose forecasts calibrate, as a first backtest's."""


def origins_of(first: date, last: date, every: Every, weekday: str | None) -> list[date]:
    """Origins to forecast from; with a weekday, its sessions."""
    calendar = market_calendar(USDCLP.calendar)
    if weekday is None:
        return origin_dates(calendar, first, last, every)
    sessions = calendar.between(first - timedelta(days=1), last)
    return [day for day in sessions if day.weekday() == WEEKDAYS.index(weekday)]


def calibrated_fans(fans: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """Calibrates the bands by errors known before each issue.

    Steps that have not come true are left out.
    """
    joined = join_realized(as_issued(fans), prices, datetime.max.replace(tzinfo=UTC))
    published = calibrated_history(joined).select("as_of", "step", *QUANTILE_COLUMNS)
    return fans.drop(QUANTILE_COLUMNS).join(published, on=["as_of", "step"], maintain_order="left").select(fans.columns)


def run(options: argparse.Namespace) -> int:
    """Runs what was asked for; 0, or 1 where an engine failed."""
    first, last = options.first, options.last
    if options.closes:
        name, what, prices = "closes", "true market closes, known at 18:00 of their day", closes_from(options.closes)
    elif options.warehouse:
        name, prices = "warehouse", stored()
        what = f"the stored market/usdclp ({', '.join(sorted(prices['source'].unique()))}) with its dating rule"
    else:
        name, what, prices = "generated", f"the generated market: {SAMPLE_SOURCE}", generated(last)
    earliest = max(first - WARM_UP, prices["session"].min())  # type: ignore[type-var]
    warm = origins_of(earliest, first - timedelta(days=1), options.every, options.weekday)
    origins = origins_of(first, last, options.every, options.weekday)
    entrants = [entrant(label, options.samples, options.seed) for label in options.engines.split(",")]
    if options.out:
        part_of(options.out, options.name or name)  # a refusal must not come after an hour's work
    tables, notes, failed = dict[str, pl.DataFrame](), dict[str, None](), 0
    columns = (TextColumn("{task.description:14}"), BarColumn(), MofNCompleteColumn())
    with tempfile.TemporaryDirectory() as scratch, Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    ) as progress:  # fmt: skip
        for who in entrants:
            try:
                is_calibrated = who.label in CALIBRATED
                asked = [*warm, *origins] if is_calibrated else origins
                fans, skipped = fans_of(who, prices, asked, options.cache or Path(scratch), progress)
            except EngineError as error:
                failed = 1
                notes[f"{who.label} is not in the tables, it failed: {error}"] = None
                continue
            is_scored = pl.col("as_of") >= first
            tables[who.label] = fans.filter(is_scored)
            if is_calibrated:
                tables[f"{who.label}, calibrated"] = calibrated_fans(fans, prices).filter(is_scored)
            if skipped := [entry for entry in skipped if entry[0] >= first]:
                notes[f"{len(skipped)} origins passed over, the first {skipped[0][0]}: {skipped[0][1]}"] = None
    made_with = {
        "from": first,
        "to": last,
        "every": f"{options.every.count}{options.every.unit}",
        "engines": ",".join(who.label for who in entrants),
        "samples": options.samples,
        "seed": options.seed,
        **({"weekday": options.weekday} if options.weekday else {}),
    }
    text = markdown(tables, prices, what=what, asked=made_with, notes=list(notes))
    print(text)
    if options.out and not failed:
        put(text, options.out, "benchmarks/accuracy.py", options.name or name)
    return failed


def _every(text: str) -> Every:
    """`parse_every`, with its own words for what is wrong."""
    try:
        return parse_every(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    prices = parser.add_mutually_exclusive_group()
    prices.add_argument("--closes", type=Path, metavar="CSV", help="true market closes: columns date, close")
    prices.add_argument("--warehouse", action="store_true", help="the stored market/usdclp (FOREX_WAREHOUSE)")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=date(2015, 1, 1), metavar="DATE")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, default=date(2023, 12, 31), metavar="DATE")
    parser.add_argument(
        "--every", type=_every, default="1w", metavar="1w", help="spacing of origins: 1d, 1w, 2w, 1m (default 1w)"
    )
    parser.add_argument("--weekday", choices=WEEKDAYS, help="origins on this day, instead of --every's")
    parser.add_argument(
        "--engines", default=",".join((*WALKS, *PEERS)), help="comma-separated (default: all but models)"
    )
    parser.add_argument("--samples", type=int, default=200, help="paths of a model that samples (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="of a model that samples")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep fans here, and take them over from here")
    parser.add_argument("--out", type=Path, metavar="FILE", help="put the tables between the markers of this file")
    parser.add_argument("--name", help="of the markers (default: closes, warehouse or generated)")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(run(arguments()))
    except (EngineError, WarehouseError, SettingsError) as problem:
        sys.exit(f"error: {problem}")

"""Times the daily path: `make bench-spine`, or `python benchmarks/spine.py`.

Everything runs on the generated market with the EWMA walk, so that neither a network nor a model's weights count. Each
figure is the median over interleaved repeats in fresh processes; peak memory is the process's own maximum resident set.
`bare` calls the domain functions as a script would; `dagster` runs the same through the assets, checks and records of
the command line. The ratio between the two is what can be quoted; seconds are this machine's.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
AS_OF = "2025-06-13"


def timed(call: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def bare() -> dict[str, float]:
    """The domain's own work, no Dagster: prices, features, four fans, nothing written."""
    started = time.perf_counter()
    from forex_assets.core.horizon import HORIZONS, target_of
    from forex_assets.core.session import open_session
    from forex_assets.features.copper import copper_features
    from forex_assets.forecasts.baselines import EwmaEngine
    from forex_assets.forecasts.forecast import make_forecast
    from forex_assets.market.ingestion import ingest_copper, ingest_usdclp
    from forex_assets.market.price_sources import PriceSources, calendar_of
    from forex_assets.market.prices import USDCLP
    from forex_assets.market.quality import usable

    imports = time.perf_counter() - started
    session = open_session()
    sources = PriceSources(session, session.settings.source_deadline_s)
    frames = {}

    def ingest() -> None:
        frames["usdclp"], frames["copper"] = ingest_usdclp(sources).prices, ingest_copper(sources).prices

    def features() -> None:
        frames["features"] = copper_features(frames["copper"], frames["usdclp"])

    def forecast() -> None:
        last = usable(frames["usdclp"])["session"][-1]
        for horizon in HORIZONS:
            target = target_of(horizon, session.today, last, calendar_of(USDCLP))
            config = session.configs.read(horizon)
            make_forecast(EwmaEngine(), config, target, frames["usdclp"], frames["features"], clock=time.perf_counter)

    return {"imports": imports, "ingest": timed(ingest), "features": timed(features), "forecast": timed(forecast)}


def dagster() -> dict[str, float]:
    """Runs the path as assets, recorded in an instance."""
    started = time.perf_counter()
    import dagster as dg

    from forex_assets.cli.runner import run_assets
    from forex_assets.core.dagster import keys
    from forex_assets.core.horizon import HORIZONS
    from forex_assets.locations.forecasting import build

    build()
    imports = time.perf_counter() - started
    from forex_assets.core.session import open_session

    session = open_session()

    def instance() -> None:
        from forex_assets.core.dagster.instance import prepare_instance

        prepare_instance(session.settings)
        with dg.DagsterInstance.get() as dagster_instance:
            dagster_instance.get_runs(limit=1)

    return {
        "imports": imports,
        "instance": timed(instance),
        "ingest": timed(lambda: run_assets(session, [keys.USDCLP, keys.COPPER])),
        "features": timed(lambda: run_assets(session, [keys.FEATURES])),
        "forecast": timed(lambda: run_assets(session, [keys.LATEST], list(HORIZONS))),
    }


def child(kind: str) -> dict[str, float]:
    """One measurement in a fresh process with a warehouse of its own."""
    with tempfile.TemporaryDirectory() as folder:
        names = {"FOREX_WAREHOUSE": folder, "DAGSTER_HOME": f"{folder}/dagster", "FOREX_MARKET": "sample"}
        env = {**os.environ, **names, "FOREX_MODEL": "ewma", "FOREX_AS_OF": AS_OF}
        command = [sys.executable, __file__, "--child", kind]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def setup_seconds() -> float:
    """`make setup` in a fresh clone."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "--quiet", str(PROJECT), f"{folder}/clone"], check=True)
        return timed(
            lambda: subprocess.run(["make", "-C", f"{folder}/clone", "setup"], check=True, capture_output=True)
        )


def main() -> None:
    """Measures, then prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--with-setup", action="store_true", help="also time `make setup` in a fresh clone (minutes)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", choices=["bare", "dagster"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        figures = {"bare": bare, "dagster": dagster}[options.child]()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(figures | {"peak_mib": peak}))
        return
    runs: dict[str, list[dict[str, float]]] = {"bare": [], "dagster": []}
    for repeat in range(options.repeats):
        for kind in ("bare", "dagster") if repeat % 2 else ("dagster", "bare"):
            runs[kind].append(child(kind))
    table = {kind: {k: statistics.median(r[k] for r in rows) for k in rows[0]} for kind, rows in runs.items()}
    report = {"repeats": options.repeats, "setup_seconds": setup_seconds() if options.with_setup else None, **table}
    if options.json:
        print(json.dumps(report, indent=2))
        return
    setup = report["setup_seconds"]
    print(f"set-up: {setup:.0f} s" if setup else "set-up: not measured (--with-setup clones and times it)")
    print(f"{'':12}{'bare':>10}{'dagster':>10}{'ratio':>8}   median of {options.repeats}")
    for name, value in table["dagster"].items():
        base = table["bare"].get(name)
        ratio = f"{value / base:8.1f}" if base else f"{'':8}"
        print(f"{name:12}{f'{base:10.3f}' if base is not None else f'{chr(45):>10}'}{value:10.3f}{ratio}")


if __name__ == "__main__":
    main()

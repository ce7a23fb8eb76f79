"""Measures what the daily commands cost as the ledger grows.

    python benchmarks/daily.py --evenings 5 2600

Everything runs on the generated market with the model that comes with the project. The ledger's past entries are fans
of the EWMA walk under the model's name, issued through the ledger's own store: what the commands read of them is as
long and as wide as in a real warehouse. Each figure is the processor time (user and system) and the largest resident
memory of a fresh process; rounds alternate between the warehouses. The ratio between them is what can be quoted.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

AS_OF = "2025-06-13"
COMMANDS = (
    "forecast --horizon all",
    "forecast --horizon all --stored",
    "scorecard",
    "report",
    "status",
    "optimize decide",
)


def environment(folder: Path) -> dict[str, str]:
    """Environment of a warehouse's commands."""
    names = {"FOREX_WAREHOUSE": str(folder), "DAGSTER_HOME": str(folder / "dagster"), "FOREX_MARKET": "sample"}
    return {**os.environ, **names, "FOREX_AS_OF": AS_OF}


def cost(folder: Path, command: str) -> tuple[float, float]:
    """Processor seconds and peak MiB of one command."""
    process = subprocess.Popen(
        [sys.executable, "-m", "forex_assets", *command.split()],
        env=environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command}: {process.stderr.read().decode() if process.stderr else ''}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def fill(evenings: int) -> None:
    """Issues fans on the evenings before the clock's day, peso and fixing."""
    import polars as pl

    from forex_assets.core import names
    from forex_assets.core.calendar import SANTIAGO
    from forex_assets.core.horizon import HORIZONS, target_of
    from forex_assets.core.session import open_session
    from forex_assets.forecasts.baselines import EwmaEngine
    from forex_assets.forecasts.forecast import make_forecast
    from forex_assets.forecasts.ledger_store import LedgerStore
    from forex_assets.forecasts.observado.assets import known_fixings
    from forex_assets.forecasts.observado.fixing import fixing_fan, last_fixing
    from forex_assets.market.price_sources import calendar_of
    from forex_assets.market.prices import USDCLP

    session = open_session()
    calendar, prices = calendar_of(USDCLP), session.tables.read(names.USDCLP)
    peso, fixing = LedgerStore(session.tables), LedgerStore(session.tables, names.OBSERVADO_LEDGER)
    fixings = known_fixings(session)
    days = calendar.between(session.today - timedelta(days=2 * evenings + 10), session.today)
    labels = {
        horizon: session.tables.read(names.LATEST, horizon).row(0, named=True)  # type: ignore[union-attr]
        for horizon in HORIZONS
    }
    for day in [day for day in days if day < session.today][-evenings:]:
        issued = datetime.combine(day, time(19), SANTIAGO).astimezone(UTC)
        known = prices.filter(pl.col("available_at") <= issued).tail(600)  # type: ignore[union-attr]
        last = last_fixing(fixings.filter(pl.col("available_at") <= issued))
        for horizon in HORIZONS:
            config = session.configs.read(horizon)
            target = target_of(horizon, day, known["session"][-1], calendar)
            fan = make_forecast(EwmaEngine(), config, target, known, clock=lambda: 0.0)
            same = {name: pl.lit(labels[horizon][name]) for name in ("engine", "model", "config_fingerprint")}
            fan = fan.with_columns(**same)
            provenance = {"issued_at": issued, "code_version": "benchmark"}
            peso.append(fan, **provenance)  # type: ignore[arg-type]
            if last is not None:
                fixing.append(fixing_fan(fan, last, calendar), **provenance)  # type: ignore[arg-type]


def build(folder: Path, evenings: int) -> None:
    """Makes a warehouse with so many evenings in its ledger."""
    for command in ("ingest", "backtest --every 1m", "forecast --horizon all"):
        cost(folder, command)
    for chain in ("ledger", "observado_ledger", "ledger_verified"):  # the chain begins with the oldest evening
        subprocess.run(["rm", "-r", str(folder / "sample/forecasts" / chain)], check=False)
    subprocess.run([sys.executable, __file__, "--fill", str(evenings)], env=environment(folder), check=True)
    for command in COMMANDS:  # what is computed once, such as a week's check of the whole chain, is not a day's cost
        cost(folder, command)


def main() -> None:
    """Builds the warehouses, measures in rounds, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evenings", type=int, nargs=2, default=[5, 2600], metavar="N")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keep the warehouses there, and take those that are")
    parser.add_argument("--commands", nargs="*", default=COMMANDS, metavar="COMMAND")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--fill", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fill:
        fill(options.fill)
        return
    with tempfile.TemporaryDirectory(prefix="forex-assets-") as scratch:
        folders = {evenings: (options.folder or Path(scratch)) / str(evenings) for evenings in options.evenings}
        for evenings, folder in folders.items():
            if not folder.exists():
                build(folder, evenings)
        costs: dict[str, dict[int, list[tuple[float, float]]]] = {}
        for number in range(options.rounds):
            for command in options.commands:
                for evenings, folder in list(folders.items())[:: 1 if number % 2 else -1]:
                    costs.setdefault(command, {}).setdefault(evenings, []).append(cost(folder, command))
    medians = {
        command: {n: tuple(map(statistics.median, zip(*samples, strict=True))) for n, samples in by_length.items()}
        for command, by_length in costs.items()
    }
    if options.json:
        print(json.dumps(medians))
        return
    few, many = options.evenings
    print(f"| command | CPU s, {few} evenings | {many} | ratio | MiB, {few} | {many} | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for command, median in medians.items():
        (cpu, mib), (more_cpu, more_mib) = median[few], median[many]
        row = (f"{cpu:.1f}", f"{more_cpu:.1f}", f"{more_cpu / cpu:.2f}", f"{mib:.0f}", f"{more_mib:.0f}",
               f"{more_mib / mib:.2f}")  # fmt: skip
        print(f"| `{command}` | {' | '.join(row)} |")


if __name__ == "__main__":
    main()

"""Lives through a year of evenings; measures what one costs.

    python benchmarks/soak.py --evenings 250

Each evening, in one process and on the generated market with the EWMA walk: prices and features, four fans of the peso
and of the fixing, ledger, scores, scorecard, desk, drift, decisions, report, alerts gathered, events recorded in
MLflow, old runs removed. Every twentieth evening a backtest and at the measured evenings a backup are told apart. The
clock of the data moves by one session an evening. Dagster's own does not: the 90 days of `run_days`, which hold 64
sessions, are counted in evenings. A figure is the median of five evenings: processor seconds, growth of the disk.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import dagster as dg

LAST_DAY = date(2025, 6, 13)
KEPT_EVENINGS = 64
"""Sessions of Chile in 90 calendar days."""

AROUND = 2
"""Evenings on each side of a measured one."""


@dataclass(frozen=True)
class Evening:
    """Cost of an evening.

    Attributes:
        cpu: processor seconds by part.
        size: bytes on the disk after it, by folder.
        files: number of files after it.
        rss: resident memory of the process after it, bytes.
    """

    cpu: dict[str, float]
    size: dict[str, int]
    files: int
    rss: int

    @property
    def seconds(self) -> float:
        """Processor seconds without backup and backtest."""
        return sum(value for name, value in self.cpu.items() if name not in ("backup", "backtest"))


def sizes_of(folder: Path) -> tuple[dict[str, int], int]:
    """Bytes by part of the warehouse, and number of files.

    Backups are left out.
    """
    parts = {"dagster": 0, "mlflow": 0, "ledger": 0, "tables": 0}
    files = 0
    for path in folder.rglob("*"):
        if not path.is_file() or "backups" in path.parts:
            continue
        inside = path.relative_to(folder).parts
        name = inside[0] if inside[0] in parts else "ledger" if any("ledger" in part for part in inside) else "tables"
        parts[name] += path.stat().st_blocks * 512
        files += 1
    return parts, files


class Parts:
    """Processor seconds of an evening by part, since the part before."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self._mark = time.process_time()

    def done(self, name: str) -> None:
        """Ends a part."""
        now = time.process_time()
        self.cpu[name], self._mark = now - self._mark, now


def live(folder: Path, evenings: int, measured: set[int], kept: int) -> Iterator[Evening]:
    """Lives through the evenings; one record each."""
    import dagster as dg

    from forex_assets.core.dagster.instance import prepare_instance
    from forex_assets.core.dagster.run_retention import remove_old_runs
    from forex_assets.core.settings import load_settings
    from forex_assets.market.price_sources import calendar_of
    from forex_assets.market.prices import USDCLP

    prepare_instance(load_settings())
    began = list[datetime]()
    days = calendar_of(USDCLP).between(LAST_DAY - timedelta(days=2 * evenings + 30), LAST_DAY)[-evenings:]
    with dg.DagsterInstance.get() as instance:
        platform = Platform(instance)
        for number, day in enumerate(days, start=1):
            os.environ["FOREX_AS_OF"] = str(day)
            began.append(datetime.now(UTC))
            parts = Parts()
            platform.evening(parts, with_backtest=number % 20 == 1)
            if number > kept:
                remove_old_runs(instance, began[number - 1 - kept])
            parts.done("retention")
            if number in measured:
                platform.run("forecasting", "back_up")
                parts.done("backup")
            size, files = sizes_of(folder)
            yield Evening(parts.cpu, size, files, psutil.Process().memory_info().rss)


class Platform:
    """Both locations, run in this process."""

    def __init__(self, instance: "dg.DagsterInstance") -> None:
        from forex_assets.locations import forecasting, optimization

        self._instance, self._cursor = instance, None
        self._locations = {"forecasting": forecasting.build(), "optimization": optimization.build()}

    def run(self, location: str, job: str, *assets: "dg.AssetKey") -> None:
        """Runs a job, or assets; those by horizon for all of them."""
        from forex_assets.core.horizon import HORIZONS

        definitions = self._locations[location]
        chosen = definitions.resolve_job_def(job) if job else definitions.resolve_implicit_global_asset_job_def()
        whole = {"dagster/asset_partition_range_start": HORIZONS[0], "dagster/asset_partition_range_end": HORIZONS[-1]}
        result = chosen.execute_in_process(
            instance=self._instance,
            tags=whole if job.endswith("_all_horizons") else {},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            asset_selection=list(assets) or None,
            raise_on_error=True,
        )
        assert result.success

    def evening(self, parts: Parts, with_backtest: bool) -> None:
        """All that a weekday evening does, part by part."""
        import dagster as dg

        from forex_assets.cli.runner import record_in_mlflow
        from forex_assets.core.dagster import keys
        from forex_assets.core.dagster.resources import SessionResource
        from forex_assets.core.session import open_session
        from forex_assets.operations.alerts.sensors import gather_alerts

        self.run("forecasting", "market_refresh")
        parts.done("prices")
        self.run("forecasting", "forecast_all_horizons")
        parts.done("forecast")
        if with_backtest:
            self.run("forecasting", "backtest_all_horizons")
            parts.done("backtest")
        self.run("forecasting", "", keys.SCORECARD, keys.OBSERVADO_SCORECARD)
        parts.done("scorecard")
        self.run("forecasting", "", keys.LEVELS, keys.SCENARIOS, keys.RELIABILITY)
        parts.done("desk")
        self.run("optimization", "report_drift")
        self.run("optimization", "decide_all_horizons")
        parts.done("decide")
        self.run("forecasting", "report_daily")
        parts.done("report")
        context = dg.build_sensor_context(self._instance, cursor=self._cursor, resources={"session": SessionResource()})
        self._cursor = gather_alerts.evaluate_tick(context).cursor
        parts.done("alerts")
        record_in_mlflow(open_session(), self._instance)
        parts.done("mlflow")


def table(evenings: list[Evening], measured: list[int]) -> str:
    """One line a measured evening: medians of the evenings around it."""
    parts = [name for name in evenings[0].cpu if name not in ("backup", "backtest")]
    head = ["evening", "CPU s", *parts, "backup", "MiB an evening", "MiB in all", "Dagster's", "files", "RSS MiB"]
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join(['---:'] * len(head))} |"]
    for number in measured:
        near = evenings[max(0, number - 1 - AROUND) : number + AROUND]
        if number == 1:
            near = evenings[1 : 2 + 2 * AROUND]  # the first evening makes all tables and databases
        last = evenings[number - 1]
        begin = max(0, number - 11)
        grown = (sum(last.size.values()) - sum(evenings[begin].size.values())) / max(1, number - 1 - begin)
        cells = [
            f"{number}",
            f"{statistics.median(evening.seconds for evening in near):.1f}",
            *(f"{statistics.median(evening.cpu[part] for evening in near):.2f}" for part in parts),
            f"{last.cpu.get('backup', 0):.1f}",
            f"{grown / 2**20:.2f}",
            f"{sum(last.size.values()) / 2**20:.0f}",
            f"{last.size['dagster'] / 2**20:.0f}",
            f"{last.files}",
            f"{last.rss / 2**20:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Lives through the evenings and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evenings", type=int, default=250)
    parser.add_argument("--at", type=int, nargs="*", default=[1, 50, 100, 250], metavar="N", help="measured evenings")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="make the warehouse there, and keep it")
    parser.add_argument("--kept", type=int, default=KEPT_EVENINGS, help="evenings whose runs are kept (default 64)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end after so long, whatever was reached")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory(prefix="forex-assets-") as scratch:
        folder = options.folder or Path(scratch)
        names = {"FOREX_WAREHOUSE": str(folder), "DAGSTER_HOME": str(folder / "dagster"), "FOREX_MARKET": "sample"}
        os.environ.update(names | {"FOREX_MODEL": "ewma", "FOREX_AS_OF": str(LAST_DAY)})
        evenings = []
        for number, evening in enumerate(live(folder, options.evenings, set(options.at), options.kept), start=1):
            evenings.append(evening)
            if number % 10 == 0 or number < 4:
                size = sum(evening.size.values()) / 2**20
                print(f"{number}: {evening.seconds:.1f} s, {size:.0f} MiB, {evening.files} files", file=sys.stderr)
                print({name: round(value, 2) for name, value in evening.cpu.items()}, file=sys.stderr, flush=True)
            if time.monotonic() > end:
                break
    print(table(evenings, [*(number for number in options.at if number < len(evenings)), len(evenings)]))


if __name__ == "__main__":
    main()

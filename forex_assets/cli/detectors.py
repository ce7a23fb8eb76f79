"""The command that says how good the watching rules are."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from forex_assets.cli.common import FAILED, LOOP, AsJson, answer, app, err, fail, reported, session_of

if TYPE_CHECKING:
    import polars as pl

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
"""Folder of the simulations, in a checkout only."""

COLUMNS = (
    ("drift", "literal", "drift\npublished"),
    ("drift", "calibrated", "drift\ncalibrated"),
    ("degradation", "literal", "degradation\npublished"),
    ("degradation", "calibrated", "degradation\ncalibrated"),
)


@app.command(
    rich_help_panel=LOOP,
    epilog="Examples:  forex-assets detectors  ·  detectors --worlds 100 --seed 7  ·  detectors --json",
)
@reported
def detectors(
    worlds: Annotated[int, typer.Option(min=2, help="Generated markets; 20 fortnights each, about 2 s each.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same figures.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Measure monitoring rules on generated markets: false alarms, latency.

    Budget and thresholds are those of configs/policy.yaml. The default takes about a minute and says its standard
    errors; docs/monitoring.md has the figures of a longer run. Needs a checkout of the project: the container image has
    no simulations.
    """
    session = session_of()
    _find_benchmarks()
    from detector_simulation import measure
    from feed_faults import feed_table
    from forex_assets.cli.progress import progress_bar
    from forex_assets.core.compute.opening import compute_of

    policy = session.policy
    with compute_of(session.settings.compute_setting) as compute, progress_bar(err) as progress:
        task = progress.add_task("markets", total=worlds)
        rules = measure(
            policy,
            worlds=worlds,
            seed=seed,
            report=lambda done, _: progress.update(task, completed=done),
            compute=compute,
        )
        task = progress.add_task("feeds", total=None)
        feeds = feed_table(worlds, seed, lambda done, total: progress.update(task, completed=done, total=total))
    record = {
        "budget_per_14_days": policy.budget_per_14_days,
        "false_alarms_per_year": policy.false_alarms_per_year,
        "worlds": worlds,
        "seed": seed,
        "detectors": rules.to_dicts(),
        "feeds": feeds.to_dicts(),
    }
    answer(as_json, record, [rules_table(rules, policy.budget_per_14_days), feeds_table(feeds)])


def _find_benchmarks() -> None:
    """Makes the checkout's `benchmarks` importable; exit code 1 without it."""
    if not (BENCHMARKS / "detector_simulation.py").is_file():
        fail(
            f"{BENCHMARKS} is missing: the simulations are not part of the installed package; "
            "run this command in a checkout of the project",
            FAILED,
        )
    if str(BENCHMARKS) not in sys.path:
        sys.path.append(str(BENCHMARKS))


def rules_table(rules: "pl.DataFrame", budget: float) -> RenderableType:
    """Shares found within 7 and 14 days, per cent.

    The first line is false alarms.
    """
    from forex_assets.cli.tables import Column, interval, percent, table

    rows_by_rule = {(row["fault"], row["detector"], row["rule"]): row for row in rules.iter_rows(named=True)}
    faults = rules["fault"].unique(maintain_order=True).to_list()
    yearly = ", ".join(
        f"{' '.join(head.split())} {rows_by_rule['nothing', detector, rule]['per_year']:.1f}"
        for detector, rule, head in COLUMNS
    )
    worst = 100 * max(rules["se_7_days"].to_list() + rules["se_14_days"].to_list())

    def shares(detector: str, rule: str) -> Any:
        def of_fault(row: Any) -> tuple[float, float]:
            cell = rows_by_rule[row["fault"], detector, rule]
            return cell["found_7_days"], cell["found_14_days"]

        return of_fault

    return table(
        [{"fault": fault} for fault in faults],
        [
            Column("fault", "fault"),
            *(Column(head, shares(detector, rule), interval(percent(0), " / ")) for detector, rule, head in COLUMNS),
        ],
        title="Found within 7 / 14 days, % of fortnights",
        caption=f"{rules['n'][0]} fortnights of generated markets; standard errors up to {worst:.1f}. A fault found no "
        f"more often than nothing is not found. Budget: {budget:.1%} of fortnights with a false alarm. "
        f"Alarms a year with nothing wrong: {yearly}.",
        is_bold=lambda row: row["fault"] == "nothing",
    )


def feeds_table(feeds: "pl.DataFrame") -> RenderableType:
    """One line a fault of a feed and check."""
    from forex_assets.cli.tables import Column, percent, table

    return table(
        feeds.to_dicts(),
        [
            Column("fault and check", lambda row: f"{row['fault']}\n  {row['check']}", wraps=True),
            Column("does", "severity"),
            Column("found, %", "found", percent(0)),
            Column("after", _after),
            Column("false, %", "false_alarms", percent(0)),
        ],
        title="Broken feeds, found by the checks of prices",
        caption="after: sessions with the fault, soonest and latest. false: alarms with nothing wrong.",
    )


def _after(row: Any) -> str:
    """`3`, `40–210`, or that it was not."""
    if row["soonest"] is None:
        return f"not in {row['tried']}"
    return f"{row['soonest']}" if row["soonest"] == row["latest"] else f"{row['soonest']}–{row['latest']}"

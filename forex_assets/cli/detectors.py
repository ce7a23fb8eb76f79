"""The command that says how good the watching rules are."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from forex_assets.cli.common import FAILED, LOOP, AsJson, app, err, fail, out, print_json, reported, session_of

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
    errors; docs/monitoring.md has the figures of a longer run.
    """
    session = session_of()
    _find_benchmarks()
    from detector_simulation import measure
    from feed_faults import feed_table

    policy = session.policy
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # In a pipe the bar would leave an empty line behind.
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("markets", total=worlds)
        rules = measure(policy, worlds=worlds, seed=seed, report=lambda done, _: progress.update(task, completed=done))
        task = progress.add_task("feeds", total=None)
        feeds = feed_table(worlds, seed, lambda done, total: progress.update(task, completed=done, total=total))
    if as_json:
        print_json({
            "budget_per_14_days": policy.budget_per_14_days,
            "false_alarms_per_year": policy.false_alarms_per_year,
            "worlds": worlds,
            "seed": seed,
            "detectors": rules.to_dicts(),
            "feeds": feeds.to_dicts(),
        })  # fmt: skip
        return
    out.print(rules_table(rules, policy.budget_per_14_days))
    out.print(feeds_table(feeds))


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


def rules_table(rules: "pl.DataFrame", budget: float) -> Table:
    """Shares found within 7 and 14 days, per cent.

    The first line is false alarms.
    """
    rows = {(row["fault"], row["detector"], row["rule"]): row for row in rules.iter_rows(named=True)}
    n = rules["n"][0]
    worst = 100 * max(rules["se_7_days"].to_list() + rules["se_14_days"].to_list())
    table = Table(
        title="Found within 7 / 14 days, % of fortnights",
        caption=f"{n} fortnights of generated markets; standard errors up to {worst:.1f}. A fault found no more often "
        f"than nothing is not found. Budget: {budget:.1%} of fortnights with a false alarm.",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("fault", no_wrap=True)
    for *_, head in COLUMNS:
        table.add_column(head, justify="right", no_wrap=True)
    for fault in rules["fault"].unique(maintain_order=True):
        cells = [_shares(rows[fault, detector, rule]) for detector, rule, _ in COLUMNS]
        table.add_row(fault, *cells, end_section=fault == "nothing", style="bold" if fault == "nothing" else None)
        if fault == "nothing":
            yearly = [f"{rows[fault, detector, rule]['per_year']:.1f}" for detector, rule, _ in COLUMNS]
            table.add_row("  alarms a year", *yearly, end_section=True)
    return table


def feeds_table(feeds: "pl.DataFrame") -> Table:
    """One line a fault of a feed and check."""
    table = Table(
        title="Broken feeds, found by the checks of prices",
        caption="after: sessions with the fault, soonest and latest. false: alarms with nothing wrong.",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("fault and check", overflow="fold")
    for name in ("does", "found", "after", "false"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in feeds.iter_rows(named=True):
        label = f"{row['fault']}\n  {row['check']}"
        table.add_row(label, row["severity"], f"{row['found']:.0%}", _after(row), f"{row['false_alarms']:.0%}")
    return table


def _shares(row: dict[str, Any]) -> str:
    """`33 / 45`."""
    return f"{100 * row['found_7_days']:.0f} / {100 * row['found_14_days']:.0f}"


def _after(row: dict[str, Any]) -> str:
    """`3`, `40–210`, or that it was not."""
    if row["soonest"] is None:
        return f"not in {row['tried']}"
    return f"{row['soonest']}" if row["soonest"] == row["latest"] else f"{row['soonest']}–{row['latest']}"

"""Asset checks of the desk's tables; none blocks."""

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.checks import check_of
from forex_assets.core.finding import Finding
from forex_assets.core.session import Session
from forex_assets.desk.reliability import ALL
from forex_assets.desk.tables import chances_are_coherent

LARGEST_GAP = 0.1
"""Gap of observed share and mean chance that warns."""

FEWEST_FANS = 60


def _chances_are_coherent(session: Session) -> Finding:
    """Holds chances to 0 to 1, and touches above ends."""
    table = session.tables.read(names.LEVELS)
    if table is None or table.is_empty():
        return Finding("chances_are_coherent", False, "warn", "no chance is stored", {})
    faults = chances_are_coherent(table)
    message = "; ".join(faults[:3]) or f"{table.height} chances, each coherent"
    return Finding("chances_are_coherent", not faults, "warn", message, {"rows": table.height, "faults": len(faults)})


def _bands_surround_their_median(session: Session) -> Finding:
    """Holds scenario bands to their order and the drivers to some prices."""
    table = session.tables.read(names.SCENARIOS)
    rows = 0 if table is None else table.height
    violations = 0
    if table is not None:
        is_ordered = (pl.col("scenario_p10") < pl.col("scenario_median")) & (
            pl.col("scenario_median") < pl.col("scenario_p90")
        )
        violations = table.filter(~is_ordered).height
    message = f"{rows} scenarios, {violations} with a band out of order" if rows else "no driver has prices enough"
    return Finding("bands_surround_their_median", rows > 0 and not violations, "warn", message, {"rows": rows})


def _chances_come_true_as_often_as_stated(session: Session) -> Finding:
    """Compares mean chance and observed share; silent with few fans."""
    table = session.tables.read(names.RELIABILITY)
    name, rows = "chances_come_true_as_often_as_stated", 0
    if table is None:
        return Finding(name, False, "warn", "no record of chances", {})
    judged = table.filter((pl.col("bin") == ALL) & (pl.col("fans") >= FEWEST_FANS))
    rows = judged.height
    off = judged.filter((pl.col("observed_share") - pl.col("mean_chance")).abs() > LARGEST_GAP)
    words = [
        f"{row['record']} {row['horizon']} {row['question']}: "
        f"stated {row['mean_chance']:.2f}, came {row['observed_share']:.2f}"
        for row in off.to_dicts()
    ]
    message = "; ".join(words) or (
        f"{rows} series within {LARGEST_GAP:g}" if rows else f"fewer than {FEWEST_FANS} fans came true"
    )
    return Finding(name, off.is_empty(), "warn", message, {"series": rows})


CHECKS: list[dg.AssetChecksDefinition] = [
    check_of(
        keys.LEVELS,
        "chances_are_coherent",
        _chances_are_coherent,
        "Chances lie between 0 and 1, and a level is touched at least as often as the dollar ends beyond it.",
        blocks=False,
    ),
    check_of(
        keys.SCENARIOS,
        "bands_surround_their_median",
        _bands_surround_their_median,
        "At least one driver has prices, and each scenario's band surrounds its median.",
        blocks=False,
    ),
    check_of(
        keys.RELIABILITY,
        "chances_come_true_as_often_as_stated",
        _chances_come_true_as_often_as_stated,
        "Over all levels, stated chances and observed shares differ by at most .1, once 60 fans came true.",
        blocks=False,
    ),
]

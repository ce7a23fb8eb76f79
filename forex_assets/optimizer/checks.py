"""The five validation criteria as asset checks. They warn and block nothing."""

from collections.abc import Callable

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.checks import check_of
from forex_assets.core.finding import Finding
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.session import Session
from forex_assets.optimizer.tables import CRITERIA, Criterion

STATEMENTS: dict[Criterion, tuple[str, str]] = {
    "improvement": (
        "challenger_is_better",
        "The challenger is better, by enough to matter and by more than chance.",
    ),
    "stability": (
        "errors_scatter_no_more",
        "The challenger's errors scatter at most a tenth more than the champion's.",
    ),
    "time": ("inference_takes_no_longer", "The challenger takes no longer than half as much again."),
    "coverage": ("bands_hold_their_share", "The challenger's 95 % band holds at least 90 % of prices."),
    "bias": ("errors_average_out", "The challenger's errors have no mean beyond 5 CLP or two standard errors."),
}
"""Name of each criterion's check, and what it says."""


def criterion_holds(session: Session, criterion: Criterion) -> Finding:
    """Tells whether the last challengers met a criterion.

    By the rule that decides; horizons without a challenger are not counted.

    It warns where a challenger missed it, and where there is no report at all: no data is never green.
    """
    key, reasons, missed = names.VALIDATION_REPORT, dict[str, object](), list[str]()
    is_literal = session.policy.decide_by == "literal"
    for horizon in HORIZONS:
        table = session.tables.read(key, horizon)
        row = None if table is None else table.filter(pl.col("criterion") == criterion).row(0, named=True)
        if row is None or row["n"] == 0:
            continue
        is_met = row["literal"] is True if is_literal else row["calibrated"] == "passed"
        reasons[horizon] = row["words"]
        missed += [] if is_met else [f"{horizon}: {row['words']}"]
    name = STATEMENTS[criterion][0]
    if not reasons:
        return Finding(name, False, "warn", "no challenger has been judged yet", {})
    return Finding(name, not missed, "warn", "; ".join(missed) or f"met by {', '.join(reasons)}", reasons)


def _rule(criterion: Criterion) -> Callable[[Session], Finding]:
    return lambda session: criterion_holds(session, criterion)


CHECKS: list[dg.AssetChecksDefinition] = [
    check_of(keys.VALIDATION_REPORT, STATEMENTS[criterion][0], _rule(criterion), STATEMENTS[criterion][1], blocks=False)
    for criterion in CRITERIA
]

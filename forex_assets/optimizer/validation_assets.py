"""Whether the challenger of a search may go live, as an asset; and its five criteria as checks that block nothing."""

from collections.abc import Callable

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.checks import check_of
from forex_assets.core.dagster.keys import table_key
from forex_assets.core.dagster.metadata import clock_metadata, column_schema, frame_metadata, small_table
from forex_assets.core.finding import Finding
from forex_assets.core.horizon import HORIZONS
from forex_assets.optimizer.tables import CRITERIA, VALIDATION_SCHEMA, Criterion
from forex_assets.optimizer.validation import Validation
from forex_assets.optimizer.validation_pages import ROOT
from forex_assets.optimizer.validation_run import run_validation
from forex_assets.platform import Platform, PlatformResource, on_platform

SHOWN = ("criterion", "value", "limit", "low", "high", "literal", "calibrated")


@dg.asset(
    key=keys.VALIDATION_REPORT,
    deps=[keys.CANDIDATE_CONFIG, keys.USDCLP],
    partitions_def=keys.HORIZON_PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="optimizer",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(VALIDATION_SCHEMA),
    description="The challenger against what is live, on past dates later than the search's and apart from them: five "
    "criteria by the published rule and by the calibrated one, and the chance that a challenger no better would have "
    "been approved. Approved, rejected or inconclusive; only approved settings go live.",
)
def validation_report(context: dg.AssetExecutionContext, platform: PlatformResource) -> dict[str, pl.DataFrame]:
    """One row a criterion; a rejected challenger is a green run with a verdict."""
    ready, tables = platform.platform(), {}

    def say(done: int, total: int) -> None:
        if total and done * 10 // total != (done - 1) * 10 // total:
            context.log.info(f"{done} of {total} origins")

    for horizon, found in run_validation(ready, context.partition_keys, report=say).items():
        tables[horizon] = found.table
        context.log.info(f"{horizon}: {found.words}")
        shown = {**_shown(ready, found), **clock_metadata(ready.session)}
        shown[names.IS_BY_HAND] = context.run.job_name != names.OPTIMIZE_JOB
        context.add_asset_metadata(frame_metadata(found.table, **shown), keys.VALIDATION_REPORT, horizon)
    return tables


def _shown(ready: Platform, found: Validation) -> dict[str, object]:
    """What the sensor reads, and what people do; pictures are on the page."""
    subject = found.subject
    page = ready.warehouse.root / ROOT / subject.horizon / f"{subject.validation_id}.html"
    return {
        names.VERDICT: found.verdict,
        names.VALIDATION_ID: subject.validation_id,
        names.SEARCH_ID: subject.search_id,
        names.CHAMPION: subject.champion,
        names.CHALLENGER: subject.challenger,
        names.WORDS: found.words,
        "decided_by": found.decided_by,
        "verdict_literal": found.literal,
        "verdict_calibrated": found.calibrated,
        "false_pass": "not known" if found.false_pass is None else found.false_pass,
        "origins": found.n,
        "criteria": small_table(found.table.select(SHOWN)),
        "page": dg.MetadataValue.path(str(page)),
    }


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


def criterion_holds(platform: Platform, criterion: Criterion) -> Finding:
    """Whether the last challengers met a criterion by the rule that decides; horizons without one are not counted.

    It warns where a challenger missed it, and where there is no report at all: no data is never green.
    """
    key, said, missed = table_key(keys.VALIDATION_REPORT), dict[str, object](), list[str]()
    is_literal = platform.policy.decide_by == "literal"
    for horizon in HORIZONS:
        table = platform.warehouse.read(key, horizon)
        row = None if table is None else table.filter(pl.col("criterion") == criterion).row(0, named=True)
        if row is None or row["n"] == 0:
            continue
        is_met = row["literal"] is True if is_literal else row["calibrated"] == "passed"
        said[horizon] = row["words"]
        missed += [] if is_met else [f"{horizon}: {row['words']}"]
    name = STATEMENTS[criterion][0]
    if not said:
        return Finding(name, False, "warn", "no challenger has been judged yet", {})
    return Finding(name, not missed, "warn", "; ".join(missed) or f"met by {', '.join(said)}", said)


def _rule(criterion: Criterion) -> Callable[[Platform], Finding]:
    return lambda platform: criterion_holds(platform, criterion)


CHECKS: list[dg.AssetChecksDefinition] = [
    check_of(keys.VALIDATION_REPORT, STATEMENTS[each][0], on_platform(_rule(each)), STATEMENTS[each][1], blocks=False)
    for each in CRITERIA
]

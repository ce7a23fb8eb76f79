"""Asset checks made from rules, functions of the session."""

from collections.abc import Callable

import dagster as dg

from forex_assets.core.dagster.metadata import check_metadata
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.finding import Finding
from forex_assets.core.session import Session

Rule = Callable[[Session], Finding]

BLOCKS = "If not, the run fails, and makes nothing downstream of this table."
WARNS = "If not, a warning is shown; nothing is stopped."


def check_of(
    key: dg.AssetKey, name: str, rule: Rule, description: str | None, *, blocks: bool
) -> dg.AssetChecksDefinition:
    """Makes an asset check of a rule.

    Rules read the warehouse: as an input, a partitioned asset would load partitions that do not exist yet.

    Args:
        description: only its first line is shown, and what a failure does; None shows the name.
        blocks: whether a failure stops assets downstream in the same run.
    """
    statement = (description or name).split("\n")[0]

    @dg.asset_check(asset=key, name=name, description=f"{statement} {BLOCKS if blocks else WARNS}", blocking=blocks)
    def check(session: SessionResource) -> dg.AssetCheckResult:
        return check_result(rule(session.session()), blocks=blocks)

    return check


def check_result(finding: Finding, *, blocks: bool) -> dg.AssetCheckResult:
    """Returns a finding as Dagster's result; ERROR if it blocks, else WARN."""
    return dg.AssetCheckResult(
        passed=finding.passed,
        severity=dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN,
        description=finding.message,
        metadata=check_metadata(finding.values),
    )

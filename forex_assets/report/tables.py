"""Input tables of the daily report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from forex_assets.deployment.record import DeploymentRecord


@dataclass(frozen=True, eq=False)
class ReportTables:
    """Input of the report; a missing table is None or absent.

    Attributes:
        as_of: the session's clock, with a time zone.
        is_sample: the tables are of the generated market.
        usdclp: `market/usdclp`.
        copper: `market/copper_hgf_usd_lb`.
        features: `features/copper`.
        fans: `forecasts/latest` by horizon.
        scorecard: `accuracy/scorecard`.
        drift: `monitoring/drift_report`.
        decisions: `monitoring/trigger_decision` by horizon.
        candidates: `optimizer/candidate_config` by horizon.
        validations: `optimizer/validation_report` by horizon.
        deployments: newest record by horizon.
        ages: trading days from the last row to the clock, by table; None without rows.
        sources: source of the last row, by table.
        faults: one line for each unreadable table; it is left out.
    """

    as_of: datetime
    is_sample: bool
    usdclp: pl.DataFrame | None = None
    copper: pl.DataFrame | None = None
    features: pl.DataFrame | None = None
    fans: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    scorecard: pl.DataFrame | None = None
    drift: pl.DataFrame | None = None
    decisions: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    candidates: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    validations: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    deployments: Mapping[str, DeploymentRecord] = field(default_factory=dict)
    ages: Mapping[str, int | None] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()

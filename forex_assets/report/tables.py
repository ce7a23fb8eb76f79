"""What the daily report is made from: tables as they stand. No rule of how it looks is here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from forex_assets.deployment.record import DeploymentRecord


@dataclass(frozen=True, eq=False)
class ReportTables:
    """Everything that the report shows; a table that does not exist yet is None, or not in its mapping.

    Attributes:
        as_of: the clock, with a time zone.
        is_sample: whether the tables are of the generated market.
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
        ages: by table name, sessions between its last row and the clock; None where it has none.
        sources: by table name, where its last row is from.
        faults: tables that could not be read, in words; they are left out.
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

"""Input of the daily report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from forex_assets.deployment.record import DeploymentRecord
from forex_assets.desk.answers import Answer
from forex_assets.desk.events import Events
from forex_assets.desk.observado import Fixings
from forex_assets.desk.outlook import Outlook


@dataclass(frozen=True)
class HeldBand:
    """An earlier fan beside the price that came.

    Attributes:
        issued: day of the fan.
        session: day that it forecast.
        close: what came, CLP per USD.
        low80: lower end of the 80 % band; the others likewise.
    """

    issued: date
    session: date
    close: float
    low80: float
    high80: float
    low95: float
    high95: float


@dataclass(frozen=True, eq=False)
class ReportTables:
    """Input of the report; a missing table is None or absent.

    Attributes:
        as_of: the session's clock, with a time zone.
        is_sample: the tables are of the generated market.
        outlook: latest fans; None without any.
        usdclp: `market/usdclp`, usable rows, oldest first.
        copper: `market/copper_hgf_usd_lb`, likewise.
        drivers: `market/drivers` known at the clock; None without any.
        copper_correlation: correlation of copper and dollar returns, 90 sessions.
        held: bands of the session before and of a week before.
        fixings: published dólar observado.
        events: policy meetings.
        exposure: answer to `configs/exposure.csv`; None without the file.
        scorecard: `accuracy/scorecard`.
        drift: `monitoring/drift_report`.
        decisions: `monitoring/trigger_decision` by horizon.
        candidates: `optimizer/candidate_config` by horizon.
        validations: `optimizer/validation_report` by horizon.
        deployments: newest record by horizon.
        replays: `replay/loop` by horizon.
        ages: trading days from the last row to the clock, by table; None without rows.
        sources: source of the last row, by table.
        faults: one line for each unreadable table; it is left out.
    """

    as_of: datetime
    is_sample: bool
    outlook: Outlook | None = None
    usdclp: pl.DataFrame | None = None
    copper: pl.DataFrame | None = None
    drivers: pl.DataFrame | None = None
    copper_correlation: float | None = None
    held: tuple[HeldBand, ...] = ()
    fixings: Fixings = field(default_factory=lambda: Fixings({}))
    events: Events = field(default_factory=Events)
    exposure: Answer | None = None
    scorecard: pl.DataFrame | None = None
    drift: pl.DataFrame | None = None
    decisions: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    candidates: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    validations: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    deployments: Mapping[str, DeploymentRecord] = field(default_factory=dict)
    replays: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    ages: Mapping[str, int | None] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is neither a price nor a fan to show."""
        return self.outlook is None and self.usdclp is None

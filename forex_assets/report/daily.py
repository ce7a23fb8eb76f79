"""The daily report from the tables that stand, for asset and command line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from forex_assets.accuracy.scorecard import SCORECARD_SCHEMA
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import COPPER_SCHEMA, FORECAST_SCHEMA, USDCLP_SCHEMA, Schema
from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.features.copper import FEATURES_SCHEMA
from forex_assets.market.prices import COPPER, USDCLP
from forex_assets.monitoring.drift import DRIFT_SCHEMA
from forex_assets.monitoring.trigger import DECISION_SCHEMA
from forex_assets.optimizer.tables import CANDIDATES_SCHEMA, VALIDATION_SCHEMA
from forex_assets.platform import Platform
from forex_assets.report.page import render_report
from forex_assets.report.tables import ReportTables

FILE: Final = "report/daily.html"


def report_tables(platform: Platform) -> ReportTables:
    """What the report is made from; tables that do not exist yet are left out, and so are those with a fault."""
    faults = list[str]()

    def of(key: str, schema: Schema, horizon: str | None = None) -> pl.DataFrame | None:
        try:
            return platform.warehouse.read(key, horizon, schema)
        except WarehouseError as error:  # one bad table is no reason to show none
            faults.append(str(error))
            return None

    def by_horizon(key: str, schema: Schema) -> dict[str, pl.DataFrame]:
        found = {horizon: of(key, schema, horizon) for horizon in HORIZONS}
        return {horizon: table for horizon, table in found.items() if table is not None and not table.is_empty()}

    def deployments() -> Iterator[tuple[str, DeploymentRecord]]:
        for horizon in HORIZONS:
            try:
                record = platform.deployments.latest(horizon)
            except WarehouseError as error:
                faults.append(str(error))
                continue
            if record is not None:
                yield horizon, record

    usdclp, copper = of(f"market/{USDCLP.name}", USDCLP_SCHEMA), of(f"market/{COPPER.name}", COPPER_SCHEMA)
    fans = by_horizon("forecasts/latest", FORECAST_SCHEMA)
    return ReportTables(
        as_of=platform.now,
        is_sample=platform.reading_branch == "sample",
        usdclp=usdclp,
        copper=copper,
        features=of("features/copper", FEATURES_SCHEMA),
        fans=fans,
        scorecard=of("accuracy/scorecard", SCORECARD_SCHEMA),
        drift=of("monitoring/drift_report", DRIFT_SCHEMA),
        decisions=by_horizon("monitoring/trigger_decision", DECISION_SCHEMA),
        candidates=by_horizon("optimizer/candidate_config", CANDIDATES_SCHEMA),
        validations=by_horizon("optimizer/validation_report", VALIDATION_SCHEMA),
        deployments=dict(deployments()),
        ages=_ages(platform, usdclp, copper, fans),
        sources={
            f"market/{series.name}": table["source"][-1]
            for series, table in ((USDCLP, usdclp), (COPPER, copper))
            if table is not None and not table.is_empty()
        },
        faults=tuple(faults),
    )


def _ages(
    platform: Platform, usdclp: pl.DataFrame | None, copper: pl.DataFrame | None, fans: dict[str, pl.DataFrame]
) -> dict[str, int | None]:
    """Sessions between each table's last row and the clock."""
    today, ages = platform.settings.as_of_date, dict[str, int | None]()
    for series, table in ((USDCLP, usdclp), (COPPER, copper)):
        has_rows = table is not None and not table.is_empty()
        ages[f"market/{series.name}"] = (
            platform.calendar(series).age(table["session"][-1], today) if has_rows and table is not None else None
        )
    for horizon in HORIZONS:
        fan = fans.get(horizon)
        ages[f"forecasts/latest/{horizon}"] = (
            None if fan is None else platform.calendar(USDCLP).age(fan["as_of"][-1], today)
        )
    return ages


def write_report(platform: Platform) -> Path:
    """Make the page anew and put it in its place; that of the day before stands until then.

    Returns:
        Its file.

    Raises:
        WarehouseError: it cannot be written.
    """
    path = platform.warehouse.root / FILE
    page = render_report(report_tables(platform), platform.settings.lang)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(path, page.encode())
    except OSError as error:
        raise WarehouseError(f"cannot write {path}: {error.strerror}; see to space and permissions") from error
    return path

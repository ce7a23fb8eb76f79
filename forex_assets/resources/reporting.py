"""The daily report from the tables that stand, for asset and command line."""

from pathlib import Path
from typing import Final

import polars as pl

from forex_assets.adapters.atomic import write_bytes_atomically
from forex_assets.adapters.report_page import render_report
from forex_assets.adapters.warehouse import WarehouseError
from forex_assets.domain.horizon import HORIZONS
from forex_assets.domain.market.prices import COPPER, USDCLP
from forex_assets.domain.reporting import ReportTables
from forex_assets.resources.platform import Platform

FILE: Final = "report/daily.html"


def report_tables(platform: Platform) -> ReportTables:
    """What the report is made from; tables that do not exist yet are left out."""
    warehouse = platform.warehouse

    def of(key: str) -> dict[str, pl.DataFrame]:
        found = {horizon: warehouse.read(key, horizon) for horizon in HORIZONS}
        return {horizon: table for horizon, table in found.items() if table is not None}

    usdclp, copper = (warehouse.read(f"market/{series.name}") for series in (USDCLP, COPPER))
    records = {horizon: platform.deployments.latest(horizon) for horizon in HORIZONS}
    return ReportTables(
        as_of=platform.now,
        is_sample=platform.reading_branch == "sample",
        usdclp=usdclp,
        copper=copper,
        features=warehouse.read("features/copper"),
        fans=of("forecasts/latest"),
        scorecard=warehouse.read("accuracy/scorecard"),
        drift=warehouse.read("monitoring/drift_report"),
        decisions=of("monitoring/trigger_decision"),
        candidates=of("optimizer/candidate_config"),
        validations=of("optimizer/validation_report"),
        deployments={horizon: record for horizon, record in records.items() if record is not None},
        ages=_ages(platform, usdclp, copper, of("forecasts/latest")),
        sources={
            f"market/{series.name}": table["source"][-1]
            for series, table in ((USDCLP, usdclp), (COPPER, copper))
            if table is not None and not table.is_empty()
        },
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

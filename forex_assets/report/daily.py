"""Reads the report's tables and writes its page."""

from pathlib import Path
from typing import Final

import polars as pl

from forex_assets.accuracy.scorecard import SCORECARD_SCHEMA
from forex_assets.core import names
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import COPPER_SCHEMA, FORECAST_SCHEMA, USDCLP_SCHEMA, Schema
from forex_assets.core.session import Session
from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.deployment.deployment_store import deployments_of
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.features.copper import FEATURES_SCHEMA
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries
from forex_assets.monitoring.drift import DRIFT_SCHEMA
from forex_assets.monitoring.trigger import DECISION_SCHEMA
from forex_assets.optimizer.tables import CANDIDATES_SCHEMA, VALIDATION_SCHEMA
from forex_assets.report.page import render_report
from forex_assets.report.tables import ReportTables

FILE: Final = "report/daily.html"


def report_tables(session: Session) -> ReportTables:
    """Reads the report's tables; a faulty one is left out and named."""
    faults = list[str]()

    def table(key: str, schema: Schema, horizon: str | None = None) -> pl.DataFrame | None:
        """The rows; None where there are none."""
        try:
            rows = session.tables.read(key, horizon, schema)
        except WarehouseError as error:
            faults.append(str(error))
            return None
        return None if rows is None or rows.is_empty() else rows

    def by_horizon(key: str, schema: Schema) -> dict[str, pl.DataFrame]:
        tables = {horizon: table(key, schema, horizon) for horizon in HORIZONS}
        return {horizon: rows for horizon, rows in tables.items() if rows is not None}

    def last_deployments() -> dict[str, DeploymentRecord]:
        records, store = dict[str, DeploymentRecord](), deployments_of(session)
        for horizon in HORIZONS:
            try:
                record = store.latest(horizon)
            except WarehouseError as error:
                faults.append(str(error))
                continue
            if record is not None:
                records[horizon] = record
        return records

    usdclp, copper = table(names.USDCLP, USDCLP_SCHEMA), table(names.COPPER, COPPER_SCHEMA)
    prices = {names.USDCLP: usdclp, names.COPPER: copper}
    fans = by_horizon(names.LATEST, FORECAST_SCHEMA)
    ages = {
        names.USDCLP: _age(session, USDCLP, usdclp, "session"),
        names.COPPER: _age(session, COPPER, copper, "session"),
    }
    ages |= {f"{names.LATEST}/{horizon}": _age(session, USDCLP, fans.get(horizon), "as_of") for horizon in HORIZONS}
    return ReportTables(
        as_of=session.now,
        is_sample=session.market == "sample",
        usdclp=usdclp,
        copper=copper,
        features=table(names.FEATURES, FEATURES_SCHEMA),
        fans=fans,
        scorecard=table(names.SCORECARD, SCORECARD_SCHEMA),
        drift=table(names.DRIFT_REPORT, DRIFT_SCHEMA),
        decisions=by_horizon(names.TRIGGER_DECISION, DECISION_SCHEMA),
        candidates=by_horizon(names.CANDIDATE_CONFIG, CANDIDATES_SCHEMA),
        validations=by_horizon(names.VALIDATION_REPORT, VALIDATION_SCHEMA),
        deployments=last_deployments(),
        ages=ages,
        sources={name: rows["source"][-1] for name, rows in prices.items() if rows is not None},
        faults=tuple(faults),
    )


def _age(session: Session, series: PriceSeries, rows: pl.DataFrame | None, column: str) -> int | None:
    """Trading days from the last row to the clock."""
    return None if rows is None else calendar_of(series).age(rows[column][-1], session.today)


def write_report(session: Session) -> Path:
    """Replaces the page and returns its file.

    Raises:
        WarehouseError: it cannot be written.
    """
    path = session.tables.root / FILE
    page = render_report(report_tables(session), session.settings.lang)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(path, page.encode(), through_link=False)
    except OSError as error:
        raise WarehouseError(f"cannot write {path}: {error.strerror}; check space and permissions") from error
    return path

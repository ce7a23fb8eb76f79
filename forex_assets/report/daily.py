"""Reads the report's tables and writes its page."""

import itertools
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePath
from typing import Any, Final

import polars as pl

from forex_assets.accuracy.scorecard import SCORECARD_SCHEMA
from forex_assets.core import names
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import (
    COPPER_SCHEMA,
    DRIVERS_SCHEMA,
    FORECAST_SCHEMA,
    USDCLP_SCHEMA,
    Schema,
)
from forex_assets.core.session import Session
from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.core.store.port import Store, Taken, WarehouseError
from forex_assets.deployment.deployment_store import deployments_of
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.desk.answers import Answer
from forex_assets.desk.configs_store import read_events
from forex_assets.desk.drivers_store import stored_fixings
from forex_assets.desk.events import Events
from forex_assets.desk.exposure_answer import exposure_answer
from forex_assets.desk.flows_file import flows_in
from forex_assets.desk.observado import Fixings
from forex_assets.desk.outlook import DeskError, Outlook
from forex_assets.desk.outlook_store import outlook_of
from forex_assets.features.copper import FEATURES_SCHEMA
from forex_assets.forecasts.ledger import LedgerError
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries
from forex_assets.market.quality import usable
from forex_assets.monitoring.drift import DRIFT_SCHEMA
from forex_assets.monitoring.trigger import DECISION_SCHEMA
from forex_assets.optimizer.tables import CANDIDATES_SCHEMA, VALIDATION_SCHEMA
from forex_assets.replay.tables import LOOP_SCHEMA
from forex_assets.report.formats import Language
from forex_assets.report.page import render_report
from forex_assets.report.tables import HeldBand, ReportTables

FILE: Final = "report/daily.html"
"""Newest page."""
KEPT: Final = "report/kept"
"""Folder of every page, by date and language."""
EXPOSURE: Final = "exposure.csv"
HELD_DAYS: Final = (1, 7)
"""Least age of the earlier fans, calendar days before the last close."""
CORRELATION: Final = "copper_usdclp_corr_90d"


class EmptyReport(WarehouseError):
    """There is nothing to show."""


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

    def prices(key: str, schema: Schema, series: PriceSeries) -> pl.DataFrame | None:
        rows = table(key, schema)
        return None if rows is None or (good := usable(rows, series)).is_empty() else good

    usdclp, copper = prices(names.USDCLP, USDCLP_SCHEMA, USDCLP), prices(names.COPPER, COPPER_SCHEMA, COPPER)
    fans, features = by_horizon(names.LATEST, FORECAST_SCHEMA), table(names.FEATURES, FEATURES_SCHEMA)
    drivers = table(names.DRIVERS, DRIVERS_SCHEMA)
    outlook = outlook_of(fans, session) if fans else None
    stored = {names.USDCLP: usdclp, names.COPPER: copper}
    return ReportTables(
        as_of=session.now,
        is_sample=session.market == "sample",
        outlook=outlook,
        usdclp=usdclp,
        copper=copper,
        drivers=None if drivers is None else drivers.filter(pl.col("available_at") <= session.now),
        copper_correlation=None if features is None else features[CORRELATION][-1],
        held=_held(session, usdclp, faults),
        fixings=_fixings(session, faults),
        events=_events(session, faults),
        exposure=None if outlook is None else _exposure(session, outlook, faults),
        scorecard=table(names.SCORECARD, SCORECARD_SCHEMA),
        drift=table(names.DRIFT_REPORT, DRIFT_SCHEMA),
        decisions=by_horizon(names.TRIGGER_DECISION, DECISION_SCHEMA),
        candidates=by_horizon(names.CANDIDATE_CONFIG, CANDIDATES_SCHEMA),
        validations=by_horizon(names.VALIDATION_REPORT, VALIDATION_SCHEMA),
        deployments=_deployments(session, faults),
        replays=by_horizon(names.REPLAY, LOOP_SCHEMA),
        ages={names.USDCLP: _age(session, USDCLP, usdclp), names.COPPER: _age(session, COPPER, copper)},
        sources={name: rows["source"][-1] for name, rows in stored.items() if rows is not None},
        faults=tuple(faults),
    )


def _fixings(session: Session, faults: list[str]) -> Fixings:
    """Published observados and their issued fans."""
    try:
        return stored_fixings(session)
    except WarehouseError as error:
        faults.append(str(error))
        return Fixings({})


def _age(session: Session, series: PriceSeries, rows: pl.DataFrame | None) -> int | None:
    """Trading days from the last row to the clock."""
    return None if rows is None else calendar_of(series).age(rows["session"][-1], session.today)


def _deployments(session: Session, faults: list[str]) -> dict[str, DeploymentRecord]:
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


def _events(session: Session, faults: list[str]) -> Events:
    try:
        return read_events(session)
    except DeskError as error:
        faults.append(str(error))
        return Events()


def _exposure(session: Session, outlook: Outlook, faults: list[str]) -> Answer | None:
    """Answer to the company's own flows; None without the file."""
    place = session.config_files.place(EXPOSURE)
    try:
        entry = session.config_files.get(EXPOSURE)
        if entry is None:
            return None
        return exposure_answer(outlook, flows_in(PurePath(place), entry.content), outlook.at, rates=None)
    except (DeskError, WarehouseError) as error:
        faults.append(f"{place}: {error}")
        return None


def _held(session: Session, usdclp: pl.DataFrame | None, faults: list[str]) -> tuple[HeldBand, ...]:
    """Bands issued a session and a week before the last close."""
    if usdclp is None:
        return ()
    last, close = usdclp["session"][-1], usdclp[USDCLP.value][-1]
    try:
        issued = LedgerStore(session.tables).read(HORIZONS[0])
    except (LedgerError, WarehouseError) as error:
        faults.append(str(error))
        return ()
    rows = issued.filter(~pl.col("is_shadow") & (pl.col("session") == last))
    bands = list[HeldBand]()
    for days in HELD_DAYS:
        earlier = rows.filter(pl.col("as_of") <= last - timedelta(days=days)).sort("as_of", "sequence")
        if not earlier.is_empty():
            bands.append(_band(earlier.row(-1, named=True), close))
    return tuple(dict.fromkeys(bands))


def _band(row: dict[str, Any], close: float) -> HeldBand:
    return HeldBand(row["as_of"], row["session"], close, row["q10"], row["q90"], row["q025"], row["q975"])


@dataclass(frozen=True)
class Written:
    """A page that was written: its place and content."""

    place: str
    content: bytes


def write_report(session: Session, language: Language | None = None, path: Path | None = None) -> Written:
    """Writes the page and keeps a copy by date and language.

    Args:
        language: None takes `FOREX_LANG`.
        path: a person's file for the page; None takes `report/daily.html` of the store, which is replaced.

    Raises:
        EmptyReport: there is neither a price nor a fan.
        WarehouseError: it cannot be written.
    """
    tables = report_tables(session)
    if tables.is_empty and not tables.faults:
        raise EmptyReport(
            f"nothing to report: no price and no forecast in {session.tables.place()}; run `forex-assets forecast`"
        )
    language = language or session.settings.lang
    content, store = render_report(tables, language).encode(), session.tables.records
    _keep(store, f"{KEPT}/{session.today}_{language}", content)
    if path is None:
        store.put(FILE, content)
        return Written(store.place(FILE), content)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(path, content)
    except OSError as error:
        raise WarehouseError(f"cannot write {path}: {error.strerror}; check space and permissions") from error
    return Written(str(path), content)


def _keep(store: Store, name: str, content: bytes) -> None:
    """Keeps a page under a free name; equal ones once."""
    keys = (f"{name}{'' if number == 1 else f'_{number}'}.html" for number in itertools.count(1))
    for key in keys:
        entry = store.get(key)
        if entry is not None and entry.content == content:
            break
        with suppress(Taken):
            store.create(key, content)
            break

"""Records of events, with pictures, pages, fan and settings."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from forex_assets.core import names
from forex_assets.core.code_version import code_version
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import FORECAST_SCHEMA
from forex_assets.core.session import Session
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.deployment.config_backups import BackupError, ConfigBackups
from forex_assets.forecasts.ledger import LedgerError
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.operations.tracking.mlflow_store import ActiveRun, Tracker
from forex_assets.operations.tracking.run_record import (
    Kind,
    RunRecord,
    finite,
    forecast_details,
    pictures_of,
    search_details,
    validation_details,
)
from forex_assets.optimizer.validation_pages import page_key

if TYPE_CHECKING:
    from forex_assets.core.dagster.run_records import EventRecord


def send_event(
    session: Session, tracker: Tracker, active_run: ActiveRun, base: RunRecord, event: "EventRecord"
) -> None:
    """Records an event; registers settings that it proposes or deploys.

    Args:
        base: id, kind, horizon and times of the record.

    Raises:
        TrackingError: the store cannot be used now, or the experiment was deleted.
    """
    record = record_of(session, base, event)
    tracker.send(record, active_run, partial(_register, session, tracker, record, event))


def _register(session: Session, tracker: Tracker, record: RunRecord, event: "EventRecord", run_id: str) -> None:
    """Registers the challenger of a validation or the champion of a deployment."""
    horizon = record.horizon
    champion, challenger = (str(event.metadata.get(name) or "") for name in (names.CHAMPION, names.CHALLENGER))
    model = f"usdclp{'-sample' if record.is_sample else ''}-{horizon}"
    if record.kind == "validation" and "report.json" in record.artifacts and champion != challenger:
        proposed = json.loads(record.artifacts["report.json"])["challenger_config"]
        tracker.challenged(model, challenger, json.dumps(proposed, indent=2), run_id)
    if record.kind == "deployment" and event.metadata.get(names.STATE) == "deployed":
        if not tracker.aliases(model) and (before := _config(session, horizon, champion)):
            tracker.deployed(model, champion, before, run_id)
        tracker.deployed(model, challenger, _config(session, horizon, challenger) or "{}", run_id)


def base_record(name: str, kind: Kind, horizon: str, event: "EventRecord", began: datetime) -> RunRecord:
    """Returns id, kind, horizon, market, status and times of an event's record."""
    is_sample = event.metadata.get(names.MARKET) == "sample" or "SAMPLE" in str(event.metadata.get("data", ""))
    return RunRecord(
        id=name,
        kind=kind,
        horizon=horizon,
        is_sample=is_sample,
        status="FAILED" if event.metadata.get(names.STATE) == "failed" else "FINISHED",
        started_at=min(began, event.written_at),
        ended_at=event.written_at,
    )


def record_of(session: Session, base: RunRecord, event: "EventRecord") -> RunRecord:
    """Returns an event's complete record."""
    pictures = pictures_of(event.metadata)
    plain = {k: v for k, v in event.metadata.items() if k not in (names.WORDS, "data") and f"{k}.png" not in pictures}
    whole = base.model_copy(
        update={
            "metrics": finite({name: value for name, value in plain.items() if "/" not in name}),
            "tags": {name: str(value)[:500] for name, value in plain.items() if isinstance(value, str | bool)}
            | {"dagster_run": event.run_id, "code_version": code_version()},
            "artifacts": {"words.txt": str(event.metadata.get(names.WORDS) or ""), **pictures},
        }
    )
    more = _details(session, base, event)
    merged = {name: getattr(whole, name) | more.get(name, {}) for name in ("params", "metrics", "tags", "artifacts")}
    return whole.model_copy(update={**merged, "children": more.get("children", ())})


def _details(session: Session, base: RunRecord, event: "EventRecord") -> dict[str, Any]:
    """Returns details by kind of event, without vanished tables."""
    if base.kind == "forecast":
        fan = _fan(session, base, event)
        return {} if fan is None else forecast_details(fan)
    if base.kind == "search":
        rows = _rows(event, "candidates")
        return search_details(rows, str(event.metadata.get(names.CHALLENGER)), base) if rows else {}
    if base.kind == "validation":
        rows = _rows(event, "criteria")
        more = validation_details(rows) if rows else {"artifacts": {}}
        return {**more, "artifacts": more["artifacts"] | _pages(session, base, event)}
    config = _config(session, base.horizon, str(event.metadata[names.CHALLENGER]))
    return {"artifacts": {"config.json": config}} if config else {}


def _rows(event: "EventRecord", name: str) -> list[dict[str, Any]]:
    """Returns the rows of a table in an event's metadata."""
    return [dict(row.data) for row in getattr(event.metadata.get(name), "records", [])]


def _fan(session: Session, base: RunRecord, event: "EventRecord") -> pl.DataFrame | None:
    """Returns an event's fan from the latest forecast, else from the ledger."""
    warehouse = session.sample_tables if base.is_sample else session.live_tables
    wanted = [
        pl.col(name).cast(pl.String) == str(event.metadata.get(name))
        for name in ("data_fingerprint", "config_fingerprint", "target_date")
    ]
    latest = partial(warehouse.read, names.LATEST, schema=FORECAST_SCHEMA)
    for read in (latest, LedgerStore(warehouse).read):
        try:
            table = read(base.horizon)
        except (LedgerError, WarehouseError):
            continue  # Whoever needs the damaged table reports it; the run is recorded without its fan.
        fan = None if table is None else table.filter(wanted)
        if fan is not None and not fan.is_empty():
            return fan.filter(pl.col("sequence") == pl.col("sequence").max()) if "sequence" in fan.columns else fan
    return None


def _pages(session: Session, base: RunRecord, event: "EventRecord") -> dict[str, str | bytes]:
    """Returns a validation's HTML page and JSON report, where they exist."""
    validation_id = str(event.metadata.get(names.VALIDATION_ID) or "")
    if not validation_id:
        return {}
    warehouse = session.sample_tables if base.is_sample else session.live_tables
    stem = page_key(base.horizon, validation_id)
    entries = {f"report{suffix}": warehouse.records.get(f"{stem}{suffix}") for suffix in (".html", ".json")}
    return {name: entry.content for name, entry in entries.items() if entry is not None}


def _config(session: Session, horizon: str, fingerprint: str) -> str | None:
    """Returns settings by fingerprint, current or from a backup."""
    for text in _config_texts(session, horizon):
        try:
            if InferenceConfig.model_validate_json(text).fingerprint == fingerprint:
                return text
        except ValueError:
            continue
    return None


def _config_texts(session: Session, horizon: str) -> Iterator[str]:
    """Yields the current config's text, then backups'; unreadable ones are skipped."""
    backups = ConfigBackups(session.config_files)
    with suppress(WarehouseError):  # another reading of it tells; the backups may hold the settings
        current = session.config_files.get(session.configs.key(horizon))
        if current is not None:
            yield current.content.decode(errors="replace")
    for backup in backups.all(horizon):
        try:
            yield backups.content(horizon, backup.name).decode()
        except (WarehouseError, ValueError, BackupError):
            continue

"""Records events in MLflow after the fact, in its own process.

Dagster's records are the spool: what was sent is marked, what was not is found again. A run that is sent twice, because
a sender was killed between the two, is kept once.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.code_version import code_version
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.keys import table_key
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.dagster.run_records import PARTITION_TAG, EventRecord, forecasts_of, records
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import FORECAST_SCHEMA
from forex_assets.core.session import Session
from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.deployment.config_backups import BackupError, ConfigBackups
from forex_assets.deployment.deployment_store import deployments_of
from forex_assets.deployment.event_records import deployments
from forex_assets.forecasts.ledger import LedgerError
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.operations.tracking.mlflow_store import Tracker, TrackingError
from forex_assets.operations.tracking.resources import tracker_of
from forex_assets.operations.tracking.run_record import (
    Kind,
    RunRecord,
    finite,
    forecast_details,
    pictures_of,
    search_details,
    validation_details,
)

KINDS: Final[dict[Kind, dg.AssetKey]] = {
    "forecast": keys.LATEST, "search": keys.CANDIDATE_CONFIG, "validation": keys.VALIDATION_REPORT
}  # fmt: skip
"""Assets by kind of event.

Deployments are read from their own records, rollbacks included.
"""

MARKS: Final = "sent.json"
BEGINNING: Final = 50
"""Events recorded at first, for each kind and horizon."""

RELAUNCH_S: Final = 600
FAILED, STORE = "failed", "store"


def waiting(
    session: Session, instance: dg.DagsterInstance, marks: dict[str, Any], beginning: int | None = BEGINNING
) -> Iterator[tuple[Kind, str, EventRecord]]:
    """Events not recorded yet, oldest first by kind and horizon.

    Args:
        session: whose deployments.
        instance: whose records.
        marks: up to where each kind and horizon was sent.
        beginning: how many where there is no mark; None for all.

    Raises:
        WarehouseError: a deployment's record cannot be read; what comes before it has been given.
    """
    for kind, key in KINDS.items():
        for horizon in HORIZONS:
            mark = int(marks.get(f"{kind}/{horizon}", 0))
            found = records(instance, key, horizon, after=mark)
            newest = list(found if mark else islice(found, beginning))
            yield from ((kind, horizon, each) for each in reversed(newest))
    for horizon in HORIZONS:
        mark = int(marks.get(f"deployment/{horizon}", 0))
        for each in reversed(list(deployments(deployments_of(session), horizon, after=mark))):
            if (each.metadata[names.STATE], each.metadata["by"]) != ("failed", "loop"):  # that failed its run
                market = {names.MARKET: session.market}
                yield "deployment", horizon, replace(each, metadata=each.metadata | market)


def send_waiting(session: Session, instance: dg.DagsterInstance, *, is_repair: bool = False) -> tuple[int, str]:
    """Records waiting events; returns their number and a fault.

    Args:
        session: whose runs.
        instance: whose records.
        is_repair: look at everything that there ever was, whatever the marks say.

    Returns:
        A count, and a reason that is empty where all was sent.
    """
    tracker, count = tracker_of(session), 0
    try:
        marks = {} if is_repair else marks_of(tracker)
        # Without marks of this very store nobody knows what it holds: none is kept twice, nor again once it was pruned.
        known = set() if marks else tracker.recorded()
        marks = {STORE: tracker.identity(), **marks}
        for name in _send_failures(session, tracker, instance, marks, known, is_repair=is_repair):
            count += name not in known
        for kind, horizon, each in waiting(session, instance, marks, None if is_repair else BEGINNING):
            if _name(kind, horizon, each) not in known:
                _send(session, tracker, instance, kind, horizon, each)
                count += 1
            marks[f"{kind}/{horizon}"] = each.place
            _mark(tracker, marks)
    except (TrackingError, WarehouseError) as error:
        return count, str(error)
    return count, ""


def marks_of(tracker: Tracker) -> dict[str, Any]:
    """Marks of what this store has.

    Nothing where the note is lost or another store's.
    """
    try:
        noted = json.loads((tracker.folder / MARKS).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return noted if isinstance(noted, dict) and noted.get(STORE) == tracker.identity() else {}


def _mark(tracker: Tracker, marks: dict[str, Any]) -> None:
    write_bytes_atomically(tracker.folder / MARKS, json.dumps(marks).encode())


def _name(kind: Kind, horizon: str, event: EventRecord) -> str:
    """The record's id."""
    return f"{kind}/{horizon}/{event.id}"


def record_of(
    session: Session, instance: dg.DagsterInstance, kind: Kind, horizon: str, event: EventRecord
) -> RunRecord:
    """Run record of one event, with plots, pages and fan."""
    run = instance.get_run_record_by_id(event.run_id) if event.run_id else None
    began = datetime.fromtimestamp(run.start_time, UTC) if run and run.start_time else event.written_at
    pictures = pictures_of(event.metadata)
    own = {k: v for k, v in event.metadata.items() if k not in (names.WORDS, "data") and f"{k}.png" not in pictures}
    base = RunRecord(
        id=_name(kind, horizon, event),
        kind=kind,
        horizon=horizon,
        is_sample=_is_sample(event),
        status="FAILED" if event.metadata.get(names.STATE) == FAILED else "FINISHED",
        started_at=min(began, event.written_at),
        ended_at=event.written_at,
        metrics=finite({name: value for name, value in own.items() if "/" not in name}),
        tags={name: str(value)[:500] for name, value in own.items() if isinstance(value, str | bool)}
        | {"dagster_run": event.run_id, "code_version": code_version()},
        artifacts={"words.txt": str(event.metadata.get(names.WORDS) or ""), **pictures},
    )
    more = _details(session, base, event)
    merged = {name: getattr(base, name) | more.get(name, {}) for name in ("params", "metrics", "tags", "artifacts")}
    return base.model_copy(update={**merged, "children": more.get("children", ())})


def _is_sample(event: EventRecord) -> bool:
    return event.metadata.get(names.MARKET) == "sample" or "SAMPLE" in str(event.metadata.get("data", ""))


def _details(session: Session, base: RunRecord, event: EventRecord) -> dict[str, Any]:
    """Details by kind of event; vanished data is left out."""
    if base.kind == "forecast":
        fan = _fan(session, base, event)
        return {} if fan is None else forecast_details(fan)
    if base.kind == "search":
        rows = _rows(event, "candidates")
        plain = base.model_copy(update={"tags": {}, "artifacts": {}, "metrics": {}})
        return search_details(rows, str(event.metadata.get(names.CHALLENGER)), plain) if rows else {}
    if base.kind == "validation":
        rows, pages = _rows(event, "criteria"), _pages(event)
        more = validation_details(rows) if rows else {"artifacts": {}}
        return {**more, "artifacts": more["artifacts"] | pages}
    config = _config(session, base.horizon, str(event.metadata[names.CHALLENGER]))
    return {"artifacts": {"config.json": config}} if config else {}


def _rows(event: EventRecord, name: str) -> list[dict[str, Any]]:
    """A small table of an event's metadata."""
    table = event.metadata.get(name)
    return [dict(row.data) for row in table.records] if isinstance(table, dg.TableMetadataValue) else []


def _fan(session: Session, base: RunRecord, event: EventRecord) -> pl.DataFrame | None:
    """Fan of an event: the latest table, else the ledger."""
    warehouse = session.sample_tables if base.is_sample else session.live_tables
    wanted = [
        pl.col(name).cast(pl.String) == str(event.metadata.get(name))
        for name in ("data_fingerprint", "config_fingerprint", "target_date")
    ]
    latest = partial(warehouse.read, table_key(keys.LATEST), schema=FORECAST_SCHEMA)
    for read in (latest, LedgerStore(warehouse).read):
        try:
            table = read(base.horizon)
        except (LedgerError, WarehouseError):
            continue  # a table that cannot be used is named by whoever needs it; the run is recorded without its fan
        fan = None if table is None else table.filter(wanted)
        if fan is not None and not fan.is_empty():
            return fan.filter(pl.col("sequence") == pl.col("sequence").max()) if "sequence" in fan.columns else fan
    return None


def _pages(event: EventRecord) -> dict[str, str | bytes]:
    """A validation's page for people, and its report for programs."""
    page = Path(str(event.metadata.get("page") or ""))
    found = {f"report{path.suffix}": path for path in (page, page.with_suffix(".json")) if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items()} if page.suffix == ".html" else {}


def _config(session: Session, horizon: str, fingerprint: str) -> str | None:
    """Settings by fingerprint, current or backed up, else None."""
    backups = ConfigBackups(session.settings.configs)
    readings = [session.configs.path(horizon).read_text]
    readings += [partial(_backup, backups, horizon, each.name) for each in backups.all(horizon)]
    for reading in readings:
        try:
            text = reading()
            if InferenceConfig.model_validate_json(text).fingerprint == fingerprint:
                return text
        except (OSError, ValueError, BackupError):
            continue  # a damaged one is not the one that is looked for
    return None


def _backup(backups: ConfigBackups, horizon: str, name: str) -> str:
    return backups.content(horizon, name).decode()


def _send(
    session: Session, tracker: Tracker, instance: dg.DagsterInstance, kind: Kind, horizon: str, event: EventRecord
) -> None:
    """Records one event and updates the registry."""
    record = record_of(session, instance, kind, horizon, event)
    run_id = tracker.send(record)
    champion, challenger = (str(event.metadata.get(name) or "") for name in (names.CHAMPION, names.CHALLENGER))
    model = f"usdclp{'-sample' if record.is_sample else ''}-{horizon}"
    if kind == "validation" and "report.json" in record.artifacts and champion != challenger:
        found = json.loads(record.artifacts["report.json"])["challenger_config"]
        tracker.challenged(model, challenger, json.dumps(found, indent=2), run_id)
    if kind == "deployment" and event.metadata.get(names.STATE) == "deployed":
        if not tracker.aliases(model) and (before := _config(session, horizon, champion)):
            tracker.deployed(model, champion, before, run_id)
        tracker.deployed(model, challenger, _config(session, horizon, challenger) or "{}", run_id)


def _send_failures(
    session: Session,
    tracker: Tracker,
    instance: dg.DagsterInstance,
    marks: dict[str, Any],
    known: set[str],
    *,
    is_repair: bool,
) -> Iterator[str]:
    """Records runs that failed since the last look."""
    noted = marks.get(FAILED)
    since = datetime.fromisoformat(str(noted)) if noted else datetime.now(UTC) - timedelta(days=1)
    wanted = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE], updated_after=None if is_repair else since.astimezone(UTC)
    )
    is_sample = session.market == "sample"
    for each in sorted(instance.get_run_records(wanted), key=lambda found: found.update_timestamp):
        ended = each.update_timestamp.replace(tzinfo=each.update_timestamp.tzinfo or UTC)
        made = forecasts_of(instance, each.dagster_run.run_id)
        for kind, horizon in _what_failed(each.dagster_run):
            if horizon in made:  # it failed for another horizon's sake
                continue
            began = datetime.fromtimestamp(each.start_time, UTC) if each.start_time else ended
            tags = {"dagster_run": each.dagster_run.run_id, "job": each.dagster_run.job_name}
            name = f"{FAILED}/{each.dagster_run.run_id}/{horizon}"
            if name not in known:
                tracker.send(
                    RunRecord(
                        id=name,
                        kind=kind,
                        horizon=horizon,
                        is_sample=is_sample,
                        status="FAILED",
                        started_at=began,
                        ended_at=ended,
                        tags=tags,
                    )
                )
            yield name
        marks[FAILED] = ended.isoformat()
        _mark(tracker, marks)


def _what_failed(run: dg.DagsterRun) -> list[tuple[Kind, str]]:
    """Kind and horizons of a failed run."""
    chosen = run.asset_selection or frozenset[dg.AssetKey]()
    jobs: dict[str, Kind] = {
        names.FORECAST_JOB: "forecast", names.OPTIMIZE_JOB: "search", names.DEPLOY_JOB: "deployment"
    }  # fmt: skip
    kind = jobs.get(run.job_name) or next((name for name, key in KINDS.items() if key in chosen), None)
    first = run.tags.get("dagster/asset_partition_range_start", run.tags.get(PARTITION_TAG))
    last = run.tags.get("dagster/asset_partition_range_end", first)
    order = list(HORIZONS)
    if kind is None or first not in order or last not in order:
        return []
    return [(kind, horizon) for horizon in order[order.index(str(first)) : order.index(str(last)) + 1]]


@dg.op(description="Sends to MLflow what Dagster has recorded since the last time; what cannot be sent waits.")
def send_to_mlflow(context: dg.OpExecutionContext, session: SessionResource) -> None:
    """Records waiting events; an unreachable store ends in SUCCESS."""
    count, reason = send_waiting(session.session(), context.instance)
    if reason:
        context.log.warning(reason)
    context.add_output_metadata({"sent": count, "waits_for": reason or "nothing"})


@dg.job(name=names.TRACKING_JOB, executor_def=dg.in_process_executor, description="Runs into MLflow, after the fact.")
def track_runs() -> None:
    """One op."""
    send_to_mlflow()


@dg.sensor(
    job_name=names.TRACKING_JOB,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches a sending to MLflow when something is new; forecasts know nothing of it.",
)
def record_runs(context: dg.SensorEvaluationContext, session: SessionResource) -> dg.SensorResult:
    """Reads Dagster's records and the note of what was sent."""
    ready, newest = session.session(), dict[str, int]()
    marks = marks_of(tracker_of(ready))
    try:
        for kind, horizon, each in waiting(ready, context.instance, marks):
            newest[f"{kind}/{horizon}"] = each.place
    except WarehouseError as error:
        context.log.warning(str(error))
    if not newest:
        return dg.SensorResult(skip_reason="nothing new")
    bucket = int(datetime.now(UTC).timestamp()) // RELAUNCH_S
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"{max(newest.values())}/{len(newest)}/{bucket}")])

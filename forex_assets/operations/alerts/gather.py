"""What the records say that people are to be told of. Metadata and runs only: no table is read here.

An event's id comes from the record that it is about, so that a record that is read twice makes the same event.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dagster as dg

from forex_assets.core import names
from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.run_records import MARKET_KEYS, EventRecord, is_fallback, records
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.deployment.deployment_store import DeploymentStore
from forex_assets.deployment.event_records import deployments
from forex_assets.operations.alerts.delivery import LOOK_BACK
from forex_assets.operations.alerts.events import Event, Kind

SILENT_FOR: Final = timedelta(days=4)
"""Prices that nothing has brought in for so long are stale: the schedule leaves three days at most, over a weekend."""

FRESHNESS_CHECKS: Final = ("is_current", "is_not_stale")
RUNS: Final = "runs"
PAGE: Final = 100

LEFT_OUT: Final = {names.WORDS, names.CLOCK, names.MARKET, names.FIRES, "path", "plot", "data"}
"""Metadata that is said elsewhere in an event, or is no figure."""

Marks = dict[str, int]
"""Up to which place each stream of records was read, by its name."""

_VERDICTS: Final[dict[str, tuple[Kind, str]]] = {
    "approved": ("validation passed", "the settings that were found may go live"),
    "rejected": ("validation failed", "the settings that were found are no better; nothing changes"),
    "inconclusive": ("validation inconclusive", "past dates cannot tell which settings are better; nothing changes"),
}


@dataclass(frozen=True)
class Reader:
    """Reads records from where the last look ended.

    Args:
        instance: whose records.
        store: records of deployments and rollbacks.
        marks: up to where each stream was read; a stream without one begins a day back.
        now: real time.
        is_sample: whether the platform stands on the generated market, for records that do not say.
    """

    instance: dg.DagsterInstance
    store: DeploymentStore
    marks: Marks
    now: datetime
    is_sample: bool

    def new(self, stream: str, key: dg.AssetKey, horizon: str | None = None) -> list[EventRecord]:
        """Materializations since the last look, newest first; moves the stream's mark."""
        mark = self.marks.get(stream, 0)
        return list(self._since(stream, records(self.instance, key, horizon, after=mark, page=10)))

    def deployed(self, horizon: str) -> list[EventRecord]:
        """Deployments and rollbacks since the last look, whoever made them; moves the stream's mark."""
        stream = f"deployments/{horizon}"
        return list(self._since(stream, deployments(self.store, horizon, after=self.marks.get(stream, 0))))

    def _since(self, stream: str, found: Iterator[EventRecord]) -> Iterator[EventRecord]:
        """Records as far as a day back where the stream has no mark yet."""
        mark = self.marks.get(stream, 0)
        for record in found:
            if not mark and record.written_at < self.now - LOOK_BACK:
                break
            self.marks[stream] = max(record.place, self.marks.get(stream, 0))
            yield record

    def event(self, kind: Kind, record: EventRecord, name: str, title: str, horizon: str | None) -> Event:
        """An event on a record."""
        market = record.metadata.get(names.MARKET)
        return Event(
            id=f"{kind}/{name}",
            kind=kind,
            horizon=horizon,
            title=title,
            words=str(record.metadata.get(names.WORDS) or ""),
            figures=_figures(record.metadata),
            happened_at=record.written_at,
            is_sample=self.is_sample if market is None else market == "sample",
        )


def gathered(reader: Reader) -> list[Event]:
    """Everything since the last look; moves the reader's marks."""
    events = list[Event]()
    for horizon in HORIZONS:
        for key, read in _BY_HORIZON:
            for record in reader.new(f"{key.to_user_string()}/{horizon}", key, horizon):
                event = read(reader, record, horizon)
                events += [event] if event else []
        events += _deployments(reader, horizon)
    for key in MARKET_KEYS:
        events += _fallbacks(reader, key)
        events += _stale(reader, key)
    return events + _failed_runs(reader)


def _triggered(reader: Reader, record: EventRecord, horizon: str) -> Event | None:
    if not record.fires:
        return None
    reasons = ", ".join(record.names(names.REASONS))
    title = f"{horizon}: a search for better settings, by {reasons}"
    return reader.event("triggered", record, record.id, title, horizon)


def _validated(reader: Reader, record: EventRecord, horizon: str) -> Event | None:
    said = _VERDICTS.get(str(record.metadata.get(names.VERDICT)))
    return said and reader.event(said[0], record, record.id, f"{horizon}: {said[1]}", horizon)


def _deployments(reader: Reader, horizon: str) -> list[Event]:
    """Deployments and rollbacks; a record that cannot be read is an event a day, and hides no other event."""
    try:
        found = [_deployed(reader, record, horizon) for record in reader.deployed(horizon)]
    except WarehouseError as error:
        day = reader.now.astimezone(SANTIAGO).date()
        title = f"{horizon}: the records of deployments cannot be read"
        return [
            Event(
                id=f"run failed/deployments/{horizon}/{day}",
                kind="run failed",
                horizon=horizon,
                title=title,
                words=str(error),
                happened_at=reader.now,
                is_sample=reader.is_sample,
            )
        ]
    return [event for event in found if event]


def _deployed(reader: Reader, record: EventRecord, horizon: str) -> Event | None:
    """What was refused or changed nothing is no event; what the disk or a lock stopped is a failure.

    A deployment of the loop that fails fails its run, which is told of as a run.
    """
    match record.metadata[names.STATE], record.metadata[names.KIND], record.metadata["by"]:
        case "deployed", "rollback", _:
            return reader.event(
                "rolled back", record, record.id, f"{horizon}: earlier settings are live again", horizon
            )
        case "deployed", _, _:
            return reader.event("deployed", record, record.id, f"{horizon}: new settings are live", horizon)
        case "failed", kind, by if by != "loop":
            return reader.event(
                "run failed", record, record.id, f"{horizon}: the {kind} failed; see its words", horizon
            )
    return None


def _watched(reader: Reader, record: EventRecord, horizon: str) -> Event | None:
    """One event a deployment and state; while it is watched, one for each further failure."""
    name = str(record.metadata.get(names.DEPLOYMENT_ID) or record.id)
    failures = record.metadata.get(names.FAILURES)
    match record.metadata.get(names.STATE):
        case "rollback proposed":
            title = f"{horizon}: the new settings are worse; decide on a rollback"
            return reader.event("watch failing", record, f"{name}/proposed", title, horizon)
        case "rollback refused":
            title = f"{horizon}: the new settings fail and cannot be taken back by themselves"
            return reader.event("watch failing", record, f"{name}/refused", title, horizon)
        case "watching" if isinstance(failures, int) and failures > 0:
            title = f"{horizon}: trial forecasts of the new settings fail"
            return reader.event("watch failing", record, f"{name}/{failures}", title, horizon)
    return None


_BY_HORIZON: Final[tuple[tuple[dg.AssetKey, Callable[[Reader, EventRecord, str], Event | None]], ...]] = (
    (keys.TRIGGER_DECISION, _triggered),
    (keys.VALIDATION_REPORT, _validated),
    (keys.DEPLOYMENT_WATCH, _watched),
)


def _fallbacks(reader: Reader, key: dg.AssetKey) -> list[Event]:
    """One event a series and day in Santiago, however often prices are asked for."""
    name, events = key.to_user_string(), list[Event]()
    for record in reader.new(f"{name}/fallback", key):
        if is_fallback(record):
            day = record.written_at.astimezone(SANTIAGO).date()
            title = f"{name}: prices did not come from the first source"
            events.append(reader.event("fallback in use", record, f"{name}/{day}", title, None))
    return events


def _stale(reader: Reader, key: dg.AssetKey) -> list[Event]:
    """One event a series and day: what the last checks said, else that nothing brings prices in any more."""
    name = key.to_user_string()
    today = reader.now.astimezone(SANTIAGO).date()
    newest = next(records(reader.instance, key, page=1), None)
    if newest is None:
        return []
    is_sample = newest.metadata.get("source") == SAMPLE_SOURCE
    for check in FRESHNESS_CHECKS:
        found = reader.instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(key, check))
        if found is None or found.evaluation is None or found.evaluation.passed:
            continue
        at = datetime.fromtimestamp(found.create_timestamp, UTC)
        words = found.evaluation.description or ""
        event_id = f"stale data/{name}/{at.astimezone(SANTIAGO).date()}"
        return [_about_prices(event_id, f"{name}: the last price is old", words, at, is_sample=is_sample)]
    if reader.now - newest.written_at > SILENT_FOR:
        words = f"Last brought in {newest.written_at:%Y-%m-%d %H:%M} UTC; is refresh_market_on_weekdays on?"
        event_id = f"stale data/{name}/silent/{today}"
        title = f"{name}: nothing brings prices in any more"
        return [_about_prices(event_id, title, words, reader.now, is_sample=is_sample)]
    return []


def _about_prices(name: str, title: str, words: str, at: datetime, *, is_sample: bool) -> Event:
    return Event(id=name, kind="stale data", title=title, words=words, happened_at=at, is_sample=is_sample)


def _failed_runs(reader: Reader) -> list[Event]:
    """Runs that failed, of every code location and of the command line; those of this delivery itself are left out."""
    mark, events = reader.marks.get(RUNS, 0), list[Event]()
    wanted = dg.RunStatusChangeRecordsFilter(
        dg.DagsterEventType.RUN_FAILURE,
        after_storage_id=mark or None,
        after_timestamp=None if mark else (reader.now - LOOK_BACK).timestamp(),
    )
    cursor = None
    while True:
        found = reader.instance.fetch_run_status_changes(wanted, limit=PAGE, cursor=cursor, ascending=True)
        for each in found.records:
            reader.marks[RUNS] = max(each.storage_id, reader.marks.get(RUNS, 0))
            run = reader.instance.get_run_by_id(each.run_id)
            if run is not None and run.job_name != names.ALERT_JOB:
                events.append(_failed_run(reader, run, each))
        if not found.has_more:
            return events
        cursor = found.cursor


def _failed_run(reader: Reader, run: dg.DagsterRun, failure: dg.EventLogRecord) -> Event:
    horizon = run.tags.get("dagster/partition")
    said = failure.event_log_entry.dagster_event
    figures = {"run": run.run_id, "assets": ", ".join(sorted(k.to_user_string() for k in run.asset_selection or ()))}
    figures |= {name: run.tags[name] for name in sorted(run.tags) if name.startswith("forex/")}
    return Event(
        id=f"run failed/{run.run_id}",
        kind="run failed",
        horizon=horizon if horizon in HORIZONS else None,
        title=f"{_job_words(run)} failed",
        words=_reason(reader.instance, run.run_id) or (said.message if said and said.message else ""),
        figures={name: value for name, value in figures.items() if value},
        happened_at=datetime.fromtimestamp(failure.timestamp, UTC),
        is_sample=reader.is_sample,
    )


def _job_words(run: dg.DagsterRun) -> str:
    """Dagster's name for a run of assets chosen by hand or by a condition says nothing to people."""
    return "a run of assets" if run.job_name.startswith("__") else run.job_name


def _reason(instance: dg.DagsterInstance, run_id: str) -> str:
    """The first failed step's own words."""
    failures = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1).records
    if not failures or failures[0].event_log_entry.dagster_event is None:
        return ""
    data: Any = failures[0].event_log_entry.dagster_event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return "" if error is None else str(error.message).strip()


def _figures(metadata: dict[str, Any]) -> dict[str, str]:
    """Short plain values, as people read them."""
    shown = dict[str, str]()
    for name, value in metadata.items():
        if name in LEFT_OUT or name.startswith("dagster/") or not isinstance(value, str | int | float):
            continue
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
        if text and text != "none" and len(text) <= 200:
            shown[name.replace("_", " ")] = text
    return shown

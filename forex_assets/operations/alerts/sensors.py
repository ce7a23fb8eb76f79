"""Gathers events into the outbox and launches their delivery.

No sensor contacts a server.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar

import dagster as dg

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.dagster.run_records import (
    MARKET_KEYS,
    PARTITION_TAG,
    EventRecord,
    end_dead_runs,
    is_fallback,
    records,
)
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.core.session import Session
from forex_assets.deployment.deployment_store import deployments_of
from forex_assets.deployment.event_records import deployments
from forex_assets.operations.alerts import gather
from forex_assets.operations.alerts.delivery import LOOK_BACK
from forex_assets.operations.alerts.events import Event
from forex_assets.operations.alerts.send import ids_of, notifier_of

Clock = Callable[[], datetime]
Record = TypeVar("Record")
Marks = dict[str, int]
"""Last place read in each stream of records, by the stream's name."""

RELAUNCH_S: Final = 600
"""Seconds after which a delivery that left no result is launched again."""

FRESHNESS_CHECKS: Final = ("is_current", "is_not_stale")
RUNS: Final = "runs"
PAGE: Final = 100

_BY_HORIZON: Final[tuple[tuple[dg.AssetKey, Callable[[EventRecord, str, bool], Event | None]], ...]] = (
    (keys.TRIGGER_DECISION, gather.decision_event),
    (keys.VALIDATION_REPORT, gather.validation_event),
    (keys.DEPLOYMENT_WATCH, gather.watch_event),
)


def _real_time() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Reader:
    """Reads new records and moves the marks.

    Args:
        marks: last place read in each stream; a stream without one begins a day back.
        now: real time.
    """

    instance: dg.DagsterInstance
    session: Session
    marks: Marks
    now: datetime

    def events(self) -> list[Event]:
        """Events of all new records.

        A record, file or stream that cannot be read is an event of its own and hides no other.
        """
        is_sample, events = self.session.market == "sample", list[Event]()
        try:
            end_dead_runs(self.instance, self.now)  # first, so that they become events as failed runs
        except Exception as error:  # noqa: BLE001 - told as an event; the others are gathered
            events.append(gather.unreadable_event("runs in progress", error, self.now))
        for horizon in HORIZONS:
            for key, event_of in _BY_HORIZON:
                stream = f"{key.to_user_string()}/{horizon}"
                make = partial(_of_horizon, event_of, horizon, is_sample)
                events += self._told(stream, self._new(stream, key, horizon), make)
            events += self._deployments(horizon, is_sample)
        for key in MARKET_KEYS:
            series = key.to_user_string()
            fallbacks = filter(is_fallback, self._new(f"{series}/fallback", key))
            make_fallback = partial(gather.fallback_event, series=series, is_sample=is_sample)
            events += self._told(f"{series}/fallback", fallbacks, make_fallback)
            events += self._told(f"{series}/checks", iter([key]), self._stale)
        levels = keys.LEVELS.to_user_string()
        crossings = (crossing for record in self._new(levels, keys.LEVELS) for crossing in gather.crossings(record))
        events += self._told(levels, crossings, partial(gather.level_event, is_sample=is_sample))
        return events + self._told(RUNS, self._failures(), partial(self._failed_run, is_sample=is_sample))

    def _told(self, stream: str, records: Iterator[Record], make: Callable[[Record], Event | None]) -> list[Event]:
        """Events of a stream, and one for each record that gives none."""
        events = list[Event]()
        while True:
            place = "the next record"
            try:
                record = next(records, None)
                if record is None:
                    return events
                place = getattr(record, "id", place)
                event = make(record)
                events += [event] if event is not None else []
            except Exception as error:  # noqa: BLE001 - any fault of a record becomes an event
                events.append(gather.unreadable_event(f"{stream}: {place}", error, self.now))
                if place == "the next record":  # a broken reader ends
                    return events

    def _new(self, stream: str, key: dg.AssetKey, horizon: str | None = None) -> Iterator[EventRecord]:
        mark = self.marks.get(stream, 0)
        return self._since(stream, records(self.instance, key, horizon, after=mark, page=10))

    def _since(self, stream: str, newest_first: Iterator[EventRecord]) -> Iterator[EventRecord]:
        mark = self.marks.get(stream, 0)
        for record in newest_first:
            if not mark and record.written_at < self.now - LOOK_BACK:
                break
            self.marks[stream] = max(record.place, self.marks.get(stream, 0))
            yield record

    def _deployments(self, horizon: str, is_sample: bool) -> list[Event]:
        """Events of deployments and rollbacks, and of records that cannot be used."""
        stream, store = f"deployments/{horizon}", deployments_of(self.session)
        make = partial(gather.deployment_event, horizon=horizon, is_sample=is_sample)
        new = self._since(stream, deployments(store, horizon, after=self.marks.get(stream, 0)))
        faults = iter(store.faults(horizon))
        broken = partial(gather.unreadable_deployment_event, horizon=horizon, now=self.now, is_sample=is_sample)
        return self._told(stream, new, make) + self._told(stream, faults, broken)

    def _stale(self, key: dg.AssetKey) -> Event | None:
        """The event of old prices, by check or last update."""
        newest = next(records(self.instance, key, page=1), None)
        if newest is None:
            return None
        is_sample = newest.metadata.get("source") == SAMPLE_SOURCE
        for name in FRESHNESS_CHECKS:
            check = self.instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(key, name))
            evaluation = check.evaluation if check is not None else None
            # A run that dies before its checks leaves a planned evaluation, which has no result.
            if check is not None and isinstance(evaluation, dg.AssetCheckEvaluation) and not evaluation.passed:
                at = datetime.fromtimestamp(check.create_timestamp, UTC)
                return gather.stale_event(key.to_user_string(), evaluation.description or "", at, is_sample)
        return gather.silent_event(key.to_user_string(), newest.written_at, self.now, is_sample)

    def _failures(self) -> Iterator[dg.EventLogRecord]:
        """New failed runs of all code locations."""
        mark = self.marks.get(RUNS, 0)
        failures = dg.RunStatusChangeRecordsFilter(
            dg.DagsterEventType.RUN_FAILURE,
            after_storage_id=mark or None,
            after_timestamp=None if mark else (self.now - LOOK_BACK).timestamp(),
        )
        cursor, has_more = None, True
        while has_more:
            page = self.instance.fetch_run_status_changes(failures, limit=PAGE, cursor=cursor, ascending=True)
            for failure in page.records:
                self.marks[RUNS] = max(failure.storage_id, self.marks.get(RUNS, 0))
                yield failure
            cursor, has_more = page.cursor, page.has_more

    def _failed_run(self, failure: dg.EventLogRecord, is_sample: bool) -> Event | None:
        """The event of a failed run; none for a failed delivery."""
        run = self.instance.get_run_by_id(failure.run_id)
        if run is None or run.job_name == names.ALERT_JOB:
            return None
        event = failure.event_log_entry.dagster_event
        try:
            words = _first_error(self.instance, run.run_id)
        except Exception as error:  # noqa: BLE001 - a damaged log must not hide the failure
            words = f"its log cannot be read ({type(error).__name__}: {error})"
        failed = gather.FailedRun(
            id=run.run_id,
            job=run.job_name,
            assets=tuple(key.to_user_string() for key in run.asset_selection or ()),
            tags=run.tags,
            horizon=run.tags.get(PARTITION_TAG),
            words=words or (event.message if event and event.message else ""),
            at=datetime.fromtimestamp(failure.timestamp, UTC),
        )
        return gather.failed_run_event(failed, is_sample)


def _of_horizon(
    event_of: Callable[[EventRecord, str, bool], Event | None], horizon: str, is_sample: bool, record: EventRecord
) -> Event | None:
    return event_of(record, horizon, is_sample)


def _first_error(instance: dg.DagsterInstance, run_id: str) -> str:
    """Innermost error message of the first failed step; may be empty."""
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


def gather_sensor(clock: Clock = _real_time) -> dg.SensorDefinition:
    """Makes `gather_alerts`; `clock` is real time, not the session's."""

    @dg.sensor(
        name="gather_alerts",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Adds new events to the outbox: triggers, verdicts, deployments, rollbacks, failing watches, watch "
        "levels, price fallbacks, stale prices, failed runs. Each event once.",
    )
    def gather_alerts(context: dg.SensorEvaluationContext, session: SessionResource) -> dg.SensorResult:
        run_session, now = session.session(), clock()
        reader, notifier = Reader(context.instance, run_session, _marks(context), now), notifier_of(run_session)
        new, unsent = notifier.add([*reader.events(), *notifier.faulty_files(now)], now)
        if unsent:
            context.log.warning(f"{unsent} events were dropped unsent, too old or too many; forex-assets mail status")
        # The cursor follows the events: those read again after a crash are in the outbox already.
        return dg.SensorResult(skip_reason=f"{new} new events", cursor=json.dumps(reader.marks))

    return gather_alerts


def send_sensor(clock: Clock = _real_time) -> dg.SensorDefinition:
    """Makes `send_alerts`; `clock` is real time, not the session's."""

    @dg.sensor(
        name="send_alerts",
        job_name=names.ALERT_JOB,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches a delivery when a message is due. Without a channel in the settings nothing is launched.",
    )
    def send_alerts(context: dg.SensorEvaluationContext, session: SessionResource) -> dg.SensorResult:
        notifier, now = notifier_of(session.session()), clock()
        for name, fault in notifier.faults.items():
            context.log.warning(f"{name}: {fault}")
        messages = notifier.due(now)
        if not messages:
            reason = "no message is due" if notifier.channels else "no channel is set up; see docs/mail.md"
            return dg.SensorResult(skip_reason=reason)
        run_key = f"{ids_of(messages)}/{int(now.timestamp()) // RELAUNCH_S}"
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=run_key)])

    return send_alerts


def _marks(context: dg.SensorEvaluationContext) -> Marks:
    """Marks of the last tick; none if the cursor is unreadable."""
    values: Any = {}
    try:
        values = json.loads(context.cursor or "{}")
    except ValueError:
        context.log.warning(f"the cursor {context.cursor!r} cannot be read; the last day is read again")
    return {k: v for k, v in values.items() if isinstance(v, int)} if isinstance(values, dict) else {}


gather_alerts = gather_sensor()
send_alerts = send_sensor()

"""Reads Dagster's event and run records; metadata only, never a table."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.processes import HEARTBEAT_TAG, PROCESS_TAG, is_gone, is_here
from forex_assets.core.retry_policy import Attempt, State
from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.core.session import Session

IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
PARTITION_TAG = "dagster/partition"
FIRST_SOURCE = "yahoo"
"""Price source that is asked first; others are fallbacks."""

MARKET_KEYS = (keys.USDCLP, keys.COPPER)

LONGEST_RUN = timedelta(days=1)
"""Age from which a silent run counts as dead."""

SILENT_FOR = timedelta(hours=1)
"""Silence after which another machine's run counts as dead."""

DAEMON_SILENT_FOR = timedelta(minutes=5)
"""Time without a heartbeat after which Dagster's daemon counts as stopped."""

_STATES: dict[dg.DagsterRunStatus, State] = {
    dg.DagsterRunStatus.NOT_STARTED: "created",
    dg.DagsterRunStatus.SUCCESS: "succeeded",
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "canceled",
}


@dataclass(frozen=True)
class EventRecord:
    """One event of one partition, such as a materialization.

    Attributes:
        place: position in the event log; later events have larger ones, whatever the clock says.
        id: permanent name: a position can be reused after runs were deleted, a run id cannot.
        written_at: real time, UTC.
        metadata: plain values by name.
        run_id: Dagster run; empty without one.
    """

    place: int
    id: str
    written_at: datetime
    metadata: dict[str, Any]
    run_id: str = ""

    @property
    def fires(self) -> bool:
        """Whether a decision asks for a search."""
        return self.metadata.get(names.FIRES) is True

    @property
    def clock(self) -> datetime:
        """The session's clock, or the time of writing if not recorded."""
        noted = self.metadata.get(names.CLOCK)
        return datetime.fromisoformat(noted) if isinstance(noted, str) else self.written_at

    def names(self, name: str) -> list[str]:
        """Splits metadata such as `age, manual` into its parts."""
        return [part for part in str(self.metadata.get(name) or "").split(", ") if part]


def records(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None = None, *, after: int = 0, page: int = 50
) -> Iterator[EventRecord]:
    """Yields materializations of an asset or partition, newest first.

    Args:
        partition: None for all.
        after: only those with a greater `place`.
        page: number read at once.
    """
    wanted = dg.AssetRecordsFilter(
        asset_key=key, asset_partitions=[partition] if partition else None, after_storage_id=after or None
    )
    cursor = None
    while True:
        batch = instance.fetch_materializations(wanted, limit=page, cursor=cursor)
        yield from (_record(record) for record in batch.records)
        if not batch.has_more:
            return
        cursor = batch.cursor


def _record(record: dg.EventLogRecord) -> EventRecord:
    event = record.asset_materialization
    metadata = {} if event is None else {name: value.value for name, value in event.metadata.items()}
    written = datetime.fromtimestamp(record.timestamp, UTC)
    return EventRecord(record.storage_id, f"{record.storage_id}-{record.run_id[:8]}", written, metadata, record.run_id)


def is_ours(record: EventRecord, session: Session) -> bool:
    """Tells whether a record has the session's market and clock.

    The command line can write records of the generated market or at a past clock: sensors launch nothing for them.
    """
    if record.metadata.get(names.MARKET) not in (None, session.market):
        return False
    expected = record.written_at if session.settings.as_of is None else session.now
    return names.CLOCK not in record.metadata or abs(record.clock - expected) < timedelta(days=1)


def last_by_clock(
    instance: dg.DagsterInstance, key: dg.AssetKey, horizon: str, market: str, now: datetime, *, fires: bool = False
) -> EventRecord | None:
    """Returns the latest record of a market not later than the clock.

    Args:
        key: decision or search.
        now: the session's clock; a past clock knows no later decision.
        fires: only decisions that ask for a search.
    """
    for record in records(instance, key, horizon):
        if record.metadata.get(names.MARKET) == market and record.clock <= now and (record.fires or not fires):
            return record
    return None


def is_searching(instance: dg.DagsterInstance, horizon: str) -> bool:
    """Tells whether a search of a horizon is queued or in progress."""
    wanted = dg.RunsFilter(job_name=names.OPTIMIZE_JOB, statuses=IN_PROGRESS, tags={PARTITION_TAG: horizon})
    return bool(instance.get_run_records(wanted, limit=1))


def search_in_progress(instance: dg.DagsterInstance, horizon: str) -> str:
    """Says that a horizon's search is under way; empty without one."""
    return (
        "a search is under way; see `forex-assets status`, or the UI: make ui"
        if is_searching(instance, horizon)
        else ""
    )


def take_over(instance: dg.DagsterInstance, horizon: str) -> list[str]:
    """Cancels a horizon's searches that have not begun.

    A queued search waits for a daemon, which may have been stopped since, and a starting one may have been stopped with
    the code server that launched it: whoever searches by hand would be refused until these are given up. A process
    that comes after all finds its run canceled and ends.

    Returns:
        One message a run.
    """
    waiting = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING]
    wanted = dg.RunsFilter(job_name=names.OPTIMIZE_JOB, statuses=waiting, tags={PARTITION_TAG: horizon})
    messages = list[str]()
    for record in instance.get_run_records(wanted):
        run = instance.get_run_by_id(record.dagster_run.run_id)
        if run is None or run.status not in waiting:  # It began, or ended, meanwhile.
            continue
        words = f"run {run.run_id[:8]}, which had not begun, is canceled: this command searches"
        instance.report_run_canceled(run, words)
        messages.append(words)
    return messages


def has_daemon(instance: dg.DagsterInstance) -> bool:
    """Tells whether a daemon that takes runs from the queue is alive."""
    from dagster._daemon.types import DaemonHeartbeat

    beats: list[DaemonHeartbeat] = list(instance.get_daemon_heartbeats().values())
    newest = max((beat.timestamp for beat in beats), default=0.0)
    return datetime.now(UTC).timestamp() - newest < DAEMON_SILENT_FOR.total_seconds()


def end_dead_runs(instance: dg.DagsterInstance, now: datetime) -> list[str]:
    """Marks runs as failed that nothing can end any more.

    A run killed together with its launcher, by a power cut or at the command line, stays in progress in Dagster's
    records: its horizon would never be searched again, and two such runs would fill the queue.

    Args:
        now: real time.

    Returns:
        One message a run.
    """
    messages = list[str]()
    for record in instance.get_run_records(dg.RunsFilter(statuses=IN_PROGRESS)):
        why = _end_of(instance, record, now)
        again = instance.get_run_by_id(record.dagster_run.run_id) if why else None  # It may have ended meanwhile.
        if again is not None and not again.is_finished:
            words = f"run {again.run_id[:8]} ({again.job_name}) is over: {why}"
            instance.report_run_failed(again, words)
            messages.append(words)
    return messages


def updated_at(record: dg.RunRecord) -> datetime:
    """Last change of a run's record; some stores leave out UTC."""
    return record.update_timestamp.replace(tzinfo=record.update_timestamp.tzinfo or UTC)


def _end_of(instance: dg.DagsterInstance, record: dg.RunRecord, now: datetime) -> str:
    """Why a run counts as dead; empty where it may live."""
    run, process = record.dagster_run, record.dagster_run.tags.get(PROCESS_TAG)
    changed = updated_at(record)
    if process and is_here(process):
        return "its process was killed, or the machine went down" if is_gone(process) else ""
    if run.status == dg.DagsterRunStatus.QUEUED:
        is_over = now - changed > LONGEST_RUN and not has_daemon(instance)
        return "no daemon has taken it from the queue for a day" if is_over else ""
    if run.status == dg.DagsterRunStatus.STARTING:
        longest = timedelta(seconds=max(float(instance.run_monitoring_start_timeout_seconds), 60.0)) * 2
        return f"it did not start within {longest.total_seconds():.0f} s" if now - changed > longest else ""
    began = datetime.fromtimestamp(record.start_time or now.timestamp(), UTC)
    beat = run.tags.get(HEARTBEAT_TAG)
    if beat is None:
        return "it has not said within a day that it lives" if now - began > LONGEST_RUN else ""
    silent = now - datetime.fromisoformat(beat)
    return f"its machine has not said for {SILENT_FOR} that it lives" if silent > SILENT_FOR else ""


def forecasts_of(instance: dg.DagsterInstance, run_id: str) -> set[str]:
    """Returns horizons forecast by a run, however it ended."""
    events = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    return {str(event.partition_key) for event in events if event.asset_key == keys.LATEST and event.partition_key}


def attempts_for(
    instance: dg.DagsterInstance,
    answered: str,
    job: str = names.OPTIMIZE_JOB,
    tag: str = names.DECISION_TAG,
) -> list[Attempt]:
    """Returns every launch for a decision, or for another tag's value."""
    wanted = dg.RunsFilter(job_name=job, tags={tag: answered})
    return [_attempt(record) for record in instance.get_run_records(wanted)]


def _attempt(record: dg.RunRecord) -> Attempt:
    run = record.dagster_run
    number = int(run.tags.get(names.ATTEMPT_TAG, "1"))
    state = _STATES.get(run.status, "in progress")
    return Attempt(number, state, updated_at(record) if state == "failed" else None)


def is_fallback(record: EventRecord) -> bool:
    """Tells whether prices came from another source than the first.

    The stored history is a fallback; the generated market is not.
    """
    source = record.metadata.get("source")
    if source in (None, SAMPLE_SOURCE):
        return False
    tried = record.metadata.get(names.SOURCES_TRIED)
    rows = tried.records if isinstance(tried, dg.TableMetadataValue) else []
    is_stored = any(row.data.get("source") == names.STORED and row.data.get("used") for row in rows)
    return is_stored or source != FIRST_SOURCE

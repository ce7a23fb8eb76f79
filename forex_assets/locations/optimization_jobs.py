"""Jobs and schedules of the optimization location.

After missed ticks Dagster runs only the last. Each tick reads the records first, so an evening's second tick repeats
nothing.
"""

from datetime import UTC, datetime, time, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import dagster as dg

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.conditions import DECISION_CRONS, DRIFT_CRONS
from forex_assets.core.dagster.run_records import PARTITION_TAG, records
from forex_assets.core.horizon import HORIZONS

WINDOW = timedelta(days=1)
"""Age after a tick from which a record belongs to another evening."""

LOST = {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.NOT_STARTED}

report_drift = dg.define_asset_job(
    names.DRIFT_JOB,
    selection=dg.AssetSelection.assets(keys.DRIFT_REPORT),
    description="Reports drift of the inputs.",
)

decide_all_horizons = dg.define_asset_job(
    names.DECISION_JOB,
    selection=dg.AssetSelection.assets(keys.DEGRADATION_REPORT, keys.TRIGGER_DECISION),
    description="Reports degradation of the chosen horizons and decides whether to search for better settings.",
)

optimize = dg.define_asset_job(
    names.OPTIMIZE_JOB,
    selection=dg.AssetSelection.assets(keys.SEARCH_REQUEST, keys.CANDIDATE_CONFIG, keys.VALIDATION_REPORT),
    # Dagster counts a search that waits for its pool among the location's runs: whatever can begin is looked at first.
    tags={"dagster/priority": "-1"},
    description="Searches better settings of one horizon and validates the challenger.",
)

follow_new_forecasts = dg.AutomationConditionSensorDefinition(
    "follow_new_forecasts",
    target=dg.AssetSelection.assets(keys.SHADOW_FORECAST),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Lets a challenger on trial forecast after the champion has.",
)


@dg.schedule(
    job=report_drift,
    cron_schedule=DRIFT_CRONS,
    execution_timezone=names.SANTIAGO,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Weekdays at 19:50 in Santiago, before the decisions; at 22:20 once more where that was lost.",
)
def report_drift_on_weekdays(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Requests one drift report an evening."""
    due, tick = _due(context, time(19, 50))
    if _is_done(context.instance, keys.DRIFT_REPORT, names.DRIFT_JOB, None, due):
        return dg.SkipReason(f"reported, or under way, since {due:%Y-%m-%d %H:%M}")
    return dg.RunRequest(run_key=tick)


@dg.schedule(
    job=decide_all_horizons,
    cron_schedule=DECISION_CRONS,
    execution_timezone=names.SANTIAGO,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Weekdays at 20:00 in Santiago, after the forecasts; at 22:30 once more for horizons whose decision "
    "was lost. One decision a horizon, however long the daemon was down.",
)
def decide_on_weekdays(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """Requests one run a horizon, so that failures stay apart."""
    due, tick = _due(context, time(20))
    missing = [
        horizon
        for horizon in HORIZONS
        if not _is_done(context.instance, keys.TRIGGER_DECISION, names.DECISION_JOB, horizon, due)
    ]
    if not missing:
        return dg.SkipReason(f"every horizon was decided, or is being, since {due:%Y-%m-%d %H:%M}")
    return [dg.RunRequest(run_key=f"{horizon}/{tick}", partition_key=horizon) for horizon in missing]


def _due(context: dg.ScheduleEvaluationContext, hour: time) -> tuple[datetime, str]:
    """Returns the evening's first due time in Santiago, and the tick's name."""
    tick = context.scheduled_execution_time.astimezone(ZoneInfo(names.SANTIAGO))
    return datetime.combine(tick.date(), hour, tick.tzinfo), tick.isoformat()


def _is_done(instance: dg.DagsterInstance, key: dg.AssetKey, job: str, horizon: str | None, due: datetime) -> bool:
    """Tells whether an asset was made since `due`, or is in progress."""
    since_due = takewhile(lambda record: record.written_at >= due, records(instance, key, horizon, page=5))
    # A record at a clock set by hand does not count.
    if any(record.written_at < due + WINDOW and abs(record.written_at - record.clock) < WINDOW for record in since_due):
        return True
    tags = {PARTITION_TAG: horizon} if horizon else {}
    since = due.astimezone(UTC)  # Dagster ignores the zone of a filter's times
    wanted = dg.RunsFilter(job_name=job, tags=tags, created_after=since, created_before=since + WINDOW)
    return any(run.dagster_run.status not in LOST for run in instance.get_run_records(wanted))

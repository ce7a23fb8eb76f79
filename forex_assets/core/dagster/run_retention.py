"""Removes old runs from Dagster's records; keeps needed events.

Deleting a run deletes its events. What stays: runs that did not succeed, and decisions, searches, deployments and
watches at any age; the run of the newest materialization, observation and check of each asset and partition, and of the
newest head of each ledger in each warehouse. Older heads add nothing: the chain's hashes lead from the newest to them.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import dagster as dg
from dagster._core.storage.event_log import EventLogStorage, SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as Checks

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.run_records import records
from forex_assets.core.horizon import HORIZONS

REMOVABLE: Final = (
    *("__ASSET_JOB", names.MARKET_JOB, names.ORIGIN_JOB, names.FORECAST_JOB, names.BACKTEST_JOB, names.DRIFT_JOB),
    *(names.REPORT_JOB, names.REPORT_MAIL_JOB, names.BACKUP_JOB, names.ALERT_JOB, names.TRACKING_JOB),
)
"""Jobs whose succeeded runs are removed; `__ASSET_JOB`: automation and command line."""

KEPT_ASSETS: Final = frozenset(
    {
        *(keys.TRIGGER_DECISION, keys.SEARCH_REQUEST, keys.CANDIDATE_CONFIG, keys.VALIDATION_REPORT),
        *(keys.DEPLOYMENT, keys.DEPLOYMENT_WATCH),
    }
)
"""Assets whose runs are kept at any age."""

MOST: Final = 1000
"""Most runs removed at once; a long history goes in some nights."""


def remove_old_runs(instance: dg.DagsterInstance, before: datetime, *, limit: int = MOST) -> list[str]:
    """Removes succeeded runs with their events, checks and printed output.

    Killed at any point, it leaves a run that the next call removes: the run's own record goes last.

    Args:
        before: aware; runs changed later stay.
        limit: most runs; of each job the oldest go first.

    Returns:
        Ids of the removed runs.
    """
    filters = (
        dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS], updated_before=before) for job in REMOVABLE
    )
    old = [run for wanted in filters for run in instance.get_runs(wanted, ascending=True)]
    old = [run for run in old if KEPT_ASSETS.isdisjoint(run.asset_selection or ())]
    needed = set(_needed_runs(instance)) if old else set[str]()
    removed = [run.run_id for run in old if run.run_id not in needed][:limit]
    for run_id in removed:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        _remove_events(instance.event_log_storage, run_id)
        instance.run_storage.delete_run(run_id)
    return removed


def _needed_runs(instance: dg.DagsterInstance) -> Iterator[str]:
    """Runs of the newest events; see the module."""
    storage = instance.event_log_storage
    for key in instance.get_asset_keys():
        for kind, fetch in (
            (dg.DagsterEventType.ASSET_MATERIALIZATION, instance.fetch_materializations),
            (dg.DagsterEventType.ASSET_OBSERVATION, instance.fetch_observations),
        ):
            yield from (record.run_id for record in fetch(key, limit=1).records)
            if newest := list(storage.get_latest_storage_id_by_partition(key, kind).values()):
                wanted = dg.AssetRecordsFilter(asset_key=key, storage_ids=newest)
                yield from (record.run_id for record in fetch(wanted, limit=len(newest)).records)
    yield from _runs_of_heads(instance)
    if isinstance(storage, SqlEventLogStorage):
        import sqlalchemy as sql

        newest_checks = sql.select(sql.func.max(Checks.c.id)).group_by(
            Checks.c.asset_key, Checks.c.check_name, Checks.c.partition
        )
        with storage.index_connection() as connection:
            rows = connection.execute(sql.select(Checks.c.run_id).where(Checks.c.id.in_(newest_checks)))
            yield from (str(row[0]) for row in rows.fetchall())


def _runs_of_heads(instance: dg.DagsterInstance) -> Iterator[str]:
    """Runs that noted the newest head of a ledger in a warehouse."""
    for key in (keys.LEDGER, keys.OBSERVADO_LEDGER):
        for horizon in HORIZONS:
            seen = set[tuple[str, str]]()
            for record in records(instance, key, horizon):
                warehouse = (
                    str(record.metadata.get(names.LEDGER_ROOT)), str(record.metadata.get(names.WAREHOUSE_ID))
                )  # fmt: skip
                if warehouse not in seen:
                    seen.add(warehouse)
                    yield record.run_id


def _remove_events(storage: EventLogStorage, run_id: str) -> None:
    """Removes a run's events from all tables, and its database."""
    if isinstance(storage, SqlEventLogStorage):
        with storage.index_connection() as connection:
            connection.execute(Checks.delete().where(Checks.c.run_id == run_id))
            storage.delete_events_for_run(connection, run_id)
    if isinstance(storage, SqliteEventLogStorage):  # a run's own database is no table of the index: the file goes
        path = storage.path_for_shard(run_id)
        for ending in ("", "-wal", "-shm"):
            Path(f"{path}{ending}").unlink(missing_ok=True)
    else:
        storage.delete_events(run_id)

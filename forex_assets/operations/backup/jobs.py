"""Runs the nightly backup; it blocks no other run."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from forex_assets.core import names
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.dagster.run_retention import remove_old_runs
from forex_assets.operations.backup.archive import verify
from forex_assets.operations.backup.backup import create_backup, prune_backups

BACKUP_CRON = "0 2 * * *"


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Archives configs, tables, ledger, records and MLflow, verifies the archive, then removes old ones.",
)
def back_up_everything(context: dg.OpExecutionContext, session: SessionResource) -> None:
    """Makes and verifies an archive, then removes old ones."""
    run_session = session.session()
    archive = create_backup(run_session)
    files = len(verify(archive.path).files)
    removed = prune_backups(run_session)
    context.log.info(
        f"{archive.path}: {files} files, {archive.size / 2**20:.1f} MiB; removed {', '.join(removed) or 'none'}"
    )
    context.add_output_metadata({"archive": str(archive.path), "files": files, "bytes": archive.size})


@dg.op(
    ins={"archived": dg.In(dg.Nothing)},
    description="Removes succeeded runs older than `operations.run_days`, their events and what they printed. "
    "Decisions, searches, deployments, failed runs and the newest run of each table stay.",
)
def forget_old_runs(context: dg.OpExecutionContext, session: SessionResource) -> None:
    """Removes old runs, after they were archived."""
    days = session.session().policy.operations.run_days
    removed = remove_old_runs(context.instance, datetime.now(UTC) - timedelta(days=days))
    context.log.info(f"{len(removed)} succeeded runs older than {days} days were removed")
    context.add_output_metadata({"runs": len(removed), "run_days": days})


@dg.job(
    name=names.BACKUP_JOB,
    description="Makes and verifies one backup archive; then removes old archives and old runs.",
)
def back_up() -> None:
    """Backs up, then forgets."""
    forget_old_runs(archived=back_up_everything())


back_up_nightly = dg.ScheduleDefinition(
    name="back_up_nightly",
    job=back_up,
    cron_schedule=BACKUP_CRON,
    execution_timezone=names.SANTIAGO,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night at 02:00 in Santiago.",
)

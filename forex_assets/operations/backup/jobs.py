"""Runs the nightly backup; it blocks no other run."""

import dagster as dg

from forex_assets.core import names
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.operations.backup.archive import verify
from forex_assets.operations.backup.backup import create_backup, prune_backups

BACKUP_CRON = "0 2 * * *"


@dg.op(description="Archives configs, tables, ledger, records and MLflow, verifies the archive, then removes old ones.")
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


@dg.job(name=names.BACKUP_JOB, description="Makes and verifies one backup archive; removes old ones.")
def back_up() -> None:
    """Backs up."""
    back_up_everything()


back_up_nightly = dg.ScheduleDefinition(
    name="back_up_nightly",
    job=back_up,
    cron_schedule=BACKUP_CRON,
    execution_timezone=names.SANTIAGO,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night at 02:00 in Santiago.",
)

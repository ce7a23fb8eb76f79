"""The nightly backup. It reads what stands and is in no run's way."""

import dagster as dg

from forex_assets.core import names
from forex_assets.operations.backup.archive import verify
from forex_assets.operations.backup.backup import create_backup, prune_backups
from forex_assets.platform import PlatformResource

BACKUP_CRON = "0 2 * * *"


@dg.op(description="One dated, checksummed archive of configs, tables, ledger, records, MLflow; old ones are removed.")
def back_up_everything(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """Makes an archive, reads it back whole, and only then removes old ones."""
    ready = platform.platform()
    archive = create_backup(ready)
    files = len(verify(archive.path).files)
    gone = prune_backups(ready)
    context.log.info(
        f"{archive.path}: {files} files, {archive.size / 2**20:.1f} MiB; removed {', '.join(gone) or 'none'}"
    )
    context.add_output_metadata({"archive": str(archive.path), "files": files, "bytes": archive.size})


@dg.job(name=names.BACKUP_JOB, description="One archive, verified; old ones are removed.")
def back_up() -> None:
    """One step."""
    back_up_everything()


back_up_nightly = dg.ScheduleDefinition(
    name="back_up_nightly",
    job=back_up,
    cron_schedule=BACKUP_CRON,
    execution_timezone=names.SANTIAGO,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night at 02:00 in Santiago.",
)

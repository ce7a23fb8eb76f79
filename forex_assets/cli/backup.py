"""Commands on backups: create, list, verify, restore, prune."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forex_assets.cli.common import BAD_USAGE, OPERATIONS, AsJson, answer, app, err, fail, reported, session_of

if TYPE_CHECKING:
    from forex_assets.core.session import Session

backup_app = typer.Typer(no_args_is_help=True, help="Write, check and restore archives.")
app.add_typer(backup_app, name="backup", rich_help_panel=OPERATIONS)

ArchiveFile = Annotated[
    Path | None, typer.Argument(metavar="[ARCHIVE]", help="Archive file; by default the newest in the backups' folder.")
]


@backup_app.command(epilog="Examples:  forex-assets backup create  ·  backup create --json")
@reported
def create(as_json: AsJson = False) -> None:
    """Write an archive of configs, tables, ledger, records and MLflow.

    Runs may go on meanwhile.
    """
    session = session_of()
    from forex_assets.operations.backup.archive import verify
    from forex_assets.operations.backup.backup import create_backup

    with err.status("archiving and reading back …"):
        archive = create_backup(session)
        files = len(verify(archive.path).files)
    record = {"archive": str(archive.path), "files": files, "bytes": archive.size}
    answer(as_json, record, [f"{archive.path}: {files} files, {_size(archive.size)}"])


@backup_app.command("list", epilog="Examples:  forex-assets backup list  ·  backup list --json")
@reported
def list_archives(as_json: AsJson = False) -> None:
    """List archives, newest first."""
    session = session_of()
    from forex_assets.cli.tables import Column, each, table, when
    from forex_assets.operations.backup.archive import archives
    from forex_assets.operations.backup.backup import backup_folder

    folder = backup_folder(session)
    records = [{"archive": str(a.path), "at": a.at.isoformat(), "bytes": a.size} for a in archives(folder)]
    columns = [
        Column("at (Santiago)", "at", when),
        Column("size", "bytes", each(_size)),
        Column("archive", lambda row: Path(row["archive"]).name),
    ]
    rows = [table(records, columns)] if records else []
    answer(as_json, records, [f"In {folder}:" if records else f"none in {folder}: forex-assets backup create", *rows])


@backup_app.command(epilog="Examples:  forex-assets backup verify  ·  backup verify FILE --json")
@reported
def verify(archive: ArchiveFile = None, as_json: AsJson = False) -> None:
    """Check every file of an archive against its checksum.

    Exit code 1 if one differs.
    """
    session = session_of()
    from forex_assets.operations.backup.archive import verify as verified

    path = _chosen(session, archive)
    with err.status("reading …"):
        manifest = verified(path)
    files = len(manifest.files)
    record = {"archive": str(path), "created_at": manifest.created_at.isoformat(), "files": files}
    answer(as_json, record, [f"{path}: whole, {files} files"])


@backup_app.command(epilog="Examples:  forex-assets backup restore  ·  backup restore FILE --force")
@reported
def restore(
    archive: ArchiveFile = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files; they are kept aside.")] = False,
    as_json: AsJson = False,
) -> None:
    """Restore an archive into empty folders, or with --force over content.

    Replaced content is kept aside.

    Stop the UI and its services first: they hold the databases open.
    """
    session = session_of()
    from forex_assets.operations.backup.backup import restore_backup

    path = _chosen(session, archive)
    with err.status("restoring …"):
        kept = {name: str(folder) for name, folder in restore_backup(session, path, is_forced=force).items()}
    words = [f"restored from {path}", *(f"the replaced files are in {folder}" for folder in kept.values())]
    words.append("Check the record: forex-assets ledger verify")
    answer(as_json, {"archive": str(path), "kept": kept}, words)


@backup_app.command(epilog="Examples:  forex-assets backup prune  ·  backup prune --json")
@reported
def prune(as_json: AsJson = False) -> None:
    """Remove archives older than the policy keeps them; never the newest."""
    session = session_of()
    from forex_assets.operations.backup.backup import prune_backups

    gone = prune_backups(session)
    answer(as_json, gone, gone or ["nothing to remove"])


def _size(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _chosen(session: "Session", archive: Path | None) -> Path:
    """The named archive's file, or the newest.

    Raises:
        ArchiveError: there is none.
    """
    from forex_assets.operations.backup.archive import ArchiveError, archives
    from forex_assets.operations.backup.backup import backup_folder

    if archive is not None:
        if not archive.is_file():
            fail(f"{archive}: no such file; `forex-assets backup list` names the archives", BAD_USAGE)
        return archive
    folder = backup_folder(session)
    newest_first = archives(folder)
    if not newest_first:
        raise ArchiveError(f"no archive in {folder}; make one with `forex-assets backup create`, or name a file")
    return newest_first[0].path

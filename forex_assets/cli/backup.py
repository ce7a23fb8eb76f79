"""Commands on backups: create, list, verify, restore, prune."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forex_assets.cli.common import OPERATIONS, AsJson, app, err, out, print_json, reported, session_of

if TYPE_CHECKING:
    from forex_assets.core.session import Session

backup_app = typer.Typer(no_args_is_help=True, help="Archives of everything that cannot be made again.")
app.add_typer(backup_app, name="backup", rich_help_panel=OPERATIONS)

ArchiveFile = Annotated[
    Path | None, typer.Argument(metavar="[ARCHIVE]", help="A file; the newest in the backups' folder by default.")
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
    if as_json:
        print_json({"archive": str(archive.path), "files": files, "bytes": archive.size})
    else:
        out.print(f"{archive.path}: {files} files, {archive.size / 2**20:.1f} MiB", soft_wrap=True, highlight=False)


@backup_app.command("list", epilog="Examples:  forex-assets backup list  ·  backup list --json")
@reported
def list_archives(as_json: AsJson = False) -> None:
    """Show the archives there are, newest first."""
    session = session_of()
    from forex_assets.operations.backup.archive import archives
    from forex_assets.operations.backup.backup import backup_folder

    found = archives(backup_folder(session))
    if as_json:
        print_json([{"archive": str(a.path), "at": a.at.isoformat(), "bytes": a.size} for a in found])
        return
    for each in found:
        out.print(f"{each.at:%Y-%m-%d %H:%M} UTC  {each.size / 2**20:8.1f} MiB  {each.path}", soft_wrap=True)
    if not found:
        out.print(f"none in {backup_folder(session)}: forex-assets backup create", soft_wrap=True)


@backup_app.command(epilog="Examples:  forex-assets backup verify  ·  backup verify FILE --json")
@reported
def verify(archive: ArchiveFile = None, as_json: AsJson = False) -> None:
    """Check every file of an archive against its checksum.

    Exit code 1 where one differs.
    """
    session = session_of()
    from forex_assets.operations.backup.archive import verify as verified

    path = archive or _newest(session)
    with err.status("reading …"):
        manifest = verified(path)
    if as_json:
        print_json({"archive": str(path), "created_at": manifest.created_at.isoformat(), "files": len(manifest.files)})
    else:
        out.print(f"{path}: whole, {len(manifest.files)} files", soft_wrap=True, highlight=False)


@backup_app.command(epilog="Examples:  forex-assets backup restore  ·  backup restore FILE --force")
@reported
def restore(
    archive: ArchiveFile = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there; it is kept aside.")] = False,
    as_json: AsJson = False,
) -> None:
    """Restore an archive into empty folders, or with --force over content.

    Replaced content is kept aside.

    Stop the UI and its services first: they hold the databases open.
    """
    session = session_of()
    from forex_assets.operations.backup.backup import restore_backup

    path = archive or _newest(session)
    with err.status("restoring …"):
        kept = restore_backup(session, path, is_forced=force)
    if as_json:
        print_json({"archive": str(path), "kept": {name: str(folder) for name, folder in kept.items()}})
        return
    out.print(f"restored from {path}", soft_wrap=True, highlight=False)
    for folder in kept.values():
        out.print(f"what was there is in {folder}", soft_wrap=True, highlight=False)
    out.print("Check the record: forex-assets ledger verify")


@backup_app.command(epilog="Examples:  forex-assets backup prune  ·  backup prune --json")
@reported
def prune(as_json: AsJson = False) -> None:
    """Remove archives older than the policy keeps them; never the newest."""
    session = session_of()
    from forex_assets.operations.backup.backup import prune_backups

    gone = prune_backups(session)
    if as_json:
        print_json(gone)
    else:
        out.print("\n".join(gone) or "nothing to remove", soft_wrap=True)


def _newest(session: "Session") -> Path:
    """The newest archive's file.

    Raises:
        ArchiveError: there is none.
    """
    from forex_assets.operations.backup.archive import ArchiveError, archives
    from forex_assets.operations.backup.backup import backup_folder

    folder = backup_folder(session)
    found = archives(folder)
    if not found:
        raise ArchiveError(f"no archive in {folder}; make one with `forex-assets backup create`, or name a file")
    return found[0].path

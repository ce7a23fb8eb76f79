"""Backs up and restores the platform's folders."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from forex_assets.core import names
from forex_assets.core.retention import outlived, thinned
from forex_assets.core.session import SAMPLE_FOLDER, Session
from forex_assets.operations.backup.archive import Archive, ArchiveError, archives, create, remove
from forex_assets.operations.backup.restore import restore

CACHES: Final = (
    *(f"{ledger}_{cache}" for ledger in (names.LEDGER, names.OBSERVADO_LEDGER) for cache in ("compacted", "index")),
    "optimizer/trials",
)
"""Folders that are made again when missing; not saved."""

UNTOUCHED: Final = (".locks", ".git")
"""Locks and the configs' git repository: neither saved nor replaced."""

DAILY, WEEKLY, MONTHLY = 7, 4, 12
"""Number of days, weeks and months whose newest archive is kept."""

LOGS: Final = "storage"
"""Printed output of runs; not saved."""


def backup_folder(session: Session) -> Path:
    """Folder of the archives."""
    return session.settings.backups or session.settings.warehouse / "backups"


def create_backup(session: Session) -> Archive:
    """Archives configs, tables, ledger and records.

    Of an object store only Dagster's records: the bucket's versions are its backup.

    Dagster's records are read first, so that every ledger head in them is in the ledger read after them.

    Raises:
        ArchiveError: the archive cannot be made.
    """
    settings, home = session.settings, session.settings.dagster_home
    skipped = [*UNTOUCHED, "backups", *CACHES, *(f"{SAMPLE_FOLDER}/{path}" for path in (*CACHES, ".locks"))]
    for folder in (home, backup_folder(session)):
        if folder.is_relative_to(settings.store_address):
            skipped.append(str(folder.relative_to(settings.store_address)))
    sources = [
        ("dagster", home, [LOGS]),
        ("configs", settings.configs, list(UNTOUCHED)),
        ("warehouse", Path(settings.store_address), skipped),
    ]
    if settings.has_remote_store:  # its bucket keeps versions of its own
        sources = sources[:1]
    return create(backup_folder(session), sources, datetime.now(UTC))


def restore_backup(session: Session, archive: Path, *, is_forced: bool) -> dict[str, Path]:
    """Restores an archive; archives, locks and git repository stay.

    Args:
        is_forced: replaces folders that hold files, and keeps the files aside.

    Raises:
        ArchiveError: see `restore`.
    """
    settings, folder = session.settings, backup_folder(session)
    if settings.has_remote_store:
        raise ArchiveError(
            f"the store is {settings.store_address}, and archives are restored into folders: set FOREX_STORE to an "
            "empty one, restore, and copy it: forex-assets store copy"
        )
    targets = {"warehouse": Path(settings.store_address), "configs": settings.configs, "dagster": settings.dagster_home}
    targets = {name: path.resolve() for name, path in targets.items()}  # links stay
    folder = folder.resolve()
    if any(folder.is_relative_to(target) and folder.parent != target for target in targets.values()):
        raise ArchiveError(f"archives are in {folder}, inside a restored folder; move them and set FOREX_BACKUPS")
    untouched = [target / name for target in targets.values() for name in UNTOUCHED]
    return restore(archive, targets, datetime.now(UTC), is_forced=is_forced, left_alone=[folder, *untouched])


def prune_backups(session: Session) -> list[str]:
    """Thins archives and removes those past the policy's age; returns their names."""
    days, files = session.policy.operations.backup_days, archives(backup_folder(session))
    old = outlived(files, days=days, keep=1, now=datetime.now(UTC))
    old += [archive for archive in thinned(files, daily=DAILY, weekly=WEEKLY, monthly=MONTHLY) if archive not in old]
    for archive in old:
        remove(archive)
    return [archive.path.name for archive in old]

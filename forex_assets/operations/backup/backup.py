"""What is backed up and where it goes back to: the platform's folders, for job and command line."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from forex_assets.forecasts.ledger_store import COMPACTED
from forex_assets.operations.backup.archive import Archive, ArchiveError, archives, create, outlived, remove, restore
from forex_assets.platform import SAMPLE_FOLDER, Platform

CACHES: Final = (COMPACTED, "optimizer/trials")
"""Tables that are made again when they are missing; a search is slower without them, and no record is lost."""

OWN: Final = (".locks", ".git")
"""Locks that other processes hold, and a repository that configs may be: neither saved nor replaced."""

LOGS: Final = "storage"
"""What runs printed; Dagster's records of them are in its databases."""


def backup_folder(platform: Platform) -> Path:
    """Where archives lie."""
    return platform.settings.backups or platform.settings.warehouse / "backups"


def create_backup(platform: Platform) -> Archive:
    """Everything that cannot be made again, in one archive: configs, tables, ledger, records.

    Dagster's records are read first: the heads that they note are then all in the ledger that follows.

    Raises:
        ArchiveError: it cannot be made.
    """
    settings, home = platform.settings, platform.settings.dagster_home
    skipped = [*OWN, "backups", *CACHES, *(f"{SAMPLE_FOLDER}/{each}" for each in (*CACHES, ".locks"))]
    for folder in (home, backup_folder(platform)):
        if folder.is_relative_to(settings.warehouse):
            skipped.append(str(folder.relative_to(settings.warehouse)))
    sources = [
        ("dagster", home, [LOGS]),
        ("configs", settings.configs, list(OWN)),
        ("warehouse", settings.warehouse, skipped),
    ]
    return create(backup_folder(platform), sources, datetime.now(UTC))


def restore_backup(platform: Platform, archive: Path, *, is_forced: bool) -> dict[str, Path]:
    """Put an archive back; archives, locks and a repository of configs stay as they are.

    Args:
        platform: says where to.
        archive: the file.
        is_forced: whether what is there may be replaced; it is kept aside.

    Raises:
        ArchiveError: see `backup_archive.restore`.
    """
    settings, folder = platform.settings, backup_folder(platform)
    targets = {"warehouse": settings.warehouse, "configs": settings.configs, "dagster": settings.dagster_home}
    targets = {name: each.resolve() for name, each in targets.items()}  # what links lead to stays where it is
    folder = folder.resolve()
    inside = [each for each in targets.values() if folder.is_relative_to(each)]
    if any(folder.parent != each for each in inside):
        raise ArchiveError(f"archives lie in {folder}, deep in what is restored; move them, and set FOREX_BACKUPS")
    own = [each / name for each in targets.values() for name in OWN]
    return restore(archive, targets, datetime.now(UTC), is_forced=is_forced, left_alone=[folder, *own])


def prune_backups(platform: Platform) -> list[str]:
    """Remove archives that the policy does not keep; their names."""
    found = archives(backup_folder(platform))
    gone = outlived(found, platform.policy.operations.backup_days, datetime.now(UTC))
    for each in gone:
        remove(each)
    return [each.path.name for each in gone]

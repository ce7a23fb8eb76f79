"""Replaced configs in `configs/backups`, the checksum of each written before it: a backup is whole or not there."""

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.deployment.deployment_store import STAMP
from forex_assets.deployment.plan import Backup

FOLDER: Final = "backups"
SUM: Final = ".sha256"
_NAME: Final = re.compile(r"chronos_(7d|15d|30d|90d)_(\d{8}T\d{12}Z)\.json")


class BackupError(Exception):
    """A backup cannot be used; the message names it and what is wrong."""


class ConfigBackups:
    """The backups of one configs folder.

    Args:
        configs: the folder of live configs.
    """

    def __init__(self, configs: Path) -> None:
        self.folder = configs / FOLDER

    def add(self, horizon: str, content: bytes, stamp: str) -> str:
        """Keep a config as it is, byte for byte; the name of its file.

        Args:
            horizon: whose.
            content: the file's.
            stamp: when, as `STAMP`; one of its own for each backup.

        Raises:
            OSError: it cannot be written.
        """
        name = f"chronos_{horizon}_{stamp}.json"
        self.folder.mkdir(parents=True, exist_ok=True)
        line = f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        write_bytes_atomically(self.folder / f"{name}{SUM}", line.encode())
        write_bytes_atomically(self.folder / name, content)
        return name

    def all(self, horizon: str | None = None) -> list[Backup]:
        """What there is, newest first; of one horizon or of all."""
        found = []
        for path in self.folder.glob("chronos_*.json") if self.folder.is_dir() else ():
            match = _NAME.fullmatch(path.name)
            if match and horizon in (None, match[1]):
                found.append(Backup(path.name, match[1], datetime.strptime(match[2], STAMP).replace(tzinfo=UTC)))
        return sorted(found, key=lambda each: (each.at, each.name), reverse=True)

    def content(self, horizon: str, name: str) -> bytes:
        """A backup's bytes, checked.

        Raises:
            BackupError: no backup of that horizon, gone, without a checksum, or not what the checksum says.
        """
        match = _NAME.fullmatch(name)
        if match is None or match[1] != horizon:
            known = ", ".join(each.name for each in self.all(horizon)[:3]) or "none"
            raise BackupError(f"{name} names no backup of {horizon}; the newest in {self.folder}: {known}")
        path = self.folder / name
        try:
            content, told = path.read_bytes(), (self.folder / f"{name}{SUM}").read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise BackupError(f"{path}: {Path(str(error.filename)).name} is not there; choose another backup") from None
        if told.partition(" ")[0] != hashlib.sha256(content).hexdigest():
            raise BackupError(f"{path} does not have the SHA-256 that {name}{SUM} says: it was changed or damaged")
        return content

    def remove(self, name: str) -> None:
        """Take a backup away, its checksum last; what is gone already is no fault."""
        (self.folder / name).unlink(missing_ok=True)
        (self.folder / f"{name}{SUM}").unlink(missing_ok=True)

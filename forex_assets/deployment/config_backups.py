"""Backups of replaced settings in the configs' `backups`, with checksums.

The SHA-256 has a file of its own and is written first, so that a backup that is there is whole. Backups are no JSON
records: what comes back is the replaced file, byte for byte.
"""

import hashlib
import re
from datetime import UTC, datetime
from typing import Final

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.store.port import Store
from forex_assets.deployment.deployment_store import STAMP
from forex_assets.deployment.plan import Backup

FOLDER: Final = "backups"
SUM: Final = ".sha256"
_NAME: Final = re.compile(r"chronos_(7d|15d|30d|90d)_(\d{8}T\d{12}Z)\.json")


class BackupError(Exception):
    """A backup cannot be used; the message names it and the fault."""


class ConfigBackups:
    """The backups of one store of configs."""

    def __init__(self, configs: Store) -> None:
        self.files = configs.under(FOLDER)

    def add(self, horizon: str, content: bytes, stamp: str) -> str:
        """Keeps a config file byte for byte; the backup's name.

        Args:
            stamp: unique UTC time in the format `STAMP`.

        Raises:
            WarehouseError: it cannot be written.
        """
        name = f"chronos_{horizon}_{stamp}.json"
        line = f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        self.files.put(f"{name}{SUM}", line.encode())
        self.files.put(name, content)
        return name

    def all(self, horizon: str | None = None) -> list[Backup]:
        """Backups of one horizon or of all, newest first."""
        matches = map(_NAME.fullmatch, self.files.list())
        backups = [
            Backup(match[0], match[1], datetime.strptime(match[2], STAMP).replace(tzinfo=UTC))
            for match in matches
            if match and horizon in (None, match[1])
        ]
        return sorted(backups, key=lambda backup: (backup.at, backup.name), reverse=True)

    def content(self, horizon: str, name: str) -> bytes:
        """Bytes of a backup, checked against its checksum.

        Raises:
            BackupError: no backup of that horizon, missing, without a checksum, or changed.
        """
        match = _NAME.fullmatch(name)
        if match is None or match[1] != horizon:
            newest = ", ".join(backup.name for backup in self.all(horizon)[:3]) or "none"
            raise BackupError(f"{name} names no backup of {horizon}; the newest in {self.files.place()}: {newest}")
        place, held = self.files.place(name), dict[str, bytes]()
        for file in (name, f"{name}{SUM}"):
            entry = self.files.get(file)
            if entry is None:
                raise BackupError(f"{place}: {file} is missing; choose another backup")
            held[file] = entry.content
        content, line = held[name], held[f"{name}{SUM}"]
        if line.partition(b" ")[0] != hashlib.sha256(content).hexdigest().encode():
            raise BackupError(f"{place} does not match its SHA-256 in {name}{SUM}: it was changed or damaged")
        return content

    def read(self, horizon: str, name: str) -> tuple[bytes, InferenceConfig]:
        """Bytes and settings of a backup.

        Raises:
            BackupError: as `content`, or it holds no settings of that horizon.
        """
        content = self.content(horizon, name)
        try:
            config = InferenceConfig.model_validate_json(content, strict=True)
        except ValueError as error:
            raise BackupError(f"{name} holds no settings of {horizon}: {str(error).splitlines()[0]}") from None
        if config.horizon != horizon:
            raise BackupError(f"{name} holds settings of {config.horizon}, not of {horizon}")
        return content, config

    def remove(self, name: str) -> None:
        """Removes a backup, its checksum last; a missing one is no error."""
        self.files.remove(name)
        self.files.remove(f"{name}{SUM}")

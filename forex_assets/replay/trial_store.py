"""Stores trial fans, one file a block of origins."""

import time
from collections.abc import Iterable
from typing import Final

import polars as pl

from forex_assets.core.schemas import conform, empty
from forex_assets.core.store.port import Taken, waits
from forex_assets.core.store.warehouse import Warehouse
from forex_assets.replay.trials import FAN, TRIAL_FANS_SCHEMA

ROOT: Final = "replay/trials"


class TrialStore:
    """Blocks of trial fans under `replay/trials/<engine key>`, numbered in order of arrival.

    A run that is ended keeps its finished blocks; rows of one fan in several blocks count once, the last.

    Args:
        warehouse: where the files are.
        engine_key: see `backtest_store.engine_key`.
        level: starting level of the fans, `live` or `stored`.
        lock_timeout_s: longest wait for another run, in seconds.
    """

    def __init__(self, warehouse: Warehouse, engine_key: str, level: str, lock_timeout_s: float = 60.0) -> None:
        self._warehouse, self._key = warehouse, f"{ROOT}/{engine_key}--{level}"
        self._lock_timeout_s = lock_timeout_s

    def read(self, columns: Iterable[str] | None = None) -> pl.DataFrame:
        """All fans, or some of their columns, in order of arrival.

        Raises:
            WarehouseError: a file is damaged.
            ValueError: a file has other columns.
        """
        wanted = list(columns or TRIAL_FANS_SCHEMA)
        frames = [empty(TRIAL_FANS_SCHEMA).select(wanted)]
        for part in self._warehouse.partitions(self._key):
            stored = self._warehouse.read(self._key, part)
            if stored is not None:
                frames.append(conform(stored, TRIAL_FANS_SCHEMA, f"{self._key}, {part}").select(wanted))
        rows = pl.concat(frames)
        return rows.unique(list(FAN), keep="last", maintain_order=True) if set(FAN) <= set(wanted) else rows

    def add(self, fans: pl.DataFrame) -> None:
        """Keeps one block.

        Raises:
            WarehouseError: the lock or the disk does not allow it; nothing has changed.
            ValueError: other columns.
        """
        rows = conform(fans, TRIAL_FANS_SCHEMA, "trial fans")
        with self._warehouse.store.turn(self._key, self._lock_timeout_s):
            for wait_s in waits():
                parts = self._warehouse.partitions(self._key)
                number = 1 + max((int(part) for part in parts), default=0)
                try:
                    self._warehouse.create(self._key, rows, f"{number:06d}")
                    break
                except Taken:
                    time.sleep(wait_s)

"""Stores backtest fans: one file a batch of origins.

A run that is ended keeps its finished batches.
"""

import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import polars as pl

from forex_assets.accuracy.backtest import RUN
from forex_assets.core.horizon import days_of
from forex_assets.core.schemas import FORECAST_SCHEMA, conform, empty
from forex_assets.core.store.port import Taken, waits
from forex_assets.core.store.warehouse import SUFFIX, Warehouse

ROOT: Final = "accuracy/backtest_fans"
FANS: Final = {"live": ROOT, "stored": f"{ROOT}_stored"}
"""Folder by starting level."""
TRIALS: Final = {"live": "optimizer/trials", "stored": "optimizer/trials_stored"}
"""Folder of candidates' backtests by starting level."""


def engine_key(engine: str, model: str, config_fingerprint: str) -> str:
    """Folder name of an engine's fans.

    A walk reads no config: `ewma`. A model: `chronos-t5--embedded--<config fingerprint>`.
    """
    return engine if model == engine else f"{engine}--{quote(model, safe=',=+')}--{config_fingerprint}"


class BacktestStore:
    """Fans of past origins under `<root>/<horizon>/<engine key>`, numbered in order of arrival.

    Args:
        warehouse: where the files are.
        lock_timeout_s: how long to wait for another run's reading or writing.
        root: one of `FANS` or `TRIALS`.
    """

    def __init__(self, warehouse: Warehouse, lock_timeout_s: float = 60.0, root: str = ROOT) -> None:
        self._warehouse = warehouse
        self._root = root
        self._lock_timeout_s = lock_timeout_s

    def engines(self, horizon: str) -> list[str]:
        """Engine keys that have fans of a horizon, ascending."""
        folder = f"{self._root}/{_known(horizon)}"
        names = (key.removeprefix(f"{folder}/").split("/") for key in self._warehouse.store.list(folder))
        return sorted({name[0] for name in names if len(name) == 2 and name[1].endswith(SUFFIX)})

    def read(self, horizon: str, engine_key: str) -> pl.DataFrame:
        """All fans, `FORECAST_SCHEMA`, in order of arrival.

        Raises:
            WarehouseError: a file is damaged, or the lock is held for too long.
            ValueError: there is no such horizon, or a file has other columns.
        """
        with self._warehouse.store.turn(self._key(horizon, engine_key), self._lock_timeout_s):
            for wait_s in waits():
                rows = self._read(self._key(horizon, engine_key))
                if rows is not None:
                    return rows
                time.sleep(wait_s)  # files were merged while they were read
        raise AssertionError("waits() never ends")

    def add(self, horizon: str, engine_key: str, frame: pl.DataFrame) -> None:
        """Keeps the fans of one batch, all or none.

        Raises:
            WarehouseError: the lock or the disk does not allow it; nothing has changed.
            ValueError: other columns, or fans of another horizon.
        """
        rows = conform(frame, FORECAST_SCHEMA, f"fans of {engine_key}")
        if others := set(rows["horizon"]) - {_known(horizon)}:
            raise ValueError(f"fans of {sorted(others)} added to those of {horizon}")
        key = self._key(horizon, engine_key)
        with self._warehouse.store.turn(key, self._lock_timeout_s):
            for wait_s in waits():
                parts = self._warehouse.partitions(key)
                number = 1 + max((int(part) for part in parts), default=0)
                try:
                    self._warehouse.create(key, rows, f"{number:06d}")
                    break
                except Taken:
                    time.sleep(wait_s)

    def compact(self, horizon: str, engine_key: str) -> None:
        """Merges all files into one.

        `read` gives the same rows before, after and if this is interrupted.

        Raises:
            WarehouseError: a file is damaged, or the lock or the disk does not allow it.
        """
        key = self._key(horizon, engine_key)
        with self._warehouse.store.turn(key, self._lock_timeout_s):
            parts = self._warehouse.partitions(key)
            if len(parts) < 2:
                return
            merged = list[bool]()

            def whole(_: pl.DataFrame | None) -> pl.DataFrame | None:
                rows = self._read(key, parts)
                merged[:] = [rows is not None]
                return rows

            # The whole first, then the rest is removed: rows that are stored twice in between are read once.
            self._warehouse.update_in_turn(key, whole, parts[0])
            for part in parts[1:] if merged[0] else ():  # else another process merges them
                self._warehouse.remove(key, part)

    def _key(self, horizon: str, engine_key: str) -> str:
        return f"{self._root}/{_known(horizon)}/{engine_key}"

    def _read(self, key: str, parts: Sequence[str] | None = None) -> pl.DataFrame | None:
        """All rows of a key; a repeated fan counts once, the last.

        None where a file was removed meanwhile.
        """
        frames = [empty(FORECAST_SCHEMA)]
        for part in self._warehouse.partitions(key) if parts is None else parts:
            stored = self._warehouse.read(key, part)
            if stored is None:
                return None
            frames.append(conform(stored, FORECAST_SCHEMA, self._warehouse.place(key, part)))
        return pl.concat(frames).unique([*RUN, "step"], keep="last", maintain_order=True)


def _known(horizon: str) -> str:
    """Refuses an unknown horizon."""
    days_of(horizon)
    return horizon

"""One engine with one open connection for each of Dagster's SQLite databases.

Dagster makes an engine and opens the file anew for each of the 300 connections of a forecast: statements are compiled
again each time, and whoever closes a database last writes its log back and deletes it. What is stored is the same.
"""

import atexit
import importlib
import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import sqlalchemy

STORAGES: Final = (
    "event_log.sqlite.sqlite_event_log",
    "runs.sqlite.sqlite_run_storage",
    "schedules.sqlite.sqlite_schedule_storage",
)
MOST: Final = 8
"""Engines held; each run has a database of its own."""


class _Engines:
    """Engines by address, the longest unused first."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, float | None], sqlalchemy.Engine] = {}
        self._lock = threading.Lock()

    def at(self, address: str, timeout: float | None) -> "sqlalchemy.Engine":
        with self._lock:
            engine = self._held.pop((address, timeout), None) or _engine(address, timeout)
            self._held[address, timeout] = engine
            while len(self._held) > MOST:
                self._held.pop(next(iter(self._held))).pool.dispose()
            return engine

    def close(self) -> None:
        with self._lock:
            while self._held:
                self._held.popitem()[1].pool.dispose()


_ENGINES: Final = _Engines()


def close_engines() -> None:
    """Closes open databases, so that each is one file.

    The next use opens them anew.
    """
    _ENGINES.close()


def _engine(address: str, timeout: float | None) -> "sqlalchemy.Engine":
    """Engine that keeps a connection to one file.

    If another file takes its path, the connection is made anew.
    """
    import sqlalchemy
    from sqlalchemy import event
    from sqlalchemy.exc import DisconnectionError
    from sqlalchemy.pool import QueuePool

    wait = {} if timeout is None else {"timeout": timeout}
    engine = sqlalchemy.create_engine(address, poolclass=QueuePool, pool_size=1, max_overflow=-1, connect_args=wait)
    engine.dispose = lambda close=True: None  # type: ignore[method-assign] # Dagster does so after each connection
    path = engine.url.database or ""

    def opened(connection: object, record: Any) -> None:
        record.info["file"] = _identity(path)

    def taken(connection: object, record: Any, proxy: object) -> None:
        if record.info["file"] != _identity(path):
            raise DisconnectionError(f"{path} is another file than the one that was opened")

    event.listen(engine, "connect", opened)
    event.listen(engine, "checkout", taken)
    return engine


def _identity(path: str) -> tuple[int, int] | None:
    """Device and inode of a path's file, None without one."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


@cache
def share_engines() -> None:
    """Makes Dagster's storages share an engine a database; once a process."""
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    atexit.register(close_engines)

    def create_engine(address: str, **options: Any) -> sqlalchemy.Engine:
        wait = options.get("connect_args", {})
        is_known = options.get("poolclass") is NullPool and set(options) <= {"poolclass", "connect_args"}
        if is_known and set(wait) <= {"timeout"}:
            return _ENGINES.at(address, wait.get("timeout"))
        return sqlalchemy.create_engine(address, **options)  # another version of Dagster asks for more

    for name in STORAGES:
        module: Any = importlib.import_module(f"dagster._core.storage.{name}")
        if hasattr(module, "create_engine"):
            module.create_engine = create_engine

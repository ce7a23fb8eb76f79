"""One SQLAlchemy engine for each of Dagster's SQLite databases.

Dagster makes an engine for each of the 300 connections of a forecast, and each compiles its statements anew. Without a
pool an engine holds no connection, so a process needs one a database. The commands install this; databases and
statements are the same.
"""

import importlib
from functools import cache, lru_cache
from typing import Any, Final

STORAGES: Final = (
    "event_log.sqlite.sqlite_event_log",
    "runs.sqlite.sqlite_run_storage",
    "schedules.sqlite.sqlite_schedule_storage",
)
MOST: Final = 8
"""Engines held; each run has a database of its own."""


@cache
def share_engines() -> None:
    """Makes Dagster's storages share an engine a database; once a process."""
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    @lru_cache(maxsize=MOST)
    def shared(address: str, timeout: float | None) -> sqlalchemy.Engine:
        wait = {} if timeout is None else {"timeout": timeout}
        return sqlalchemy.create_engine(address, poolclass=NullPool, connect_args=wait)

    def create_engine(address: str, **options: Any) -> sqlalchemy.Engine:
        wait = options.get("connect_args", {})
        is_known = options.get("poolclass") is NullPool and set(options) <= {"poolclass", "connect_args"}
        if is_known and set(wait) <= {"timeout"}:
            return shared(address, wait.get("timeout"))
        return sqlalchemy.create_engine(address, **options)  # another version of Dagster asks for more

    for name in STORAGES:
        module: Any = importlib.import_module(f"dagster._core.storage.{name}")
        if hasattr(module, "create_engine"):
            module.create_engine = create_engine

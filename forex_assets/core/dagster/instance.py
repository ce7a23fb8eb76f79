"""Dagster instance of UI, daemon and command line: sqlite or Postgres.

`python -m forex_assets.core.dagster.instance` prepares it and prints its folder.
"""

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from forex_assets.core import names
from forex_assets.core.dagster.instance_config import FILE, write_instance_config
from forex_assets.core.settings import Settings, load_settings
from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.core.store.warehouse import WarehouseError

if TYPE_CHECKING:
    from dagster._core.storage.event_log import EventLogStorage

READY = ".prepared"
"""File that holds the configuration for which the databases were prepared."""


def prepare_instance(settings: Settings) -> Path:
    """Creates the instance's folder, `dagster.yaml` and databases if missing.

    Two processes that create the tables at once make one fail, so a lock guards them.

    Raises:
        WarehouseError: the folder cannot be made or written to.
    """
    try:
        home = write_instance_config(settings)
    except OSError as error:
        raise WarehouseError(
            f"cannot write to {settings.dagster_home}: {error.strerror}; set FOREX_WAREHOUSE (or DAGSTER_HOME) to a "
            "folder to write to"
        ) from None
    export_instance(settings)
    config = (home / FILE).read_bytes()
    if _prepared_for(home) == config:
        return home
    import dagster as dg

    with filelock.FileLock(home / f"{READY}.lock", timeout=120):
        with dg.DagsterInstance.get() as instance:
            instance.get_runs(limit=1)
            instance.get_latest_materialization_event(dg.AssetKey("none"))
            instance.all_instigator_state()
            _set_pool_limits(instance.event_log_storage)
        write_bytes_atomically(home / READY, config, through_link=False)
    return home


def _set_pool_limits(storage: "EventLogStorage") -> None:
    """Gives each pool its limit, unless it has one.

    Dagster's queue does so too, but its first pass does not keep the limits yet.
    """
    from sqlalchemy.exc import InternalError

    known = {limit.name for limit in storage.get_pool_limits()}
    for pool in names.POOLS:
        if pool not in known:
            with contextlib.suppress(InternalError):  # on Postgres, where another machine was first
                storage.initialize_concurrency_limit_to_default(pool)


def export_instance(settings: Settings) -> None:
    """Puts what Dagster reads of the settings into the environment."""
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    if settings.postgres_url is not None:
        os.environ["DAGSTER_PG_URL"] = settings.postgres_url.get_secret_value()


def _prepared_for(home: Path) -> bytes:
    """Configuration of the prepared databases; empty if they are not."""
    try:
        return (home / READY).read_bytes()
    except FileNotFoundError:
        return b""


if __name__ == "__main__":
    print(prepare_instance(load_settings()))

"""Dagster instance of UI, daemon and command line: sqlite, without telemetry.

`python -m forex_assets.core.dagster.instance` prepares it and prints its folder.
"""

import os
from pathlib import Path

import filelock

from forex_assets.core.settings import Settings, load_settings
from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.core.store.warehouse import WarehouseError

DAGSTER_YAML = """\
# Written by forex-assets when it was missing; yours to change.
nux:
  enabled: false
telemetry:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 2
run_monitoring:
  enabled: true
  start_timeout_seconds: 300
  max_runtime_seconds: 86400
python_logs:
  python_log_level: INFO
retention:
  schedule:
    purge_after_days: 90
  sensor:
    purge_after_days:
      skipped: 7
      failure: 30
      success: 90
"""


READY = ".prepared"


def prepare_instance(settings: Settings) -> Path:
    """Creates the instance's folder, `dagster.yaml` and databases if missing.

    Two processes that create the tables at once make one fail, so a lock guards them.

    Raises:
        WarehouseError: the folder cannot be made.
    """
    home = settings.dagster_home
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WarehouseError(
            f"cannot make {home}: {error.strerror}; set FOREX_WAREHOUSE (or DAGSTER_HOME) to a folder to write to"
        ) from None
    os.environ["DAGSTER_HOME"] = str(home)
    if (home / READY).exists():
        return home
    import dagster as dg

    with filelock.FileLock(home / f"{READY}.lock", timeout=120):
        if not (home / "dagster.yaml").exists():
            write_bytes_atomically(home / "dagster.yaml", DAGSTER_YAML.encode())
        with dg.DagsterInstance.get() as instance:
            instance.get_runs(limit=1)
            instance.get_latest_materialization_event(dg.AssetKey("none"))
            instance.all_instigator_state()
        write_bytes_atomically(home / READY, b"", through_link=False)
    return home


if __name__ == "__main__":
    print(prepare_instance(load_settings()))

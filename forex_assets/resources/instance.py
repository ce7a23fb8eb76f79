"""The Dagster instance that the UI, the daemon and the command line share: made once, telemetry off, sqlite.

`python -m forex_assets.resources.instance` makes it and prints its folder.
"""

from pathlib import Path

from forex_assets.adapters.atomic import write_bytes_atomically
from forex_assets.resources.settings import Settings, load_settings

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
retention:
  schedule:
    purge_after_days: 90
  sensor:
    purge_after_days:
      skipped: 7
      failure: 30
      success: -1
"""


def prepare_instance(settings: Settings) -> Path:
    """The instance's folder, with a `dagster.yaml` in it; one that is there is left alone."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    file = home / "dagster.yaml"
    if not file.exists():
        write_bytes_atomically(file, DAGSTER_YAML.encode())
    return home


if __name__ == "__main__":
    print(prepare_instance(load_settings()))

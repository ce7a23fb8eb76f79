"""Dagster's `dagster.yaml`, made from the settings.

`python -m forex_assets.core.dagster.instance_config` writes it without touching a database; with `--always` also over
a file that a person has made theirs.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from forex_assets.core import names
from forex_assets.core.settings import Settings, SettingsError, load_settings
from forex_assets.core.store.atomic import write_bytes_atomically

FILE: Final = "dagster.yaml"
HEAD: Final = """\
# Written by forex-assets from its settings, and again whenever they change.
# Remove these two lines to keep changes of your own.
"""

RUNS: Final = 3
"""Runs in progress at once, command line included."""

OPTIMIZATION_RUNS: Final = 2
"""Runs of the optimization location at once.

The other places are left to forecasts.
"""

FIXED: Final[dict[str, Any]] = {
    "nux": {"enabled": False},
    "telemetry": {"enabled": False},
    "concurrency": {
        "runs": {
            "max_concurrent_runs": RUNS,
            "tag_concurrency_limits": [
                {"key": "dagster/code_location", "value": names.OPTIMIZATION_LOCATION, "limit": OPTIMIZATION_RUNS}
            ],
        },
        # By run: only the queue waits, never a run that has begun, nor a command.
        "pools": {"granularity": "run", "default_limit": 1},
    },
    "run_monitoring": {"enabled": True, "start_timeout_seconds": 300, "max_runtime_seconds": 86400},
    "python_logs": {"python_log_level": "INFO"},
    "retention": {
        "schedule": {"purge_after_days": 90},
        "sensor": {"purge_after_days": {"skipped": 7, "failure": 30, "success": 90}},
    },
}
"""Sections that no setting changes."""


def instance_config(settings: Settings) -> dict[str, Any]:
    """Returns the sections of the file.

    Beside the fixed ones: Postgres, and the bucket for the logs of runs.
    """
    config = dict(FIXED)
    if settings.postgres_url is not None:
        config["storage"] = {"postgres": {"postgres_url": {"env": "DAGSTER_PG_URL"}}}
    if keeps_logs_in_bucket(settings):
        bucket, _, folder = settings.store_address.removeprefix("s3://").strip("/").partition("/")
        config["compute_logs"] = {
            "module": "dagster_aws.s3.compute_log_manager",
            "class": "S3ComputeLogManager",
            "config": {
                "bucket": bucket,
                "prefix": f"{folder}-logs".lstrip("-"),  # beside the store: its lists and copies stay small
                "local_dir": str(settings.dagster_home / "storage"),  # else /tmp, whatever TMPDIR says
                "skip_empty_files": True,
            },
        }
    return config


def keeps_logs_in_bucket(settings: Settings) -> bool:
    """Tells whether the bucket keeps the logs of runs."""
    return settings.store_address.startswith("s3://") and importlib.util.find_spec("dagster_aws") is not None


def write_instance_config(settings: Settings, *, always: bool = False) -> Path:
    """Writes the file, unless a person has made it theirs.

    Args:
        always: also over a person's file.

    Returns:
        Its folder, which exists.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    home = settings.dagster_home
    text = HEAD + yaml.safe_dump(instance_config(settings), sort_keys=False)
    path = home / FILE
    home.mkdir(parents=True, exist_ok=True)
    present = path.read_text(encoding="utf-8") if path.exists() else HEAD
    if (always or present.startswith(HEAD)) and present != text:
        write_bytes_atomically(path, text.encode())
    return home


if __name__ == "__main__":
    try:
        write_instance_config(load_settings(), always="--always" in sys.argv)
    except (SettingsError, OSError) as error:
        sys.exit(f"error: {error}")

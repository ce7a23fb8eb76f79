"""Checks of user and memory before a command begins."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

COMMAND_MB: Final = 650
"""Address space that any command's libraries reserve, in MB."""

FORECAST_MB: Final = 1500
"""Address space that a forecast reserves, in MB."""

if TYPE_CHECKING:
    from forex_assets.core.session import Session


def root_fault(session: "Session") -> str:
    """Why root must not run a command; empty where it may.

    Files that root leaves there would stop the service that runs as their owner.
    """
    import pwd

    if os.geteuid() != 0:
        return ""
    for folder in (session.settings.warehouse, session.settings.configs, session.settings.dagster_home):
        owner = folder.stat().st_uid if folder.exists() else 0
        if owner != 0:
            known = [user.pw_name for user in pwd.getpwall() if user.pw_uid == owner] or [f"#{owner}"]
            words = f"{folder} belongs to {known[0]}, and you are root; nothing was written. "
            return f"{words}Run it as its owner: sudo -u {known[0]} forex-assets …"
    return ""


def local_words(session: "Session") -> str:
    """State that stays on this machine beside an object store.

    Empty where the store is a folder.
    """
    settings = session.settings
    if not settings.has_remote_store:
        return ""
    from forex_assets.core.dagster.instance_config import keeps_logs_in_bucket

    kept = [] if settings.postgres_url else [f"Dagster's sqlite records in {settings.dagster_home}"]
    kept += [] if keeps_logs_in_bucket(settings) else [f"logs of runs in {settings.dagster_home}"]
    kept += [] if settings.mlflow_tracking_uri else [f"MLflow's runs in {settings.warehouse}/mlflow"]
    kept += [f"archives in {settings.backups or settings.warehouse / 'backups'}"]
    return f"the store is {settings.store_address}; on this machine alone stay {', '.join(kept)}"


def need_memory(megabytes: int) -> None:
    """Refuses to begin where a limit on memory leaves too little.

    With less, a library's threads wait for ever for what they cannot get.
    """
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return
    try:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        used = 0  # no Linux
    left = max(limit - used, 0) // 2**20
    if left < megabytes:  # without rich, which may not fit any more
        words = f"the limit on memory (ulimit -v) leaves {left} MB, and this command needs {megabytes}; raise the limit"
        print(f"error: {words}", file=sys.stderr)
        raise SystemExit(1)

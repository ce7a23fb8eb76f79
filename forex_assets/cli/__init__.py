"""Command line: runs the UI's assets and prints results.

In: arguments, settings, the warehouse and Dagster's records. Out: tables or JSON on the terminal, exit codes. Rules and
assets are in the rooms to the left.
"""

import signal
import sys
from io import TextIOWrapper

# isort: off
from forex_assets.cli import dashboard, loop  # noqa: F401  # first: the help lists groups in this order

# isort: on
from forex_assets.cli import (  # noqa: F401  # each adds its commands
    accuracy,
    alerts,
    backup,
    commands,
    desk,
    detectors,
    exposure,
    optimize,
    replay,
    report,
    scenario,
    store,
    tracking,
)
from forex_assets.cli.common import app
from forex_assets.cli.limits import COMMAND_MB, need_memory


def main() -> None:
    """Entry point of `forex-assets` and `python -m forex_assets`.

    A terminal that is closed ends a run as Ctrl-C does, which Dagster records, unless it was started by `nohup`.
    """
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal without UTF-8 shows `?` instead of failing
            stream.reconfigure(errors="replace")
    if "--help" not in sys.argv:
        need_memory(COMMAND_MB)
    app()

"""Process names that stay valid after the process ends.

Setting the clock changes none.
"""

import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil

PROCESS_TAG: Final = ".dagster/forex_process"
"""Run tag: name of the process that executes the run."""

HEARTBEAT_TAG: Final = ".dagster/forex_heartbeat"
"""Hidden run tag: last sign of life of the process, ISO, UTC."""

TOLERANCE_S: Final = 5.0
"""Tolerance of start times by the clock in seconds; Linux needs none."""

_STATE, _START_TICKS = 2, 21
"""Places in `/proc/<pid>/stat`, counted from 0."""


def process_name(pid: int | None = None) -> str:
    """Returns machine, number and start of a process.

    On Linux the start is the boot's id and the clock ticks since it: both stay as they are when the clock is set.

    Args:
        pid: process number; None for this process.

    Raises:
        ProcessLookupError: there is no such process.
    """
    number = os.getpid() if pid is None else pid
    return f"{socket.gethostname()} {number} {_began(number)}"


def signs_of_life(pid: int | None = None) -> dict[str, str]:
    """Returns the first run tags: process and heartbeat.

    With the first beat another machine sees within the hour that the run was killed right after its start.

    Args:
        pid: process number; None for this process.
    """
    return {PROCESS_TAG: process_name(pid), HEARTBEAT_TAG: datetime.now(UTC).isoformat()}


def is_here(name: str) -> bool:
    """Tells whether a named process is one of this machine."""
    return name.partition(" ")[0] == socket.gethostname()


def is_gone(name: str) -> bool:
    """Tells whether a named process of this machine has ended.

    False for names of other machines and unreadable names.
    """
    _, number, noted = [*name.split(" "), "", ""][:3]
    if not is_here(name) or not number.isdigit():
        return False
    try:
        began = _began(int(number))
        if ":" in began and ":" not in noted:  # noted by an earlier version, in seconds of the clock
            return abs(float(_began_by_clock(int(number))) - float(noted)) > TOLERANCE_S
        if ":" in began:
            return began != noted
        return abs(float(began) - float(noted)) > TOLERANCE_S
    except ProcessLookupError:
        return True
    except ValueError:
        return False


def _began(number: int) -> str:
    """Returns the start of a process.

    `<boot>:<ticks>` on Linux, else seconds of the clock.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return _began_by_clock(number)
    try:
        # The name in parentheses may hold blanks and parentheses itself.
        fields = ["", "", *Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()]
    except OSError as error:
        raise ProcessLookupError(f"no process {number}") from error
    if fields[_STATE] in "ZX":
        raise ProcessLookupError(f"process {number} has ended")
    return f"{boot}:{fields[_START_TICKS]}"


def _began_by_clock(number: int) -> str:
    try:
        process = psutil.Process(number)
        if process.status() == psutil.STATUS_ZOMBIE:
            raise ProcessLookupError(f"process {number} has ended")
        return f"{process.create_time():.2f}"
    except psutil.NoSuchProcess as error:
        raise ProcessLookupError(f"no process {number}") from error

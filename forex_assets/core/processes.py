"""Processes of this machine, by names that outlive them: a record can be asked whether its process is still there."""

import os
import socket
from typing import Final

import psutil

PROCESS_TAG: Final = "forex/process"
"""Tag of a run: the process that it dies with."""

TOLERANCE_S: Final = 5.0
"""A start is reckoned from the machine's clock, which may be set meanwhile."""


def process_name(pid: int | None = None) -> str:
    """Machine, number and start of a process; this one where none is named.

    Raises:
        ProcessLookupError: there is no such process.
    """
    number = os.getpid() if pid is None else pid
    return f"{socket.gethostname()} {number} {_began(number):.2f}"


def is_gone(name: str) -> bool:
    """Whether a process of this machine has ended; False where the name is another machine's, or is none."""
    machine, number, began = [*name.split(" "), "", ""][:3]
    if machine != socket.gethostname() or not number.isdigit():
        return False
    try:
        return abs(_began(int(number)) - float(began)) > TOLERANCE_S
    except ProcessLookupError:
        return True
    except ValueError:
        return False


def _began(number: int) -> float:
    try:
        process = psutil.Process(number)
        if process.status() == psutil.STATUS_ZOMBIE:
            raise ProcessLookupError(f"process {number} has ended")
        return float(process.create_time())
    except psutil.NoSuchProcess as error:
        raise ProcessLookupError(f"no process {number}") from error

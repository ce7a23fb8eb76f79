"""Process names that stay valid after the process ends."""

import os
import socket
from typing import Final

import psutil

PROCESS_TAG: Final = "forex/process"
"""Run tag: name of the process that executes the run."""

TOLERANCE_S: Final = 5.0
"""Tolerance of start times in seconds; the clock can be set."""


def process_name(pid: int | None = None) -> str:
    """Returns machine, number and start of a process.

    Args:
        pid: process number; None for this process.

    Raises:
        ProcessLookupError: there is no such process.
    """
    number = os.getpid() if pid is None else pid
    return f"{socket.gethostname()} {number} {_began(number):.2f}"


def is_gone(name: str) -> bool:
    """Tells whether a named process of this machine has ended.

    False for names of other machines and unreadable names.
    """
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

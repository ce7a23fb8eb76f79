"""Keeps a process's writes inside some folders, by the kernel (Landlock): also those of compiled code and children."""

import ctypes
import os
import struct
from pathlib import Path
from typing import Final

CREATE, ADD, RESTRICT, NO_NEW_PRIVILEGES, BENEATH = 444, 445, 446, 38, 1
"""Numbers of the system calls, of prctl's option and of the rule's kind; equal on all processors."""

WRITES: Final = 1 << 1 | sum(1 << place for place in range(4, 15))
"""Rights: write, remove, make, move and truncate."""


def can_confine() -> bool:
    """Whether the kernel knows Landlock with all of `WRITES`."""
    return os.uname().sysname == "Linux" and ctypes.CDLL(None).syscall(CREATE, None, 0, 1) >= 3


def confine(*folders: Path) -> None:
    """Refuses every later write of this process elsewhere, where the kernel can."""
    if not can_confine():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    rules = libc.syscall(CREATE, struct.pack("=Q", WRITES), 8, 0)
    for folder in folders:
        place = os.open(folder, os.O_PATH)
        rule = struct.pack("=Qi", WRITES, place)
        done = libc.syscall(ADD, rules, BENEATH, rule, 0)
        os.close(place)
        if done != 0:
            raise OSError(ctypes.get_errno(), f"no rule for {folder}")
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0 or libc.syscall(RESTRICT, rules, 0) != 0:
        raise OSError(ctypes.get_errno(), "the process cannot be confined")
    os.close(rules)

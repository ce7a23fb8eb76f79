"""Process names are unique; only this machine's can be gone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from forex_assets.core.processes import is_gone, process_name


def test_a_process_is_there_until_it_has_ended_however_that_was() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    name = process_name(child.pid)
    assert not is_gone(name)
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(name), "a zombie does nothing any more"
    child.wait()
    assert is_gone(name)
    with pytest.raises(ProcessLookupError):
        process_name(child.pid)


def test_this_process_is_there_and_one_of_its_number_that_began_earlier_is_not() -> None:
    """The start is field 22 of `/proc/<pid>/stat`, as `ps` reads it too, and not a time of the clock."""
    machine, number, began = process_name().split()
    boot, ticks = began.split(":")
    assert int(number) == os.getpid()
    assert boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    seconds = int(subprocess.check_output(["ps", "-o", "etimes=", "-p", number], text=True))
    up = float(Path("/proc/uptime").read_text().split()[0])
    assert abs((up - int(ticks) / os.sysconf("SC_CLK_TCK")) - seconds) < 2
    assert not is_gone(process_name())
    assert is_gone(f"{machine} {number} {boot}:{int(ticks) - 1}")
    assert is_gone(f"{machine} {number} another-boot:{ticks}")


def test_a_name_noted_by_an_earlier_version_is_still_understood() -> None:
    machine, number, _ = process_name().split()
    assert not is_gone(f"{machine} {number} {psutil.Process().create_time():.2f}")
    assert is_gone(f"{machine} {number} {psutil.Process().create_time() - 60:.2f}")


@pytest.mark.parametrize("name", ["", "x", "elsewhere 1 1.0", "{machine}", "{machine} x 1", "{machine} 1 x"])
def test_of_another_machines_process_or_of_none_nothing_is_said(name: str) -> None:
    assert not is_gone(name.format(machine=process_name().split()[0]))

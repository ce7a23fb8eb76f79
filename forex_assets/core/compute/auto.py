"""Compute without a setting: several processes for long work only."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import psutil

from forex_assets.core.compute.port import Compute, ThisProcess
from forex_assets.core.compute.processes import Processes, cores
from forex_assets.core.compute.work import is_edited

P = ParamSpec("P")
Result = TypeVar("Result")

MOST: Final = 8
"""Worker processes that are started without being asked for."""

WORKER_BYTES: Final = 2**30
"""Free memory wanted for each worker process.

One with torch needs about 660 MB.
"""

CGROUPS: Final = Path("/sys/fs/cgroup")
"""Limits of containers and services on Linux, version 2."""


class Auto(ThisProcess):
    """Compute: this process, until work has lasted."""

    def __init__(self) -> None:
        self._spare: SpareProcesses | None = None

    @property
    def is_wide(self) -> bool:
        """See `ThisProcess`."""
        return self._spare is not None

    def wider(self) -> Compute | None:
        """See `ThisProcess`.

        None with one core, too little memory, or sources that were edited meanwhile.
        """
        if self._spare is None:
            if is_edited():  # an upgrade under way: new processes would run other code, and refuse
                return None
            count = min(cores(), MOST, free_memory() // WORKER_BYTES)
            if count < 2:
                return None
            self._spare = SpareProcesses(count)
        return self._spare

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the worker processes, if there are any."""
        if self._spare is not None:
            self._spare.shutdown()
            self._spare = None


class SpareProcesses(Processes):
    """Compute: worker processes, and this process where they die again."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self._alone: ThisProcess | None = None

    def submit(self, fn: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> "Future[Result]":
        """See `Executor.submit`."""
        if self._alone is not None:
            return self._alone.submit(fn, *args, **kwargs)
        return super().submit(fn, *args, **kwargs)

    def recover(self, lost: int) -> str:
        """See `Compute`; nobody asked for processes, so nothing fails with them."""
        if self.can_restart:
            return super().recover(lost)
        self.stop()
        self._alone, self.workers = ThisProcess(), 1
        return (
            f"worker processes died again (killed, or out of memory); {lost} lost blocks and the rest run in this one"
        )


def free_memory(cgroups: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes that new processes may take.

    The machine's free memory, or what the limits of a container or service leave.
    """
    free = [int(psutil.virtual_memory().available)]
    text = membership.read_text() if membership.is_file() else ""
    path = next((line[3:] for line in text.splitlines() if line.startswith("0::")), "/")
    folder = cgroups / path.strip("/")
    for group in (folder, *folder.parents):
        limit, used = group / "memory.max", group / "memory.current"
        if limit.is_file() and used.is_file() and (most := limit.read_text().strip()) != "max":
            free.append(int(most) - int(used.read_text()))
        if group == cgroups:
            break
    return max(0, min(free))

"""Compute by worker processes of this machine."""

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, ParamSpec, TypeVar

from forex_assets.core.compute.port import Compute
from forex_assets.core.compute.work import ComputeError, SharedFile

P = ParamSpec("P")
Result = TypeVar("Result")

RESTARTS: Final = 1
"""Times that lost blocks are run again.

A block that kills twice would kill for ever.
"""

_SPAWN: Final = multiprocessing.get_context("spawn")
"""Starts fresh interpreters.

A fork would copy locks that threads of torch and polars hold.
"""


class Processes(Compute):
    """Compute: worker processes, started with the first block.

    Args:
        count: worker processes.
    """

    def __init__(self, count: int) -> None:
        self.workers, self.words = count, f"{count} processes"
        self._folder = TemporaryDirectory(prefix="forex-compute-")
        self._restarts = 0
        self._pool: ProcessPoolExecutor | None = None
        self._lifeline: Connection | None = None

    def share(self, payload: bytes) -> SharedFile:
        """See `Compute`; each worker reads the file once."""
        path = Path(self._folder.name) / hashlib.sha256(payload).hexdigest()
        if not path.exists():
            path.write_bytes(payload)
        return SharedFile(str(path))

    def submit(self, fn: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> "Future[Result]":
        """See `Executor.submit`."""
        if self._pool is None:
            # The workers hold the other end: it closes when this process stops them, and also when it is killed.
            theirs, self._lifeline = _SPAWN.Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(self.workers, _SPAWN, initializer=_start, initargs=(theirs,))
        return self._pool.submit(fn, *args, **kwargs)

    @property
    def can_restart(self) -> bool:
        """Whether lost blocks may be run again."""
        return self._restarts < RESTARTS

    def recover(self, lost: int) -> str:
        """See `Compute`; starts new workers, once."""
        if not self.can_restart:
            fewer = max(1, self.workers // 2)
            raise ComputeError(
                f"a worker process died again, with {lost} blocks under way: it was killed, or memory ran out. "
                f"Finished blocks are stored. Run the command again, with FOREX_COMPUTE=processes:{fewer}"
            )
        self._restarts += 1
        self.stop()
        return f"a worker process died (killed, or out of memory); its {lost} lost blocks are run again, once"

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the workers, also amid a block."""
        self.stop()
        self._folder.cleanup()

    def stop(self) -> None:
        """Ends the workers; the next call starts others."""
        if self._pool is not None and self._lifeline is not None:
            self._lifeline.close()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = self._lifeline = None


def _start(lifeline: Connection) -> None:
    """Prepares a worker: it ends with its parent, and on Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    """Ends this process when the parent's end of the pipe closes."""
    with suppress(EOFError, OSError):
        lifeline.recv()
    os._exit(1)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""Opens the compute that a setting names, once for nested uses."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from forex_assets.core.compute.port import Compute, ThisProcess
from forex_assets.core.compute.setting import ComputeSetting
from forex_assets.core.compute.work import package_version


@dataclass
class _Open:
    """An open compute and the number of its users."""

    compute: Compute
    users: int


_OPEN: Final[dict[ComputeSetting, _Open]] = {}
_LOCK: Final = threading.Lock()


@contextmanager
def compute_of(setting: ComputeSetting) -> Iterator[Compute]:
    """Gives the compute of a setting; the outermost block closes it.

    Nested uses share its workers, which take seconds to start: wrap a whole command or asset in one block.

    Raises:
        ComputeError: there is no scheduler, it has no worker, or a worker has another version of the code.
    """
    package_version()  # noted now: sources may be edited while this process works
    with _LOCK:
        if setting not in _OPEN:
            _OPEN[setting] = _Open(_made(setting), 0)
        known = _OPEN[setting]
        known.users += 1
    try:
        yield known.compute
    finally:
        with _LOCK:
            known.users -= 1
            if not known.users:
                del _OPEN[setting]
        if not known.users:
            known.compute.shutdown()


def _made(setting: ComputeSetting) -> Compute:
    if setting.kind == "processes":
        from forex_assets.core.compute.processes import Processes

        return Processes(setting.processes)
    if setting.kind == "dask":
        from forex_assets.core.compute.dask_workers import Dask

        return Dask(setting)
    if setting.kind == "auto":
        from forex_assets.core.compute.auto import Auto

        return Auto()
    return ThisProcess()

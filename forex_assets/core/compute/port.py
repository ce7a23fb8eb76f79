"""The compute port, and the loop that hands out blocks.

A result is yielded when it arrives, so that its block can be stored: a kill loses only the blocks under way.
"""

import logging
import pickle
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from itertools import chain, islice
from typing import Any, Final, Generic, ParamSpec, TypeVar

from forex_assets.core.compute.work import ComputeError, package_version, run

P = ParamSpec("P")
Shared = TypeVar("Shared")
Block = TypeVar("Block")
Result = TypeVar("Result")

BLOCKS_PER_WORKER: Final = 2
"""Blocks under way a worker: one runs, one waits."""

LOOK_S: Final = 5.0
"""Seconds without a result after which the executor is checked."""

SPREAD_AFTER_S: Final = 20.0
"""Seconds of work in one process before several are started.

About what their start costs in processor time: short work never pays it, long work pays at most that much more.
"""

_log = logging.getLogger(__name__)


class Compute(Executor):
    """Executor for blocks that share inputs."""

    words: str
    """Place of the work, for people, such as `4 processes`."""

    workers: int
    """Blocks that run at one time."""

    @abstractmethod
    def share(self, payload: bytes) -> Any:
        """Ships pickled inputs once.

        Returns:
            An argument for `work.run` in place of them.
        """

    def check(self) -> None:
        """Checks that results can still arrive.

        Raises:
            ComputeError: they cannot.
        """

    def explained(self, error: Exception) -> Exception:
        """A block's error, or a `ComputeError` in its place."""
        return error

    @abstractmethod
    def recover(self, lost: int) -> str:
        """Prepares a second run of lost blocks.

        Args:
            lost: number of blocks whose workers died.

        Returns:
            What happened, for people.

        Raises:
            ComputeError: they cannot be run again.
        """


class ThisProcess(Compute):
    """Compute: runs each block in this process when it is submitted."""

    words = "this process"
    workers = 1

    def submit(self, fn: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> "Future[Result]":
        """Runs a call at once; its future is done."""
        future = Future[Result]()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - a future keeps any error for its reader
            future.set_exception(error)
        return future

    def share(self, payload: bytes) -> Any:
        """See `Compute`."""
        return pickle.loads(payload)

    @property
    def is_wide(self) -> bool:
        """Whether worker processes were started for earlier work."""
        return False

    def wider(self) -> Compute | None:
        """Worker processes for the rest of long work; None to stay here."""
        return None

    def recover(self, lost: int) -> str:
        """See `Compute`; blocks of this process are not lost."""
        raise ComputeError(f"{lost} blocks were lost in this process")


THIS_PROCESS: Final = ThisProcess()
"""Compute without workers."""


def run_blocks(
    compute: Compute,
    function: Callable[[Shared, Block], Result],
    shared: Shared,
    blocks: Iterable[Block],
    *,
    spreads: bool = False,
) -> Iterator[tuple[Block, Result]]:
    """Yields each block with its result, in order of arrival.

    In this process nothing is pickled. Elsewhere function, inputs and blocks are pickled: the function is one of a
    module, and the inputs are shipped once.

    Args:
        compute: where blocks run.
        function: takes shared inputs and a block; a block's result depends on nothing else.
        shared: inputs of all blocks.
        blocks: taken one by one, when a worker can soon begin them.
        spreads: whether a block uses one core, so that long work may go on in several processes.

    Raises:
        ComputeError: workers died twice, or they have another version of the code.
        Exception: whatever `function` raises.
    """
    source = iter(blocks)
    if isinstance(compute, ThisProcess):
        began, wider = time.monotonic(), compute.wider() if spreads and compute.is_wide else None
        while wider is None and (block := next(source, None)) is not None:
            yield block, function(shared, block)
            if spreads and time.monotonic() - began > SPREAD_AFTER_S:
                few = list(islice(source, 2))
                source = chain(few, source)
                wider = compute.wider() if len(few) == 2 else None
        if wider is None:
            return
        compute = wider
    yield from _Blocks[Block](compute, pickle.dumps(function), pickle.dumps(shared), source).results()


class _Blocks(Generic[Block]):
    """Blocks under way on other processes."""

    def __init__(self, compute: Compute, function: bytes, shared: bytes, source: Iterator[Block]) -> None:
        self._compute, self._function, self._payload, self._source = compute, function, shared, source
        self._handle: Any = None
        self._under_way: dict[Future[Any], Block] = {}

    def results(self) -> Iterator[tuple[Block, Any]]:
        """Yields results until no block is left."""
        try:
            self._fill()
            while self._under_way:
                done, _ = wait(self._under_way, LOOK_S, return_when=FIRST_COMPLETED)
                if not done:
                    self._compute.check()
                lost = []
                for future in [pending for pending in self._under_way if pending in done]:
                    block = self._under_way.pop(future)
                    try:
                        result = future.result()
                    except (BrokenExecutor, CancelledError):
                        lost.append(block)
                        continue
                    except Exception as error:
                        raise self._compute.explained(error) from error
                    yield block, result
                if lost:
                    yield from self._again(lost)
                self._fill()
        finally:
            for future in self._under_way:
                future.cancel()

    def _fill(self) -> None:
        """Hands out blocks until each worker has enough."""
        while len(self._under_way) < BLOCKS_PER_WORKER * self._compute.workers:
            block = next(self._source, None)
            if block is None:
                return
            self._submit(block)

    def _submit(self, block: Block) -> None:
        if self._handle is None:
            self._handle = self._compute.share(self._payload)
        task = (package_version(), self._function, self._handle, pickle.dumps(block))
        try:
            future = self._compute.submit(run, *task)
        except BrokenExecutor as error:  # a worker died just now: this block is lost like those under way
            future = Future[Any]()
            future.set_exception(error)
        self._under_way[future] = block

    def _again(self, lost: list[Block]) -> Iterator[tuple[Block, Any]]:
        """Runs lost blocks again; yields those that had arrived."""
        wait(self._under_way)  # with their executor broken, all end
        for future, block in self._under_way.items():
            error = None if future.cancelled() else future.exception()
            if future.cancelled() or isinstance(error, BrokenExecutor):
                lost.append(block)
            else:
                yield block, future.result()
        self._under_way.clear()
        words = self._compute.recover(len(lost))
        _log.warning("%s", words)
        self._handle = None
        for block in lost:
            self._submit(block)


def batched(items: Iterable[Block], size: int) -> Iterator[list[Block]]:
    """Yields lists of up to `size` items, in order."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch

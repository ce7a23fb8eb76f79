"""Functions of blocks for the tests: workers import them by name."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Inputs:
    """Inputs of all blocks: numbers, and a folder for marks."""

    numbers: np.ndarray
    folder: Path


class OwnError(Exception):
    """An error of a block's function."""


def total(inputs: Inputs, block: int) -> tuple[int, float, int]:
    """Block, a sum over the inputs, and the process that made it."""
    return block, float(np.sum(inputs.numbers * block)), os.getpid()


def slow_total(inputs: Inputs, block: int) -> tuple[int, float, int]:
    """As `total`, after a tenth of a second."""
    time.sleep(0.1)
    return total(inputs, block)


def failing(inputs: Inputs, block: int) -> int:
    """Fails at block 3."""
    if block == 3:
        raise OwnError("block 3 cannot be computed")
    return block


def killed_once(inputs: Inputs, block: int) -> tuple[int, float, int]:
    """Kills its process at block 3, the first time."""
    mark = inputs.folder / "killed"
    if block == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return slow_total(inputs, block)


def killed_always(inputs: Inputs, block: int) -> int:
    """Kills its process at block 3, when the blocks before have arrived."""
    if block == 3:
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
    return block


def marked(inputs: Inputs, block: int) -> int:
    """Leaves a mark when it begins, then sleeps longer than any test waits."""
    (inputs.folder / f"pid-{os.getpid()}").touch()
    time.sleep(3600)
    return block


def killed_in_workers(inputs: Inputs, block: int) -> tuple[int, float, int]:
    """Kills every process but the first that ran a block."""
    mark = inputs.folder / "first"
    if not mark.exists():
        mark.write_text(str(os.getpid()))
    if mark.read_text() != str(os.getpid()):
        os.kill(os.getpid(), signal.SIGKILL)
    return slow_total(inputs, block)

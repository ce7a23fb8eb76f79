"""Blocks on worker processes: one result a block, whatever dies meanwhile."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from forex_assets.core.compute import work
from forex_assets.core.compute.opening import compute_of
from forex_assets.core.compute.port import THIS_PROCESS, Compute, run_blocks
from forex_assets.core.compute.processes import Processes
from forex_assets.core.compute.setting import TlsFiles, compute_setting
from forex_assets_tests.core.compute import samples
from forex_assets_tests.core.compute.samples import Inputs, OwnError

NUMBERS = np.random.default_rng(0).normal(size=1000)


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return Inputs(NUMBERS, tmp_path)


@pytest.fixture
def two() -> Iterator[Compute]:
    with Processes(2) as compute:
        yield compute


def by_block(pairs: list[tuple[int, tuple[int, float, int]]]) -> dict[int, float]:
    assert all(block == result[0] for block, result in pairs)
    assert len({block for block, _ in pairs}) == len(pairs)
    return {block: result[1] for block, result in pairs}


def expected(count: int) -> dict[int, float]:
    return {block: float(np.sum(NUMBERS * block)) for block in range(count)}


def test_results_are_those_of_this_process_bit_for_bit_and_from_other_processes(two: Compute, inputs: Inputs) -> None:
    apart = list(run_blocks(two, samples.slow_total, inputs, range(8)))
    assert by_block(apart) == by_block(list(run_blocks(THIS_PROCESS, samples.total, inputs, range(8)))) == expected(8)
    pids = {result[2] for _, result in apart}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_only_a_few_blocks_are_taken_ahead_of_results(two: Compute, inputs: Inputs) -> None:
    taken = []

    def source() -> Iterator[int]:
        for block in range(12):
            taken.append(block)
            yield block

    for arrived, _ in enumerate(run_blocks(two, samples.total, inputs, source()), start=1):
        assert len(taken) <= arrived + 2 * 2


def test_a_worker_killed_under_way_costs_nothing_but_its_blocks_and_is_told(
    two: Compute, inputs: Inputs, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        results = by_block(list(run_blocks(two, samples.killed_once, inputs, range(10))))
    assert results == expected(10)
    assert (inputs.folder / "killed").exists()
    assert "lost blocks are run again, once" in caplog.text


def test_a_block_that_kills_again_ends_the_run_in_words_and_keeps_what_had_arrived(
    two: Compute, inputs: Inputs
) -> None:
    arrived = list[int]()
    results = run_blocks(two, samples.killed_always, inputs, range(10))
    with pytest.raises(work.ComputeError, match=r"died again.*FOREX_COMPUTE"):
        arrived.extend(block for block, _ in results)
    assert 3 not in arrived
    assert {0, 1, 2} <= set(arrived)


def test_a_blocks_own_error_comes_through_as_it_is(two: Compute, inputs: Inputs) -> None:
    with pytest.raises(OwnError, match="block 3 cannot be computed"):
        list(run_blocks(two, samples.failing, inputs, range(10)))
    with pytest.raises(OwnError, match="block 3 cannot be computed"):
        list(run_blocks(THIS_PROCESS, samples.failing, inputs, range(10)))


def test_a_worker_of_another_version_refuses_by_name(
    two: Compute, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forex_assets.core.compute.port.package_version", lambda: "0123456789ab")
    with pytest.raises(work.ComputeError, match=rf"process \d+\) has code {work.package_version()}.*0123456789ab"):
        list(run_blocks(two, samples.total, inputs, range(3)))


def test_the_version_is_checked_before_anything_is_unpickled() -> None:
    with pytest.raises(work.ComputeError, match="refused"):
        work.run("0123456789ab", b"no pickle", None, b"no pickle")
    with pytest.raises(work.ComputeError, match="refused"):
        work.load("0123456789ab", b"no pickle")


def test_every_source_counts_for_the_version(tmp_path: Path) -> None:
    for name in ("core/a.py", "optimizer/deep/b.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    before = work.sources_hash(tmp_path, work.WHOLE)
    (tmp_path / "optimizer/deep/b.py").write_text("x = 2\n")
    assert work.sources_hash(tmp_path, work.WHOLE) != before


def test_nested_uses_share_the_workers_and_the_outermost_ends_them(inputs: Inputs) -> None:
    setting = compute_setting("processes:2", TlsFiles())
    with compute_of(setting) as outer:
        with compute_of(setting) as inner:
            assert inner is outer
            first = {result[2] for _, result in run_blocks(inner, samples.slow_total, inputs, range(6))}
        second = {result[2] for _, result in run_blocks(outer, samples.slow_total, inputs, range(6))}
        assert first == second
    assert not any(map(psutil.pid_exists, first))
    assert compute_setting("", TlsFiles()).kind == "auto"


SCRIPT = """
import signal
import sys
from pathlib import Path
from forex_assets.core.compute.port import run_blocks
from forex_assets.core.compute.processes import Processes
from forex_assets_tests.core.compute import samples
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs tests in the background has it ignored
    with Processes(2) as compute:
        list(run_blocks(compute, samples.marked, samples.Inputs(None, Path(sys.argv[1])), range(4)))
"""


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_command_whether_it_is_killed_or_stopped(tmp_path: Path, signal_number: int) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, script, tmp_path], stderr=subprocess.DEVNULL) as command:
        until(lambda: len(list(tmp_path.glob("pid-*"))) == 2)
        workers = [int(path.name.partition("-")[2]) for path in tmp_path.glob("pid-*")]
        assert all(map(psutil.pid_exists, workers))
        command.send_signal(signal_number)
    until(lambda: not any(psutil.pid_exists(pid) for pid in workers))

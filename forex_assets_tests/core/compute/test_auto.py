"""Without a setting: this process for short work, several for long work, and never more than memory allows."""

import os
from pathlib import Path

import numpy as np
import psutil
import pytest

from forex_assets.core.compute import auto, port
from forex_assets.core.compute.auto import Auto, free_memory
from forex_assets.core.compute.port import run_blocks
from forex_assets_tests.core.compute import samples
from forex_assets_tests.core.compute.samples import Inputs

NUMBERS = np.random.default_rng(0).normal(size=1000)


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inputs:
    """Three cores with memory enough, and a quarter of a second for long work."""
    monkeypatch.setattr(auto, "cores", lambda: 3)
    monkeypatch.setattr(auto, "free_memory", lambda: 2 * auto.WORKER_BYTES + 1)
    monkeypatch.setattr(port, "SPREAD_AFTER_S", 0.25)
    return Inputs(NUMBERS, tmp_path)


def expected(count: int) -> dict[int, float]:
    return {block: float(np.sum(NUMBERS * block)) for block in range(count)}


def test_long_work_goes_on_in_as_many_processes_as_memory_allows(inputs: Inputs) -> None:
    with Auto() as compute:
        results = [result for _, result in run_blocks(compute, samples.slow_total, inputs, range(16), spreads=True)]
        pids = {result[2] for result in results}
        again = {result[2] for _, result in run_blocks(compute, samples.slow_total, inputs, range(4), spreads=True)}
    assert {block: value for block, value, _ in results} == expected(16)
    assert [result[2] for result in results[:2]] == [os.getpid()] * 2
    assert len(pids - {os.getpid()}) == 2
    assert again == pids - {os.getpid()}
    assert not any(map(psutil.pid_exists, again))


@pytest.mark.parametrize("cause", ["short", "several threads", "one core", "no memory", "edited", "nearly done"])
def test_work_stays_in_this_process(inputs: Inputs, cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if cause == "short":
        monkeypatch.setattr(port, "SPREAD_AFTER_S", 60.0)
    if cause == "one core":
        monkeypatch.setattr(auto, "cores", lambda: 1)
    if cause == "no memory":
        monkeypatch.setattr(auto, "free_memory", lambda: 2 * auto.WORKER_BYTES - 1)
    if cause == "edited":
        monkeypatch.setattr(auto, "is_edited", lambda: True)
    count = 3 if cause == "nearly done" else 8
    with Auto() as compute:
        results = list(
            run_blocks(compute, samples.slow_total, inputs, range(count), spreads=cause != "several threads")
        )
    assert [block for block, _ in results] == list(range(count))
    assert {result[2] for _, result in results} == {os.getpid()}


def test_workers_that_die_again_leave_the_rest_to_this_process(
    inputs: Inputs, caplog: pytest.LogCaptureFixture
) -> None:
    with Auto() as compute:
        pairs = run_blocks(compute, samples.killed_in_workers, inputs, range(10), spreads=True)
        results = [result for _, result in pairs]
    assert {block: value for block, value, _ in results} == expected(10)
    assert "the rest run in this one" in caplog.text


def cgroup(folder: Path, limit: str, used: int) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")


def test_free_memory_is_the_least_that_a_container_or_service_leaves(tmp_path: Path) -> None:
    groups, membership = tmp_path / "cgroup", tmp_path / "self"
    (groups / "system.slice/forex.service").mkdir(parents=True)
    membership.write_text("0::/system.slice/forex.service\n")
    least = free_memory(groups, membership)
    assert 0 < least <= psutil.virtual_memory().total
    cgroup(groups / "system.slice/forex.service", "max", 5)
    cgroup(groups / "system.slice", "5000", 2000)
    assert free_memory(groups, membership) == 3000
    cgroup(groups / "system.slice/forex.service", "1500", 500)
    assert free_memory(groups, membership) == 1000
    cgroup(groups / "system.slice/forex.service", "400", 500)
    assert free_memory(groups, membership) == 0
    assert free_memory(tmp_path / "nowhere", tmp_path / "nothing") > 0

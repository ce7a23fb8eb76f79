"""Blocks on a real Dask scheduler with two workers on loopback: the numbers are equal, whatever dies meanwhile."""

import hashlib
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pytest
import trustme

from forex_assets.core.compute.dask_workers import Dask
from forex_assets.core.compute.opening import compute_of
from forex_assets.core.compute.port import THIS_PROCESS, run_blocks
from forex_assets.core.compute.setting import ComputeSetting, TlsFiles, compute_setting
from forex_assets.core.compute.work import ComputeError, package_version
from forex_assets.core.session import open_session
from forex_assets.forecasts.chronos.model import SMALL_WIDTH
from forex_assets.forecasts.engines import engines_of
from forex_assets.optimizer.candidate_backtest_run import splits_of, trial_rows
from forex_assets_tests.core.compute import samples
from forex_assets_tests.core.compute.cluster import Cluster, cluster, free_port, unit, until
from forex_assets_tests.core.compute.samples import Inputs
from forex_assets_tests.forecasts.chronos.tiny_models import build_t5
from forex_assets_tests.optimizer.contests import fill

NUMBERS = np.random.default_rng(0).normal(size=1000)


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return Inputs(NUMBERS, tmp_path)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers, each connected."""
    with cluster(tmp_path_factory.mktemp("cluster")) as running:
        until(lambda: worker_count(setting_of(running)) == 2)
        yield running


def setting_of(running: Cluster, tls: TlsFiles | None = None) -> ComputeSetting:
    scheme = "tls" if tls else "tcp"
    return compute_setting(f"dask:{scheme}://127.0.0.1:{running.port}", tls or TlsFiles())


def worker_count(setting: ComputeSetting) -> int:
    try:
        with compute_of(setting) as compute:
            return compute.workers
    except ComputeError as error:
        if "has no worker" not in str(error):
            raise
        return 0


def test_nothing_listens_beyond_loopback(two: Cluster) -> None:
    assert two.listening() == {"127.0.0.1"}
    assert len(two.processes()) >= 1 + 1 + 2


def test_results_are_those_of_this_process_bit_for_bit_from_both_workers(two: Cluster, inputs: Inputs) -> None:
    with compute_of(setting_of(two)) as compute:
        apart = dict(run_blocks(compute, samples.slow_total, inputs, range(8)))
    present = dict(run_blocks(THIS_PROCESS, samples.total, inputs, range(8)))
    assert {block: result[1] for block, result in apart.items()} == {block: one[1] for block, one in present.items()}
    assert len({result[2] for result in apart.values()}) == 2


def test_a_worker_killed_under_way_is_replaced_and_the_numbers_are_the_same(two: Cluster, inputs: Inputs) -> None:
    with compute_of(setting_of(two)) as compute:
        totals = {block: result[1] for block, result in run_blocks(compute, samples.killed_once, inputs, range(10))}
    assert (inputs.folder / "killed").exists()
    assert totals == {block: float(np.sum(NUMBERS * block)) for block in range(10)}


def test_a_blocks_own_error_comes_through_as_it_is(two: Cluster, inputs: Inputs) -> None:
    with compute_of(setting_of(two)) as compute, pytest.raises(samples.OwnError, match="block 3 cannot be computed"):
        list(run_blocks(compute, samples.failing, inputs, range(10)))


def test_workers_of_another_version_are_refused_by_name_before_and_amid_the_work(
    two: Cluster, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = rf"process \d+\) has code {package_version()}.*0123456789ab"
    with compute_of(setting_of(two)) as compute:
        monkeypatch.setattr("forex_assets.core.compute.port.package_version", lambda: "0123456789ab")
        with pytest.raises(ComputeError, match=refused):
            list(run_blocks(compute, samples.total, inputs, range(3)))
    monkeypatch.setattr("forex_assets.core.compute.dask_workers.package_version", lambda: "0123456789ab")
    with pytest.raises(ComputeError, match=refused):
        Dask(setting_of(two))


def test_without_a_scheduler_the_address_and_the_remedy_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forex_assets.core.compute.dask_workers.CONNECT_S", 0.5)
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(ComputeError, match=f"no Dask scheduler answers at {address}.*leave FOREX_COMPUTE empty"):
        Dask(compute_setting(f"dask:{address}", TlsFiles()))


def certificates(folder: Path, authority: trustme.CA, name: str) -> TlsFiles:
    files = TlsFiles(*(folder / f"{name}-{kind}.pem" for kind in ("ca", "cert", "key")))
    leaf = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(files.ca)
    leaf.cert_chain_pems[0].write_to_path(files.cert)
    leaf.private_key_pem.write_to_path(files.key)
    return files


def test_with_tls_only_holders_of_a_certificate_are_let_in(
    tmp_path: Path, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = certificates(tmp_path, trustme.CA(), "one")
    stranger = certificates(tmp_path, trustme.CA(), "other")
    names = {"CA_FILE": files.ca, "SCHEDULER__CERT": files.cert, "SCHEDULER__KEY": files.key,
             "WORKER__CERT": files.cert, "WORKER__KEY": files.key}  # fmt: skip
    environment = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(path) for name, path in names.items()}
    environment["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"] = "true"
    with cluster(tmp_path, workers=1, environment=environment, LISTEN_PROTOCOL="tls") as running:
        until(lambda: worker_count(setting_of(running, files)) == 1)
        with compute_of(setting_of(running, files)) as compute:
            totals = {block: result[1] for block, result in run_blocks(compute, samples.total, inputs, range(4))}
        assert totals == {block: float(np.sum(NUMBERS * block)) for block in range(4)}
        assert running.listening() == {"127.0.0.1"}
        monkeypatch.setattr("forex_assets.core.compute.dask_workers.CONNECT_S", 1.0)
        for setting in (setting_of(running, stranger), setting_of(running)):
            with pytest.raises(ComputeError, match="no Dask scheduler answers"):
                Dask(setting)


@pytest.mark.parametrize("name", ["forex-scheduler.service", "forex-workers.service"])
def test_a_unit_does_not_start_beyond_loopback_without_tls(name: str) -> None:
    line = next(line for line in unit(name).splitlines() if line.startswith("ExecStartPre="))
    words = shlex.split(line.partition("=")[2])
    outcomes = {
        (protocol, host): subprocess.run(words, env={"LISTEN_PROTOCOL": protocol, "LISTEN_HOST": host}).returncode
        for protocol in ("tcp", "tls")
        for host in ("127.0.0.1", "10.0.0.5", "")
    }
    assert {case for case, code in outcomes.items() if code} == {("tcp", "10.0.0.5"), ("tcp", "")}


Victims = Callable[[], list[psutil.Process]]


def spawned(roots: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Worker processes below others, each with its interpreter's command for such children."""
    below = (child for root in roots for child in root.children())
    return [child for child in below if any("spawn_main" in word for word in child.cmdline())]


def hash_of_trials(
    workspace: Path, tables: Path, model: str, compute: str, victims: Victims = list, count: int = 12
) -> str:
    """Hash of a small search's trials; a worker is killed when the first block has arrived."""
    setup, killed = fill(workspace, tables), list[int]()
    session = open_session(model=model, compute=compute)
    engines, horizons = engines_of(session.settings), ("7d", "15d") if model == "ewma" else ("7d",)
    models = {horizon: engines.resolve(session.configs.read(horizon)) for horizon in horizons}
    configs = {
        horizon: [config.model_copy(update={"temperature": temperature}) for temperature in (0.8, 1.2)]
        for horizon, (_, config) in models.items()
    }
    days = {horizon: splits_of(setup.session, [horizon])[horizon].search[:count] for horizon in horizons}

    def report(done: int, total: int) -> None:
        if 0 < done < total and not killed and (workers := victims()):
            workers[0].kill()
            killed.append(workers[0].pid)

    rows = trial_rows(session, engines.engine(models["7d"][0]), configs, days, report=report)
    assert len(killed) == (victims is not list)
    table = pl.concat([rows[horizon] for horizon in horizons]).drop("engine_seconds", strict=False)
    assert table.height == 2 * len(horizons) * count
    shutil.rmtree(workspace / "warehouse")
    return hashlib.sha256(table.write_csv(float_precision=17).encode()).hexdigest()


def test_trials_have_one_hash_in_this_process_in_processes_and_on_dask_though_workers_are_killed(
    two: Cluster, workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tables, address = tmp_path_factory.mktemp("market") / "tables", f"dask:tcp://127.0.0.1:{two.port}"
    local_hash = hash_of_trials(workspace, tables, "ewma", "processes:1")
    processes = hash_of_trials(workspace, tables, "ewma", "processes:2", lambda: spawned([psutil.Process()]))
    dask = hash_of_trials(workspace, tables, "ewma", address, lambda: spawned(two.processes()[1:]))
    assert local_hash == processes == dask


@pytest.mark.timeout(600)  # five processes import torch
def test_trials_of_the_embedded_and_of_a_wide_model_have_one_hash_too(
    two: Cluster, workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The wide one is run by several threads, and its 400 paths are more than one batch."""
    tables, address = tmp_path_factory.mktemp("market") / "tables", f"dask:tcp://127.0.0.1:{two.port}"
    wide = build_t5(tmp_path_factory.mktemp("wide"), prediction_length=8, d_model=2 * SMALL_WIDTH, d_kv=32, num_heads=8)
    hashes = {model: set[str]() for model in ("embedded", str(wide))}
    for compute in ("processes:1", "processes:2", address):
        with compute_of(compute_setting(compute, TlsFiles())):  # one start of the workers for both
            for model, digests in hashes.items():
                digests.add(hash_of_trials(workspace, tables, model, compute, count=8))
    assert [len(hash_set) for hash_set in hashes.values()] == [1, 1]


def test_a_scheduler_that_dies_ends_the_run_in_words_and_what_had_arrived_stays(
    two: Cluster, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test: nothing can use the cluster after it."""
    monkeypatch.setattr("forex_assets.core.compute.dask_workers.CONNECT_S", 1.0)
    arrived = list[int]()
    with compute_of(setting_of(two)) as compute:
        results = run_blocks(compute, samples.slow_total, inputs, range(1000))
        arrived += [next(results)[0] for _ in range(3)]
        two.scheduler.kill()
        with pytest.raises(ComputeError, match=rf":{two.port} went away with \d+ blocks .*Finished blocks"):
            arrived.extend(block for block, _ in results)
    assert 3 <= len(arrived) < 1000

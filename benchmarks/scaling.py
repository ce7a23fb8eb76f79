"""Measures what a search costs beside its blocks, and reckons more workers.

    python benchmarks/scaling.py [--blocks 6]

The generated market, the embedded model, four horizons of 27 settings. Measured: processor seconds of blocks, bytes
shipped, the time that this process needs for a block (preparing, shipping, storing) while workers wait, and the start
of a worker. Reckoned: wall seconds of a whole search on so many workers with a core each, by list scheduling of the
measured blocks. Processor seconds, so that other work on the machine counts for little.
"""

import argparse
import heapq
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from forex_assets.accuracy.backtest_run import inputs_of
from forex_assets.accuracy.backtest_store import TRIALS, BacktestStore, engine_key
from forex_assets.accuracy.start_level import book_of
from forex_assets.core.compute.port import run_blocks
from forex_assets.core.compute.processes import Processes
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.session import Session, open_session
from forex_assets.core.settings import PROJECT
from forex_assets.forecasts.engines import engines_of
from forex_assets.market.ingestion import ingest_usdclp
from forex_assets.market.price_sources import PriceSources, calendar_of
from forex_assets.market.prices import USDCLP
from forex_assets.optimizer.candidate_backtest_run import splits_of
from forex_assets.optimizer.candidate_backtests import TrialBlock, TrialInputs, run_block, run_trials
from forex_assets.optimizer.search_run import live_or_first
from forex_assets.optimizer.space import space_of

WORKERS = (1, 4, 16, 64)
DASK_TASK_S = 0.010
"""Seconds that Dask needs for a task, on loopback."""


def market(folder: Path) -> Session:
    """The generated market in a folder of its own."""
    os.environ |= {
        "FOREX_WAREHOUSE": str(folder / "warehouse"),
        "DAGSTER_HOME": str(folder / "dagster"),
        "FOREX_CONFIGS": str(PROJECT / "configs"),
        "FOREX_MARKET": "sample",
        "FOREX_MODEL": "embedded",
        "FOREX_AS_OF": "2025-06-13",
        "FOREX_COMPUTE": "processes:1",
    }
    session = open_session()
    prices = ingest_usdclp(PriceSources(session, 1.0)).prices
    session.tables_for("market/usdclp", prices).write("market/usdclp", prices)
    return open_session()


def inputs(session: Session) -> tuple[TrialInputs, list[TrialBlock]]:
    """Shared inputs and blocks of a search of four horizons."""
    engines = engines_of(session.settings)
    models = {horizon: engines.resolve(live_or_first(session, horizon)) for horizon in HORIZONS}
    engine = engines.engine(next(model for model, _ in models.values()))
    traits = engine.traits  # type: ignore[attr-defined]  # a Chronos engine
    policy = session.policy.search.model_copy(update={"representation": []})
    configs = {name: [candidate.config for candidate in space_of(config, traits, policy).candidates]
               for name, (_, config) in models.items()}  # fmt: skip
    prices, features = inputs_of(session)
    shared = TrialInputs(
        engine, configs, prices, features, calendar_of(USDCLP), time.perf_counter, book_of(session, "live")
    )
    splits = splits_of(session, [*HORIZONS])
    blocks: list[TrialBlock] = []

    def note(_: TrialInputs, block: TrialBlock) -> None:
        blocks.append(block)

    origins = {name: splits[name].search for name in HORIZONS}
    import forex_assets.optimizer.candidate_backtests as module

    plain, module.run_block = module.run_block, note  # type: ignore[assignment]  # lists the blocks, runs none
    try:
        list(run_trials(shared, origins))
    finally:
        module.run_block = plain
    return shared, blocks


def cpu(action: object) -> float:
    """Processor seconds of a call in this process."""
    began = time.process_time()
    action()  # type: ignore[operator]
    return time.process_time() - began


def worker_start() -> float:
    """Processor seconds until a fresh process has the model's libraries."""
    code = "import time, torch, chronos, forex_assets.optimizer.candidate_backtests; print(time.process_time())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def makespan(blocks: Sequence[float], workers: int) -> float:
    """Seconds until all blocks are done by list scheduling."""
    free = [0.0] * workers
    for seconds in blocks:
        heapq.heappush(free, heapq.heappop(free) + seconds)
    return max(free)


def main() -> None:
    """Prints what was measured, and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=6, help="blocks to time, spread over the search")
    count = parser.parse_args().blocks
    with tempfile.TemporaryDirectory() as folder:
        session = market(Path(folder))
        shared, blocks = inputs(session)
        run_block(shared, TrialBlock(dict(list(blocks[0].days.items())[:1])))  # loads the model
        places = sorted({round(i * (len(blocks) - 1) / max(1, count - 1)) for i in range(count)})
        tables, by_trials = {}, []
        for place in places:
            began = time.process_time()
            tables[place] = run_block(shared, blocks[place])
            by_trials.append((time.process_time() - began) / tables[place].height)
        store, key = BacktestStore(session.tables, root=TRIALS["live"]), engine_key("bench", "m", "all")

        def keep() -> None:
            for table in tables.values():
                for (horizon,), rows in table.partition_by("horizon", as_dict=True).items():
                    store.add(str(horizon), key, rows)

        serial = cpu(keep) / len(tables)
        payload, sent = pickle.dumps(shared), [len(pickle.dumps(block)) for block in blocks]
        back = [len(pickle.dumps(table)) for table in tables.values()]
        with Processes(1) as compute:
            list(run_blocks(compute, _nothing, shared, range(1)))
            began = time.process_time()
            list(run_blocks(compute, _nothing, shared, range(100)))
            hand_out = (time.process_time() - began) / 100
        start = worker_start()
    # Blocks that were not timed: their trials, at the timed blocks' rate of the nearest place.
    trials = [sum(len(shared.configs[name]) for names in block.days.values() for name in names) for block in blocks]
    rates = [by_trials[min(range(len(places)), key=lambda k: abs(places[k] - i))] for i in range(len(blocks))]
    seconds = [rate * number for rate, number in zip(rates, trials, strict=True)]
    print(f"{len(blocks)} blocks, {sum(trials):,} trials; a block {statistics.median(seconds):.2f} s of processor, "
          f"{sum(seconds):.0f} s all")  # fmt: skip
    print(f"shipped: {len(payload) / 1024:.0f} KiB once a worker, {statistics.median(sent):.0f} B a block out, "
          f"{statistics.median(back) / 1024:.0f} KiB back")  # fmt: skip
    print(f"in this process, a block: {1000 * hand_out:.1f} ms to hand out, {1000 * serial:.1f} ms to store; a worker "
          f"starts in {start:.1f} s of processor")  # fmt: skip
    print("| workers | blocks, s | serial part, s | whole, s | gain over 1 | busy |")
    print("| --- | --- | --- | --- | --- | --- |")
    whole_of = {}
    for workers in WORKERS:
        overhead = (hand_out + serial + DASK_TASK_S) * len(blocks)
        longest = makespan(seconds, workers)
        whole = whole_of[workers] = start + max(longest, overhead) + hand_out + serial
        print(f"| {workers} | {longest:.0f} | {overhead:.1f} | {whole:.0f} | {whole_of[1] / whole:.1f} | "
              f"{sum(seconds) / workers / whole:.0%} |")  # fmt: skip


def _nothing(shared: TrialInputs, block: int) -> int:
    """A block without work."""
    return block


if __name__ == "__main__":
    main()

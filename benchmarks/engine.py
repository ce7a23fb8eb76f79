"""Times Chronos-T5 forecasts: `python benchmarks/engine.py [--repeats 3]`.

A model of the width and depth of chronos-t5-small with RANDOM weights is made on the spot; speed does not depend on the
weights, and nothing that it says is a forecast. 100 samples, contexts as configured, the generated market; seconds of
`ChronosEngine.forecast` alone after a warm-up, medians of interleaved repeats. Quote the ratios.
"""

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from forex_assets.core.config_store import ConfigStore
from forex_assets.core.settings import PROJECT
from forex_assets.core.store.folder import Folder
from forex_assets.forecasts.chronos.model import ChronosEngine
from forex_assets.forecasts.engine import Origin
from random_models import SMALL_SHAPE, build_t5

STEPS = {"7d": 5, "15d": 11, "30d": 22, "90d to 64 steps": 64, "90d to 65 steps": 65}


def main() -> None:
    """Measures, then prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    prices = 900 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.006, 1000)))
    configs = ConfigStore(Folder(PROJECT / "configs"))
    with tempfile.TemporaryDirectory() as folder:
        engine = ChronosEngine(build_t5(Path(folder), SMALL_SHAPE), label="random weights")
        engine.forecast([Origin(prices, 1, {})], configs.read("7d"))
        seconds: dict[str, list[float]] = {name: [] for name in STEPS}
        for _ in range(repeats):
            for name, steps in STEPS.items():
                started = time.perf_counter()
                engine.forecast([Origin(prices, steps, {})], configs.read(name.split()[0]))
                seconds[name].append(time.perf_counter() - started)
    base = statistics.median(seconds["7d"])
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:16} {median:7.2f} s  {median / base:6.1f} times 7d")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()

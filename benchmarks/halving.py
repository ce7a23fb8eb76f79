"""Whether `halving` answers as the exhaustive search does: `python benchmarks/halving.py [--count 2000] [--out FILE]`.

Generated markets only (`domain/optimization/generated_worlds`): 27 settings of which one is live, CRPS at 126 weekly
origins. Once all are equal in truth, once two in three are worse by a tenth. Counted: searches in which halving gave up
the settings with the lowest loss of all, searches in which it chose others than the grid does, and the share of the
grid's fans that it made. `--out` puts the table between the markers of an existing file, else it is printed.
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from forex_assets.core.fan import Array
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import SearchPolicy
from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.optimizer.methods import HALVING_ERROR, run_method
from forex_assets.optimizer.search import Losses, choose
from forex_assets.optimizer.space import Candidate, Space
from simulated_markets import CANDIDATES, STEPS, many_worlds

BEGIN, END = "<!-- halving: begin -->", "<!-- halving: end -->"
ORIGINS = 126
WORSE = 1.1
HEADER = ("horizon", "candidates", "best given up", "another choice", "fans made")
SCENARIOS = {"all equal": 1.0, "two in three worse by 10 %": WORSE}
CONFIGS = [InferenceConfig(horizon="7d", model="m", context_length=16 + place) for place in range(CANDIDATES)]
SPACE = Space(tuple(Candidate(each) for each in CONFIGS), "")
LIVE = SPACE.incumbent.fingerprint


class Work:
    """Evaluates from losses that are there already, and counts the fans that it would have taken."""

    def __init__(self, losses: Array, overlap: float) -> None:
        self.losses = {each.fingerprint: values for each, values in zip(CONFIGS, losses, strict=True)}
        self.overlap = overlap
        self.seen: dict[str, int] = {}

    def evaluate(self, configs: Sequence[InferenceConfig], share: float) -> dict[str, Losses]:
        count = round(share * ORIGINS)
        self.seen |= {each.fingerprint: count for each in configs}
        return {each.fingerprint: Losses(self.losses[each.fingerprint][:count], self.overlap) for each in configs}


def one_search(losses: Array, overlap: float) -> tuple[bool, bool, float]:
    """Whether the best was given up, whether the choice is another, and the share of the grid's fans made."""
    grid, racing = Work(losses, overlap), Work(losses, overlap)
    exhaustive = run_method(SPACE, SearchPolicy(method="grid"), grid.evaluate, _no_sampler).losses
    tried = run_method(SPACE, SearchPolicy(method="halving"), racing.evaluate, _no_sampler).losses
    best = min(exhaustive, key=lambda name: (float(exhaustive[name].values.mean()), name))
    is_other = choose(exhaustive, SPACE.candidates, LIVE) != choose(tried, SPACE.candidates, LIVE)
    return best not in tried, is_other, sum(racing.seen.values()) / sum(grid.seen.values())


def _no_sampler(*args: object, **more: object) -> None:
    raise AssertionError("neither method draws")


def measure(horizon: str, factor: float, count: int, seed: int) -> list[tuple[bool, bool, float]]:
    """So many searches of one horizon; the last two thirds of the candidates have their losses times `factor`."""
    scale = np.ones(CANDIDATES)
    scale[CANDIDATES // 3 :] = factor
    found = []
    for worlds in many_worlds(count, ORIGINS, STEPS[horizon], seed, candidates=CANDIDATES - 1):
        found += [one_search(crps * scale[:, None], worlds.overlap) for crps in worlds.crps]
    return found


def table(count: int, seed: int, say: Callable[[str], None]) -> str:
    lines = [f"| {' | '.join(HEADER)} |", "| --- | --- | ---: | ---: | ---: |"]
    for name, factor in SCENARIOS.items():
        for horizon in HORIZONS:
            found = measure(horizon, factor, count, seed)
            lost, other, work = (np.array(column) for column in zip(*found, strict=True))
            cells = [horizon, name, share(lost.mean(), count), share(other.mean(), count), f"{100 * work.mean():.0f}"]
            lines.append(f"| {' | '.join(cells)} |")
            say(lines[-1])
    return "\n".join(lines) + "\n"


def share(value: float, n: int) -> str:
    """Per cent ± binomial standard error."""
    return f"{100 * value:.1f} ± {100 * math.sqrt(max(value * (1 - value), 1 / n) / n):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="searches of each horizon and kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="existing file with the markers")
    args = parser.parse_args()
    began = time.perf_counter()
    measured = table(args.count, args.seed, lambda line: print(line, flush=True) if args.out else None)
    head = (
        f"27 settings, 126 weekly origins, {args.count:,} searches a row, stated error {HALVING_ERROR:.0%}; per cent ± "
        "standard error.\n\n"
    )
    if args.out is None:
        print(head + measured)
    else:
        before, rest = args.out.read_text(encoding="utf-8").split(BEGIN)
        text = f"{before}{BEGIN}\n{head}{measured}{END}{rest.split(END)[1]}"
        write_bytes_atomically(args.out, text.encode())
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()

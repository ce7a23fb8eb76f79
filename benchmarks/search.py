"""Times a search against plain calls: `python benchmarks/search.py --origins 5`.

Models in the published shapes of chronos-t5-tiny and chronos-bolt-tiny with RANDOM weights are made on the spot: speed
does not depend on weights, and nothing that they say is a forecast. One process, one thread for both; a cell is one
origin, all four horizons, 27 settings each: `ChronosPipeline.predict` for each of the 108, against one
`ChronosEngine.forecast_grid`. Cells are interleaved in alternating order after a warm-up at full shape; imports and
loading count for neither. Ratios are per cell: median and range. Peak memory: one cell in a process of its own each.
`day` is the user's: a whole search of the embedded model on the generated market, 126 origins, from nothing.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from forex_assets.core.fan import Array
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import SearchPolicy
from forex_assets.forecasts.chronos.feeding import fan_of_draws
from forex_assets.forecasts.chronos.model import ChronosEngine
from forex_assets.forecasts.engine import GridRequest, Origin
from forex_assets.forecasts.representation import encode
from forex_assets.optimizer.space import space_of
from random_models import build_bolt, build_t5, prices_of
from sampler_law import laws_apart, logits_apart

STEPS = {"7d": 5, "15d": 11, "30d": 21, "90d": 64}


def settings() -> list[GridRequest]:
    """Requests of a search at one origin: 27 settings, four horizons."""
    asks = []
    for horizon, steps in STEPS.items():
        for length in SearchPolicy().context_length[horizon]:
            for count in SearchPolicy().num_samples:
                for temperature in SearchPolicy().temperature:
                    sampling = {"num_samples": count, "temperature": temperature}
                    config = InferenceConfig(horizon=horizon, model="m", context_length=length, **sampling)
                    asks.append(GridRequest(config, steps))
    return asks


def plain(pipeline: Any, prices: Array, asks: list[GridRequest]) -> None:
    """Each setting by a call of the library's own."""
    import torch

    for ask in asks:
        encoded = encode(prices, ask.config.representation, min(ask.config.context_length, 512))
        context = torch.tensor(encoded.values, dtype=torch.float32)[None]
        paths = pipeline.predict(
            context, ask.steps, num_samples=ask.config.num_samples, temperature=ask.config.temperature
        )
        sampled = paths[0].double().numpy() * 0.01
        fan_of_draws(sampled, sampled, encoded, ask.steps, None)


def fast(engine: ChronosEngine, prices: Array, asks: list[GridRequest]) -> None:
    """All of them in one call of ours."""
    engine.forecast_grid([Origin(prices, 1, {})], [asks])


def cost(action: Callable[[], None]) -> tuple[float, float]:
    """Processor and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    action()
    return time.process_time() - cpu, time.perf_counter() - wall


def interleaved(one: Callable[[int], None], other: Callable[[int], None], cells: int) -> list[tuple[float, float]]:
    """Ratios in processor and wall seconds, in alternating order."""
    ratios = []
    for cell in range(cells):
        order = (one, other) if cell % 2 == 0 else (other, one)
        taken = {id(call): cost(partial(call, cell)) for call in order}
        a, b = taken[id(one)], taken[id(other)]
        ratios.append((a[0] / b[0], a[1] / b[1]))
        print(f"cell {cell + 1}: {a[0]:.1f} s against {b[0]:.1f} s of processor", file=sys.stderr, flush=True)
    return ratios


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f})"


def peak(side: str) -> float:
    """Peak memory of one cell in MiB, beyond the loaded model."""
    done = subprocess.run([sys.executable, __file__, "--memory", side], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.strip().splitlines()[-1]))


def memory(side: str) -> None:
    """Runs one cell and prints its memory."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        engine = ChronosEngine(build_t5(Path(folder)))
        pipeline, asks = engine._pipeline(), settings()
        fast(engine, prices_of(0), [GridRequest(asks[0].config, 2)])
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak is counted anew from here
        before = _status("VmRSS")
        if side == "plain":  # the largest call decides: its copies are gone before the next
            plain(
                pipeline, prices_of(0), [ask for ask in asks if ask.config.num_samples == 200 and ask.steps == 64][:3]
            )
        else:
            fast(engine, prices_of(0), asks)
        print((_status("VmHWM") - before) / 1024)


def _status(name: str) -> int:
    """A figure of this process, KiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


def bolt(folder: Path, count: int = 64) -> tuple[list[float], float]:
    """Ratios of plain calls to batches at context 512."""
    import torch

    engine = ChronosEngine(build_bolt(folder))
    pipeline = engine._pipeline()
    config = InferenceConfig(horizon="30d", model="m", context_length=512, representation="levels")
    origins = [Origin(prices_of(seed), 1, {}) for seed in range(count)]
    taken: list[float] = []

    def one_by_one(cell: int) -> None:
        for origin in origins:
            values = torch.tensor(encode(origin.prices, "levels", 512).values, dtype=torch.float32)[None]
            pipeline.predict(values, 21)

    def together(cell: int) -> None:
        began = time.process_time()
        engine.forecast_grid(origins, [[GridRequest(config, 21)]] * count)
        taken.append(1000 * (time.process_time() - began) / count)

    one_by_one(0), together(0)
    ratios = interleaved(one_by_one, together, 5)
    return [ratio[0] for ratio in ratios], statistics.median(taken[1:])


def day(folder: Path) -> dict[str, float]:
    """Minutes of whole searches of the embedded model."""
    import os

    from forex_assets.cli.runner import materialize_market
    from forex_assets.core.session import open_session
    from forex_assets.core.settings import PROJECT
    from forex_assets.forecasts.engines import engines_of
    from forex_assets.optimizer.search_run import run_search

    minutes = {}
    for name, horizons in {"7d": ["7d"], "all four": list(STEPS)}.items():
        warehouse = folder / name.replace(" ", "-")
        os.environ.update(
            {"FOREX_MARKET": "sample", "FOREX_MODEL": "embedded", "DAGSTER_HOME": str(warehouse / "dagster")}
        )
        session = open_session(warehouse=warehouse, configs=PROJECT / "configs", as_of="2025-06-13")
        materialize_market(session)
        began = time.perf_counter()
        run_search(session, engines_of(session.settings), horizons)
        minutes[name] = (time.perf_counter() - began) / 60
    return minutes


def embedded_ratio(cells: int) -> list[float]:
    """Processor time of plain calls over the grid's."""
    import torch

    from forex_assets.forecasts.chronos.finder import EMBEDDED_FOLDER
    from forex_assets.forecasts.chronos.sampler import with_fixed_scale

    engine = ChronosEngine(str(EMBEDDED_FOLDER))
    pipeline, longest = engine._pipeline(), int(engine.traits.longest_context or 0)
    base = InferenceConfig(
        horizon="7d", model="embedded", context_length=180, num_samples=200, temperature=1.0, representation="returns"
    )
    asks = [GridRequest(candidate.config, 5) for candidate in space_of(base, engine.traits, SearchPolicy()).candidates]
    scale = float(pipeline.inner_model.config.forex_assets["context_scale"])

    def one_by_one(cell: int) -> None:
        for ask in asks:
            encoded = encode(prices_of(cell), "returns", min(ask.config.context_length, longest))
            context = with_fixed_scale(torch.tensor(encoded.values, dtype=torch.float32)[None], scale, longest + 1)
            pipeline.predict(context, 5, num_samples=ask.config.num_samples, temperature=ask.config.temperature)

    def together(cell: int) -> None:
        fast(engine, prices_of(cell), asks)

    one_by_one(0), together(0)
    return [ratio[0] for ratio in interleaved(one_by_one, together, cells)]


def t5_lines(folder: Path, origins: int) -> list[str]:
    """Cells of the T5."""
    engine = ChronosEngine(build_t5(folder))
    pipeline, asks = engine._pipeline(), settings()
    longest = [ask for ask in asks if ask.config.num_samples == 200 and ask.steps == 64][:1]
    plain(pipeline, prices_of(99), longest), fast(engine, prices_of(99), longest)
    ratios = interleaved(
        lambda cell: plain(pipeline, prices_of(cell), asks), lambda cell: fast(engine, prices_of(cell), asks), origins
    )
    return [
        f"| T5-tiny shape, 4 × 27 settings, processor time, {origins} origins | {spread([r[0] for r in ratios])} |",
        f"| the same, wall | {spread([r[1] for r in ratios])} |",
    ]


def law_lines(folder: Path, origins: int) -> list[str]:
    """Whether it is the same law."""
    engine = ChronosEngine(build_t5(folder))
    apart, tokens = logits_apart(engine._pipeline(), engine)
    itself, ours = laws_apart(engine._pipeline(), engine)
    return [
        f"| logits on a path of {tokens} different tokens: largest difference | {apart:.1e} of the largest |",
        f"| 1,000 paths, 21 steps: largest KS distance to the library's | {ours:.3f}; two of its own: {itself:.3f} |",
    ]


def memory_lines(folder: Path, origins: int) -> list[str]:
    """Peak memory of a cell."""
    plain_side, fast_side = peak("plain"), peak("fast")
    ratio = plain_side / max(fast_side, 1)
    return [
        f"| peak memory of a T5 cell above the loaded model | {ratio:.1f} ({plain_side:.0f}, {fast_side:.0f} MiB) |"
    ]


def bolt_lines(folder: Path, origins: int) -> list[str]:
    """Batches of the Bolt."""
    ratios, milliseconds = bolt(folder)
    return [
        f"| Bolt-tiny shape, context 512, 64 origins, processor time | {spread(ratios)} |",
        f"| the same, an origin in batches, one processor of this machine | {milliseconds:.1f} ms |",
    ]


def embedded_lines(folder: Path, origins: int) -> list[str]:
    """The embedded model."""
    return [f"| embedded model, 27 settings at 7 days, processor time | {spread(embedded_ratio(origins))} |"]


def day_lines(folder: Path, origins: int) -> list[str]:
    """The user's day."""
    return [
        f"| a whole search of the embedded model, 126 origins, {name}, on this machine | {value:.1f} minutes |"
        for name, value in day(folder).items()
    ]


PARTS: dict[str, Callable[[Path, int], list[str]]] = {
    "t5": t5_lines,
    "law": law_lines,
    "memory": memory_lines,
    "bolt": bolt_lines,
    "embedded": embedded_lines,
    "day": day_lines,
}


def main() -> None:
    """Measures and prints the chosen parts."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--origins", type=int, default=5)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--memory", choices=("plain", "fast"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        memory(options.memory)
        return
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print("| what | plain over ours, median (range) |\n| --- | --- |")
    for name in options.parts.split(","):
        with tempfile.TemporaryDirectory() as folder:
            print("\n".join(PARTS[name](Path(folder) / name, options.origins)), flush=True)


if __name__ == "__main__":
    main()

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

STEPS = {"7d": 5, "15d": 11, "30d": 22, "90d to 64 steps": 64, "90d to 65 steps": 65}


def build(folder: Path) -> Path:
    """Saves a random model in the shape of chronos-t5-small."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    chronos = {
        "tokenizer_class": "MeanScaleUniformBins",
        "tokenizer_kwargs": {"low_limit": -15.0, "high_limit": 15.0},
        "context_length": 512,
        "prediction_length": 64,
        "n_tokens": 4096,
        "n_special_tokens": 2,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "use_eos_token": True,
        "model_type": "seq2seq",
        "num_samples": 20,
        "temperature": 1.0,
        "top_k": 50,
        "top_p": 1.0,
    }
    shape = {"d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_decoder_layers": 6, "num_heads": 8}
    tokens = {"vocab_size": 4096, "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    pipeline = {"chronos_config": chronos, "chronos_pipeline_class": "ChronosPipeline"}
    torch.manual_seed(0)
    T5ForConditionalGeneration(
        T5Config(**shape, **tokens, **pipeline, architectures=["T5ForConditionalGeneration"])
    ).save_pretrained(folder)
    return folder


def main() -> None:
    """Measures, then prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    prices = 900 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.006, 1000)))
    configs = ConfigStore(Folder(PROJECT / "configs"))
    with tempfile.TemporaryDirectory() as folder:
        engine = ChronosEngine(str(build(Path(folder))), label="random weights")
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

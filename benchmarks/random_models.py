"""Models with random weights in published shapes, and a random history.

Speed and the law of sampling do not depend on weights; nothing that these models say is a forecast.
"""

from pathlib import Path

import numpy as np

from forex_assets.core.fan import Array

CHRONOS = {
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
SHAPE = {"d_model": 256, "d_kv": 64, "d_ff": 1024, "num_layers": 4, "num_decoder_layers": 4, "num_heads": 4}
SMALL_SHAPE = {"d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_decoder_layers": 6, "num_heads": 8}
TOKENS = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}


def build_t5(folder: Path, shape: dict[str, int] | None = None) -> str:
    """A random T5, in the shape of chronos-t5-tiny by default."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    pipeline = {"chronos_config": CHRONOS, "chronos_pipeline_class": "ChronosPipeline"}
    shape = SHAPE if shape is None else shape
    config = T5Config(**shape, **TOKENS, **pipeline, vocab_size=4096, architectures=["T5ForConditionalGeneration"])
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return str(folder)


def build_bolt(folder: Path) -> str:
    """A random model in the shape of chronos-bolt-tiny."""
    import torch
    from chronos.chronos_bolt import ChronosBoltModelForForecasting
    from transformers import T5Config

    chronos = {
        "context_length": 2048,
        "prediction_length": 64,
        "input_patch_size": 16,
        "input_patch_stride": 16,
        "quantiles": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
        "use_reg_token": True,
    }
    torch.manual_seed(0)
    named = {"chronos_pipeline_class": "ChronosBoltPipeline", "architectures": ["ChronosBoltModelForForecasting"]}
    config = T5Config(**SHAPE, **TOKENS, **named, vocab_size=2, reg_token_id=1, chronos_config=chronos)
    ChronosBoltModelForForecasting(config).save_pretrained(folder)
    return str(folder)


def prices_of(seed: int) -> Array:
    """A history of 1,000 sessions."""
    return np.asarray(900 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.006, 1000))))

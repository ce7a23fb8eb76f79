"""Small RANDOM Chronos models, made on the spot, that the stock `from_pretrained` loads. They know nothing: they stand
for the shape of an answer, never for a forecast.
"""

from pathlib import Path
from typing import Any

BOLT_LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
CHRONOS2_LEVELS = [0.01, *(i / 20 for i in range(1, 20)), 0.99]

_SHAPE: dict[str, Any] = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, "dropout_rate": 0.1}


def build_t5(folder: Path, *, prediction_length: int = 64, context_length: int = 512, seed: int = 1) -> Path:
    """A T5 of 256 tokens on ±15 with weights large enough for its answer to depend on what it reads."""
    from transformers import T5Config, T5ForConditionalGeneration

    chronos = {
        "tokenizer_class": "MeanScaleUniformBins",
        "tokenizer_kwargs": {"low_limit": -15.0, "high_limit": 15.0},
        "context_length": context_length,
        "prediction_length": prediction_length,
        "n_tokens": 256,
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
    config = T5Config(
        **_SHAPE,
        num_decoder_layers=1,
        vocab_size=256,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        initializer_factor=1.0,
        feed_forward_proj="relu",
        chronos_config=chronos,
        chronos_pipeline_class="ChronosPipeline",
        architectures=["T5ForConditionalGeneration"],
    )
    return _save(T5ForConditionalGeneration, config, folder, seed)


def build_bolt(folder: Path, *, prediction_length: int = 64, seed: int = 2) -> Path:
    """A Bolt with the nine levels of the published ones."""
    from chronos.chronos_bolt import ChronosBoltModelForForecasting
    from transformers import T5Config

    chronos = {
        "context_length": 256,
        "prediction_length": prediction_length,
        "input_patch_size": 8,
        "input_patch_stride": 8,
        "quantiles": BOLT_LEVELS,
        "use_reg_token": True,
    }
    config = T5Config(
        **_SHAPE,
        num_decoder_layers=1,
        vocab_size=2,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        reg_token_id=1,
        feed_forward_proj="relu",
        chronos_config=chronos,
        chronos_pipeline_class="ChronosBoltPipeline",
        architectures=["ChronosBoltModelForForecasting"],
    )
    return _save(ChronosBoltModelForForecasting, config, folder, seed)


def build_chronos2(folder: Path, *, seed: int = 3) -> Path:
    """A Chronos-2 with the twenty-one levels of the published one."""
    from chronos.chronos2 import Chronos2Model
    from chronos.chronos2.config import Chronos2CoreConfig

    chronos = {
        "context_length": 256,
        "output_patch_size": 8,
        "input_patch_size": 8,
        "input_patch_stride": 8,
        "quantiles": CHRONOS2_LEVELS,
        "use_reg_token": True,
        "use_arcsinh": True,
        "max_output_patches": 12,
    }
    config = Chronos2CoreConfig(
        **_SHAPE,
        # Large enough that a random model hears its covariates, small enough that sinh of its answer stays finite.
        initializer_factor=0.3,
        chronos_config=chronos,
        chronos_pipeline_class="Chronos2Pipeline",
        architectures=["Chronos2Model"],
    )
    return _save(Chronos2Model, config, folder, seed)


def _save(model_class: Any, config: Any, folder: Path, seed: int) -> Path:
    """A model with weights drawn from `seed`, without touching the process's random numbers."""
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model_class(config).save_pretrained(folder)
    return folder

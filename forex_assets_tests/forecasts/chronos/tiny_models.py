"""Small RANDOM Chronos models that the stock `from_pretrained` loads; their answers are shapes, not forecasts."""

from pathlib import Path
from typing import Any

BOLT_LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
CHRONOS2_LEVELS = [0.01, *(i / 20 for i in range(1, 20)), 0.99]

_SHAPE: dict[str, Any] = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, "dropout_rate": 0.1}


def build_t5(
    folder: Path,
    *,
    prediction_length: int = 64,
    context_length: int = 512,
    seed: int = 1,
    law: dict[str, Any] | None = None,
    **shape: Any,
) -> Path:
    """A T5 of 256 tokens on ±15; large weights make its answer depend on its input.

    Args:
        folder: where to save it.
        prediction_length: steps that it draws at once.
        context_length: values that it reads.
        seed: of the weights.
        law: fields of `chronos_config` over the usual ones, such as top_k.
        shape: fields of the T5 config over the usual ones.
    """
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
    usual = {"num_decoder_layers": 1, "initializer_factor": 1.0, "feed_forward_proj": "relu"}
    config = T5Config(
        **_SHAPE | usual | shape,
        vocab_size=256,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        chronos_config=chronos | (law or {}),
        chronos_pipeline_class="ChronosPipeline",
        architectures=["T5ForConditionalGeneration"],
    )
    return _save(T5ForConditionalGeneration, config, folder, seed)


def build_gated_t5(folder: Path, **more: Any) -> Path:
    """A gated T5 with two layers and untied tables, sampling from all tokens."""
    shape = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "num_layers": 2, "num_decoder_layers": 2}
    folder = build_t5(folder, seed=4, **{"law": {"top_k": 0}, **shape, **more})
    return _untie(folder)


def build_embedded(folder: Path, **declared: Any) -> Path:
    """A T5 fed like the embedded model: returns on a fixed scale; `declared` overrides its feeding."""
    says = {"representation": "returns", "context_scale": 10.0, "trained_context": 730}
    limits = {"tokenizer_kwargs": {"low_limit": -1.0, "high_limit": 1.0}, "top_k": 0}
    return build_gated_t5(
        folder, context_length=731, prediction_length=70, law=limits, feed_forward_proj="relu",
        forex_assets=says | declared,
    )  # fmt: skip


def _untie(folder: Path) -> Path:
    """Unties a saved T5's output table from its input table; a new T5 always has them tied."""
    import torch
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    with torch.random.fork_rng():
        torch.manual_seed(5)
        tensors["lm_head.weight"] = torch.randn(tensors["shared.weight"].shape)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def build_bolt(folder: Path, *, prediction_length: int = 64, seed: int = 2) -> Path:
    """A Bolt with the nine published levels."""
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
    """A Chronos-2 with the 21 published levels."""
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

"""Network of the embedded model: a small T5 with smooth token tables.

Both tables are fixed smooth features of a bin's value times a learned matrix, plus a small free part. Neighbouring bins
are nearly the same move; a free table has to learn that.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from forex_assets.core.fan import Array

if TYPE_CHECKING:
    import torch

TOKENS: Final = 256
SPECIAL: Final = 2
BINS: Final = TOKENS - SPECIAL - 1
SCALE: Final = 10.0
"""Value of the outermost bins, in volatilities."""
MAX_CONTEXT: Final = 730
STEPS: Final = 70
"""Sessions ahead; 90 calendar days need 67 at most."""


def _features() -> Array:
    """Smooth features of bin values, shape (TOKENS, n)."""
    v = np.linspace(-SCALE, SCALE, BINS)
    columns = [np.ones(BINS), v / 3, v**2 / 10, (v / 5) ** 3, np.abs(v) / 3]
    columns += [np.log1p((v / s) ** 2) for s in (0.25, 0.5, 1.0, 2.0, 4.0)]
    columns += [np.tanh(v / s) for s in (0.3, 1.0, 3.0)]
    columns += [np.exp(-0.5 * ((v - c) / 0.6) ** 2) for c in np.arange(-4.0, 4.1, 0.5)]
    columns += [np.exp(-0.5 * (v / 0.1) ** 2), (np.abs(v) > SCALE * 0.995).astype(float)]
    features = np.zeros((TOKENS, len(columns) + SPECIAL + 1))
    features[SPECIAL + 1 :, : len(columns)] = np.stack(columns, axis=1)
    features[np.arange(SPECIAL + 1), len(columns) + np.arange(SPECIAL + 1)] = 1.0
    return features


def _t5_config() -> Any:
    """Config of the T5 with Chronos's, and how it is fed."""
    from transformers import T5Config

    return T5Config(
        vocab_size=TOKENS,
        d_model=64,
        d_kv=16,
        d_ff=256,
        num_layers=2,
        num_decoder_layers=2,
        num_heads=4,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=256,
        dropout_rate=0.0,
        initializer_factor=0.5,
        feed_forward_proj="relu",
        tie_word_embeddings=False,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        architectures=["T5ForConditionalGeneration"],
        chronos_pipeline_class="ChronosPipeline",
        chronos_config={
            "tokenizer_class": "MeanScaleUniformBins",
            "tokenizer_kwargs": {"low_limit": -1.0, "high_limit": 1.0},
            "context_length": MAX_CONTEXT + 1,
            "prediction_length": STEPS,
            "n_tokens": TOKENS,
            "n_special_tokens": SPECIAL,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "use_eos_token": True,
            "model_type": "seq2seq",
            "num_samples": 200,
            "temperature": 1.0,
            "top_k": 0,
            "top_p": 1.0,
        },
        forex_assets={
            "representation": "returns",
            "context_scale": SCALE,
            "trained_context": MAX_CONTEXT,
            "is_sign_symmetric": True,
        },
    )


def network_of() -> Any:
    """T5 with token tables made from features."""
    import torch
    from torch import nn
    from transformers import T5ForConditionalGeneration

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.t5 = T5ForConditionalGeneration(_t5_config())
            features = torch.tensor(_features(), dtype=torch.float32)
            self.features: torch.Tensor
            self.register_buffer("features", features)
            width = self.t5.config.d_model
            self.read = nn.Parameter(torch.randn(features.shape[1], width) * 0.2)
            self.write = nn.Parameter(torch.randn(features.shape[1], width) * 0.02)
            self.free = nn.Parameter(torch.zeros(2, TOKENS, width))
            for name in ("shared", "lm_head"):
                getattr(self.t5, name).weight.requires_grad_(False)

        def tables(self) -> "tuple[torch.Tensor, torch.Tensor]":
            return self.features @ self.read + self.free[0], self.features @ self.write + self.free[1]

        def groups(self, free_decay: float) -> list[dict[str, Any]]:
            free, tables = [self.free], [self.read, self.write]
            known = {id(p) for p in (*free, *tables)}
            others = [p for p in self.parameters() if p.requires_grad and id(p) not in known]
            return [
                {"params": [p for p in others if p.ndim > 1], "weight_decay": 0.01},
                {"params": [*tables, *(p for p in others if p.ndim < 2)], "weight_decay": 0.0},
                {"params": free, "weight_decay": free_decay},
            ]

        def logits(self, context: "torch.Tensor", target: "torch.Tensor") -> "torch.Tensor":
            read, write = self.tables()
            decoder_input = torch.cat([torch.zeros_like(target[:, :1]), target[:, :-1]], dim=1)
            memory = self.t5.encoder(inputs_embeds=read[context]).last_hidden_state
            hidden = self.t5.decoder(inputs_embeds=read[decoder_input], encoder_hidden_states=memory, use_cache=False)
            logits: torch.Tensor = hidden.last_hidden_state @ write.T
            return logits

        def loss(self, context: "torch.Tensor", target: "torch.Tensor") -> "torch.Tensor":
            return nn.functional.cross_entropy(self.logits(context, target).flatten(0, 1), target.flatten())

    return Network()

"""Decoder of a Chronos-T5 on the library's weights and layers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from forex_assets.forecasts.engine import EngineError

if TYPE_CHECKING:
    import torch


class Decoder:
    """Decoder steps with a cache of earlier keys and values.

    Args:
        model: the library's `T5ForConditionalGeneration`.
        attend: cross-attention of each layer.
        count: paths.
        steps: at most.
    """

    def __init__(self, model: Any, attend: "Sequence[Memory]", count: int, steps: int) -> None:
        import torch

        config = model.config
        self.model, self.attend, self.heads = model, attend, (config.num_heads, config.d_kv)
        shape = (len(attend), 2, count, config.num_heads, steps, config.d_kv)
        self.cache = torch.empty(shape, dtype=model.dtype, device=model.device)
        # As in the library, the first layer's bias serves all layers; one row a step.
        self.bias = model.decoder.block[0].layer[0].SelfAttention.compute_bias(steps, steps)

    def logits(self, last: "torch.Tensor", step: int) -> "torch.Tensor":
        """Logits of the next token, float32, shape (rows, tokens).

        Args:
            last: tokens of the step before, shape (rows,); one row at step 0 stands for all paths.
            step: from 0.
        """
        decoder = self.model.decoder
        hidden = decoder.embed_tokens(last)
        for block, cache, attend in zip(decoder.block, self.cache, self.attend, strict=True):
            past, cross = block.layer[0], block.layer[1]
            hidden = hidden + self._attend_to_past(past.SelfAttention, cache, past.layer_norm(hidden), step)
            hidden = hidden + attend(cross.layer_norm(hidden))
            hidden = block.layer[2](hidden)
        hidden = decoder.final_layer_norm(hidden)
        if self.model.config.scale_decoder_outputs:
            hidden = hidden * self.model.model_dim**-0.5
        return self.model.lm_head(hidden).float()  # type: ignore[no-any-return]

    def _attend_to_past(self, layer: Any, cache: "torch.Tensor", hidden: "torch.Tensor", step: int) -> "torch.Tensor":
        """Self-attention over the steps so far, the current one included."""
        from torch.nn.functional import scaled_dot_product_attention

        rows = len(hidden)
        cache[0, :, :, step] = layer.k(hidden).view(rows, *self.heads)
        cache[1, :, :, step] = layer.v(hidden).view(rows, *self.heads)
        past = cache[:, :rows, :, : step + 1]
        query = layer.q(hidden).view(rows, self.heads[0], 1, self.heads[1])
        bias = self.bias[:, :, step : step + 1, : step + 1]
        return layer.o(  # type: ignore[no-any-return]
            scaled_dot_product_attention(query, past[0], past[1], attn_mask=bias, scale=1.0).view(rows, -1)
        )


class Memory(Protocol):
    """Cross-attention of one layer."""

    def __call__(self, hidden: "torch.Tensor") -> "torch.Tensor": ...


class SharedMemory:
    """Cross-attention of many paths to one encoding.

    Keys and values of the encoding, shape (tokens, d_model), are projected once.
    """

    def __init__(self, layer: Any, memory: "torch.Tensor") -> None:
        self.layer, self.shape = layer, (layer.n_heads, layer.key_value_proj_dim)
        self.keys, self.values = (f(memory).view(-1, *self.shape).transpose(0, 1)[None] for f in (layer.k, layer.v))

    def __call__(self, hidden: "torch.Tensor") -> "torch.Tensor":
        from torch.nn.functional import scaled_dot_product_attention

        # Paths take the place of one sequence's queries: one matrix product a head.
        query = self.layer.q(hidden).view(1, -1, *self.shape).transpose(1, 2)
        answer = scaled_dot_product_attention(query, self.keys, self.values, scale=1.0)
        return self.layer.o(answer[0].transpose(0, 1).reshape(len(hidden), -1))  # type: ignore[no-any-return]


class OwnMemory:
    """Cross-attention of each path to a separate encoding.

    Encodings have shape (paths, tokens, d_model). Few steps follow, so no keys or values are computed: q·(W m) =
    (Wᵀ q)·m, and the weighted sum of W m is W times the weighted sum of m.
    """

    def __init__(self, layer: Any, memory: "torch.Tensor") -> None:
        shape = (layer.n_heads, layer.key_value_proj_dim, -1)
        self.layer, self.memory = layer, memory[:, None]
        self.to_keys, self.to_values = layer.k.weight.view(shape), layer.v.weight.view(shape)

    def __call__(self, hidden: "torch.Tensor") -> "torch.Tensor":
        import torch
        from torch.nn.functional import scaled_dot_product_attention

        query = torch.einsum(
            "phk,hkd->phd", self.layer.q(hidden).view(len(hidden), *self.to_keys.shape[:2]), self.to_keys
        )
        answer = scaled_dot_product_attention(query[:, None], self.memory, self.memory, scale=1.0)[:, 0]
        return self.layer.o(torch.einsum("phd,hkd->phk", answer, self.to_values).reshape(len(hidden), -1))  # type: ignore[no-any-return]


def choose(logits: "torch.Tensor", draws: "torch.Tensor", top_k: int, top_p: float) -> "torch.Tensor":
    """Draws tokens by inverse distribution function.

    The token is the first, by value, at which the function exceeds the draw: similar distributions give similar values
    for one draw.

    Args:
        logits: shape (draws, tokens), or (1, tokens) for all; -inf for excluded tokens.
        draws: uniform on [0, 1), shape (draws,).
        top_k: number of likeliest tokens kept; 0 keeps all.
        top_p: probability that the likeliest tokens kept make up, one at least; 1 keeps all.

    Raises:
        EngineError: a logit is NaN.
    """
    import torch

    order = None
    if top_k > 0 or top_p < 1:
        logits, order = _likeliest(logits, min(top_k or logits.shape[1], logits.shape[1]))
    chances = logits.softmax(dim=-1)
    if top_p < 1:
        rest = chances.flip(-1).cumsum(-1).flip(-1)  # probability of this token and all less likely ones
        chances = chances * ((rest > 1 - top_p) | (torch.arange(chances.shape[1], device=rest.device) == 0))
    if order is not None:
        order, place = order.sort(dim=-1)
        chances = chances.gather(1, place)
    below = chances.cumsum(dim=-1)
    if not torch.isfinite(below[:, -1]).all():
        raise EngineError("the model answered a logit that is no number; its weights are unfit")
    below = below.expand(len(draws), -1).contiguous()
    place = torch.searchsorted(below, draws[:, None] * below[:, -1:], right=True)
    return (place if order is None else order.expand(len(draws), -1).gather(1, place))[:, 0]


def _likeliest(logits: "torch.Tensor", count: int) -> "tuple[torch.Tensor, torch.Tensor]":
    """As `logits.topk(count)`, which takes half as long again on a processor."""
    import torch

    if logits.device.type == "cpu":
        values = logits.numpy()
        limit = np.partition(values, -count, axis=1)[:, -count, None]
        kept = np.flatnonzero(values >= limit)
        if len(kept) == count * len(values):  # no ties at the limit, no NaN
            tokens = torch.from_numpy(kept % values.shape[1]).view(len(values), count)
            chosen, place = logits.gather(1, tokens).sort(dim=-1, descending=True)
            return chosen, tokens.gather(1, place)
    return logits.topk(count)


def start_token(model: Any) -> int:
    """First token of decoding, as `generate` finds it."""
    token = model.generation_config.decoder_start_token_id
    return int(model.config.decoder_start_token_id if token is None else token)

"""A decode loop of our own for Chronos-T5: the law of `ChronosPipeline.predict` at a fraction of its time.

The library copies an origin's encoding once a sample and projects keys and values of the cross-attention for every
copy. Here an origin is encoded once, projected once, and all its samples run as one batch over a preallocated cache.
Weights and layers are the library's own; what is ours is the order of the work and how a token is drawn: by inverse
distribution function from a uniform number that is handed in, so that a path is fixed by its row of numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from forex_assets.core.fan import Array
from forex_assets.forecasts.engine import EngineError

if TYPE_CHECKING:
    import torch

SAMPLES_AT_ONCE: Final = 200
"""Paths of one origin in a batch: each holds a cache, 1.5 MB for 64 steps of chronos-t5-small."""
PATHS_AT_ONCE: Final = 16
"""Paths continued in a batch: each has a context of its own, encoded anew, 8 MB of attention for every layer."""


class PathSampler(Protocol):
    """Port: draws paths from contexts, up to a length of its own."""

    @property
    def reach(self) -> int:
        """Steps that it draws at most."""
        ...

    def from_one(self, context: "torch.Tensor", draws: "torch.Tensor") -> "torch.Tensor":
        """Paths from one context of shape (L,); draws and paths of shape (samples, steps)."""
        ...

    def from_each(self, contexts: "torch.Tensor", draws: "torch.Tensor") -> "torch.Tensor":
        """One path from each context, shape (samples, L); draws and paths of shape (samples, steps)."""
        ...


def sample_paths(sampler: PathSampler, values: Array, steps: int, count: int, seed: int) -> Array:
    """Paths in model space.

    Past the model's own length each path goes on from **its own** past. The library goes on from the median of all
    paths, which forgets how far they have spread: its fan narrows at the next step.
    A path depends on its row of random numbers alone: fewer paths are the first rows of more, fewer steps the
    beginning of more.

    Args:
        sampler: the model.
        values: context in model space, shape (context,).
        steps: sessions ahead.
        count: paths.
        seed: of the random numbers.

    Returns:
        Shape (count, steps).
    """
    import torch

    context = torch.tensor(values, dtype=torch.float32)
    paths = sampler.from_one(context, draws_of(seed, 0, count, sampler.reach)[:, :steps])
    return np.asarray(continued(sampler, context, paths, steps, seed).numpy(), dtype=np.float64)


def continued(
    sampler: PathSampler, context: "torch.Tensor", paths: "torch.Tensor", steps: int, seed: int
) -> "torch.Tensor":
    """Paths that reach the model's own length, each gone on with from its own past; others as they are.

    Args:
        sampler: the model.
        context: that the paths began from, shape (L,).
        paths: shape (samples, steps so far).
        steps: to reach.
        seed: of the random numbers.
    """
    import torch

    part = 0
    while paths.shape[1] < steps:
        part += 1
        pasts = torch.cat([context.expand(len(paths), -1), paths], dim=1)
        draws = draws_of(seed, part, len(paths), sampler.reach)[:, : steps - paths.shape[1]]
        paths = torch.cat([paths, sampler.from_each(pasts, draws)], dim=1)
    return paths


def draws_of(seed: int, part: int, count: int, reach: int) -> "torch.Tensor":
    """Uniform numbers of one stretch of the paths, shape (count, reach); row by row, so that rows do not depend on it.

    Args:
        seed: of the origin.
        part: 0 up to the model's own length, then 1, 2 …
        count: paths.
        reach: the model's own length.
    """
    import torch

    stream = torch.Generator().manual_seed((seed + part) % 2**63)
    return torch.rand(count, reach, generator=stream)


@dataclass(frozen=True, eq=False)
class EncodedContext:
    """A context as the decoder sees it.

    Attributes:
        attend: cross-attention of each layer.
        scale: the tokenizer's.
    """

    attend: "Sequence[_Memory]"
    scale: "torch.Tensor"


@dataclass(frozen=True)
class T5Sampler:
    """PathSampler: a loaded Chronos-T5.

    Args:
        pipeline: the library's `ChronosPipeline`; its top_k and top_p hold.
        temperature: of the sampling.
        fixed_scale: mean absolute value that a context is brought to by one value put in front of it, so that tokens
            stand in fixed units whatever the context holds; None for models that are fed a context as it is.
    """

    pipeline: Any
    temperature: float
    fixed_scale: float | None = None

    @property
    def reach(self) -> int:
        """The model's own prediction length."""
        return int(self.pipeline.model_prediction_length)

    def from_one(self, context: "torch.Tensor", draws: "torch.Tensor") -> "torch.Tensor":
        """See `PathSampler`."""
        return self.from_encoded(self.encode_one(context), draws)

    def encode_one(self, context: "torch.Tensor") -> "EncodedContext":
        """One context, read once, for any number of paths at any temperature."""
        import torch

        with torch.inference_mode():
            memory, scale = self._encode(context[None])
            attend = [_SharedMemory(block.layer[1].EncDecAttention, memory[0]) for block in self._blocks]
        return EncodedContext(attend, scale)

    def from_encoded(self, encoded: "EncodedContext", draws: "torch.Tensor") -> "torch.Tensor":
        """Paths from a context that has been read; draws and paths of shape (samples, steps)."""
        import torch

        with torch.inference_mode():
            tokens = [self._decode(encoded.attend, part, 1) for part in torch.split(draws, SAMPLES_AT_ONCE)]
            return self._values(torch.cat(tokens)[None], encoded.scale)[0]

    def from_each(self, contexts: "torch.Tensor", draws: "torch.Tensor") -> "torch.Tensor":
        """See `PathSampler`."""
        import torch

        parts = []
        with torch.inference_mode():
            for few, part in zip(torch.split(contexts, PATHS_AT_ONCE), torch.split(draws, PATHS_AT_ONCE), strict=True):
                memory, scale = self._encode(few)
                attend = [_OwnMemory(block.layer[1].EncDecAttention, memory) for block in self._blocks]
                parts.append(self._values(self._decode(attend, part, len(part))[:, None], scale)[:, 0])
        return torch.cat(parts)

    @property
    def _blocks(self) -> Any:
        return self.pipeline.inner_model.decoder.block

    def _encode(self, contexts: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
        """Encodings, shape (contexts, tokens, d_model), and the tokenizer's scales. No value is missing: no mask."""
        if self.fixed_scale is not None:
            contexts = with_fixed_scale(contexts, self.fixed_scale, int(self.pipeline.model_context_length))
        model = self.pipeline.inner_model
        tokens, _, scale = self.pipeline.tokenizer.context_input_transform(contexts)
        return model.encoder(input_ids=tokens.to(model.device)).last_hidden_state, scale

    def _values(self, tokens: "torch.Tensor", scale: "torch.Tensor") -> "torch.Tensor":
        """What the tokens stand for, on the CPU, float32."""
        values: torch.Tensor = self.pipeline.tokenizer.output_transform(tokens.cpu(), scale)
        return values.float()

    def _decode(self, attend: "Sequence[_Memory]", draws: "torch.Tensor", rows: int) -> "torch.Tensor":
        """Sampled tokens, shape (samples, steps).

        Args:
            attend: cross-attention of each layer.
            draws: uniform numbers, shape (samples, steps).
            rows: of the first step: one where all paths share their context, since all begin with the same token.
        """
        import torch

        decoder = Decoder(self.pipeline.inner_model, attend, *draws.shape)
        law, draws = self.pipeline.model.config, draws.to(self.pipeline.inner_model.device)
        tokens = torch.empty(draws.shape, dtype=torch.long, device=draws.device)
        told = torch.full((rows,), _start_token(self.pipeline.inner_model), device=draws.device)
        for step in range(draws.shape[1]):
            logits = decoder.logits(told, step)
            logits[:, law.eos_token_id] = -torch.inf  # a path has all its steps
            told = choose(logits / self.temperature, draws[:, step], law.top_k, law.top_p)
            tokens[:, step] = told
        return tokens


class Decoder:
    """The decoder's steps, one token a path at a time, with keys and values of the steps before kept.

    Args:
        model: the library's `T5ForConditionalGeneration`.
        attend: cross-attention of each layer.
        count: paths.
        steps: at most.
    """

    def __init__(self, model: Any, attend: "Sequence[_Memory]", count: int, steps: int) -> None:
        import torch

        config = model.config
        self.model, self.attend, self.heads = model, attend, (config.num_heads, config.d_kv)
        shape = (len(attend), 2, count, config.num_heads, steps, config.d_kv)
        self.kept = torch.empty(shape, dtype=model.dtype, device=model.device)
        # The first layer's bias serves all; a row a step, as the library has it.
        self.bias = model.decoder.block[0].layer[0].SelfAttention.compute_bias(steps, steps)

    def logits(self, told: "torch.Tensor", step: int) -> "torch.Tensor":
        """Logits of the token after `told`, float32, shape (rows, tokens).

        Args:
            told: tokens of the step before, shape (rows,); one row at step 0 stands for all paths.
            step: from 0.
        """
        decoder = self.model.decoder
        hidden = decoder.embed_tokens(told)
        for block, kept, attend in zip(decoder.block, self.kept, self.attend, strict=True):
            own, cross = block.layer[0], block.layer[1]
            hidden = hidden + self._look_back(own.SelfAttention, kept, own.layer_norm(hidden), step)
            hidden = hidden + attend(cross.layer_norm(hidden))
            hidden = block.layer[2](hidden)
        hidden = decoder.final_layer_norm(hidden)
        if self.model.config.scale_decoder_outputs:
            hidden = hidden * self.model.model_dim**-0.5
        return self.model.lm_head(hidden).float()  # type: ignore[no-any-return]

    def _look_back(self, layer: Any, kept: "torch.Tensor", hidden: "torch.Tensor", step: int) -> "torch.Tensor":
        """Self-attention of one step over the steps so far, itself included."""
        from torch.nn.functional import scaled_dot_product_attention

        rows = len(hidden)
        kept[0, :, :, step] = layer.k(hidden).view(rows, *self.heads)
        kept[1, :, :, step] = layer.v(hidden).view(rows, *self.heads)
        past = kept[:, :rows, :, : step + 1]
        asked = layer.q(hidden).view(rows, self.heads[0], 1, self.heads[1])
        bias = self.bias[:, :, step : step + 1, : step + 1]
        return layer.o(  # type: ignore[no-any-return]
            scaled_dot_product_attention(asked, past[0], past[1], attn_mask=bias, scale=1.0).view(rows, -1)
        )


class _Memory(Protocol):
    """One layer's cross-attention."""

    def __call__(self, hidden: "torch.Tensor") -> "torch.Tensor": ...


class _SharedMemory:
    """Cross-attention of many paths to one encoding, shape (tokens, d_model): keys and values are projected once."""

    def __init__(self, layer: Any, memory: "torch.Tensor") -> None:
        self.layer, self.shape = layer, (layer.n_heads, layer.key_value_proj_dim)
        self.keys, self.values = (f(memory).view(-1, *self.shape).transpose(0, 1)[None] for f in (layer.k, layer.v))

    def __call__(self, hidden: "torch.Tensor") -> "torch.Tensor":
        from torch.nn.functional import scaled_dot_product_attention

        # The paths stand where the queries of one sequence would: one matrix product a head.
        asked = self.layer.q(hidden).view(1, -1, *self.shape).transpose(1, 2)
        answer = scaled_dot_product_attention(asked, self.keys, self.values, scale=1.0)
        return self.layer.o(answer[0].transpose(0, 1).reshape(len(hidden), -1))  # type: ignore[no-any-return]


class _OwnMemory:
    """Cross-attention of each path to an encoding of its own, shape (paths, tokens, d_model).

    Few steps follow, so neither keys nor values are made: q·(W m) = (Wᵀ q)·m, and the weighted sum of W m is W times
    the weighted sum of m.
    """

    def __init__(self, layer: Any, memory: "torch.Tensor") -> None:
        shape = (layer.n_heads, layer.key_value_proj_dim, -1)
        self.layer, self.memory = layer, memory[:, None]
        self.to_keys, self.to_values = layer.k.weight.view(shape), layer.v.weight.view(shape)

    def __call__(self, hidden: "torch.Tensor") -> "torch.Tensor":
        import torch
        from torch.nn.functional import scaled_dot_product_attention

        asked = torch.einsum(
            "phk,hkd->phd", self.layer.q(hidden).view(len(hidden), *self.to_keys.shape[:2]), self.to_keys
        )
        answer = scaled_dot_product_attention(asked[:, None], self.memory, self.memory, scale=1.0)[:, 0]
        return self.layer.o(torch.einsum("phd,hkd->phk", answer, self.to_values).reshape(len(hidden), -1))  # type: ignore[no-any-return]


def choose(logits: "torch.Tensor", draws: "torch.Tensor", top_k: int, top_p: float) -> "torch.Tensor":
    """One token a draw: the first at which the distribution function exceeds it.

    Args:
        logits: shape (draws, tokens), or (1, tokens) for all; -inf for what must not come.
        draws: uniform on [0, 1), shape (draws,).
        top_k: keep the likeliest `top_k` only; 0 keeps all.
        top_p: keep the likeliest that make up this probability, one at least; 1 keeps all.

    Raises:
        EngineError: a logit that is no number.
    """
    import torch

    order = None
    if top_k > 0 or top_p < 1:
        logits, order = logits.topk(min(top_k or logits.shape[1], logits.shape[1]))
    chances = logits.softmax(dim=-1)
    if top_p < 1:
        rest = chances.flip(-1).cumsum(-1).flip(-1)  # of this token and all less likely ones
        chances = chances * ((rest > 1 - top_p) | (torch.arange(chances.shape[1], device=rest.device) == 0))
    below = chances.cumsum(dim=-1)
    if not torch.isfinite(below[:, -1]).all():
        raise EngineError("the model answered a logit that is no number; its weights are unfit")
    below = below.expand(len(draws), -1).contiguous()
    place = torch.searchsorted(below, draws[:, None] * below[:, -1:], right=True)
    return (place if order is None else order.expand(len(draws), -1).gather(1, place))[:, 0]


def with_fixed_scale(contexts: "torch.Tensor", scale: float, limit: int) -> "torch.Tensor":
    """Contexts with one value in front that makes their mean absolute value `scale`, which is what Chronos divides by.

    C = scale · (L + 1) - Σ|x|, with x within ±scale: what lies beyond has the outermost token either way, and C is
    never less than `scale`, whatever the history.

    Args:
        contexts: shape (contexts, L).
        scale: in the context's units.
        limit: values that the model takes; of longer contexts the last `limit` - 1 are kept.

    Returns:
        Shape (contexts, L + 1).
    """
    import torch

    recent = contexts[:, -(limit - 1) :].clamp(-scale, scale)
    front = scale * (recent.shape[1] + 1) - recent.double().abs().sum(dim=1, keepdim=True)
    return torch.cat([front.to(recent.dtype), recent], dim=1)


def _start_token(model: Any) -> int:
    """The token that decoding begins with, as `generate` finds it."""
    told = model.generation_config.decoder_start_token_id
    return int(model.config.decoder_start_token_id if told is None else told)

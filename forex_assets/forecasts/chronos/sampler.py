"""Samples paths from a Chronos-T5.

The distribution is that of `ChronosPipeline.predict`, in a fraction of its time. The library copies an origin's
encoding once a sample and projects keys and values of the cross-attention for every copy. Here an origin is encoded and
projected once, and all samples run as one batch over a preallocated cache. A token is drawn by inverse distribution
function from a given uniform number, so a path is fixed by its row of numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from forex_assets.core.fan import Array
from forex_assets.forecasts.chronos.decoder import Decoder, Memory, OwnMemory, SharedMemory, choose, start_token
from forex_assets.forecasts.chronos.draws import draws_of

if TYPE_CHECKING:
    import torch

SAMPLES_AT_ONCE: Final = 200
"""Paths of one origin in a batch; each caches 1.5 MB (chronos-t5-small)."""
PATHS_AT_ONCE: Final = 16
"""Continued paths in a batch; each needs 8 MB a layer."""


class PathSampler(Protocol):
    """Port: draws paths from contexts, up to `reach` steps."""

    @property
    def reach(self) -> int:
        """Longest path, steps."""
        ...

    def from_one(self, context: "torch.Tensor", draws: "torch.Tensor") -> "torch.Tensor":
        """Paths from one context, shape (L,); draws and paths: (samples, steps)."""
        ...

    def from_each(self, contexts: "torch.Tensor", draws: "torch.Tensor") -> "torch.Tensor":
        """One path a context, shape (samples, L); draws: (samples, steps)."""
        ...


def sample_paths(sampler: PathSampler, values: Array, steps: int, count: int, seed: int) -> Array:
    """Paths in model space.

    Past the model's own length each path continues from **its own** past. The library continues from the median of all
    paths, which forgets their spread: its fan narrows at the next step.
    A path depends on its row of random numbers alone: fewer paths are the first rows of more, fewer steps the
    beginning of more.

    Args:
        values: context in model space, shape (context,).
        steps: sessions ahead.
        count: paths.

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
    """Paths of at least `steps` steps, each continued from its own past.

    Args:
        context: the paths' common context, shape (L,).
        paths: shape (samples, steps so far).
    """
    import torch

    part = 0
    while paths.shape[1] < steps:
        part += 1
        pasts = torch.cat([context.expand(len(paths), -1), paths], dim=1)
        draws = draws_of(seed, part, len(paths), sampler.reach)[:, : steps - paths.shape[1]]
        paths = torch.cat([paths, sampler.from_each(pasts, draws)], dim=1)
    return paths


@dataclass(frozen=True, eq=False)
class EncodedContext:
    """An encoded context.

    Attributes:
        attend: cross-attention of each layer.
        scale: of the tokenizer.
    """

    attend: "Sequence[Memory]"
    scale: "torch.Tensor"


@dataclass(frozen=True)
class T5Sampler:
    """PathSampler: a loaded Chronos-T5.

    Args:
        pipeline: the library's `ChronosPipeline`; its top_k and top_p apply.
        fixed_scale: mean absolute value of every context, reached by one value in front, so that tokens have fixed
            units; None to leave contexts as they are.
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
        """Encodes one context for any number of paths and temperatures."""
        import torch

        with torch.inference_mode():
            memory, scale = self._encode(context[None])
            attend = [SharedMemory(block.layer[1].EncDecAttention, memory[0]) for block in self._blocks]
        return EncodedContext(attend, scale)

    def from_encoded(self, encoded: "EncodedContext", draws: "torch.Tensor") -> "torch.Tensor":
        """Paths from an encoded context; draws and paths of shape (samples, steps)."""
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
                attend = [OwnMemory(block.layer[1].EncDecAttention, memory) for block in self._blocks]
                parts.append(self._values(self._decode(attend, part, len(part))[:, None], scale)[:, 0])
        return torch.cat(parts)

    @property
    def _blocks(self) -> Any:
        return self.pipeline.inner_model.decoder.block

    def _encode(self, contexts: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
        """Encodings, shape (contexts, tokens, d_model), and scales."""
        if self.fixed_scale is not None:
            contexts = with_fixed_scale(contexts, self.fixed_scale, int(self.pipeline.model_context_length))
        model = self.pipeline.inner_model
        tokens, _, scale = self.pipeline.tokenizer.context_input_transform(contexts)
        return model.encoder(input_ids=tokens.to(model.device)).last_hidden_state, scale

    def _values(self, tokens: "torch.Tensor", scale: "torch.Tensor") -> "torch.Tensor":
        """Values of tokens, on the CPU, float32."""
        values: torch.Tensor = self.pipeline.tokenizer.output_transform(tokens.cpu(), scale)
        return values.float()

    def _decode(self, attend: "Sequence[Memory]", draws: "torch.Tensor", rows: int) -> "torch.Tensor":
        """Sampled tokens, shape (samples, steps).

        Args:
            attend: cross-attention of each layer.
            draws: uniform numbers, shape (samples, steps).
            rows: of the first step: 1 where all paths share their context, since all begin with the same token.
        """
        import torch

        decoder = Decoder(self.pipeline.inner_model, attend, *draws.shape)
        config, draws = self.pipeline.model.config, draws.to(self.pipeline.inner_model.device)
        tokens = torch.empty(draws.shape, dtype=torch.long, device=draws.device)
        last = torch.full((rows,), start_token(self.pipeline.inner_model), device=draws.device)
        for step in range(draws.shape[1]):
            logits = decoder.logits(last, step)
            logits[:, config.eos_token_id] = -torch.inf  # a path has all its steps
            last = choose(logits / self.temperature, draws[:, step], config.top_k, config.top_p)
            tokens[:, step] = last
        return tokens


def with_fixed_scale(contexts: "torch.Tensor", scale: float, limit: int) -> "torch.Tensor":
    """Adds one value in front that makes the mean absolute value `scale`.

    Chronos divides by that mean. The value is C = scale · (L + 1) - Σ|x|, with x clipped to ±scale: values beyond have
    the outermost token either way, and C is at least `scale`.

    Args:
        contexts: shape (contexts, L).
        scale: in the context's units.
        limit: longest input of the model; the last `limit` - 1 values are kept.

    Returns:
        Shape (contexts, L + 1).
    """
    import torch

    recent = contexts[:, -(limit - 1) :].clamp(-scale, scale)
    front = scale * (recent.shape[1] + 1) - recent.double().abs().sum(dim=1, keepdim=True)
    return torch.cat([front.to(recent.dtype), recent], dim=1)

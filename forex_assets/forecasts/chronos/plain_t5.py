"""A Chronos-T5 on torch alone, without chronos and transformers.

Their import costs three times torch's own, and 200 MB, in every process that forecasts. The shapes of attributes are
the library's: the sampler runs on either. Only the plainest T5 is read here, such as the embedded one; `read_plain_t5`
answers None for every other folder, and the library loads it, or says what is wrong with it.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import torch

WEIGHTS: Final = "model.safetensors"

DECLARED: Final[Mapping[str, Any]] = {
    "model_type": "t5",
    "architectures": ["T5ForConditionalGeneration"],
    "chronos_pipeline_class": "ChronosPipeline",
    "feed_forward_proj": "relu",
    "is_gated_act": False,
    "tie_word_embeddings": False,
    "scale_decoder_outputs": False,
}
"""Settings of the models that are read here."""

TOKENS: Final[Mapping[str, Any]] = {
    "model_type": "seq2seq",
    "tokenizer_class": "MeanScaleUniformBins",
    "use_eos_token": True,
}
"""Their settings in `chronos_config`."""


class PlainT5Pipeline:
    """A loaded model, with the attributes of the library's that are used.

    Args:
        declared: the folder's `config.json`.
        start: first token of decoding.
        weights: tensors by name.
    """

    def __init__(self, declared: Mapping[str, Any], start: int | None, weights: "Mapping[str, torch.Tensor]") -> None:
        chronos = SimpleNamespace(**declared["chronos_config"])
        self.inner_model = PlainT5(declared, start, weights)
        self.model = SimpleNamespace(config=chronos)
        self.tokenizer = UniformBins(chronos)
        self.model_context_length = int(chronos.context_length)
        self.model_prediction_length = int(chronos.prediction_length)


class UniformBins:
    """Tokens of values divided by their mean size.

    Equal to the library's `MeanScaleUniformBins` for contexts without gaps; a NaN becomes padding there and here.

    Args:
        config: `chronos_config`.
    """

    def __init__(self, config: SimpleNamespace) -> None:
        import torch

        self.config = config
        limits = (config.tokenizer_kwargs["low_limit"], config.tokenizer_kwargs["high_limit"])
        self.centers = torch.linspace(*limits, config.n_tokens - config.n_special_tokens - 1)
        middles = (self.centers[1:] + self.centers[:-1]) / 2
        self.boundaries = torch.cat([torch.tensor([-1e20]), middles, torch.tensor([1e20])])

    def context_input_transform(self, context: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":
        """Tokens with the end token, whether each is known, and scales."""
        import torch

        config = self.config
        context = context[..., -config.context_length :].to(torch.float32)
        is_known = ~torch.isnan(context)
        scale = torch.nansum(torch.abs(context) * is_known, dim=-1) / torch.nansum(is_known, dim=-1)
        scale[~(scale > 0)] = 1.0
        tokens = torch.bucketize(context / scale[..., None], self.boundaries, right=True) + config.n_special_tokens
        tokens = tokens.clamp(0, config.n_tokens - 1)
        tokens[~is_known] = config.pad_token_id
        ends = torch.full((len(tokens), 1), config.eos_token_id)
        return torch.cat([tokens, ends], dim=1), torch.cat([is_known, ends > -1], dim=1), scale

    def output_transform(self, tokens: "torch.Tensor", scale: "torch.Tensor") -> "torch.Tensor":
        """Values of tokens, shape (contexts, samples, steps)."""
        place = (tokens - self.config.n_special_tokens - 1).clamp(0, len(self.centers) - 1)
        return self.centers[place] * scale[..., None, None]


class PlainT5:
    """Encoder, and the decoder's layers, of a T5 in single precision."""

    def __init__(self, declared: Mapping[str, Any], start: int | None, weights: "Mapping[str, torch.Tensor]") -> None:
        self.config = SimpleNamespace(**declared)
        self.generation_config = SimpleNamespace(decoder_start_token_id=start)
        self.dtype, self.device = weights["shared.weight"].dtype, weights["shared.weight"].device
        self.encoder = Encoder(self.config, weights)
        self.decoder = _stack(self.config, weights, "decoder")
        self.lm_head = Linear(weights["lm_head.weight"])


class Encoder:
    """The T5's encoder; no token is masked."""

    def __init__(self, config: SimpleNamespace, weights: "Mapping[str, torch.Tensor]") -> None:
        self.stack = _stack(config, weights, "encoder")

    def __call__(self, input_ids: "torch.Tensor") -> SimpleNamespace:
        """Encodings, shape (contexts, tokens, d_model)."""
        hidden = self.stack.embed_tokens(input_ids)
        length = input_ids.shape[1]
        bias = self.stack.block[0].layer[0].SelfAttention.compute_bias(length, length)
        for block in self.stack.block:
            past, forward = block.layer
            hidden = hidden + past.SelfAttention(past.layer_norm(hidden), bias)
            hidden = forward(hidden)
        return SimpleNamespace(last_hidden_state=self.stack.final_layer_norm(hidden))


class Linear:
    """A matrix product without bias."""

    def __init__(self, weight: "torch.Tensor") -> None:
        self.weight = weight

    def __call__(self, hidden: "torch.Tensor") -> "torch.Tensor":
        from torch.nn.functional import linear

        return linear(hidden, self.weight)


class Norm:
    """Root mean square normalization."""

    def __init__(self, weight: "torch.Tensor", epsilon: float) -> None:
        self.weight, self.epsilon = weight, epsilon

    def __call__(self, hidden: "torch.Tensor") -> "torch.Tensor":
        import torch

        return self.weight * (hidden * torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + self.epsilon))


class FeedForward:
    """Two matrices around a rectifier, added to the input."""

    def __init__(self, norm: Norm, wi: "torch.Tensor", wo: "torch.Tensor") -> None:
        self.norm, self.wi, self.wo = norm, Linear(wi), Linear(wo)

    def __call__(self, hidden: "torch.Tensor") -> "torch.Tensor":
        import torch

        return hidden + self.wo(torch.relu(self.wi(self.norm(hidden))))


class Attention:
    """Projections of one attention; the first layer adds a bias."""

    def __init__(
        self, config: SimpleNamespace, weights: "Mapping[str, torch.Tensor]", place: str, is_decoder: bool
    ) -> None:
        self.config, self.is_decoder = config, is_decoder
        self.n_heads, self.key_value_proj_dim = int(config.num_heads), int(config.d_kv)
        self.q, self.k, self.v, self.o = (Linear(weights[f"{place}.{name}.weight"]) for name in "qkvo")
        self.by_distance = weights.get(f"{place}.relative_attention_bias.weight")

    def __call__(self, hidden: "torch.Tensor", bias: "torch.Tensor") -> "torch.Tensor":
        """Attention of each token to all."""
        from torch.nn.functional import scaled_dot_product_attention

        shape = (*hidden.shape[:2], self.n_heads, self.key_value_proj_dim)
        query, keys, values = (
            projection(hidden).view(shape).transpose(1, 2) for projection in (self.q, self.k, self.v)
        )
        answer = scaled_dot_product_attention(query, keys, values, attn_mask=bias, scale=1.0)
        return self.o(answer.transpose(1, 2).reshape(*hidden.shape[:2], -1))

    def compute_bias(self, queries: int, keys: int) -> "torch.Tensor":
        """Bias by distance, shape (1, heads, queries, keys)."""
        import torch

        assert self.by_distance is not None
        distance = torch.arange(keys)[None] - torch.arange(queries)[:, None]
        count, offset = int(self.config.relative_attention_num_buckets), torch.zeros_like(distance)
        if self.is_decoder:
            distance = -torch.minimum(distance, torch.zeros_like(distance))
        else:  # half of the buckets for what comes later
            count //= 2
            offset, distance = (distance > 0).long() * count, distance.abs()
        exact, most = count // 2, int(self.config.relative_attention_max_distance)
        grown = torch.log(distance.float() / exact) / math.log(most / exact) * (count - exact)
        far = (exact + grown.clamp(min=0).long()).clamp(max=count - 1)
        bucket = offset + torch.where(distance < exact, distance, far)
        return self.by_distance[bucket].permute(2, 0, 1)[None]


def _stack(config: SimpleNamespace, weights: "Mapping[str, torch.Tensor]", side: str) -> SimpleNamespace:
    """Embedding, layers and last norm of encoder or decoder."""
    from torch.nn.functional import embedding

    is_decoder = side == "decoder"

    def norm(place: str) -> Norm:
        return Norm(weights[f"{place}.weight"], float(config.layer_norm_epsilon))

    blocks = []
    for number in range(config.num_decoder_layers if is_decoder else config.num_layers):
        place = f"{side}.block.{number}.layer"
        attends = ("SelfAttention", "EncDecAttention")[: 1 + is_decoder]
        layers: list[Any] = [
            SimpleNamespace(
                **{name: Attention(config, weights, f"{place}.{depth}.{name}", is_decoder)},
                layer_norm=norm(f"{place}.{depth}.layer_norm"),
            )
            for depth, name in enumerate(attends)
        ]
        last = f"{place}.{len(attends)}"
        pair = (weights[f"{last}.DenseReluDense.{name}.weight"] for name in ("wi", "wo"))
        layers.append(FeedForward(norm(f"{last}.layer_norm"), *pair))
        blocks.append(SimpleNamespace(layer=layers))
    return SimpleNamespace(
        embed_tokens=lambda tokens: embedding(tokens, weights["shared.weight"]),
        block=blocks,
        final_layer_norm=norm(f"{side}.final_layer_norm"),
    )


def read_plain_t5(folder: Path) -> PlainT5Pipeline | None:
    """The model of a folder, in single precision on the CPU.

    Returns:
        None where the library has to load it: another kind of T5, other files, or damage.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        declared = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not _is_plain(declared) or [file.name for file in folder.glob("*.safetensors")] != [WEIGHTS]:
            return None
        weights = load_file(folder / WEIGHTS)
        generation = folder / "generation_config.json"
        more = json.loads(generation.read_text(encoding="utf-8")) if generation.exists() else {}
        if {tensor.dtype for tensor in weights.values()} != {torch.float32}:
            return None
        if {name: tuple(tensor.shape) for name, tensor in weights.items()} != _shapes(declared):
            return None
        return PlainT5Pipeline(declared, more.get("decoder_start_token_id"), weights)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError):
        return None  # the library says what is wrong


def _is_plain(declared: Mapping[str, Any]) -> bool:
    """Whether the settings are those of the models read here."""
    tokens = declared.get("chronos_config", {})
    return all(declared.get(name) == value for name, value in DECLARED.items()) and all(
        tokens.get(name) == value for name, value in TOKENS.items()
    )


def _shapes(declared: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor that such a model has."""
    width, inner, hidden = declared["d_model"], declared["num_heads"] * declared["d_kv"], declared["d_ff"]
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(
        ("shared.weight", "lm_head.weight"), (declared["vocab_size"], width)
    )
    for side, count in (("encoder", declared["num_layers"]), ("decoder", declared["num_decoder_layers"])):
        shapes[f"{side}.final_layer_norm.weight"] = (width,)
        attends = ("SelfAttention", "EncDecAttention")[: 1 + (side == "decoder")]
        for place in (f"{side}.block.{number}.layer" for number in range(count)):
            for depth, name in enumerate(attends):
                shapes[f"{place}.{depth}.layer_norm.weight"] = (width,)
                shapes |= {f"{place}.{depth}.{name}.{part}.weight": (inner, width) for part in "qkv"}
                shapes[f"{place}.{depth}.{name}.o.weight"] = (width, inner)
            last = f"{place}.{len(attends)}"
            shapes[f"{last}.layer_norm.weight"] = (width,)
            shapes[f"{last}.DenseReluDense.wi.weight"] = (hidden, width)
            shapes[f"{last}.DenseReluDense.wo.weight"] = (width, hidden)
        biases = (declared["relative_attention_num_buckets"], declared["num_heads"])
        shapes[f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = biases
    return shapes

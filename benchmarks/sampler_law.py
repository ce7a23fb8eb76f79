"""Distances of our sampling from the library's, in logits and paths."""

from typing import Any

from forex_assets.core.fan import Array
from forex_assets.forecasts.chronos.model import ChronosEngine
from forex_assets.forecasts.representation import encode
from random_models import prices_of


def logits_apart(pipeline: Any, engine: ChronosEngine) -> tuple[float, int]:
    """Largest relative difference of logits from the library's."""
    import torch

    from forex_assets.forecasts.chronos.decoder import Decoder, start_token
    from forex_assets.forecasts.chronos.sampler import T5Sampler

    encoded = encode(prices_of(7), "anchored", 180)
    context = torch.tensor(encoded.values, dtype=torch.float32)
    with torch.inference_mode():
        ids, mask, _ = pipeline.tokenizer.context_input_transform(context[None])
        read = T5Sampler(pipeline, 1.0).encode_one(context)
        decoder, start = Decoder(pipeline.inner_model, read.attend, 1, 64), start_token(pipeline.inner_model)
        fed, ours = [start], []
        for step in range(64):
            logits = decoder.logits(torch.tensor([fed[-1]]), step)
            ours.append(logits[0])
            # Any token will do, and random weights would mostly repeat one, on which nothing can be seen.
            fed.append(int(torch.randint(2, 4096, (1,))))
        theirs = pipeline.inner_model(
            input_ids=ids, attention_mask=mask, decoder_input_ids=torch.tensor([fed[:-1]])
        ).logits[0]
    apart = (torch.stack(ours) - theirs).abs().max() / theirs.abs().max()
    return float(apart), len(set(fed))


def laws_apart(pipeline: Any, engine: ChronosEngine, count: int = 1000) -> tuple[float, float]:
    """Largest KS distances: library against itself, ours against it."""
    import torch
    from scipy.stats import ks_2samp

    from forex_assets.forecasts.chronos.sampler import T5Sampler, sample_paths

    encoded = encode(prices_of(7), "anchored", 180)
    context = torch.tensor(encoded.values, dtype=torch.float32)[None]
    torch.manual_seed(1)
    one, two = (pipeline.predict(context, 21, num_samples=count)[0].double().numpy() for _ in range(2))
    paths = sample_paths(T5Sampler(pipeline, 1.0), encoded.values, 21, count, 5)

    def distance(left: Array, right: Array) -> float:
        return max(float(ks_2samp(left[:, k], right[:, k]).statistic) for k in range(21))

    return distance(one, two), distance(one, paths)

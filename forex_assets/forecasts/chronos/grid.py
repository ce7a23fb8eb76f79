"""Many settings from one origin: what a search shares. The law of each fan is `chronos_model`'s, and its numbers too.

T5: configs that differ in samples, steps or temperature read the same context once; fewer samples are the first paths
of more, fewer steps their beginning. Bolt has neither samples nor temperature: contexts of one length are read at once.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from forex_assets.core.fan import Array, Fan, fan_of_paths
from forex_assets.core.inference_config import Representation
from forex_assets.forecasts.chronos.model import Feeding, bolt_quantiles, drawn_of, mirrored, seed_of
from forex_assets.forecasts.chronos.sampler import T5Sampler, continued, draws_of
from forex_assets.forecasts.engine import Ask, Origin
from forex_assets.forecasts.representation import (
    Encoded,
    decode_paths,
    decode_quantiles,
    encode,
    fan_of_quantiles,
)

CONTEXTS_AT_ONCE: Final = 32
"""Contexts that Bolt reads in one call: more hardly help, and cost memory."""


def t5_grid(pipeline: Any, origin: Origin, asks: Sequence[Ask], feeding: Feeding | None, longest: int) -> list[Fan]:
    """Fans of one origin by a Chronos-T5, in the order of `asks`.

    Args:
        pipeline: the library's.
        origin: prices; its steps do not count.
        asks: settings and steps.
        feeding: of a model of our own.
        longest: context that the model reads.
    """
    groups: dict[tuple[Representation, int, int], list[int]] = defaultdict(list)
    for place, ask in enumerate(asks):
        config = ask.config
        groups[(config.representation, min(config.context_length, longest), config.seed)].append(place)
    fans: dict[int, Fan] = {}
    for (representation, length, seed), places in groups.items():
        encoded = encode(origin.prices, representation, length)
        paths = _paths(pipeline, encoded, [asks[place] for place in places], feeding, seed_of(seed, origin.prices))
        for place in places:
            config, steps = asks[place].config, asks[place].steps
            own = paths[config.temperature or 1.0, steps > _reach(pipeline)]
            own = mirrored(own[:, :steps], config.num_samples or 0, feeding)
            fans[place] = fan_of_paths(decode_paths(own, encoded))
    return [fans[place] for place in range(len(asks))]


def _reach(pipeline: Any) -> int:
    return int(pipeline.model_prediction_length)


def _paths(
    pipeline: Any, encoded: Encoded, asks: Sequence[Ask], feeding: Feeding | None, seed: int
) -> dict[tuple[float, bool], Array]:
    """Paths in model space by temperature and whether they go past the model's own length, as long as any ask needs.

    Past that length every path is a context of its own, which costs far more than all before: only as many paths go on
    as an ask of that length needs.
    """
    import torch

    context = torch.tensor(encoded.values, dtype=torch.float32)
    scale, reach = (feeding.context_scale if feeding else None), _reach(pipeline)
    read = T5Sampler(pipeline, 1.0, scale).encode_one(context)
    found: dict[tuple[float, bool], Array] = {}
    for temperature in dict.fromkeys(ask.config.temperature or 1.0 for ask in asks):
        sampler = T5Sampler(pipeline, temperature, scale)
        here = [ask for ask in asks if (ask.config.temperature or 1.0) == temperature]
        count = max(drawn_of(ask.config.num_samples or 0, feeding) for ask in here)
        steps = min(reach, max(ask.steps for ask in here))
        paths = sampler.from_encoded(read, draws_of(seed, 0, count, reach)[:, :steps])
        found[temperature, False] = np.asarray(paths.numpy(), dtype=np.float64)
        beyond = [ask for ask in here if ask.steps > reach]
        if beyond:
            few = max(drawn_of(ask.config.num_samples or 0, feeding) for ask in beyond)
            longer = continued(sampler, context, paths[:few], max(ask.steps for ask in beyond), seed)
            found[temperature, True] = np.asarray(longer.numpy(), dtype=np.float64)
    return found


def bolt_grid(pipeline: Any, origins: Sequence[Origin], asks: Sequence[Sequence[Ask]], longest: int) -> list[list[Fan]]:
    """Fans of many origins by a Chronos-Bolt: contexts of one length are read together, equal ones once.

    Args:
        pipeline: the library's.
        origins: prices; their steps do not count.
        asks: settings and steps, by origin.
        longest: context that the model reads.
    """
    # By origin, representation and length: the context, and the most steps that are asked of it.
    contexts: dict[tuple[int, Representation, int], Encoded] = {}
    steps: dict[tuple[int, Representation, int], int] = defaultdict(int)
    for number, wanted in enumerate(asks):
        for ask in wanted:
            key = _context_of(number, ask, longest)
            if key not in contexts:
                contexts[key] = encode(origins[number].prices, key[1], key[2])
            steps[key] = max(steps[key], ask.steps)
    native = _read_together(pipeline, contexts, steps)
    levels = [float(level) for level in pipeline.quantiles]
    fans = []
    for number, wanted in enumerate(asks):
        made = []
        for ask in wanted:
            key = _context_of(number, ask, longest)
            own = decode_quantiles(native[key][: ask.steps], levels, contexts[key])
            made.append(fan_of_quantiles(own, levels))
        fans.append(made)
    return fans


def _context_of(number: int, ask: Ask, longest: int) -> tuple[int, Representation, int]:
    return number, ask.config.representation, min(ask.config.context_length, longest)


def _read_together(
    pipeline: Any,
    contexts: dict[tuple[int, Representation, int], Encoded],
    steps: dict[tuple[int, Representation, int], int],
) -> dict[tuple[int, Representation, int], Array]:
    """Bolt's quantiles by context, shape (steps, 9) each; alike in length and, past its own, in steps."""
    reach = _reach(pipeline)
    batches: dict[tuple[int, int], list[tuple[int, Representation, int]]] = defaultdict(list)
    for key, encoded in contexts.items():
        batches[len(encoded.values), max(reach, steps[key])].append(key)
    found: dict[tuple[int, Representation, int], Array] = {}
    for (_, ahead), keys in batches.items():
        for start in range(0, len(keys), CONTEXTS_AT_ONCE):
            some = keys[start : start + CONTEXTS_AT_ONCE]
            answer = bolt_quantiles(pipeline, np.stack([contexts[key].values for key in some]), ahead)
            found |= dict(zip(some, answer, strict=True))
    return found

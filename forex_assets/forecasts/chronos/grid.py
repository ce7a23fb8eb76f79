"""Fans of many settings from one origin, equal to single forecasts.

T5: configs that differ in samples, steps or temperature share one encoded context; fewer samples are the first paths
of more, fewer steps their beginning. Bolt has neither samples nor temperature: contexts of one length form a batch.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from forex_assets.core.fan import Array, Fan
from forex_assets.core.inference_config import Representation
from forex_assets.forecasts.chronos.draws import path_draws
from forex_assets.forecasts.chronos.feeding import (
    Feeding,
    as_array,
    bolt_quantiles,
    drawn_of,
    fan_of_draws,
    quantile_fan,
)
from forex_assets.forecasts.chronos.sampler import T5Sampler, continued
from forex_assets.forecasts.engine import GridRequest, Origin
from forex_assets.forecasts.representation import Encoded, encode
from forex_assets.forecasts.smoothing import steps_to_draw

CONTEXTS_AT_ONCE: Final = 32
"""Contexts in one call of Bolt; larger batches only cost memory."""

_Context = tuple[int, Representation, int]
"""Origin, representation and length of a context."""


def t5_grid(
    pipeline: Any, origin: Origin, requests: Sequence[GridRequest], feeding: Feeding | None, longest: int
) -> list[Fan]:
    """Fans of one origin by a Chronos-T5, in the order of `requests`.

    Args:
        origin: prices; its steps do not count.
        longest: longest context of the model, sessions.
    """
    groups: dict[tuple[Representation, int, int], list[int]] = defaultdict(list)
    for place, request in enumerate(requests):
        config = request.config
        groups[(config.representation, min(config.context_length, longest), config.seed)].append(place)
    fans: dict[int, Fan] = {}
    reach = _reach(pipeline)
    for (representation, length, seed), places in groups.items():
        encoded = encode(origin.prices, representation, length)
        paths = _paths(pipeline, encoded, [requests[place] for place in places], feeding, seed)
        for place in places:
            config, steps = requests[place].config, requests[place].steps
            ahead, count = steps_to_draw(steps, reach), drawn_of(config.num_samples or 0, feeding)
            drawn = paths[config.temperature or 1.0, ahead > reach][:count, :ahead]
            draws = as_array(path_draws(seed, count, ahead, reach))
            fans[place] = fan_of_draws(drawn, draws, encoded, steps, feeding)
    return [fans[place] for place in range(len(requests))]


def _reach(pipeline: Any) -> int:
    """The model's own prediction length, steps."""
    return int(pipeline.model_prediction_length)


def _paths(
    pipeline: Any, encoded: Encoded, requests: Sequence[GridRequest], feeding: Feeding | None, seed: int
) -> dict[tuple[float, bool], Array]:
    """Paths in model space.

    Keys are temperature and whether paths pass the model's own length. Past that length every path is a context of its
    own, the costliest part: only as many paths continue as the requests of that length need.
    """
    import torch

    context = torch.tensor(encoded.values, dtype=torch.float32)
    scale, reach = (feeding.context_scale if feeding else None), _reach(pipeline)
    read = T5Sampler(pipeline, 1.0, scale).encode_one(context)
    paths_by_kind: dict[tuple[float, bool], Array] = {}
    for temperature in dict.fromkeys(request.config.temperature or 1.0 for request in requests):
        sampler = T5Sampler(pipeline, temperature, scale)
        group = [
            (drawn_of(request.config.num_samples or 0, feeding), steps_to_draw(request.steps, reach))
            for request in requests
            if (request.config.temperature or 1.0) == temperature
        ]
        steps = min(reach, max(ahead for _, ahead in group))
        paths = sampler.from_encoded(read, path_draws(seed, max(count for count, _ in group), steps, reach))
        paths_by_kind[temperature, False] = as_array(paths)
        if beyond := [pair for pair in group if pair[1] > reach]:
            few, ahead = max(count for count, _ in beyond), max(ahead for _, ahead in beyond)
            paths_by_kind[temperature, True] = as_array(continued(sampler, context, paths[:few], ahead, seed))
    return paths_by_kind


def bolt_grid(
    pipeline: Any, origins: Sequence[Origin], requests: Sequence[Sequence[GridRequest]], longest: int
) -> list[list[Fan]]:
    """Fans of many origins by a Chronos-Bolt; equal contexts are read once.

    Args:
        origins: prices; their steps do not count.
        requests: settings and steps, by origin.
        longest: longest context of the model, sessions.
    """
    contexts: dict[_Context, Encoded] = {}
    steps: dict[_Context, int] = defaultdict(int)
    for number, row in enumerate(requests):
        for request in row:
            key = _context_of(number, request, longest)
            if key not in contexts:
                contexts[key] = encode(origins[number].prices, key[1], key[2])
            steps[key] = max(steps[key], steps_to_draw(request.steps, _reach(pipeline)))
    native = _read_together(pipeline, contexts, steps)
    levels = [float(level) for level in pipeline.quantiles]

    def fan(number: int, request: GridRequest) -> Fan:
        key = _context_of(number, request, longest)
        return quantile_fan(native[key], levels, contexts[key], request.steps)

    return [[fan(number, request) for request in row] for number, row in enumerate(requests)]


def _context_of(number: int, request: GridRequest, longest: int) -> _Context:
    return number, request.config.representation, min(request.config.context_length, longest)


def _read_together(
    pipeline: Any, contexts: dict[_Context, Encoded], steps: dict[_Context, int]
) -> dict[_Context, Array]:
    """Bolt's quantiles by context, shape (steps, 9) each.

    A batch has one length and, past the model's own length, one number of steps.
    """
    reach = _reach(pipeline)
    batches: dict[tuple[int, int], list[_Context]] = defaultdict(list)
    for key, encoded in contexts.items():
        batches[len(encoded.values), max(reach, steps[key])].append(key)
    native: dict[_Context, Array] = {}
    for (_, ahead), keys in batches.items():
        for start in range(0, len(keys), CONTEXTS_AT_ONCE):
            batch = keys[start : start + CONTEXTS_AT_ONCE]
            answer = bolt_quantiles(pipeline, np.stack([contexts[key].values for key in batch]), ahead)
            native |= dict(zip(batch, answer, strict=True))
    return native

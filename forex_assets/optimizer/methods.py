"""Search methods: the whole grid, a random part, or TPE."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import SearchPolicy
from forex_assets.optimizer.search import Losses
from forex_assets.optimizer.space import DIMENSIONS, Candidate, Space

Evaluate = Callable[[Sequence[InferenceConfig]], Mapping[str, Losses]]
"""Runs configs on the search's past dates; returns their losses by fingerprint."""

Suggest = Callable[..., None]
"""Type of `tpe.suggest`."""


@dataclass(frozen=True, eq=False)
class Tried:
    """Result of a search method.

    Attributes:
        losses: by fingerprint; the incumbent is among them.
        words: method and number of candidates, for people.
    """

    losses: Mapping[str, Losses]
    words: str


def run_method(space: Space, policy: SearchPolicy, evaluate: Evaluate, suggest: Suggest) -> Tried:
    """Tries the space by the policy's method.

    Methods that try a part spend nothing on candidates that could not be chosen.

    Args:
        space: candidates, the incumbent first.
        policy: method, budget, seed.
        evaluate: runs trials; what was run before costs nothing.
        suggest: the sampler of `optuna`.
    """
    configs = [candidate.config for candidate in space.candidates]
    if policy.method == "random":
        configs = _random_part([space.incumbent, *(candidate.config for candidate in space.contenders)], policy)
        words = f"random: {len(configs)} of {len(space.candidates)} candidates, seed {policy.seed}"
        return Tried(evaluate(configs), words)
    if policy.method == "optuna":
        return _by_suggestion(space, policy, evaluate, suggest)
    return Tried(evaluate(configs), f"grid: all {len(configs)} candidates")


def budget(candidates: int, policy: SearchPolicy) -> int:
    """Number of candidates that a partial method tries.

    The policy's number, else a third; the incumbent included.
    """
    return min(max(2, policy.max_candidates or math.ceil(candidates / 3)), candidates)


def _random_part(configs: list[InferenceConfig], policy: SearchPolicy) -> list[InferenceConfig]:
    """The incumbent and others by chance, in the space's order."""
    count = budget(len(configs), policy)
    others = np.random.default_rng(policy.seed).permutation(np.arange(1, len(configs)))[: count - 1]
    return [configs[0], *(configs[place] for place in sorted(others))]


def _by_suggestion(space: Space, policy: SearchPolicy, evaluate: Evaluate, suggest: Suggest) -> Tried:
    """Tries candidates one after the other.

    Settings with the effect of an earlier candidate cost nothing.

    One that time ran out on is left out: compared on its few origins, it would cut everybody's.
    """
    incumbent, candidates = space.incumbent, (space.candidates[0], *space.contenders)
    grid: dict[str, list[Any]] = {}
    for name in DIMENSIONS:
        values = list(dict.fromkeys(getattr(candidate.config, name) for candidate in candidates))
        if len(values) > 1:
            grid[name] = values
    tried: dict[str, InferenceConfig] = {incumbent.fingerprint: incumbent}
    by_settings = {_settings(candidate, grid): candidate.config for candidate in candidates}
    first = evaluate([incumbent])

    def loss(chosen: Mapping[str, Any]) -> float:
        config = by_settings.get(tuple(chosen[name] for name in grid), incumbent)
        losses = evaluate([incumbent, config]).get(config.fingerprint)
        if losses is None or len(losses.values) < len(first[incumbent.fingerprint].values):
            return math.inf
        tried[config.fingerprint] = config
        return float(losses.values.mean())

    if grid and first:
        suggest(grid, loss, count=budget(len(candidates), policy), seed=policy.seed)
    words = f"optuna (TPE, seed {policy.seed}): {len(tried)} of {len(space.candidates)} candidates"
    return Tried(evaluate(list(tried.values())), words)


def _settings(candidate: Candidate, grid: Mapping[str, Sequence[Any]]) -> tuple[Any, ...]:
    return tuple(getattr(candidate.config, name) for name in grid)

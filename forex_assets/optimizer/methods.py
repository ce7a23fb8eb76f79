"""Which candidates are tried on which origins: all, a part by chance, one after the other, or the hopeless given up."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import SearchPolicy
from forex_assets.optimizer.search import Losses, standard_error
from forex_assets.optimizer.space import DIMENSIONS, Candidate, Space

Evaluate = Callable[[Sequence[InferenceConfig], float], Mapping[str, Losses]]
"""Losses by fingerprint of configs on the first part of the origins, given as a share from 0 to 1."""

Suggest = Callable[..., None]
"""`adapters.tpe.suggest`."""

RUNGS: Final = (1 / 3, 2 / 3, 1.0)
"""Shares of the origins after which halving gives candidates up."""

HALVING_ERROR: Final = 0.01
"""Chance, in one search, that halving gives up the best candidate at a rung."""


@dataclass(frozen=True, eq=False)
class Tried:
    """What a method came to.

    Attributes:
        losses: by fingerprint, of those tried on all origins; the incumbent is among them.
        dropped: of those given up, on the origins that they were tried on.
        words: what was done.
    """

    losses: Mapping[str, Losses]
    dropped: Mapping[str, Losses] = field(default_factory=dict)
    words: str = ""


def run_method(space: Space, policy: SearchPolicy, evaluate: Evaluate, suggest: Suggest) -> Tried:
    """Try the space by the policy's method.

    Args:
        space: candidates, the incumbent first.
        policy: method, budget, seed.
        evaluate: runs trials; what was run before costs nothing.
        suggest: the sampler of `optuna`.
    """
    configs = [each.config for each in space.candidates]
    if policy.method == "random":
        configs = _random_part(configs, policy)
        words = f"random: {len(configs)} of {len(space.candidates)} candidates, seed {policy.seed}"
        return Tried(evaluate(configs, 1.0), words=words)
    if policy.method == "optuna":
        return _by_suggestion(space, policy, evaluate, suggest)
    if policy.method == "halving":
        return _halving(configs, evaluate)
    return Tried(evaluate(configs, 1.0), words=f"grid: all {len(configs)} candidates")


def budget(candidates: int, policy: SearchPolicy) -> int:
    """Candidates that a method with a budget tries, what is live among them: the policy's number, else a third."""
    return min(max(2, policy.max_candidates or math.ceil(candidates / 3)), candidates)


def _random_part(configs: list[InferenceConfig], policy: SearchPolicy) -> list[InferenceConfig]:
    """The incumbent and others by chance, in the space's order."""
    count = budget(len(configs), policy)
    others = np.random.default_rng(policy.seed).permutation(np.arange(1, len(configs)))[: count - 1]
    return [configs[0], *(configs[place] for place in sorted(others))]


def _by_suggestion(space: Space, policy: SearchPolicy, evaluate: Evaluate, suggest: Suggest) -> Tried:
    """One candidate after the other; settings that come to the same as one tried before cost nothing.

    One that time ran out on is left out: compared on its few origins, it would cut everybody's.
    """
    incumbent = space.incumbent
    grid: dict[str, list[Any]] = {}
    for name in DIMENSIONS:
        values = list(dict.fromkeys(getattr(each.config, name) for each in space.candidates))
        if len(values) > 1:
            grid[name] = values
    tried: dict[str, InferenceConfig] = {incumbent.fingerprint: incumbent}
    by_settings = {_settings(each, grid): each.config for each in space.candidates}
    first = evaluate([incumbent], 1.0)

    def loss(chosen: Mapping[str, Any]) -> float:
        config = by_settings.get(tuple(chosen[name] for name in grid), incumbent)
        own = evaluate([incumbent, config], 1.0).get(config.fingerprint)
        if own is None or len(own.values) < len(first[incumbent.fingerprint].values):
            return math.inf
        tried[config.fingerprint] = config
        return float(own.values.mean())

    if grid and first:
        suggest(grid, loss, count=budget(len(space.candidates), policy), seed=policy.seed)
    words = f"optuna (TPE, seed {policy.seed}): {len(tried)} of {len(space.candidates)} candidates"
    return Tried(evaluate(list(tried.values()), 1.0), words=words)


def _settings(each: Candidate, grid: Mapping[str, Sequence[Any]]) -> tuple[Any, ...]:
    return tuple(getattr(each.config, name) for name in grid)


def _halving(configs: list[InferenceConfig], evaluate: Evaluate) -> Tried:
    """All begin; after each third of the origins those worse than the best by more than chance are given up."""
    incumbent, left = configs[0].fingerprint, list(configs)
    dropped: dict[str, Losses] = {}
    losses: Mapping[str, Losses] = {}
    for share in RUNGS:
        losses = evaluate(left, share)
        if share < 1:
            gone = {name for name in hopeless(losses, len(configs)) if name != incumbent}
            dropped |= {name: losses[name] for name in gone}
            left = [each for each in left if each.fingerprint not in gone]
    words = f"halving: {len(configs)} candidates, {len(dropped)} given up early at an error of {HALVING_ERROR:.0%}"
    return Tried(losses, dropped, words)


def hopeless(losses: Mapping[str, Losses], candidates: int, error: float = HALVING_ERROR) -> set[str]:
    """Candidates whose paired difference to the best so far is above 0 at the stated error.

    Student's t on the effective number of origins, the error shared among rungs and candidates (Bonferroni): that the
    best of all is among them has a chance of `error` at most, as far as the effective number is right.

    Args:
        losses: on the same origins.
        candidates: that the search began with.
        error: for a whole search.
    """
    from scipy.special import stdtrit

    tried = {name: each for name, each in losses.items() if len(each.values) > 2}
    if not tried:
        return set()
    best = min(tried, key=lambda name: (float(tried[name].values.mean()), name))
    share = error / ((len(RUNGS) - 1) * max(1, candidates - 1))
    found = set()
    for name, each in tried.items():
        difference = each.values - tried[best].values
        spread = standard_error(difference, each.overlap)
        independent = max(2.0, len(difference) / max(1.0, each.overlap))
        if spread > 0 and difference.mean() / spread > -float(stdtrit(independent - 1, share)):
            found.add(name)
    return found

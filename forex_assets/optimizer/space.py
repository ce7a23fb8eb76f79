"""Search space: the policy's grid, merged by effect."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import SearchPolicy
from forex_assets.forecasts.engine import EngineTraits

DIMENSIONS: Final = ("context_length", "num_samples", "temperature", "representation", "is_calibrated")
ALWAYS: Final = ("is_calibrated",)
"""Settings that every engine has."""


@dataclass(frozen=True)
class Candidate:
    """Settings to try.

    Attributes:
        config: as it would go live.
        same_as: settings of the grid that come to the same, in words, such as `context_length 540`.
    """

    config: InferenceConfig
    same_as: tuple[str, ...] = ()


@dataclass(frozen=True)
class Space:
    """Candidates of a search.

    Attributes:
        candidates: the incumbent first, then the grid in its order; no two alike.
        words: how many, what was left out and why.
    """

    candidates: tuple[Candidate, ...]
    words: str

    @property
    def incumbent(self) -> InferenceConfig:
        """The current settings."""
        return self.candidates[0].config

    @property
    def contenders(self) -> tuple[Candidate, ...]:
        """Candidates that may replace the current settings.

        Fewer paths only add sampling noise: of candidates that differ in nothing else, the one with the most.
        """
        most: dict[str, int] = {}
        for candidate in self.candidates:
            others = _without_paths(candidate.config)
            most[others] = max(most.get(others, 0), candidate.config.num_samples or 0)
        return tuple(
            candidate
            for candidate in self.candidates[1:]
            if (candidate.config.num_samples or 0) == most[_without_paths(candidate.config)]
        )


def space_of(incumbent: InferenceConfig, traits: EngineTraits, policy: SearchPolicy) -> Space:
    """The candidates of a horizon.

    Contexts longer than the model can read come to the same: the shortest of them stands for all, or the incumbent
    where it is one of them.

    Args:
        incumbent: the settings that are live, as forecasts are really made with them.
        traits: of the engine.
        policy: the grid.
    """
    grid = _grid(incumbent.horizon, policy)
    has = {name for name in grid if name in traits.settings or name in ALWAYS}
    tried = [name for name in grid if name in has]
    by_effect: dict[tuple[Any, ...], Candidate] = {_effect(incumbent, traits): Candidate(incumbent)}
    for values in product(*(grid[name] for name in tried)):
        config = incumbent.model_copy(update=dict(zip(tried, values, strict=True)))
        effect = _effect(config, traits)
        if effect not in by_effect:
            by_effect[effect] = Candidate(config)
        elif config.context_length != by_effect[effect].config.context_length:
            known = by_effect[effect]
            words = f"context_length {config.context_length}"
            if words not in known.same_as:
                by_effect[effect] = Candidate(known.config, (*known.same_as, words))
    left_out = [name for name in grid if name not in has]
    return Space(tuple(by_effect.values()), _words(tuple(by_effect.values()), tried, left_out, traits, grid))


def _without_paths(config: InferenceConfig) -> str:
    return config.model_copy(update={"num_samples": None}).fingerprint


def _grid(horizon: str, policy: SearchPolicy) -> dict[str, Sequence[Any]]:
    """Values by setting, contexts ascending.

    The shortest of equal contexts is met first.
    """
    values: dict[str, Sequence[Any]] = {
        "context_length": sorted(policy.context_length[horizon]),
        "num_samples": policy.num_samples,
        "temperature": policy.temperature,
        "representation": policy.representation,
        "is_calibrated": policy.is_calibrated,
    }
    return {name: values[name] for name in DIMENSIONS if values[name]}


def _effect(config: InferenceConfig, traits: EngineTraits) -> tuple[Any, ...]:
    """Settings that change this engine's fans."""
    longest = traits.longest_context
    context = config.context_length if longest is None else min(config.context_length, longest)
    values = {"context_length": context}
    return tuple(
        values.get(name, getattr(config, name)) for name in DIMENSIONS if name in traits.settings or name in ALWAYS
    )


def _words(
    candidates: tuple[Candidate, ...],
    tried: list[str],
    left_out: list[str],
    traits: EngineTraits,
    grid: dict[str, Sequence[Any]],
) -> str:
    parts = list(_remarks(candidates, left_out, traits))
    if len(candidates) > 1:
        by = " × ".join(f"{len(grid[name])} {name}" for name in tried)
        parts.insert(0, f"{len(candidates)} candidates with the current settings, from {by}")
    return "; ".join(parts)


def _remarks(candidates: tuple[Candidate, ...], left_out: list[str], traits: EngineTraits) -> Iterator[str]:
    if len(candidates) == 1:
        yield "nothing to search: no setting of the grid makes a difference to this engine"
    if left_out:
        yield f"left out, since the engine has no such setting: {', '.join(left_out)}"
    merged = dict.fromkeys(words for candidate in candidates for words in candidate.same_as)
    if merged and traits.longest_context is not None:
        yield f"the model reads {traits.longest_context} sessions at most: {', '.join(merged)} come to the same"

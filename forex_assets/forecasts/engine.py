"""Ports of forecasting engines: origins in, fans out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from forex_assets.core.fan import Array, Fan
from forex_assets.core.inference_config import InferenceConfig


class EngineError(Exception):
    """An engine cannot forecast; the message names the setting, its value and the remedy."""


@dataclass(frozen=True)
class Origin:
    """Inputs of one forecast.

    Attributes:
        prices: CLP per USD by session, oldest first, ending at the last known session; shape (n,).
        steps: sessions to forecast.
        covariates: past values by name, each of shape (n,) on the same sessions, NaN where unknown; may be empty.
    """

    prices: Array
    steps: int
    covariates: dict[str, Array]


class Engine(Protocol):
    """Port: makes fans. One call takes many origins, so that a model is loaded once and may batch."""

    @property
    def name(self) -> str:
        """Kind of engine: `chronos-t5`, `chronos-bolt`, `chronos-2`, `ewma`."""
        ...

    @property
    def model(self) -> str:
        """Hub id or folder name of the model; the engine's name without one."""
        ...

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        """One fan an origin, in order; bit for bit the same for the same input and seed.

        A fan depends on its origin and the config only, never on other origins in the call.

        Raises:
            EngineError: the config needs what the model lacks.
        """
        ...


@dataclass(frozen=True)
class EngineTraits:
    """Properties of an engine that bound a search.

    Attributes:
        settings: fields of `InferenceConfig` that change its fans.
        longest_context: sessions beyond which a longer context changes nothing; None for no limit.
    """

    settings: tuple[str, ...] = ()
    longest_context: int | None = None


def traits_of(engine: Engine) -> EngineTraits:
    """The engine's own `traits`; empty for engines without settings."""
    traits = getattr(engine, "traits", None)
    return traits if isinstance(traits, EngineTraits) else EngineTraits()


@dataclass(frozen=True)
class GridRequest:
    """One fan that a search requests.

    Attributes:
        config: settings of any horizon.
        steps: sessions to forecast; overrides the origin's.
    """

    config: InferenceConfig
    steps: int


@runtime_checkable
class GridEngine(Protocol):
    """Port: an engine that shares work between many configs of one origin."""

    def forecast_grid(self, origins: Sequence[Origin], requests: Sequence[Sequence[GridRequest]]) -> list[list[Fan]]:
        """Fans of `requests[i]` from `origins[i]`, in order.

        Each fan has the distribution of `Engine.forecast` with its config, and its numbers up to rounding. Configs that
        differ in samples or steps share their draws, so that their comparison is paired.

        Raises:
            EngineError: a config needs what the model lacks.
        """
        ...


def forecast_grid(
    engine: Engine, origins: Sequence[Origin], requests: Sequence[Sequence[GridRequest]]
) -> list[list[Fan]]:
    """`GridEngine.forecast_grid` by any engine, one fan at a time if it shares no work."""
    if isinstance(engine, GridEngine):
        return engine.forecast_grid(origins, requests)
    return [
        [engine.forecast([Origin(origin.prices, r.steps, origin.covariates)], r.config)[0] for r in row]
        for origin, row in zip(origins, requests, strict=True)
    ]

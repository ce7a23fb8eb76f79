"""Ports of forecasting engines: origins in, fans out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from forex_assets.core.fan import Array, Fan
from forex_assets.core.inference_config import InferenceConfig


class EngineError(Exception):
    """An engine cannot forecast; the message names setting, value and remedy."""


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
    """Port: makes fans, many origins in one call."""

    @property
    def name(self) -> str:
        """Kind of engine: `chronos-t5`, `chronos-bolt`, `chronos-2`, `ewma`."""
        ...

    @property
    def model(self) -> str:
        """Hub id or folder name of the model, else the engine's name."""
        ...

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        """One fan an origin, in order.

        The same input and seed give the same fan bit for bit. A fan depends on its origin and the config only, never on
        other origins in the call.

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
        is_single_threaded: one process uses one core, so that many origins are faster in several.
    """

    settings: tuple[str, ...] = ()
    longest_context: int | None = None
    is_single_threaded: bool = False


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
    """`GridEngine.forecast_grid` by any engine, if need be one by one."""
    if isinstance(engine, GridEngine):
        return engine.forecast_grid(origins, requests)
    return [
        [engine.forecast([Origin(origin.prices, r.steps, origin.covariates)], r.config)[0] for r in row]
        for origin, row in zip(origins, requests, strict=True)
    ]

"""The ports of forecasting engines: origins in, fans out; one config for all of them, or many at once for a search."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from forex_assets.core.fan import Array, Fan
from forex_assets.core.inference_config import InferenceConfig


class EngineError(Exception):
    """An engine cannot do what it was asked; the message names the setting, its value and the remedy."""


@dataclass(frozen=True)
class Origin:
    """What an engine may see of one origin.

    Attributes:
        prices: CLP per USD by session, oldest first, ending at the last known session; shape (n,).
        steps: sessions to forecast.
        covariates: past values by name, each of shape (n,) on the same sessions, NaN where unknown; empty where none.
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
        """Hub id or folder name of the model; the engine's name where it has none."""
        ...

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        """One fan an origin, in order; the same input and seed give the same fan, bit for bit.

        An origin's fan depends on nothing but the origin and the config, never on its neighbours in the call.

        Raises:
            EngineError: the config asks for what the model does not have.
        """
        ...


@dataclass(frozen=True)
class EngineTraits:
    """What a search has to know of an engine before it tries anything.

    Attributes:
        settings: fields of `InferenceConfig` that change its fans; others are left out of a search.
        longest_context: sessions beyond which a longer context changes nothing; None where there is no such length.
    """

    settings: tuple[str, ...] = ()
    longest_context: int | None = None


def traits_of(engine: Engine) -> EngineTraits:
    """The engine's own `traits`; a walk or a peer has no settings at all."""
    traits = getattr(engine, "traits", None)
    return traits if isinstance(traits, EngineTraits) else EngineTraits()


@dataclass(frozen=True)
class Ask:
    """One fan that a search wants of an origin.

    Attributes:
        config: settings; of any horizon.
        steps: sessions to forecast, whatever the origin's own.
    """

    config: InferenceConfig
    steps: int


@runtime_checkable
class GridEngine(Protocol):
    """Port: an engine that makes fans of many configs from one origin, and shares what they have in common."""

    def forecast_grid(self, origins: Sequence[Origin], asks: Sequence[Sequence[Ask]]) -> list[list[Fan]]:
        """Fans of `asks[i]` from `origins[i]`, in order.

        Each fan has the law of `Engine.forecast` with its config, and the numbers too up to rounding: configs that
        differ in samples or steps share their draws, so that their comparison is paired.

        Raises:
            EngineError: a config asks for what the model does not have.
        """
        ...


def forecast_grid(engine: Engine, origins: Sequence[Origin], asks: Sequence[Sequence[Ask]]) -> list[list[Fan]]:
    """`GridEngine.forecast_grid` by any engine, one fan at a time where it knows no other way."""
    if isinstance(engine, GridEngine):
        return engine.forecast_grid(origins, asks)
    return [
        [engine.forecast([Origin(origin.prices, ask.steps, origin.covariates)], ask.config)[0] for ask in wanted]
        for origin, wanted in zip(origins, asks, strict=True)
    ]

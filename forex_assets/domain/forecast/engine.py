"""The port that every forecasting engine implements: origins in, fans out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from forex_assets.domain.forecast.config import InferenceConfig
from forex_assets.domain.forecast.fan import Array, Fan


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

"""Chooses the engine: configured Chronos model, embedded model, or EWMA benchmark."""

from dataclasses import dataclass
from typing import Literal

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.settings import Settings
from forex_assets.forecasts.baselines import EwmaEngine
from forex_assets.forecasts.chronos.finder import ResolvedModel, effective_config, find_model, label_of
from forex_assets.forecasts.engine import Engine


@dataclass(frozen=True)
class Engines:
    """Finds models and loads engines for one run.

    Attributes:
        model: `auto`, `embedded`, `ewma`, a hub id or a folder, see `FOREX_MODEL`.
        device: where Chronos runs.
        dtype: number type of its weights.
    """

    model: str
    device: Literal["auto", "cpu", "cuda"]
    dtype: Literal["float32", "bfloat16"]

    def find(self, configured: str) -> ResolvedModel:
        """Resolves the model that a config names."""
        return find_model(self.model, configured)

    def resolve(self, config: InferenceConfig) -> tuple[ResolvedModel, InferenceConfig]:
        """Resolves a config's model and its effective settings."""
        resolved = self.find(config.model)
        return resolved, effective_config(config, resolved)

    def engine(self, resolved: ResolvedModel) -> Engine:
        """The engine of a model; Chronos loads on first use."""
        if resolved.kind == "ewma" or resolved.location is None:
            return EwmaEngine()
        from forex_assets.forecasts.chronos.model import ChronosEngine

        return ChronosEngine(resolved.location, self.device, self.dtype, label=label_of(resolved))


def engines_of(settings: Settings) -> Engines:
    """Engines for the environment's settings."""
    return Engines(settings.model, settings.device, settings.dtype)

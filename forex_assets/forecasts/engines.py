"""Which engine makes a fan: the configured Chronos model, the embedded one, or the EWMA benchmark."""

from dataclasses import dataclass
from typing import Literal

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.settings import Settings
from forex_assets.forecasts.baselines import EwmaEngine
from forex_assets.forecasts.chronos.finder import ResolvedModel, effective_config, find_model, label_of
from forex_assets.forecasts.engine import Engine


@dataclass(frozen=True)
class Engines:
    """Finds models and loads engines by the choices of one run.

    Attributes:
        model: `auto`, `embedded`, `ewma`, a hub id or a folder, see `FOREX_MODEL`.
        device: where Chronos runs.
        dtype: number type of its weights.
    """

    model: str
    device: Literal["auto", "cpu", "cuda"]
    dtype: Literal["float32", "bfloat16"]

    def find(self, configured: str) -> ResolvedModel:
        """The model used for a config that names `configured`, and why."""
        return find_model(self.model, configured)

    def resolve(self, config: InferenceConfig) -> tuple[ResolvedModel, InferenceConfig]:
        """The model for a config, and the settings it runs with: others where the embedded model stands in."""
        found = self.find(config.model)
        return found, effective_config(config, found)

    def engine(self, found: ResolvedModel) -> Engine:
        """The engine of a found model; Chronos is loaded once a process, on first use."""
        if found.kind == "ewma" or found.location is None:
            return EwmaEngine()
        from forex_assets.forecasts.chronos.model import ChronosEngine

        return ChronosEngine(found.location, self.device, self.dtype, label=label_of(found))


def engines_of(settings: Settings) -> Engines:
    """The engines that the environment asks for."""
    return Engines(settings.model, settings.device, settings.dtype)

"""Refuses inference settings that a kind of Chronos model lacks, or misses."""

import json
from pathlib import Path
from typing import Final, Literal

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.forecasts.chronos.feeding import FEEDING, Feeding, feeding_of
from forex_assets.forecasts.engine import EngineError

Kind = Literal["chronos-t5", "chronos-bolt", "chronos-2"]

PIPELINE: Final = "chronos_pipeline_class"
"""Field of `config.json` by which chronos loads a model."""
PIPELINES: Final[dict[str, Kind]] = {
    "ChronosPipeline": "chronos-t5",
    "ChronosBoltPipeline": "chronos-bolt",
    "Chronos2Pipeline": "chronos-2",
}

SETTINGS: Final[dict[Kind, tuple[str, ...]]] = {
    "chronos-t5": ("context_length", "num_samples", "temperature", "representation"),
    "chronos-bolt": ("context_length", "representation"),
    "chronos-2": ("context_length", "representation"),
}
"""Fields of `InferenceConfig` that each kind of model reads."""


def check_settings(location: str, model: str, config: InferenceConfig) -> None:
    """Checks a local model's settings by its `config.json`, without torch.

    A hub id that has yet to be fetched passes. Where the embedded model stands in, adapt the config first
    (`finder.effective_config`).

    Raises:
        EngineError: a setting is missing, or set although this kind of model lacks it.
    """
    file = Path(location).expanduser() / "config.json"
    if not file.is_file():
        return
    declared = json.loads(file.read_text(encoding="utf-8"))
    kind = PIPELINES.get(declared.get(PIPELINE, "ChronosPipeline"), "chronos-t5")
    check_config(kind, model, feeding_of(declared.get(FEEDING), model), config)


def check_config(kind: Kind, model: str, feeding: Feeding | None, config: InferenceConfig) -> None:
    """Checks a config against a kind of model.

    Raises:
        EngineError: a setting is missing, or set although this kind of model lacks it.
    """
    file = f"configs/chronos_{config.horizon}.json"
    for field, value, example in (("num_samples", config.num_samples, 100), ("temperature", config.temperature, 1.0)):
        if kind == "chronos-t5" and value is None:
            raise EngineError(f"{field} is null but {model} ({kind}) samples; set {field} in {file}, such as {example}")
        if kind != "chronos-t5" and value is not None:
            settings = ", ".join(SETTINGS[kind])
            raise EngineError(
                f"{field} is set ({value}) but {model} ({kind}) does not sample; it has {settings}. "
                f"Set {field} to null in {file}"
            )
    if config.uses_copper and kind != "chronos-2":
        raise EngineError(f"uses_copper is true in {file}, but {model} ({kind}) reads no covariates; set it to false")
    if feeding is not None and config.representation != feeding.representation:
        raise EngineError(
            f"representation is {config.representation} in {file}, but {model} ({kind}), chosen by FOREX_MODEL or the "
            f"config's model, was trained on {feeding.representation} alone; "
            f'write "representation": "{feeding.representation}" in {file}, or choose another model'
        )

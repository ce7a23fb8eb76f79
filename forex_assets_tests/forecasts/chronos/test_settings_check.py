"""Settings judged by the pipeline that chronos loads, not by the architecture that a model names."""

import json
from pathlib import Path

import pytest

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.forecasts.chronos.settings_check import check_settings
from forex_assets.forecasts.engine import EngineError

T5, BOLT, TWO = "T5ForConditionalGeneration", "ChronosBoltModelForForecasting", "Chronos2Model"


@pytest.mark.parametrize(
    ("pipeline", "architecture", "samples"),
    [
        ("ChronosBoltPipeline", T5, False),  # a Bolt that was trained on
        ("ChronosBoltPipeline", BOLT, False),
        ("Chronos2Pipeline", T5, False),
        ("Chronos2Pipeline", TWO, False),
        ("ChronosPipeline", BOLT, True),
        ("ChronosPipeline", T5, True),
        (None, T5, True),  # chronos then loads T5
    ],
)
def test_a_model_is_judged_as_what_it_loads_as(
    pipeline: str | None, architecture: str, samples: bool, tmp_path: Path
) -> None:
    declared = {"architectures": [architecture], "chronos_config": {}}
    if pipeline is not None:
        declared["chronos_pipeline_class"] = pipeline
    (tmp_path / "config.json").write_text(json.dumps(declared))
    sampled = InferenceConfig(horizon="7d", model="m", context_length=64, num_samples=100, temperature=1.0)
    unsampled = InferenceConfig(horizon="7d", model="m", context_length=64, num_samples=None, temperature=None)
    right, misfit = (sampled, unsampled) if samples else (unsampled, sampled)
    check_settings(str(tmp_path), "m", right)
    with pytest.raises(EngineError, match="num_samples is"):
        check_settings(str(tmp_path), "m", misfit)

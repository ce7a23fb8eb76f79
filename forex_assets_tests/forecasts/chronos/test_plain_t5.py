"""The embedded model without the library, against the library's own reading of the folder."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forex_assets.forecasts.chronos.finder import EMBEDDED_FOLDER
from forex_assets.forecasts.chronos.plain_t5 import PlainT5Pipeline, read_plain_t5
from forex_assets.forecasts.chronos.sampler import T5Sampler

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def pair() -> tuple[PlainT5Pipeline, Any]:
    from chronos import BaseChronosPipeline

    plain = read_plain_t5(EMBEDDED_FOLDER)
    assert plain is not None
    return plain, BaseChronosPipeline.from_pretrained(str(EMBEDDED_FOLDER), local_files_only=True)


def test_tokens_and_scales_are_the_librarys_with_gaps_and_outliers_too(pair: tuple[Any, Any]) -> None:
    contexts = torch.tensor(np.random.default_rng(0).normal(size=(3, 900)) ** 3, dtype=torch.float32)
    contexts[0, 700:] = 0.0
    contexts[1, -5:] = float("nan")
    for ours, theirs in zip(*(pipeline.tokenizer.context_input_transform(contexts) for pipeline in pair), strict=True):
        assert torch.equal(ours, theirs)
    tokens = torch.arange(256).expand(3, 2, 256)
    scale = torch.tensor([0.5, 1.0, 3.0])
    ours, theirs = (pipeline.tokenizer.output_transform(tokens, scale) for pipeline in pair)
    assert torch.equal(ours, theirs)


def test_paths_are_the_librarys_to_the_last_bit(pair: tuple[Any, Any]) -> None:
    rng = np.random.default_rng(1)
    contexts = torch.tensor(rng.normal(size=(4, 730)), dtype=torch.float32)
    draws = torch.tensor(rng.random((40, 70)), dtype=torch.float32)
    plain, library = (T5Sampler(pipeline, 1.0, 10.0) for pipeline in pair)
    paths = plain.from_one(contexts[0], draws)
    assert paths.unique().numel() > 20
    assert torch.equal(paths, library.from_one(contexts[0], draws))
    assert torch.equal(plain.from_each(contexts, draws[:4, :9]), library.from_each(contexts, draws[:4, :9]))


@pytest.mark.parametrize(
    "changed",
    [
        {"feed_forward_proj": "gated-gelu"},
        {"scale_decoder_outputs": True},
        {"chronos_pipeline_class": "ChronosBoltPipeline"},
        {"num_layers": 3},
        {"d_ff": 128},
    ],
)
def test_another_t5_is_left_to_the_library(changed: dict[str, Any], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(EMBEDDED_FOLDER, tmp_path / "model"))
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    assert read_plain_t5(folder) is None


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "generation_config.json"])
def test_a_damaged_folder_is_left_to_the_library(file: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(EMBEDDED_FOLDER, tmp_path / "model"))
    (folder / file).write_bytes((folder / file).read_bytes()[:-7])
    assert read_plain_t5(folder) is None


def test_a_forecast_with_the_embedded_model_loads_no_model_library() -> None:
    code = (
        "import sys, numpy as np\n"
        "from forex_assets.core.inference_config import InferenceConfig\n"
        "from forex_assets.forecasts.chronos.finder import EMBEDDED_FOLDER\n"
        "from forex_assets.forecasts.chronos.model import ChronosEngine\n"
        "from forex_assets.forecasts.engine import Origin\n"
        "config = InferenceConfig(horizon='7d', model='embedded', context_length=64, num_samples=20, temperature=1.0,\n"
        "                         representation='returns', seed=1)\n"
        "ChronosEngine(str(EMBEDDED_FOLDER)).forecast([Origin(np.linspace(900, 950, 90), 5, {})], config)\n"
        "print(sorted({'torch', 'chronos', 'transformers', 'pandas', 'dagster'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == "['torch']", done.stderr

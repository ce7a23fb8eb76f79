"""Engines of a run: the model of each setting and the settings it runs with."""

from pathlib import Path

import pytest

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.session import open_session
from forex_assets.forecasts.engines import Engines


@pytest.fixture
def config(workspace: Path) -> InferenceConfig:
    return open_session().configs.read("15d").model_copy(update={"uses_copper": True})


def test_the_benchmark_keeps_the_config_and_reads_no_copper(config: InferenceConfig) -> None:
    model, used = Engines("ewma", "cpu", "float32").resolve(config)
    assert model.kind == "ewma"
    assert used == config.model_copy(update={"uses_copper": False})


def test_a_model_in_a_folder_runs_with_the_config_as_it_is(config: InferenceConfig, tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    model, used = Engines(str(folder), "cpu", "float32").resolve(config)
    assert (model.kind, model.location) == ("chronos", str(folder))
    assert used == config


def test_the_embedded_model_replaces_what_it_cannot_read(config: InferenceConfig) -> None:
    model, used = Engines("embedded", "cpu", "float32").resolve(config)
    assert model.kind == "chronos"
    assert (used.model, used.representation, used.uses_copper) == ("embedded", "returns", False)
    assert (used.context_length, used.seed) == (config.context_length, config.seed)

"""The trainer, for a few steps: what it saves is what it trained, the stock library loads it, a seed fixes it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import embedded_training as training
from embedded_training import Recipe, tokens_of, train
from forex_assets.core.settings import PROJECT
from forex_assets.core.volatility import ewma_volatility
from train_embedded import app

SHIPPED = PROJECT / "forex_assets/models/embedded"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    torch.set_num_threads(1)
    train(Recipe(seed=3, steps=3), folder)
    return folder


def pipeline_of(folder: Path) -> object:
    from chronos import BaseChronosPipeline

    return BaseChronosPipeline.from_pretrained(str(folder), local_files_only=True)


def fed(returns: np.ndarray) -> torch.Tensor:
    """Returns with the calibration value in front, as the recipe has it."""
    first = training.SCALE * (len(returns) + 1) - np.abs(returns).sum()
    return torch.tensor(np.concatenate([[first], returns]), dtype=torch.float32)[None, :]


def test_a_seed_fixes_the_weights(trained: Path, tmp_path: Path) -> None:
    train(Recipe(seed=3, steps=3), tmp_path / "again")
    train(Recipe(seed=4, steps=3), tmp_path / "other")
    first, again, other = (
        (f / training.WEIGHTS).read_bytes() for f in (trained, tmp_path / "again", tmp_path / "other")
    )
    assert first == again
    assert first != other


def test_tokens_are_the_stock_tokenizers(trained: Path) -> None:
    rng = np.random.default_rng(0)
    returns = np.concatenate([rng.standard_t(3, 500), [0.0, 9.99, -9.99, 30.0, -30.0]])
    tokens, mask, scale = pipeline_of(trained).tokenizer.context_input_transform(fed(returns))  # type: ignore[attr-defined]
    assert float(scale[0]) == pytest.approx(training.SCALE, rel=1e-5)
    assert bool(mask.all())
    np.testing.assert_array_equal(tokens[0, 1:-1].numpy(), tokens_of(returns))
    np.testing.assert_array_equal(training._context_tokens(returns[None, :])[0], tokens[0].numpy())


def test_windows_are_returns_over_the_platforms_own_volatility_at_the_origin() -> None:
    rng = np.random.default_rng(1)
    returns = rng.standard_normal((4, training.HISTORY + training.STEPS)) * 0.006
    windows = training._windows(returns * 100)  # in per cent: no series may count as flat
    for row, window in zip(returns * 100, windows, strict=True):
        prices = np.exp(np.concatenate([[0.0], np.cumsum(row[: training.HISTORY])]) / 100)
        sd = ewma_volatility(prices[-training.LOOKBACK :]) * 100
        np.testing.assert_allclose(window, row / sd, rtol=1e-9)


def test_a_reload_gives_the_logits_that_were_trained(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = training.network_of().eval()
    with torch.no_grad():
        network.free.normal_(0, 0.1)  # as if trained: it has to be folded in too
        context, target = torch.randint(3, 256, (2, 40)), torch.randint(3, 256, (2, 7))
        expected = network.logits(context, target)
    training._save(network, tmp_path, Recipe(), training.Floor(0, 0, 0))
    model = pipeline_of(tmp_path).inner_model  # type: ignore[attr-defined]
    assert not torch.equal(model.shared.weight, model.lm_head.weight)
    decoder_input = torch.cat([torch.zeros_like(target[:, :1]), target[:, :-1]], dim=1)
    with torch.no_grad():
        logits = model(input_ids=context, decoder_input_ids=decoder_input).logits
    assert float(logits.std()) > 0.01
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)


def test_the_command_trains_a_model_that_the_library_samples_from(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--out", str(tmp_path / "m"), "--steps", "2", "--seed", "7"])
    assert result.exit_code == 0, result.output
    assert "nats per return" in result.output
    record = json.loads((tmp_path / "m/recipe.json").read_text())
    assert record["recipe"]["seed"] == 7
    paths = pipeline_of(tmp_path / "m").predict(fed(np.zeros(30)), 70, num_samples=2)  # type: ignore[attr-defined]
    assert paths.shape == (1, 2, 70)


def test_the_shipped_model_is_small_and_what_its_checksums_say() -> None:
    assert (SHIPPED / training.WEIGHTS).stat().st_size <= 4 * 1024**2
    lines = (SHIPPED / training.SUMS).read_text().splitlines()
    listed = {name: digest for digest, name in (line.split() for line in lines)}
    assert set(listed) == {training.WEIGHTS, "config.json"}
    for name, digest in listed.items():
        assert hashlib.sha256((SHIPPED / name).read_bytes()).hexdigest() == digest


def test_the_shipped_model_is_nearer_to_the_truth_than_to_the_ewma_walk_on_series_it_has_not_seen() -> None:
    """In nats on GARCH with known variance, from the stock model's own logits."""
    from generated_returns import garch

    model = pipeline_of(SHIPPED).inner_model  # type: ignore[attr-defined]
    known = garch(96, training.HISTORY + 20, np.random.default_rng(99))
    sd = training._origin_sd(known.returns[:, : training.HISTORY])[:, None]
    context = torch.from_numpy(
        training._context_tokens(known.returns[:, training.HISTORY - 180 : training.HISTORY] / sd)
    )
    target = torch.from_numpy(tokens_of(known.returns[:, training.HISTORY :] / sd))
    decoder_input = torch.cat([torch.zeros_like(target[:, :1]), target[:, :-1]], dim=1)
    with torch.no_grad():
        logits = model(input_ids=context, decoder_input_ids=decoder_input).logits
        nats = float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten()))
        special = logits.softmax(-1)[..., : training.SPECIAL + 1].max()
    from scipy.stats import norm, t

    future = known.returns[:, training.HISTORY :] / sd
    width = 2 * training.SCALE / (training.BINS - 1)
    low = np.floor((future + training.SCALE) / width + 0.5) * width - training.SCALE - width / 2
    scale = np.sqrt(known.variances[:, training.HISTORY :]) / sd * np.sqrt(4 / 6)
    truth = -np.log(t.cdf((low + width) / scale, 6) - t.cdf(low / scale, 6)).mean()
    constant = -np.log(np.maximum(norm.cdf(low + width) - norm.cdf(low), 1e-12)).mean()
    assert nats - truth < 0.5 * (constant - truth)
    assert float(special) < 1e-3  # a token that is no price is as good as never drawn

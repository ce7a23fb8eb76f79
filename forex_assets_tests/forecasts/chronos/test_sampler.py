"""The sampler against the library's model, a plain loop over it and `predict`, on small random T5s."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare, ks_2samp

from embedded_network import TOKENS
from embedded_training import tokens_of
from forex_assets.forecasts.chronos.decoder import Decoder, OwnMemory, SharedMemory, choose
from forex_assets.forecasts.chronos.draws import draws_of
from forex_assets.forecasts.chronos.sampler import SAMPLES_AT_ONCE, T5Sampler, sample_paths, with_fixed_scale
from forex_assets.forecasts.engine import EngineError
from forex_assets_tests.forecasts.chronos import tiny_models

torch = pytest.importorskip("torch")
CONTEXT = np.random.default_rng(0).normal(size=50)
LAWS = ["plain", "gated", "top-p", "embedded"]


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Stock pipelines of T5s that differ in all settings the sampler reads; their own length is 8 steps."""
    from chronos import BaseChronosPipeline
    from transformers.utils import logging

    logging.set_verbosity_error()
    folder = tmp_path_factory.mktemp("t5")
    law = {"top_k": 30, "top_p": 0.8}
    built = {
        "plain": tiny_models.build_t5(folder / "plain", prediction_length=8),
        "gated": tiny_models.build_gated_t5(folder / "gated", prediction_length=8),
        "top-p": tiny_models.build_t5(
            folder / "top-p", prediction_length=8, law=law, num_layers=3, num_decoder_layers=3
        ),
        "embedded": tiny_models.build_embedded(folder / "embedded"),
    }
    return {name: BaseChronosPipeline.from_pretrained(str(path)) for name, path in built.items()}


def told(pipeline: Any, contexts: Any) -> Any:
    """Tokens of contexts, by the library."""
    return pipeline.tokenizer.context_input_transform(contexts)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("is_shared", [True, False])
def test_logits_are_the_librarys_own_along_a_sampled_path(law: str, is_shared: bool, pipelines: dict[str, Any]) -> None:
    pipeline, steps, count = pipelines[law], 8, 6
    model = pipeline.inner_model
    rng = np.random.default_rng(1)
    contexts = torch.tensor(rng.normal(size=(1 if is_shared else count, 50)), dtype=torch.float32)
    ids, mask, _ = told(pipeline, contexts)
    path = torch.tensor(rng.integers(3, 256, size=(count, steps)))
    fed = torch.cat([torch.zeros(count, 1, dtype=torch.long), path[:, :-1]], dim=1)
    repeats = count if is_shared else 1
    with torch.no_grad():
        expected = model(
            input_ids=ids.repeat(repeats, 1), attention_mask=mask.repeat(repeats, 1), decoder_input_ids=fed
        ).logits
        memory = model.encoder(input_ids=ids).last_hidden_state
        layers = [block.layer[1].EncDecAttention for block in model.decoder.block]
        attend = [SharedMemory(layer, memory[0]) if is_shared else OwnMemory(layer, memory) for layer in layers]
        decoder = Decoder(model, attend, count, steps)
        rows = [decoder.logits(fed[: 1 if is_shared else count, 0], 0).expand(count, -1)]
        rows += [decoder.logits(fed[:, step], step) for step in range(1, steps)]
    actual = torch.stack(rows, dim=1)
    torch.testing.assert_close(actual, expected, atol=1e-4 * float(expected.abs().max()), rtol=1e-4)
    # Not vacuous: the logits move with the step, the path and, where there are several, the context.
    assert float(expected.std(dim=1).mean()) > 0.1
    assert float(expected.std(dim=0)[1:].mean()) > 0.1
    assert is_shared or float(expected[:, 0].std(dim=0).mean()) > 0.01


def plain_paths(pipeline: Any, values: np.ndarray, steps: int, count: int, temperature: float, seed: int) -> np.ndarray:
    """Each path by itself: the library's whole model a token, its own warpers, and the first token, by value, whose
    distribution function exceeds the path's number; past the model's length from the path's own past.
    """
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    law, reach = pipeline.model.config, pipeline.model_prediction_length
    warpers: list[Any] = [TemperatureLogitsWarper(temperature)]
    warpers += [TopKLogitsWarper(law.top_k)] if law.top_k else []
    warpers += [TopPLogitsWarper(law.top_p)] if law.top_p < 1 else []
    paths = [torch.empty(0) for _ in range(count)]
    for first in range(0, steps, reach):
        draws = draws_of(seed, first // reach, count, reach)
        for row, path in enumerate(paths):
            past = torch.cat([torch.tensor(values, dtype=torch.float32), path])[None]
            ids, mask, scale = told(pipeline, past)
            fed = torch.zeros(1, 1, dtype=torch.long)
            for step in range(min(reach, steps - first)):
                logits = pipeline.inner_model(input_ids=ids, attention_mask=mask, decoder_input_ids=fed).logits[:, -1]
                logits[:, law.eos_token_id] = -torch.inf
                for warper in warpers:
                    logits = warper(fed, logits)
                below = logits[0].double().softmax(-1).cumsum(-1)
                token = (below <= draws[row, step].double()).sum()
                fed = torch.cat([fed, token.view(1, 1)], dim=1)
            new = pipeline.tokenizer.output_transform(fed[None, :, 1:], scale)[0, 0]
            paths[row] = torch.cat([path, new])
    return torch.stack(paths).double().numpy()


@pytest.mark.parametrize("law", ["plain", "gated", "top-p"])
@pytest.mark.parametrize(("steps", "temperature"), [(5, 0.7), (18, 1.0)])
def test_paths_are_those_of_a_plain_loop_over_the_librarys_model_even_past_its_length(
    law: str, steps: int, temperature: float, pipelines: dict[str, Any]
) -> None:
    with torch.no_grad():
        expected = plain_paths(pipelines[law], CONTEXT, steps, 20, temperature, 3)
    actual = sample_paths(T5Sampler(pipelines[law], temperature), CONTEXT, steps, 20, 3)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
    assert len(np.unique(actual[:, -1])) > 5


@pytest.mark.parametrize("law", LAWS)
def test_paths_have_the_law_of_the_stock_predict(law: str, pipelines: dict[str, Any]) -> None:
    pipeline, steps, count = pipelines[law], 4, 1500
    fixed = 10.0 if law == "embedded" else None
    context = torch.tensor(CONTEXT, dtype=torch.float32)[None]
    context = context if fixed is None else with_fixed_scale(context, fixed, 731)
    with torch.random.fork_rng():
        torch.manual_seed(11)
        stock, again = (
            pipeline.predict(context, steps, num_samples=count, temperature=1.0)[0].double().numpy() for _ in range(2)
        )
        paths, sharper = (sample_paths(T5Sampler(pipeline, t, fixed), CONTEXT, steps, count, 11) for t in (1.0, 0.5))

    def distance(left: np.ndarray, right: np.ndarray) -> float:
        """The largest KS distance over steps and moves between them: joint distribution, not only margins."""
        pairs = [(left[:, k], right[:, k]) for k in range(steps)]
        pairs += [(left[:, k] - left[:, 0], right[:, k] - right[:, 0]) for k in range(1, steps)]
        return max(ks_2samp(x, y).statistic for x, y in pairs)

    # 2.0 · sqrt(2 / n): seven comparisons at about one in a thousand each; stock against stock stays within it too.
    bound = 2.0 * np.sqrt(2 / count)
    assert distance(stock, again) < bound
    assert distance(stock, paths) < bound
    assert distance(stock, sharper) > bound


def test_tokens_are_drawn_as_often_as_their_chance(pipelines: dict[str, Any]) -> None:
    logits = torch.tensor(np.random.default_rng(5).normal(size=(1, 12)) * 1.5, dtype=torch.float32)
    logits[0, 4] = -torch.inf
    draws = torch.tensor(np.random.default_rng(6).random(20_000), dtype=torch.float32)
    counts = np.bincount(choose(logits, draws, 0, 1.0).numpy(), minlength=12)
    chances = logits[0].double().softmax(-1).numpy()
    assert counts[4] == 0
    seen = chances > 0
    assert chisquare(counts[seen], chances[seen] * counts.sum()).pvalue > 1e-3
    kept = set(choose(logits, draws, 3, 1.0).tolist())
    assert kept == set(logits[0].topk(3).indices.tolist())
    assert set(choose(logits, draws, 0, 1e-6).tolist()) == {int(logits.argmax())}
    assert set(choose(logits, torch.tensor([0.0, 1 - 2**-24]), 0, 1.0).tolist()) == {0, 11}


@pytest.mark.parametrize("are_tied", [False, True])
def test_the_likeliest_tokens_are_those_of_a_plain_sort(are_tied: bool) -> None:
    logits = torch.tensor(np.random.default_rng(8).normal(size=(40, 90)), dtype=torch.float32)
    if are_tied:
        logits = logits.round()
    draws = torch.tensor(np.random.default_rng(9).random(40), dtype=torch.float32)
    for row, token in enumerate(choose(logits, draws, 7, 1.0).tolist()):
        ordered = sorted(logits[row].tolist(), reverse=True)
        assert logits[row, token] >= ordered[6]
        if not are_tied:
            kept = [place for place in range(90) if logits[row, place] >= ordered[6]]
            chances = np.exp(logits[row, kept].double().numpy())
            below = np.cumsum(chances / chances.sum())
            assert token == kept[int((below <= float(draws[row])).sum())]


@pytest.mark.parametrize("top_k", [0, 3])
def test_logits_that_are_no_numbers_are_refused(top_k: int) -> None:
    logits = torch.zeros(2, 8)
    logits[1, 3] = torch.nan
    with pytest.raises(EngineError, match="a logit that is no number"):
        choose(logits, torch.rand(2), top_k, 1.0)


@pytest.mark.parametrize("spread", [0.0, 1.0, 40.0])
def test_one_value_in_front_brings_the_mean_to_the_scale_and_the_tokens_to_fixed_units(
    spread: float, pipelines: dict[str, Any]
) -> None:
    values = np.random.default_rng(2).standard_t(4, size=(3, 90)) * spread
    framed = with_fixed_scale(torch.tensor(values, dtype=torch.float32), 10.0, 731)
    np.testing.assert_allclose(framed.double().abs().mean(dim=1).numpy(), 10.0, rtol=1e-6)
    ids, _, _ = told(pipelines["embedded"], framed)
    assert (ids[:, 0] == TOKENS - 1).all()
    assert (ids[:, -1] == 1).all()
    # Rounding to float32 may move a value that lies on a boundary to the next bin, and no other.
    assert (np.abs(ids[:, 1:-1].numpy() - tokens_of(values)) <= 1).all()
    assert (ids[:, 1:-1].numpy() != tokens_of(values)).mean() < 0.01


def test_a_context_beyond_the_limit_keeps_its_last_values_and_the_value_in_front() -> None:
    framed = with_fixed_scale(torch.arange(10.0)[None] / 10, 10.0, 4)
    np.testing.assert_allclose(framed[0].numpy(), [40 - 2.4, 0.7, 0.8, 0.9], rtol=1e-6)


class WalkingSampler:
    """Draws walks: each step adds a standard normal move to the last value."""

    reach = 64

    def from_one(self, context: Any, draws: Any) -> Any:
        return context[-1] + torch.special.ndtri(draws.clamp(1e-7)).cumsum(dim=1)

    def from_each(self, contexts: Any, draws: Any) -> Any:
        assert draws.shape[1] <= self.reach
        return contexts[:, -1:] + torch.special.ndtri(draws.clamp(1e-7)).cumsum(dim=1)


def test_the_fan_of_a_walk_keeps_widening_past_the_models_own_length() -> None:
    paths = sample_paths(WalkingSampler(), np.zeros(30), 140, 4000, 0)
    assert paths.shape == (4000, 140)
    # From the median, as the library goes on, the sd at step 65 would be 1. The bound is five standard errors.
    np.testing.assert_allclose(paths.std(axis=0), np.sqrt(np.arange(1, 141)), rtol=5 / np.sqrt(2 * 4000))
    np.testing.assert_allclose(np.diff(paths, axis=1).std(axis=0), 1.0, rtol=5 / np.sqrt(2 * 4000))


def test_more_samples_than_a_batch_holds_are_drawn_in_several(pipelines: dict[str, Any]) -> None:
    count = SAMPLES_AT_ONCE + 7
    many = sample_paths(T5Sampler(pipelines["plain"], 1.0), CONTEXT, 9, count, 4)
    few = sample_paths(T5Sampler(pipelines["plain"], 1.0), CONTEXT, 8, 20, 4)
    assert many.shape == (count, 9)
    np.testing.assert_allclose(many[:20, :8], few, rtol=1e-5)  # a path is fixed by its own numbers


def test_half_precision_samples_too(tmp_path: Path) -> None:
    from chronos import BaseChronosPipeline

    folder = str(tiny_models.build_gated_t5(tmp_path / "model", prediction_length=8))
    half = BaseChronosPipeline.from_pretrained(folder, dtype=torch.bfloat16)
    paths = sample_paths(T5Sampler(half, 1.0), CONTEXT, 10, 30, 4)
    assert paths.shape == (30, 10)
    assert np.isfinite(paths).all()


def test_numbers_are_uniform_independent_along_a_path_and_the_first_rows_of_more() -> None:
    draws = draws_of(7, 0, 4096, 64).double().numpy()
    assert ks_2samp(draws[:, 3], np.linspace(0, 1, 4096)).statistic < 0.03
    assert np.abs(np.corrcoef(draws, rowvar=False) - np.eye(64)).max() < 5 / np.sqrt(4096)
    np.testing.assert_array_equal(draws_of(7, 0, 10, 64).double().numpy(), draws[:10])
    assert (draws_of(8, 0, 10, 64).double().numpy() != draws[:10]).all()


def test_a_walk_by_these_numbers_is_closer_to_its_law_than_one_by_independent_numbers() -> None:
    """The sd of 128 walks at step 64, over seeds: a sample's own error is 1 / √256 = 6 %."""
    ends = [float(torch.special.ndtri(draws_of(seed, 0, 128, 64).clamp(1e-7)).sum(dim=1).std()) for seed in range(20)]
    np.testing.assert_allclose(ends, 8.0, rtol=0.06)

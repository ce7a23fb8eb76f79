"""The Chronos engine on small random models of all three kinds."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forex_assets.core.fan import Fan
from forex_assets.core.inference_config import InferenceConfig, Representation
from forex_assets.core.schemas import QUANTILE_LEVELS
from forex_assets.forecasts.baselines import EwmaEngine
from forex_assets.forecasts.chronos import feeding
from forex_assets.forecasts.chronos import model as chronos_model
from forex_assets.forecasts.chronos.loading import load_counts, pipeline_of
from forex_assets.forecasts.chronos.model import ChronosEngine
from forex_assets.forecasts.chronos.sampler import T5Sampler, sample_paths
from forex_assets.forecasts.chronos.settings_check import check_settings
from forex_assets.forecasts.engine import EngineError, EngineTraits, GridRequest, Origin, traits_of
from forex_assets.forecasts.representation import decode_paths, decode_quantiles, encode, fan_of_quantiles
from forex_assets.forecasts.smoothing import smooth_fan, smoothed
from forex_assets_tests.forecasts.chronos import tiny_models

PRICES = 900 * np.exp(np.cumsum(np.random.default_rng(7).normal(0, 0.006, 400)))
OTHER = 700 * np.exp(np.cumsum(np.random.default_rng(8).normal(0, 0.01, 120)))
KINDS = ["t5", "bolt", "chronos2"]
REPRESENTATIONS: list[Representation] = ["anchored", "returns", "levels"]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folders of one model a kind."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "t5": str(tiny_models.build_t5(folder / "tiny-t5")),
        "bolt": str(tiny_models.build_bolt(folder / "tiny-bolt")),
        "chronos2": str(tiny_models.build_chronos2(folder / "tiny-chronos2")),
        "embedded": str(tiny_models.build_embedded(folder / "tiny-embedded")),
    }


@pytest.fixture(autouse=True)
def few_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer paths than people get, for speed."""
    monkeypatch.setattr(feeding, "FEWEST_PATHS", 40)
    monkeypatch.setattr(feeding, "FEWEST_PAIRS", 20)


def settings(kind: str, **more: Any) -> InferenceConfig:
    sampling = {"num_samples": 40, "temperature": 1.0} if kind in ("t5", "embedded") else {}
    feeding = {"representation": "returns"} if kind == "embedded" else {}
    return InferenceConfig(**{"horizon": "7d", "model": "tiny", "context_length": 64, **sampling, **feeding, **more})


def fan_of(models: dict[str, str], kind: str, origin: Origin, **more: Any) -> Fan:
    return ChronosEngine(models[kind]).forecast([origin], settings(kind, **more))[0]


def is_same(left: Fan, right: Fan) -> bool:
    return bool((left.quantiles == right.quantiles).all() and (left.mean == right.mean).all())


def test_importing_the_engine_imports_neither_torch_nor_chronos() -> None:
    script = (
        "import sys, forex_assets.forecasts.chronos.model, forex_assets.forecasts.chronos.finder\n"
        "print([name for name in ('torch', 'chronos', 'transformers', 'huggingface_hub') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


@pytest.mark.parametrize(("kind", "name"), [("t5", "chronos-t5"), ("bolt", "chronos-bolt"), ("chronos2", "chronos-2")])
def test_the_kind_is_told_by_the_model_and_the_name_by_its_folder(kind: str, name: str, models: dict[str, str]) -> None:
    engine = ChronosEngine(models[kind])
    assert (engine.name, engine.model) == (name, f"tiny-{kind}")
    assert ChronosEngine(models[kind], label="org/model").model == "org/model"


def test_a_hub_id_is_its_own_name() -> None:
    assert ChronosEngine("amazon/chronos-t5-small").model == "amazon/chronos-t5-small"


def test_a_process_loads_a_model_once_whatever_the_number_of_engines(models: dict[str, str]) -> None:
    for _ in range(3):
        for kind in KINDS:
            ChronosEngine(models[kind]).forecast([Origin(PRICES, 2, {})], settings(kind))
    for kind in KINDS:
        assert load_counts()[(models[kind], "cpu", "float32")] == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_the_same_origin_and_seed_give_the_same_fan_bit_for_bit_whatever_stands_beside_it(
    kind: str, representation: Representation, models: dict[str, str]
) -> None:
    import torch

    config = settings(kind, representation=representation)
    engine = ChronosEngine(models[kind])
    origin, neighbour = Origin(PRICES, 7, {}), Origin(OTHER, 3, {})
    alone = engine.forecast([origin], config)[0]
    torch.rand(3)
    batch = engine.forecast([neighbour, origin, neighbour], config)
    assert is_same(alone, batch[1])
    assert is_same(batch[0], batch[2])
    assert alone.quantiles.shape == (7, 9)
    assert not is_same(Fan(alone.mean[:3], alone.quantiles[:3]), batch[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_forecast_leaves_the_process_with_its_own_random_numbers(kind: str, models: dict[str, str]) -> None:
    import torch

    ChronosEngine(models[kind]).forecast([Origin(PRICES, 2, {})], settings(kind))
    state = torch.get_rng_state()
    fan_of(models, kind, Origin(OTHER, 5, {}))
    assert torch.equal(torch.get_rng_state(), state)


def test_another_seed_draws_other_paths(models: dict[str, str]) -> None:
    origin = Origin(PRICES, 5, {})
    assert not is_same(fan_of(models, "t5", origin), fan_of(models, "t5", origin, seed=1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_context_longer_than_the_history_is_the_history(kind: str, models: dict[str, str]) -> None:
    origin = Origin(OTHER, 5, {})
    assert is_same(fan_of(models, kind, origin, context_length=120), fan_of(models, kind, origin, context_length=8000))


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_hears_its_context_and_no_more_than_that(kind: str, models: dict[str, str]) -> None:
    earlier = PRICES.copy()
    earlier[:-64] = PRICES[-65]
    encoded = encode(PRICES, "levels", 64)
    assert not is_same(
        fan_of(models, kind, Origin(PRICES, 5, {}), representation="levels"),
        fan_of(models, kind, Origin(PRICES, 5, {}), representation="levels", context_length=32),
    )
    # Levels do not depend on the scale, the one thing that is taken from sessions before the context.
    assert (encode(earlier, "levels", 64).values == encoded.values).all()
    assert is_same(
        fan_of(models, kind, Origin(PRICES, 5, {}), representation="levels"),
        fan_of(models, kind, Origin(earlier, 5, {}), representation="levels"),
    )


def loaded(folder: str) -> Any:
    """The stock pipeline of a folder."""
    from chronos import BaseChronosPipeline

    return BaseChronosPipeline.from_pretrained(folder)


def drawn(folder: str, seed: int, values: np.ndarray, steps: int, count: int, **fixed: float) -> np.ndarray:
    """Paths of the sampler alone, at the config's seed."""
    return sample_paths(T5Sampler(loaded(folder), 0.7, **fixed), values, steps, count, seed)


@pytest.mark.parametrize(
    ("steps", "ahead", "representation"),
    [*((22, 32, name) for name in REPRESENTATIONS), (65, 64, "anchored"), (71, 71, "returns")],
)
def test_t5_draws_400_paths_at_least_and_smooths_their_quantiles(
    steps: int, ahead: int, representation: Representation, models: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to 10 % past the model's own length the smooth curve is continued; past that, each path."""
    monkeypatch.undo()
    encoded = encode(PRICES, representation, 64)
    paths = decode_paths(drawn(models["t5"], 5, encoded.values, ahead, 400), encoded)
    fan = fan_of(models, "t5", Origin(PRICES, steps, {}), temperature=0.7, seed=5, representation=representation)
    moves = np.quantile(np.log(paths / PRICES[-1]), QUANTILE_LEVELS, axis=0).T
    np.testing.assert_allclose(np.log(fan.quantiles / PRICES[-1]), smoothed(moves, steps), atol=1e-9)
    same = fan_of(models, "t5", Origin(PRICES, steps, {}), temperature=0.7, seed=5, representation=representation,
                  num_samples=400)  # fmt: skip
    assert is_same(fan, same)


def test_a_shorter_t5_fan_is_the_beginning_of_a_longer_one(models: dict[str, str]) -> None:
    longer = fan_of(models, "t5", Origin(PRICES, 65, {}))
    for steps in (5, 64):
        shorter = fan_of(models, "t5", Origin(PRICES, steps, {}))
        np.testing.assert_allclose(longer.quantiles[:steps], shorter.quantiles, rtol=1e-12)


@pytest.mark.parametrize(("asked", "given"), [(90, 90), (5000, 399)])
def test_a_model_on_a_fixed_scale_is_fed_the_one_value_that_makes_its_mean_that_scale(
    asked: int, given: int, models: dict[str, str]
) -> None:
    returns = np.diff(np.log(PRICES[-given - 1 :]))
    encoded = encode(PRICES, "returns", asked)
    np.testing.assert_allclose(encoded.values, returns / encoded.scale)
    fan = fan_of(models, "embedded", Origin(PRICES, 71, {}), temperature=0.7, seed=3, context_length=asked)

    def median(**fixed: float) -> np.ndarray:
        paths = decode_paths(drawn(models["embedded"], 3, encoded.values, 70, 40, **fixed), encoded)
        return smoothed(np.quantile(np.log(paths / PRICES[-1]), QUANTILE_LEVELS, axis=0).T, 71)[:, 4]

    np.testing.assert_allclose(np.log(fan.median / PRICES[-1]), median(fixed_scale=10.0), atol=1e-9)
    assert np.abs(median() - median(fixed_scale=10.0)).max() > 1e-4


@pytest.mark.parametrize(
    ("declared", "longest"), [({}, 730), ({"trained_context": 100}, 100), ({"trained_context": 5000}, 730)]
)
def test_the_context_of_a_model_on_a_fixed_scale_is_capped(
    declared: dict[str, int], longest: int, tmp_path: Path
) -> None:
    prices = 900 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.006, 900)))
    engine = ChronosEngine(str(tiny_models.build_embedded(tmp_path / "model", **declared)))
    capped, at, below = (
        engine.forecast([Origin(prices, 3, {})], settings("embedded", context_length=length))[0]
        for length in (8000, longest, longest - 1)
    )
    assert is_same(capped, at)
    assert not is_same(capped, below)
    assert engine.traits.longest_context == longest


@pytest.mark.parametrize("representation", ["anchored", "levels"])
def test_a_model_that_declares_its_representation_refuses_another_by_name(
    representation: Representation, models: dict[str, str]
) -> None:
    config = settings("embedded", representation=representation)
    expected = (
        f"representation is {representation} in configs/chronos_7d.json, but tiny-embedded (chronos-t5), chosen by "
        "FOREX_MODEL or the config's model, was trained on returns alone; "
        'write "representation": "returns" in configs/chronos_7d.json, or choose another model'
    )
    with pytest.raises(EngineError) as caught:
        ChronosEngine(models["embedded"]).forecast([Origin(PRICES, 5, {})], config)
    assert str(caught.value) == expected
    with pytest.raises(EngineError) as caught:
        check_settings(models["embedded"], "tiny-embedded", config)
    assert str(caught.value) == expected
    check_settings(models["embedded"], "tiny-embedded", settings("embedded"))


@pytest.mark.parametrize(
    "declared", [{"more": 1}, {"representation": "logs"}, {"context_scale": -1.0}, {"trained_context": None}]
)
def test_a_declaration_that_is_not_understood_is_refused(declared: dict[str, object], tmp_path: Path) -> None:
    folder = tiny_models.build_embedded(tmp_path / "model", **declared)
    for refuse in (
        lambda: ChronosEngine(str(folder)).forecast([Origin(PRICES, 5, {})], settings("embedded")),
        lambda: check_settings(str(folder), "model", settings("embedded")),
    ):
        with pytest.raises(EngineError, match=r"model: forex_assets in its config\.json is .* it should hold repres"):
            refuse()


@pytest.mark.parametrize("representation", ["anchored", "returns"])
@pytest.mark.parametrize("steps", [5, 65])
def test_bolt_gives_the_stock_pipelines_deciles(
    steps: int, representation: Representation, models: dict[str, str]
) -> None:
    import torch

    encoded = encode(PRICES, representation, 64)
    context = torch.tensor(encoded.values, dtype=torch.float32)
    pipeline = loaded(models["bolt"])
    with torch.no_grad():
        native = pipeline.model(context=context[None]).quantile_preds[0].double().numpy().T
    fan = fan_of(models, "bolt", Origin(PRICES, steps, {}), representation=representation)
    prices = decode_quantiles(native, tiny_models.BOLT_LEVELS, encoded)
    expected = smooth_fan(
        np.log(fan_of_quantiles(prices, tiny_models.BOLT_LEVELS).quantiles / PRICES[-1]), PRICES[-1], steps
    )
    np.testing.assert_allclose(fan.quantiles, expected.quantiles, rtol=1e-5)


def test_chronos_2_gives_the_stock_pipelines_quantiles_with_covariates(models: dict[str, str]) -> None:
    encoded = encode(PRICES, "anchored", 64)
    copper = np.random.default_rng(1).normal(size=len(PRICES))
    copper[::5] = np.nan
    task = {"target": encoded.values.astype(np.float32), "past_covariates": {"copper": copper[-64:]}}
    native = loaded(models["chronos2"]).predict([task], prediction_length=96)[0][0].double().numpy().T
    raw = fan_of_quantiles(decode_quantiles(native, tiny_models.CHRONOS2_LEVELS, encoded), tiny_models.CHRONOS2_LEVELS)
    expected = smooth_fan(np.log(raw.quantiles / PRICES[-1]), PRICES[-1], 9)
    fan = fan_of(models, "chronos2", Origin(PRICES, 9, {"copper": copper}))
    np.testing.assert_allclose(fan.quantiles, expected.quantiles, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_chronos_2_alone_hears_covariates(kind: str, models: dict[str, str]) -> None:
    copper = {"copper": np.random.default_rng(1).normal(size=len(PRICES))}
    without, given = fan_of(models, kind, Origin(PRICES, 5, {})), fan_of(models, kind, Origin(PRICES, 5, copper))
    assert is_same(without, given) == (kind != "chronos2")


def test_the_order_of_covariates_and_those_without_a_value_do_not_matter(models: dict[str, str]) -> None:
    noise = np.random.default_rng(1).normal(size=(2, len(PRICES)))
    unknown = np.where(np.arange(len(PRICES)) < len(PRICES) - 64, 1.0, np.nan)
    one = fan_of(models, "chronos2", Origin(PRICES, 5, {"a": noise[0], "b": noise[1]}))
    two = fan_of(models, "chronos2", Origin(PRICES, 5, {"c": unknown, "b": noise[1], "a": noise[0]}))
    assert is_same(one, two)


@pytest.mark.parametrize(
    ("covariate", "words"),
    [(np.zeros(3), r"covariate copper has shape \(3,\)"), (np.full(400, np.inf), "copper holds an infinite value")],
)
def test_a_covariate_that_does_not_fit_is_refused(covariate: np.ndarray, words: str, models: dict[str, str]) -> None:
    with pytest.raises(EngineError, match=words):
        fan_of(models, "chronos2", Origin(PRICES, 5, {"copper": covariate}))


@pytest.mark.parametrize(("kind", "name"), [("bolt", "chronos-bolt"), ("chronos2", "chronos-2")])
@pytest.mark.parametrize(("field", "value"), [("num_samples", 100), ("temperature", 1.0)])
def test_sampling_settings_for_a_model_that_does_not_sample_say_what_it_has(
    kind: str, name: str, field: str, value: float, models: dict[str, str]
) -> None:
    with pytest.raises(EngineError) as caught:
        fan_of(models, kind, Origin(PRICES, 5, {}), **{field: value})
    assert str(caught.value) == (
        f"{field} is set ({value}) but tiny-{kind} ({name}) does not sample; it has context_length, representation. "
        f"Set {field} to null in configs/chronos_7d.json"
    )


@pytest.mark.parametrize("field", ["num_samples", "temperature"])
def test_t5_without_sampling_settings_names_the_field_and_the_file(field: str, models: dict[str, str]) -> None:
    with pytest.raises(EngineError, match=rf"{field} is null but tiny-t5 .* set {field} in configs/chronos_90d\.json"):
        fan_of(models, "t5", Origin(PRICES, 5, {}), **{field: None, "horizon": "90d"})


@pytest.mark.parametrize(("prices", "steps"), [(PRICES[:1], 5), (np.array([900.0, np.nan]), 5), (PRICES, 0)])
def test_an_impossible_origin_is_refused(prices: np.ndarray, steps: int, models: dict[str, str]) -> None:
    with pytest.raises(EngineError, match=r"origin of|steps is 0"):
        fan_of(models, "t5", Origin(prices, steps, {}))


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_another_model_of_its_own_and_still_a_fan(kind: str, models: dict[str, str]) -> None:
    fan = ChronosEngine(models[kind], dtype="bfloat16").forecast([Origin(PRICES, 65, {})], settings(kind))[0]
    assert fan.quantiles.shape == (65, 9)
    assert load_counts()[(models[kind], "cpu", "bfloat16")] == 1


def test_a_device_that_is_not_there_is_refused_and_auto_takes_what_is(models: dict[str, str]) -> None:
    import torch

    assert ChronosEngine(models["bolt"], device="auto").name == "chronos-bolt"
    if not torch.cuda.is_available():
        with pytest.raises(EngineError, match="device is cuda but torch sees none"):
            ChronosEngine(models["bolt"], device="cuda").forecast([], settings("bolt"))


def test_a_folder_that_is_no_model_says_why(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no config\.json"):
        _ = ChronosEngine(str(tmp_path)).name
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}))
    with pytest.raises(
        EngineError, match=r"cannot be loaded as a Chronos model \(ValueError: Not a Chronos config file"
    ):
        _ = ChronosEngine(str(tmp_path)).name
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(EngineError, match="cannot be loaded as a Chronos model"):
        _ = ChronosEngine(str(tmp_path)).name
    with pytest.raises(EngineError, match="there is no such folder"):
        _ = ChronosEngine(str(tmp_path / "nowhere")).name


@pytest.mark.parametrize("fault", ["missing", "truncated", "incomplete"])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_are_missing_broken_or_not_whole_are_an_error(kind: str, fault: str, tmp_path: Path) -> None:
    build = {"t5": tiny_models.build_t5, "bolt": tiny_models.build_bolt, "chronos2": tiny_models.build_chronos2}[kind]
    weights = build(tmp_path / "model") / "model.safetensors"
    if fault == "missing":
        weights.unlink()
    elif fault == "truncated":
        weights.write_bytes(weights.read_bytes()[:-1000])
    else:
        from safetensors.torch import load_file, save_file

        tensors = load_file(weights)
        del tensors["encoder.final_layer_norm.weight"]
        save_file(tensors, weights, metadata={"format": "pt"})
    words = "the weights lack 1 of" if fault == "incomplete" else "cannot be loaded as a Chronos model"
    with pytest.raises(EngineError, match=words):
        ChronosEngine(str(tmp_path / "model")).forecast([Origin(PRICES, 2, {})], settings(kind))


def test_a_model_that_knows_no_direction_is_drawn_in_mirror_pairs(tmp_path: Path) -> None:
    """The median is the last price; each quantile's log mirrors its opposite's."""
    folder = tiny_models.build_embedded(tmp_path / "pairs", is_sign_symmetric=True)
    config = settings("embedded", num_samples=40)
    (fan,) = ChronosEngine(str(folder)).forecast([Origin(PRICES, 70, {})], config)
    logs = np.log(fan.quantiles / PRICES[-1])
    np.testing.assert_allclose(fan.median, PRICES[-1], rtol=1e-12)
    np.testing.assert_allclose(logs, -logs[:, ::-1], atol=1e-9)
    (odd,) = ChronosEngine(str(folder)).forecast([Origin(PRICES, 3, {})], config.model_copy(update={"num_samples": 21}))
    np.testing.assert_allclose(odd.quantiles, fan.quantiles[:3], rtol=1e-12)  # 20 pairs at least
    (more,) = ChronosEngine(str(folder)).forecast(
        [Origin(PRICES, 3, {})], config.model_copy(update={"num_samples": 300})
    )
    assert not is_same(more, odd)


@pytest.mark.parametrize("kind", ["embedded", "t5"])
def test_bands_of_one_evening_and_the_next_share_their_sampling_error(kind: str, models: dict[str, str]) -> None:
    """Paths have the same uniform numbers whatever the prices, so an equal context has an equal fan."""
    doubled = fan_of(models, kind, Origin(2 * PRICES, 8, {}))
    np.testing.assert_allclose(doubled.quantiles, 2 * fan_of(models, kind, Origin(PRICES, 8, {})).quantiles, rtol=1e-4)


@pytest.mark.parametrize(("width", "threads"), [(16, 1), (256, 2)])
def test_a_small_model_is_sampled_on_one_thread_and_the_others_as_they_were(width: int, threads: int) -> None:
    import torch

    class Pipeline:
        class inner_model:
            class config:
                d_model = width

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with chronos_model._threads_for(Pipeline()):
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def asked(kind: str, longest: int = 64) -> list[GridRequest]:
    """A grid in random order, with contexts and steps beyond the model's own lengths."""
    feeding: list[Representation] = ["returns"] if kind == "embedded" else ["anchored", "returns"]
    sampling = [(20, 0.8), (40, 0.8), (33, 1.2)] if kind in ("t5", "embedded") else [(None, None)]
    asks = [
        GridRequest(
            settings(kind, context_length=length, num_samples=n, temperature=t, representation=fed, horizon=horizon),
            steps,
        )
        for length in (2 * longest, 32, 8000)
        for n, t in sampling
        for fed in feeding
        for horizon, steps in (("30d", 21), ("90d", 66), ("7d", 5))
    ]
    return [asks[place] for place in np.random.default_rng(1).permutation(len(asks))]


@pytest.mark.parametrize("kind", ["t5", "embedded", "bolt", "chronos2"])
def test_a_grid_gives_each_setting_the_fan_that_it_gets_by_itself(kind: str, models: dict[str, str]) -> None:
    engine, asks = ChronosEngine(models[kind]), asked(kind)
    origins = [Origin(PRICES, 1, {}), Origin(OTHER, 1, {})]
    grid = engine.forecast_grid(origins, [asks, asks[:3]])
    assert [len(fans) for fans in grid] == [len(asks), 3]
    for origin, fans, wanted in zip(origins, grid, (asks, asks[:3]), strict=True):
        for fan, ask in zip(fans, wanted, strict=True):
            alone = engine.forecast([Origin(origin.prices, ask.steps, {})], ask.config)[0]
            np.testing.assert_allclose(fan.quantiles, alone.quantiles, rtol=1e-5)
            np.testing.assert_allclose(fan.mean, alone.mean, rtol=1e-5)


def test_a_grid_reads_each_context_of_an_origin_once(models: dict[str, str]) -> None:
    engine, reads = ChronosEngine(models["t5"]), list[int]()
    pipeline = engine._pipeline()
    hook = pipeline.inner_model.encoder.register_forward_hook(lambda *_: reads.append(1))
    try:
        asks = [
            GridRequest(settings("t5", context_length=length, num_samples=n, temperature=t), steps)
            for length in (32, 64)
            for n in (20, 40)
            for t in (0.8, 1.0, 1.2)
            for steps in (5, 21)
        ]
        engine.forecast_grid([Origin(PRICES, 1, {})], [asks])
    finally:
        hook.remove()
    assert len(reads) == 2


def test_a_grid_refuses_a_setting_that_the_model_lacks(models: dict[str, str]) -> None:
    request = GridRequest(settings("bolt", num_samples=40), 5)
    with pytest.raises(EngineError, match="num_samples is set"):
        ChronosEngine(models["bolt"]).forecast_grid([Origin(PRICES, 1, {})], [[request]])


@pytest.mark.parametrize(
    ("kind", "settings_of_kind"),
    [
        ("t5", ("context_length", "num_samples", "temperature", "representation")),
        ("embedded", ("context_length", "num_samples", "temperature")),
        ("bolt", ("context_length", "representation")),
    ],
)
def test_an_engine_tells_what_makes_a_difference_and_up_to_which_context(
    kind: str, settings_of_kind: tuple[str, ...], models: dict[str, str]
) -> None:
    traits = traits_of(ChronosEngine(models[kind]))
    assert traits.settings == settings_of_kind
    longest = traits.longest_context
    assert longest is not None
    origin = Origin(np.tile(PRICES, 3), 3, {})
    same = [fan_of(models, kind, origin, context_length=length) for length in (longest, longest + 1, 2 * longest)]
    assert is_same(same[0], same[1])
    assert is_same(same[0], same[2])
    assert not is_same(same[0], fan_of(models, kind, origin, context_length=longest - 8))


def test_a_walk_has_no_settings() -> None:
    assert traits_of(EwmaEngine()) == EngineTraits()


@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
def test_a_folder_that_names_code_of_its_own_is_refused_and_its_code_never_run(file: str, tmp_path: Path) -> None:
    folder = tiny_models.build_t5(tmp_path / "model")
    ran = tmp_path / "ran"
    (folder / "foreign.py").write_text(f"open({str(ran)!r}, 'w')\nC = M = object\n")
    path = folder / file
    values = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(values | {"auto_map": {"AutoConfig": "foreign.C"}}))
    with pytest.raises(EngineError, match="auto_map"):
        pipeline_of(str(folder), "cpu", "float32")
    assert not ran.exists()

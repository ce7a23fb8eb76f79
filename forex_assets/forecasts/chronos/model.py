"""Chronos models as an engine: T5, Bolt and Chronos-2. Imports torch, and only when a model is loaded.

How each kind is called lies in `t5_sampler`, `bolt_quantiles` and `_quantiles_chronos2`; what goes in and how prices
come out is `domain.forecast.representation`. Origins are run one at a time: a batched matrix product rounds differently
with every batch size, so a fan made beside others would not be the fan made alone.
"""

import hashlib
import json
import threading
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np

from forex_assets.core.fan import Array, Fan, fan_of_paths
from forex_assets.core.inference_config import InferenceConfig, Representation
from forex_assets.forecasts.chronos.sampler import T5Sampler, sample_paths
from forex_assets.forecasts.engine import Ask, EngineError, EngineTraits, Origin
from forex_assets.forecasts.representation import (
    Encoded,
    decode_paths,
    decode_quantiles,
    encode,
    fan_of_quantiles,
)

if TYPE_CHECKING:
    import torch

Kind = Literal["chronos-t5", "chronos-bolt", "chronos-2"]
Device = Literal["auto", "cpu", "cuda"]
Dtype = Literal["float32", "bfloat16"]

KINDS: Final[dict[str, Kind]] = {
    "ChronosPipeline": "chronos-t5",
    "ChronosBoltPipeline": "chronos-bolt",
    "Chronos2Pipeline": "chronos-2",
}
SETTINGS: Final[dict[Kind, str]] = {
    "chronos-t5": "context_length, num_samples, temperature, representation",
    "chronos-bolt": "context_length, representation",
    "chronos-2": "context_length, representation",
}
FEEDING: Final = "forex_assets"
"""Field of a model's `config.json` in which a model of our own says how it is to be fed."""

SEEDING: Final = 16
"""Last prices that tell an origin from every other: as many as the shortest context."""

SMALL_WIDTH: Final = 128
"""Width up to which a model runs on one thread."""

_LOCK: Final = threading.Lock()
_LOADED: Final[dict[tuple[str, str, str], Any]] = {}
_LOADS: Final[Counter[tuple[str, str, str]]] = Counter()


def load_counts() -> dict[tuple[str, str, str], int]:
    """How often this process loaded each (location, device, dtype); one each, unless something is wrong."""
    return dict(_LOADS)


@dataclass(frozen=True)
class Feeding:
    """How a model of our own is to be fed; a published one says nothing of the kind.

    Attributes:
        representation: the one that it was trained on.
        context_scale: mean absolute value of every context, which one value in front brings about.
        trained_context: longest context that it has seen, in sessions.
        is_sign_symmetric: whether up and down were alike in its training, so that any lean of its answer is noise: its
            paths are then drawn in mirror pairs (antithetic variates), and the median is the last price.
    """

    representation: Representation
    context_scale: float
    trained_context: int
    is_sign_symmetric: bool = False


@dataclass(frozen=True)
class ChronosEngine:
    """Engine: a Chronos model, loaded at the first use and once per process.

    Weights that change on disk are seen by the next process, not by this one.

    Args:
        location: local folder, or hub id (then the hub's client may fetch it).
        device: `auto` takes cuda where there is one.
        dtype: of the weights.
        label: hub id or name for people and tables; None for the folder's name or the hub id.
    """

    location: str
    device: Device = "cpu"
    dtype: Dtype = "float32"
    label: str | None = None

    @property
    def name(self) -> Kind:
        """Kind of model, by its pipeline class; loads it.

        Raises:
            EngineError: it cannot be loaded.
        """
        return KINDS[type(self._pipeline()).__name__]

    @property
    def model(self) -> str:
        """Hub id or folder name."""
        folder = Path(self.location).expanduser()
        return self.label or (folder.resolve().name if folder.is_dir() else self.location)

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        """One fan an origin; `config.model` is not looked at: the engine is its own model.

        Raises:
            EngineError: a setting that the model lacks or needs, an impossible origin, a model that cannot be loaded.
        """
        pipeline, kind, feeding = self._pipeline(), self.name, self._feeding()
        _check_config(kind, self.model, feeding, config)
        length = min(config.context_length, self._longest())
        return [
            _fan(pipeline, kind, origin, encode(origin.prices, config.representation, length), config, feeding)
            for origin in origins
        ]

    def forecast_grid(self, origins: Sequence[Origin], asks: Sequence[Sequence[Ask]]) -> list[list[Fan]]:
        """See `GridEngine`: T5 reads each context once and draws each path once, Bolt reads many contexts at once.

        Raises:
            EngineError: as `forecast`.
        """
        from forex_assets.forecasts.chronos.grid import bolt_grid, t5_grid

        pipeline, kind, feeding, longest = self._pipeline(), self.name, self._feeding(), self._longest()
        for config in {ask.config.fingerprint: ask.config for wanted in asks for ask in wanted}.values():
            _check_config(kind, self.model, feeding, config)
        if kind == "chronos-t5":
            with _threads_for(pipeline):
                return [t5_grid(pipeline, o, each, feeding, longest) for o, each in zip(origins, asks, strict=True)]
        if kind == "chronos-bolt":
            return bolt_grid(pipeline, origins, asks, longest)
        return [
            [self.forecast([Origin(o.prices, ask.steps, o.covariates)], ask.config)[0] for ask in wanted]
            for o, wanted in zip(origins, asks, strict=True)
        ]

    @property
    def traits(self) -> EngineTraits:
        """Which settings make a difference, and up to which context; loads the model.

        Raises:
            EngineError: it cannot be loaded.
        """
        settings = tuple(SETTINGS[self.name].split(", "))
        if self._feeding() is not None:  # a model of our own is fed as it was trained, and no other way
            settings = tuple(name for name in settings if name != "representation")
        return EngineTraits(settings, self._longest())

    def _feeding(self) -> "Feeding | None":
        return _feeding(getattr(self._pipeline().inner_model.config, FEEDING, None), self.model)

    def _longest(self) -> int:
        """Sessions that the model reads at most."""
        limit, feeding = int(self._pipeline().model_context_length), self._feeding()
        # The value that sets the scale takes one place of the context.
        return limit if feeding is None else min(limit - 1, feeding.trained_context)

    def _pipeline(self) -> Any:
        """The loaded model, from this process's store."""
        with _LOCK:
            key = (self.location, _device(self.device), self.dtype)
            if key not in _LOADED:
                _LOADED[key] = _load(*key)
                _LOADS[key] += 1
            return _LOADED[key]


def _fan(
    pipeline: Any, kind: Kind, origin: Origin, encoded: Encoded, config: InferenceConfig, feeding: Feeding | None
) -> Fan:
    """The fan of one origin."""
    if origin.steps < 1:
        raise EngineError(f"steps is {origin.steps}; a forecast reaches at least one session ahead")
    if kind == "chronos-t5":
        with _threads_for(pipeline):
            paths = _t5_paths(pipeline, origin, encoded, config, feeding)
        return fan_of_paths(decode_paths(paths, encoded))
    with _own_randomness(seed_of(config.seed, origin.prices)):
        if kind == "chronos-bolt":
            native = bolt_quantiles(pipeline, encoded.values[None], origin.steps)[0]
        else:
            covariates = _recent_covariates(origin, len(encoded.values))
            native = _quantiles_chronos2(pipeline, encoded.values, origin.steps, covariates)
    levels = [float(level) for level in pipeline.quantiles]
    return fan_of_quantiles(decode_quantiles(native, levels, encoded), levels)


def _t5_paths(
    pipeline: Any, origin: Origin, encoded: Encoded, config: InferenceConfig, feeding: Feeding | None
) -> Array:
    """Paths in model space, shape (num_samples, steps)."""
    count = config.num_samples or 0
    sampler = T5Sampler(pipeline, config.temperature or 1.0, feeding.context_scale if feeding else None)
    seed = seed_of(config.seed, origin.prices)
    return mirrored(sample_paths(sampler, encoded.values, origin.steps, drawn_of(count, feeding), seed), count, feeding)


def drawn_of(count: int, feeding: "Feeding | None") -> int:
    """How many of `count` paths are drawn: half of them where the others are their mirror images."""
    return (count + 1) // 2 if feeding is not None and feeding.is_sign_symmetric else count


def mirrored(paths: Array, count: int, feeding: "Feeding | None") -> Array:
    """`count` paths from the first of those drawn, their mirror images with them where the model has no direction.

    Args:
        paths: shape (drawn or more, steps), in model space.
        count: paths to give.
        feeding: of the model.
    """
    own = paths[: drawn_of(count, feeding)]
    return np.concatenate([own, -own])[:count] if feeding is not None and feeding.is_sign_symmetric else own


def bolt_quantiles(pipeline: Any, values: Array, steps: int) -> Array:
    """Native quantiles in model space of contexts of shape (contexts, length): shape (contexts, steps, 9).

    Past its own length Bolt continues each of its quantiles and reduces the 81 answers: the library's approximation.
    """
    import torch

    with _without_length_advice():
        answer = pipeline.predict(torch.tensor(values, dtype=torch.float32), prediction_length=steps)
    return _array(answer).transpose(0, 2, 1)


def _quantiles_chronos2(pipeline: Any, values: Array, steps: int, covariates: dict[str, Array]) -> Array:
    """Native quantiles in model space, shape (steps, 21); past covariates may hold NaN."""
    task: dict[str, Any] = {"target": values.astype(np.float32)}
    if covariates:
        task["past_covariates"] = covariates
    with _without_length_advice():
        return _array(pipeline.predict([task], prediction_length=steps)[0][0]).T


def _recent_covariates(origin: Origin, length: int) -> dict[str, Array]:
    """The covariates of the context's sessions, those with no value there are left out. The library sorts them.

    Raises:
        EngineError: a covariate on other sessions than the prices, or an infinite value.
    """
    recent = {}
    for name, values in origin.covariates.items():
        if values.shape != origin.prices.shape:
            raise EngineError(f"covariate {name} has shape {values.shape}, the prices {origin.prices.shape}")
        if np.isinf(values).any():
            raise EngineError(f"covariate {name} holds an infinite value; unknown values are NaN")
        if not np.isnan(values[-length:]).all():
            recent[name] = values[-length:]
    return recent


def _check_config(kind: Kind, model: str, feeding: Feeding | None, config: InferenceConfig) -> None:
    """Refuse settings that the model lacks or was not made for, and the lack of those that it needs."""
    file = f"configs/chronos_{config.horizon}.json"
    for field, value, example in (("num_samples", config.num_samples, 100), ("temperature", config.temperature, 1.0)):
        if kind == "chronos-t5" and value is None:
            raise EngineError(f"{field} is null but {model} ({kind}) samples; set {field} in {file}, such as {example}")
        if kind != "chronos-t5" and value is not None:
            lacks = f"{field} is set ({value}) but {model} ({kind}) does not sample; it has {SETTINGS[kind]}"
            raise EngineError(f"{lacks}. Set {field} to null in {file}")
    if config.uses_copper and kind != "chronos-2":
        raise EngineError(f"uses_copper is true in {file}, but {model} ({kind}) reads no covariates; set it to false")
    if feeding is not None and config.representation != feeding.representation:
        made = f"{model} ({kind}), chosen by FOREX_MODEL or the config's model, was trained on {feeding.representation}"
        remedy = f'write "representation": "{feeding.representation}" in {file}, or choose another model'
        raise EngineError(f"representation is {config.representation} in {file}, but {made} alone; {remedy}")


def _feeding(declared: Any, model: str) -> Feeding | None:
    """What a model's `config.json` says of its feeding; None where it says nothing.

    Raises:
        EngineError: it says something else than this platform understands.
    """
    if declared is None:
        return None
    try:
        feeding = Feeding(**declared)
        is_sound = feeding.representation in get_args(Representation) and feeding.context_scale > 0
        if is_sound and feeding.trained_context > 1:
            return feeding
    except TypeError:
        pass  # not an object of these fields and types: the same fault
    fields = ", ".join(Feeding.__dataclass_fields__)
    raise EngineError(f"{model}: {FEEDING} in its config.json is {declared!r}; it should hold {fields}")


def check_settings(location: str, model: str, config: InferenceConfig) -> None:
    """Whether a local model has the settings that a config asks for, by its `config.json` alone: torch is not needed.

    A hub id that has yet to be fetched cannot be judged and passes. A config that the embedded model stands in for is
    to be adapted first (`model_finder.effective_config`).

    Raises:
        EngineError: a setting is missing, or one that this kind of model lacks or was not made for is set.
    """
    file = Path(location).expanduser() / "config.json"
    if not file.is_file():
        return
    told = json.loads(file.read_text(encoding="utf-8"))
    named = " ".join(told.get("architectures") or [])
    kind: Kind = "chronos-bolt" if "Bolt" in named else "chronos-2" if "Chronos2" in named else "chronos-t5"
    _check_config(kind, model, _feeding(told.get(FEEDING), model), config)


def seed_of(seed: int, prices: Array) -> int:
    """Seed of one origin's sampling, from the config's and the last prices: no origin shares another's draws.

    Settings do not enter: two that are compared on one origin are compared on the same random numbers.
    """
    last = np.ascontiguousarray(prices[-SEEDING:], dtype="<f8").tobytes()
    return int.from_bytes(hashlib.sha256(seed.to_bytes(8, "big") + last).digest()[:8], "big") >> 1


@contextmanager
def _own_randomness(seed: int) -> Iterator[None]:
    """A stream of random numbers of its own; the process's is put back (Chronos-2's loader draws from it too)."""
    import torch

    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


@contextmanager
def _threads_for(pipeline: Any) -> Iterator[None]:
    """One thread for a small T5: its matrices are so small that several threads mostly wait for each other."""
    import torch

    if int(getattr(pipeline.inner_model.config, "d_model", SMALL_WIDTH + 1)) > SMALL_WIDTH:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _without_length_advice() -> Iterator[None]:
    """Without the advice to stay within the model's own length: 90 days are 62 to 65 steps, just past Bolt's 64."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="We recommend keeping prediction length")
        yield


def _array(values: "torch.Tensor") -> Array:
    """A tensor as float64."""
    return np.asarray(values.numpy(), dtype=np.float64)


def _device(device: str) -> str:
    """`cpu` or `cuda`.

    Raises:
        EngineError: cuda is asked for and is not there.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise EngineError("device is cuda but torch sees none; set it to cpu or auto")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def _load(location: str, device: str, dtype: str) -> Any:
    """Load a model; a local folder without any network.

    Raises:
        EngineError: nothing there, no Chronos model, or weights that are broken or not whole.
    """
    folder = Path(location).expanduser()
    is_local = folder.is_dir()
    if is_local and not (folder / "config.json").is_file():
        raise EngineError(f"{location}: no config.json in this folder, so no model")
    if not is_local and location.startswith(("/", ".", "~")):
        raise EngineError(f"{location}: there is no such folder")
    import torch
    from chronos import BaseChronosPipeline

    target = str(folder) if is_local else location
    try:
        with _quiet(), _own_randomness(0):
            pipeline = BaseChronosPipeline.from_pretrained(
                target, dtype=getattr(torch, dtype), local_files_only=is_local
            )
    except Exception as error:
        # Whatever the libraries below throw (KeyError, OSError, SafetensorError …) means one thing to the caller.
        reason = str(error).strip().splitlines()[:1] or ["no message"]
        raise EngineError(
            f"{location}: cannot be loaded as a Chronos model ({type(error).__name__}: {reason[0]})"
        ) from error
    if type(pipeline).__name__ not in KINDS:
        raise EngineError(f"{location}: {type(pipeline).__name__} is not known; there are {', '.join(KINDS)}")
    family = pipeline.inner_model.config.model_type
    if KINDS[type(pipeline).__name__] == "chronos-t5" and family != "t5":
        raise EngineError(f"{location}: a ChronosPipeline around a {family} model; only those around a t5 can be run")
    if is_local:
        _check_weights(folder, pipeline.inner_model)
    pipeline.inner_model.to(device).eval()
    return pipeline


def _check_weights(folder: Path, model: Any) -> None:
    """Refuse a file that lacks weights of the model: transformers fills them with random numbers and says so in a log.

    Embedding tables of encoder and decoder may be missing: they are copies of the shared one.
    """
    from safetensors import safe_open

    stored: set[str] = set()
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="pt") as weights:
            stored.update(weights.keys())
    if not stored:
        return  # weights in another format; the library has read them
    state = model.state_dict(keep_vars=True)
    kept = {state[name].data_ptr() for name in stored if name in state}
    missing = [
        name
        for name, value in state.items()
        if name not in stored and value.data_ptr() not in kept and not name.endswith("embed_tokens.weight")
    ]
    if missing:
        raise EngineError(f"{folder}: the weights lack {len(missing)} of the model's tensors, the first {missing[0]}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Load without progress bars and reports on the terminal; what matters comes as an error."""
    from transformers.utils import logging

    level, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if has_bars:
            logging.enable_progress_bar()

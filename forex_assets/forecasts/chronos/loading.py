"""Loads Chronos models, once a process; knows what makes a folder unfit."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from forex_assets.forecasts.chronos.plain_t5 import PlainT5Pipeline, read_plain_t5
from forex_assets.forecasts.chronos.settings_check import Kind
from forex_assets.forecasts.engine import EngineError

KINDS: Final[dict[str, Kind]] = {
    "ChronosPipeline": "chronos-t5",
    "ChronosBoltPipeline": "chronos-bolt",
    "Chronos2Pipeline": "chronos-2",
}
"""Kind of model by the library's pipeline class."""

_LOCK: Final = threading.Lock()
_LOADED: Final[dict[tuple[str, str, str], Any]] = {}
_LOADS: Final[Counter[tuple[str, str, str]]] = Counter()


def load_counts() -> dict[tuple[str, str, str], int]:
    """Loads in this process by (location, device, dtype); each should be 1."""
    return dict(_LOADS)


def pipeline_of(location: str, device: str, dtype: str) -> Any:
    """The loaded model, from this process's store.

    Weights that change on disk are seen by the next process.

    Raises:
        EngineError: no such model or device, or weights that are broken or incomplete.
    """
    with _LOCK:
        key = (location, _device(device), dtype)
        if key not in _LOADED:
            _LOADED[key] = _load(*key)
            _LOADS[key] += 1
        return _LOADED[key]


def kind_of(pipeline: Any) -> Kind:
    """Kind of a loaded model."""
    if isinstance(pipeline, PlainT5Pipeline):
        return "chronos-t5"
    return KINDS[type(pipeline).__name__]


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Separate random numbers; the process's stream is restored.

    Chronos-2's loader draws from that stream too.
    """
    import torch

    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


def _device(device: str) -> str:
    """Resolves `auto` to `cpu` or `cuda`.

    Raises:
        EngineError: cuda is requested but not available.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise EngineError("device is cuda but torch sees none; set it to cpu or auto")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def _load(location: str, device: str, dtype: str) -> Any:
    """Loads a model; a local folder without any network.

    Raises:
        EngineError: no such model, no Chronos model, or weights that are broken or incomplete.
    """
    folder = Path(location).expanduser()
    is_local = folder.is_dir()
    if is_local and not (folder / "config.json").is_file():
        raise EngineError(f"{location}: no config.json in this folder, so no model")
    if not is_local and location.startswith(("/", ".", "~")):
        raise EngineError(f"{location}: there is no such folder")
    if is_local:
        _refuse_code(folder)
        if (device, dtype) == ("cpu", "float32") and (plain := read_plain_t5(folder)) is not None:
            return plain
    import torch
    from chronos import BaseChronosPipeline

    target = str(folder) if is_local else location
    try:
        with _quiet(), own_randomness(0):
            pipeline = BaseChronosPipeline.from_pretrained(
                target, dtype=getattr(torch, dtype), local_files_only=is_local, trust_remote_code=False
            )
    except Exception as error:
        # The libraries throw KeyError, OSError, SafetensorError and others: all mean an unusable model.
        reason = str(error).strip().splitlines()[:1] or ["no message"]
        raise EngineError(
            f"{location}: cannot be loaded as a Chronos model ({type(error).__name__}: {reason[0]})"
        ) from error
    name = type(pipeline).__name__
    if name not in KINDS:
        raise EngineError(f"{location}: {name} is not known; there are {', '.join(KINDS)}")
    family = pipeline.inner_model.config.model_type
    if KINDS[name] == "chronos-t5" and family != "t5":
        raise EngineError(f"{location}: a ChronosPipeline around a {family} model; only those around a t5 can be run")
    if is_local:
        _check_weights(folder, pipeline.inner_model)
    pipeline.inner_model.to(device).eval()
    return pipeline


def _refuse_code(folder: Path) -> None:
    """Refuses a folder that names Python code of its own.

    Raises:
        EngineError: its configuration has an `auto_map`.
    """
    for file in ("config.json", "generation_config.json"):
        with suppress(FileNotFoundError, ValueError):  # the library says what is wrong with a damaged file
            values = json.loads((folder / file).read_text(encoding="utf-8"))
            if isinstance(values, dict) and "auto_map" in values:
                raise EngineError(f"{folder}: {file} names code of its own (auto_map), which is never run; remove it")


def _check_weights(folder: Path, model: Any) -> None:
    """Refuses incomplete weights, which transformers would fill with random numbers.

    Embedding tables of encoder and decoder may be missing: they are copies of the shared table.
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
    """Loads without progress bars and reports on the terminal."""
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

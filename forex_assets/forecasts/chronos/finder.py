"""Which model FOREX_MODEL stands for on this machine: a folder, the hub's cache, the hub itself, the embedded one that
comes with the package, or none (`ewma`).

Never imports torch, and never waits for a hub longer than it was told: the hub's own client takes 23 s to find out that
there is no network, and a socket that accepts and stays silent would hold it for ever.
"""

import hashlib
import os
import queue
import re
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.forecasts.engine import EngineError

EWMA: Final = "ewma"
AUTO: Final = "auto"
EMBEDDED: Final = "embedded"
EMBEDDED_FOLDER: Final = Path(__file__).parents[2] / "models" / EMBEDDED
WEIGHTS: Final = "model.safetensors"
SUMS: Final = "SHA256SUMS"
"""File beside the embedded model's weights, lines of `<sha256>  <name>` as `sha256sum` writes them."""
HUB: Final = "https://huggingface.co"
_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_WEIGHTS: Final = ("*.safetensors", "*.bin")


@dataclass(frozen=True)
class ResolvedModel:
    """What is to make the forecasts.

    Attributes:
        kind: `chronos`, or `ewma` where no model can be had or none is wanted.
        model: hub id or folder name, for people and tables; `ewma`.
        location: what to load: a folder, or a hub id that has yet to be fetched; None for `ewma`.
        why: how it was found, or why not, for people.
        stands_in: whether it is the embedded model in place of the config's own: then the config has to be adapted,
            see `effective_config`.
    """

    kind: Literal["chronos", "ewma"]
    model: str
    location: str | None
    why: str
    stands_in: bool = False


def effective_config(config: InferenceConfig, found: ResolvedModel) -> InferenceConfig:
    """The settings that a forecast is really made with: the config's own, unless the embedded model stands in.

    That one is fed its own representation and samples; context, seed and calibration are taken over, and the number of
    samples and the temperature too where the config has them. The result has a fingerprint of its own, and so a
    forecast by the stand-in never passes for one by the configured model.
    """
    if found.kind == "ewma" and config.uses_copper:  # a walk that stands in must not fail for what it cannot read
        return config.model_copy(update={"uses_copper": False})
    if not found.stands_in:
        return config
    sampling = {"num_samples": config.num_samples or 200, "temperature": config.temperature or 1.0}
    return config.model_copy(update={"model": EMBEDDED, "representation": "returns", "uses_copper": False, **sampling})


def label_of(found: ResolvedModel) -> str:
    """What a model's forecasts are filed under: its name, and where its weights are listed a digest of the list.

    Other weights under the same name are another model: its past errors are not this one's.
    """
    sums = Path(found.location or "") / SUMS
    if found.location is None or not sums.is_file():
        return found.model
    return f"{found.model}@{hashlib.sha256(sums.read_bytes()).hexdigest()[:8]}"


@dataclass(frozen=True)
class _Answer:
    """What the hub said of one model."""

    is_there: bool
    words: str


_OFFLINE: Final = _Answer(False, "offline mode is set (HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE)")
_lock = threading.Lock()
_remembered: dict[tuple[str, str], tuple[float, _Answer]] = {}


def find_model(
    setting: str,
    configured: str,
    *,
    hub_timeout_s: float = 5.0,
    endpoint: str | None = None,
    cache: Path | None = None,
    is_offline: bool | None = None,
    remember_s: float = 60.0,
    embedded: Path = EMBEDDED_FOLDER,
) -> ResolvedModel:
    """The model for a setting of FOREX_MODEL.

    `auto` takes the configured model from a local folder, the hub's cache or a hub that answers in time, else the
    embedded one where the package has it, else `ewma`. Any name is taken at its word: it is there or there is an error.

    Args:
        setting: `auto`, `ewma`, `embedded`, a hub id or a folder; a relative folder counts from the working directory.
        configured: model of the horizon's config.
        hub_timeout_s: all that asking the hub may take, in seconds.
        endpoint: the hub's address; None for HF_ENDPOINT, else the public hub.
        cache: the hub's cache; None for the library's own (HF_HOME, HF_HUB_CACHE).
        is_offline: whether the hub must not be asked; None for HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE.
        remember_s: how long an answer of the hub stands in this process, so that four horizons ask once.
        embedded: folder of the embedded model.

    Raises:
        EngineError: a model named outright is not there; the embedded one is wanted and its files are damaged.
    """
    is_auto = setting == AUTO
    wanted = configured if is_auto else setting
    if wanted == EWMA:
        by = "the config's model" if is_auto else "FOREX_MODEL"
        return ResolvedModel("ewma", EWMA, None, f"{by} is {EWMA}")
    if wanted == EMBEDDED:
        found, reason = _embedded(embedded, setting, configured, f"{EMBEDDED}: comes with the package")
    else:
        found, reason = _on_this_machine(wanted, cache)
    if found is None and reason is None:
        offline = _offline_by_environment() if is_offline is None else is_offline
        answer = _OFFLINE if offline else _ask_hub(wanted, endpoint, hub_timeout_s, remember_s)
        reason = f"{wanted}: not on this machine, {answer.words}"
        found = ResolvedModel("chronos", wanted, wanted, reason) if answer.is_there else None
    if found is not None:
        return found
    if not is_auto:
        remedy = "Set it to auto, ewma, embedded, a folder with a model or a hub id"
        raise EngineError(f"FOREX_MODEL={setting}: {reason}. {remedy}")
    stand_in, _ = _embedded(embedded, setting, configured, f"{reason}; so the embedded model")
    return stand_in or ResolvedModel("ewma", EWMA, None, str(reason))


def _embedded(folder: Path, setting: str, configured: str, why: str) -> tuple[ResolvedModel | None, str | None]:
    """The embedded model; else None, with the reason.

    Raises:
        EngineError: a file is missing or is not the one that was shipped: an install that is damaged must not pass for
            one without the model.
    """
    if not folder.is_dir():
        return None, f"{EMBEDDED}: this install has no {folder}"
    damage = _damage(folder)
    if damage is not None:
        remedy = f"Install the package anew, or set FOREX_MODEL to {EWMA}"
        raise EngineError(f"FOREX_MODEL={setting}: the embedded model is damaged: {damage}. {remedy}")
    return ResolvedModel("chronos", EMBEDDED, str(folder), why, stands_in=configured != EMBEDDED), None


def _damage(folder: Path) -> str | None:
    """What is wrong with the files of a shipped model; None where all are what they were."""
    sums = folder / SUMS
    if not sums.is_file():
        return f"{sums} is missing"
    lines = sums.read_text(encoding="utf-8").splitlines()
    listed = {name.strip().lstrip("*"): digest for digest, _, name in (line.partition(" ") for line in lines if line)}
    for name in ("config.json", WEIGHTS, *listed):
        if not (folder / name).is_file():
            return f"{folder / name} is missing"
    for name in (WEIGHTS, *listed):
        if listed.get(name) != hashlib.sha256((folder / name).read_bytes()).hexdigest():
            return f"{folder / name} does not have the sha256 that {SUMS} beside it lists"
    return None


def _on_this_machine(wanted: str, cache: Path | None) -> tuple[ResolvedModel | None, str | None]:
    """The model from a folder or the hub's cache; else None, with the reason where the hub cannot have it either."""
    folder = Path(wanted).expanduser()
    if folder.is_dir():
        if (folder / "config.json").is_file():
            return ResolvedModel("chronos", folder.resolve().name, str(folder), f"{wanted}: local folder"), None
        return None, f"{wanted}: a folder without a config.json"
    if _HUB_ID.fullmatch(wanted) is None:
        return None, f"{wanted}: there is no such folder"
    snapshot = _cached(wanted, cache)
    if snapshot is not None:
        return ResolvedModel("chronos", wanted, str(snapshot), f"{wanted}: in the hub's cache on this machine"), None
    return None, None


def _cached(hub_id: str, cache: Path | None) -> Path | None:
    """Folder of a model in the hub's cache, settings and weights both there; None where it is not, or not whole."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        path = try_to_load_from_cache(hub_id, "config.json", cache_dir=cache)
    except HFValidationError as error:
        raise EngineError(f"{hub_id} is neither a folder nor a hub id: {error}") from error
    if not isinstance(path, str):
        return None
    folder = Path(path).parent
    # An interrupted download leaves the settings without the weights.
    has_weights = any(file.exists() for pattern in _WEIGHTS for file in folder.glob(pattern))
    return folder if has_weights else None


def _ask_hub(hub_id: str, endpoint: str | None, timeout_s: float, remember_s: float) -> _Answer:
    """What the hub says of a model, asked once a while."""
    base = (endpoint or os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    # Under the lock: a second thread waits for the first one's answer instead of asking too.
    with _lock:
        asked_at, answer = _remembered.get((base, hub_id), (float("-inf"), None))
        if answer is None or time.monotonic() - asked_at >= remember_s:
            answer = _probe(f"{base}/{hub_id}/resolve/main/config.json", timeout_s)
            _remembered[(base, hub_id)] = (time.monotonic(), answer)
        return answer


def _offline_by_environment() -> bool:
    """Whether one of the library's own switches forbids the network."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"} for name in names)


def _probe(url: str, timeout_s: float) -> _Answer:
    """Ask for a model's settings, within a deadline for everything: name look-up, connection, redirects, answer."""
    answers: queue.Queue[_Answer] = queue.Queue()
    # A daemon: a look-up that hangs in the C library cannot be ended, only left behind.
    threading.Thread(target=lambda: answers.put(_head(url, timeout_s)), name="hub-probe", daemon=True).start()
    try:
        return answers.get(timeout=timeout_s)
    except queue.Empty:
        return _Answer(False, f"hub did not answer within {timeout_s:g} s")


def _head(url: str, timeout_s: float) -> _Answer:
    """One request. Only the kind of failure is told: an address may carry a password."""
    if not url.startswith(("http://", "https://")):
        return _Answer(False, "HF_ENDPOINT is no http address")
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=timeout_s) as response:
            return _Answer(True, f"hub has it (HTTP {response.status})")
    except urllib.error.HTTPError as error:
        code = error.code
        error.close()
        missing = {401: "hub has no such public model", 404: "hub has no such model"}
        return _Answer(False, f"{missing.get(code, 'hub answered an error')} (HTTP {code})")
    except TimeoutError:
        return _Answer(False, f"hub did not answer within {timeout_s:g} s")
    except Exception as error:  # noqa: BLE001 - a thread's exception would be lost; its name is the answer
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            return _Answer(False, f"hub did not answer within {timeout_s:g} s")
        return _Answer(False, f"hub cannot be reached ({type(reason).__name__})")

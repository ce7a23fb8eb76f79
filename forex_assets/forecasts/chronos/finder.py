"""Finds the model that FOREX_MODEL names on this machine.

A folder, the hub's cache, the hub, the embedded model, or none (`ewma`). Never imports torch. Waits for the hub only up
to a deadline: the hub's client needs 23 s to notice a missing network, and a silent socket would hold it for ever.
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
from forex_assets.forecasts.smoothing import FAN_VERSION

EWMA: Final = "ewma"
AUTO: Final = "auto"
EMBEDDED: Final = "embedded"
EMBEDDED_FOLDER: Final = Path(__file__).parents[2] / "models" / EMBEDDED
WEIGHTS: Final = "model.safetensors"
SUMS: Final = "SHA256SUMS"
"""File of the embedded weights' checksums, in the format of `sha256sum`."""
HUB: Final = "https://huggingface.co"
NO_BETTER: Final = ", whose bands up to 30 days are about those of recent volatility alone (FOREX_MODEL=ewma)"
"""Words for people where the embedded model stands in."""

_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_WEIGHTS: Final = ("*.safetensors", "*.bin")


@dataclass(frozen=True)
class ResolvedModel:
    """A model for forecasts, and the reason for its choice.

    Attributes:
        kind: `chronos`; `ewma` if no model is available or wanted.
        model: hub id or folder name, for people and tables; `ewma`.
        location: folder, or hub id yet to be fetched; None for `ewma`.
        why: reason of the choice, for people.
        stands_in: whether the embedded model replaces the config's; adapt the config then with `effective_config`.
    """

    kind: Literal["chronos", "ewma"]
    model: str
    location: str | None
    why: str
    stands_in: bool = False


def effective_config(config: InferenceConfig, resolved: ResolvedModel) -> InferenceConfig:
    """The settings that a forecast runs with.

    They are the config's, unless the embedded model stands in: it needs its representation and samples, and takes over
    context, seed, calibration and, if set, number of samples and temperature. The other fingerprint keeps its forecasts
    apart from the configured model's.
    """
    if resolved.kind == "ewma" and config.uses_copper:  # the EWMA benchmark reads no copper
        return config.model_copy(update={"uses_copper": False})
    if not resolved.stands_in:
        return config
    sampling = {"num_samples": config.num_samples or 200, "temperature": config.temperature or 1.0}
    return config.model_copy(update={"model": EMBEDDED, "representation": "returns", "uses_copper": False, **sampling})


def label_of(resolved: ResolvedModel) -> str:
    """Name of a model in tables, with version and digest.

    Other weights under one name, or fans made by another rule, are another model with other past errors: they are not
    mixed in calibration. `embedded@1a2b3c4d-fan2`, `org/model@fan2`.
    """
    sums = Path(resolved.location or "") / SUMS
    if resolved.kind == EWMA:
        return resolved.model
    is_listed = resolved.location is not None and sums.is_file()
    digest = f"{hashlib.sha256(sums.read_bytes()).hexdigest()[:8]}-" if is_listed else ""
    return f"{resolved.model}@{digest}fan{FAN_VERSION}"


@dataclass(frozen=True)
class _Answer:
    """The hub's answer on one model."""

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
    embedded one, else `ewma`. Any other name must exist.

    Args:
        setting: `auto`, `ewma`, `embedded`, a hub id or a folder; a relative folder counts from the working directory.
        configured: model of the horizon's config.
        hub_timeout_s: all that asking the hub may take, in seconds.
        endpoint: the hub's address; None for HF_ENDPOINT, else the public hub.
        cache: the hub's cache; None for the library's own (HF_HOME, HF_HUB_CACHE).
        is_offline: forbids asking the hub; None for HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE.
        remember_s: lifetime of an answer in this process, so that four horizons ask once.

    Raises:
        EngineError: a named model is missing, or the embedded one is damaged.
    """
    is_auto = setting == AUTO
    wanted = configured if is_auto else setting
    if wanted == EWMA:
        by = "the config's model" if is_auto else "FOREX_MODEL"
        return ResolvedModel("ewma", EWMA, None, f"{by} is {EWMA}")
    if wanted == EMBEDDED:
        resolved, reason = _embedded(embedded, setting, configured, f"{EMBEDDED}: comes with the package")
    else:
        resolved, reason = _on_this_machine(wanted, cache)
    if resolved is None and reason is None:
        offline = _offline_by_environment() if is_offline is None else is_offline
        answer = _OFFLINE if offline else _ask_hub(wanted, endpoint, hub_timeout_s, remember_s)
        reason = f"{wanted}: not on this machine, {answer.words}"
        resolved = ResolvedModel("chronos", wanted, wanted, reason) if answer.is_there else None
    if resolved is not None:
        return resolved
    if not is_auto:
        remedy = "Set it to auto, ewma, embedded, a folder with a model or a hub id"
        raise EngineError(f"FOREX_MODEL={setting}: {reason}. {remedy}")
    stand_in, _ = _embedded(embedded, setting, configured, f"{reason}; so the embedded model{NO_BETTER}")
    return stand_in or ResolvedModel("ewma", EWMA, None, str(reason))


def _embedded(folder: Path, setting: str, configured: str, why: str) -> tuple[ResolvedModel | None, str | None]:
    """The embedded model; else None and the reason.

    Raises:
        EngineError: a file is missing or changed; a damaged install must not pass for one without the model.
    """
    if not folder.is_dir():
        return None, f"{EMBEDDED}: this install has no {folder}"
    damage = _damage(folder)
    if damage is not None:
        remedy = f"Install the package anew, or set FOREX_MODEL to {EWMA}"
        raise EngineError(f"FOREX_MODEL={setting}: the embedded model is damaged: {damage}. {remedy}")
    return ResolvedModel("chronos", EMBEDDED, str(folder), why, stands_in=configured != EMBEDDED), None


def _damage(folder: Path) -> str | None:
    """Damage to the shipped model's files; None if intact."""
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
    """The model from a folder or the hub's cache.

    Else None, with the reason if the hub cannot have it either.
    """
    folder = Path(wanted).expanduser()
    if fault := folder_fault(wanted):
        return None, fault
    if folder.is_dir():
        return ResolvedModel("chronos", folder.resolve().name, str(folder), f"{wanted}: local folder"), None
    snapshot = _cached(wanted, cache)
    if snapshot is not None:
        return ResolvedModel("chronos", wanted, str(snapshot), f"{wanted}: in the hub's cache on this machine"), None
    return None, None


def folder_fault(wanted: str) -> str:
    """Reason why a name can be no model, else empty."""
    folder = Path(wanted).expanduser()
    if folder.is_dir():
        return "" if (folder / "config.json").is_file() else f"{wanted}: a folder without a config.json"
    return "" if _HUB_ID.fullmatch(wanted) else f"{wanted}: there is no such folder"


def _cached(hub_id: str, cache: Path | None) -> Path | None:
    """Folder of a complete model in the hub's cache; else None."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        path = try_to_load_from_cache(hub_id, "config.json", cache_dir=cache)
    except HFValidationError as error:
        raise EngineError(f"{hub_id} is neither a folder nor a hub id: {error}") from error
    if not isinstance(path, str):
        return None
    folder = Path(path).parent
    # An interrupted download leaves settings without weights.
    has_weights = any(file.exists() for pattern in _WEIGHTS for file in folder.glob(pattern))
    return folder if has_weights else None


def _ask_hub(hub_id: str, endpoint: str | None, timeout_s: float, remember_s: float) -> _Answer:
    """The hub's answer on a model, kept for `remember_s`."""
    base = (endpoint or os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    # Locked: a second thread waits for the first answer instead of asking again.
    with _lock:
        asked_at, answer = _remembered.get((base, hub_id), (float("-inf"), None))
        if answer is None or time.monotonic() - asked_at >= remember_s:
            answer = _probe(f"{base}/{hub_id}/resolve/main/config.json", timeout_s)
            _remembered[(base, hub_id)] = (time.monotonic(), answer)
        return answer


def _offline_by_environment() -> bool:
    """Whether one of the library's switches forbids the network."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"} for name in names)


def _probe(url: str, timeout_s: float) -> _Answer:
    """Asks for a model's settings within one deadline.

    It covers name look-up, connection, redirects and answer.
    """
    answers: queue.Queue[_Answer] = queue.Queue()
    # Daemon thread: a look-up that hangs in the C library cannot be ended.
    threading.Thread(target=lambda: answers.put(_head(url, timeout_s)), name="hub-probe", daemon=True).start()
    try:
        return answers.get(timeout=timeout_s)
    except queue.Empty:
        return _Answer(False, f"hub did not answer within {timeout_s:g} s")


def _head(url: str, timeout_s: float) -> _Answer:
    """Sends one request; reports only the kind of failure.

    An address may carry a password.
    """
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

"""The inference configs on disk: `configs/chronos_<horizon>.json`. Reading only: writing belongs to deployment."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from forex_assets.core.horizon import days_of
from forex_assets.core.inference_config import InferenceConfig


class ConfigError(Exception):
    """A config cannot be used; the message names the file, the field, its value and what is allowed."""


@dataclass(frozen=True)
class ConfigStore:
    """The configs of one folder.

    Args:
        folder: where the files lie.
    """

    folder: Path

    def path(self, horizon: str) -> Path:
        """The file of a horizon.

        Raises:
            ValueError: there is no such horizon.
        """
        days_of(horizon)
        return self.folder / f"chronos_{horizon}.json"

    def read(self, horizon: str) -> InferenceConfig:
        """The settings of a horizon, validated.

        Raises:
            ConfigError: no file, no JSON, or a field that is missing, unknown or not allowed; one line a fault.
        """
        return self.parse(self.path(horizon), horizon)

    def parse(self, path: Path, horizon: str) -> InferenceConfig:
        """The settings of a horizon from any file, as `read` has them from its own.

        Raises:
            ConfigError: as `read`.
        """
        values = _json_object(path)
        try:
            config = InferenceConfig.model_validate(values)
        except ValidationError as error:
            # From None: the library's own message repeats the same faults in many more words.
            faults = [_explain(fault) for fault in error.errors(include_url=False)]
            raise ConfigError("\n".join(f"{path}: {fault}" for fault in faults)) from None
        if config.horizon != horizon:
            allowed = f"the file is that of {horizon}: write {horizon!r}, or mend the file's name"
            raise ConfigError(f"{path}: horizon is {config.horizon!r}, but {allowed}")
        return config

    def fingerprint(self, horizon: str) -> str:
        """Fingerprint of a horizon's settings, the same for any layout of the file."""
        return self.read(horizon).fingerprint


def _json_object(path: Path) -> dict[str, Any]:
    """The object that a file holds."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repeats)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; restore it from git or set FOREX_CONFIGS") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{path}: no valid JSON at {where}: {error.msg}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds a {type(values).__name__}, should be an object of fields")
    return values


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no field stands twice: of two values JSON would take the last without a word."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"field {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return values


def _explain(fault: Any) -> str:
    """One fault of the validation as one line for people."""
    field = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{field} is no setting; there are {', '.join(InferenceConfig.model_fields)}"
    if fault["type"] == "missing":
        return f"{field} is missing; it is required"
    allowed = fault["msg"].removeprefix("Input ")
    return f"{field} is {json.dumps(fault['input'], default=str)}: it {allowed}{_nullable(field)}"


def _nullable(field: str) -> str:
    """A hint for the two settings that may be null."""
    return " (or null, for a model that does not sample)" if field in ("num_samples", "temperature") else ""

"""Reads the inference settings `configs/chronos_<horizon>.json`. The deployment room writes them."""

from dataclasses import dataclass
from pathlib import Path

from forex_assets.core.horizon import days_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.validated_file import json_fields, read_validated


class ConfigError(Exception):
    """Settings cannot be used.

    The message names the file, the field, its value and what is allowed.
    """


@dataclass(frozen=True)
class ConfigStore:
    """The inference settings of one folder."""

    folder: Path

    def path(self, horizon: str) -> Path:
        """The file of a horizon.

        Raises:
            ValueError: there is no such horizon.
        """
        days_of(horizon)
        return self.folder / f"chronos_{horizon}.json"

    def read(self, horizon: str) -> InferenceConfig:
        """Reads the settings of a horizon.

        Raises:
            ConfigError: no file, no JSON, or a field that is missing, unknown or not allowed; one line a fault.
        """
        return self.parse(self.path(horizon), horizon)

    def parse(self, path: Path, horizon: str) -> InferenceConfig:
        """Reads the settings of a horizon from any file.

        Raises:
            ConfigError: as `read`.
        """
        config = read_validated(path, InferenceConfig, json_fields, ConfigError, "an object of fields")
        if config.horizon != horizon:
            raise ConfigError(
                f"{path}: horizon is {config.horizon!r}, but the file is that of {horizon}: write {horizon!r}, or "
                "correct the file's name"
            )
        return config

    def fingerprint(self, horizon: str) -> str:
        """Fingerprint of a horizon's settings; the file's layout does not matter."""
        return self.read(horizon).fingerprint

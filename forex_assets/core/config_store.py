"""Reads the inference settings `chronos_<horizon>.json`. The deployment room writes them."""

from dataclasses import dataclass

from forex_assets.core.horizon import days_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.store.port import Store
from forex_assets.core.validated_file import json_fields, read_validated, validated


class ConfigError(Exception):
    """Settings cannot be used.

    The message names the file, the field, its value and what is allowed.
    """


@dataclass(frozen=True)
class ConfigStore:
    """The inference settings of all horizons."""

    files: Store

    def key(self, horizon: str) -> str:
        """The key of a horizon's file.

        Raises:
            ValueError: there is no such horizon.
        """
        days_of(horizon)
        return f"chronos_{horizon}.json"

    def place(self, horizon: str) -> str:
        """The place of a horizon's file, for messages."""
        return self.files.place(self.key(horizon))

    def exists(self, horizon: str) -> bool:
        """Tells whether a horizon has settings."""
        return self.files.state(self.key(horizon)) is not None

    def read(self, horizon: str) -> InferenceConfig:
        """Reads the settings of a horizon.

        Raises:
            ConfigError: no file, no JSON, or a field that is missing, unknown or not allowed; one line a fault.
        """
        key, words = self.key(horizon), "an object of fields"
        return self._of(horizon, read_validated(self.files, key, InferenceConfig, json_fields, ConfigError, words))

    def parse(self, content: bytes, horizon: str) -> InferenceConfig:
        """Reads the settings of a horizon from bytes, as `read` would.

        Raises:
            ConfigError: as `read`.
        """
        place, words = self.place(horizon), "an object of fields"
        return self._of(horizon, validated(content, place, InferenceConfig, json_fields, ConfigError, words))

    def fingerprint(self, horizon: str) -> str:
        """Fingerprint of a horizon's settings; the file's layout does not matter."""
        return self.read(horizon).fingerprint

    def _of(self, horizon: str, config: InferenceConfig) -> InferenceConfig:
        if config.horizon != horizon:
            raise ConfigError(
                f"{self.place(horizon)}: horizon is {config.horizon!r}, but the file is that of {horizon}: write "
                f"{horizon!r}, or correct the file's name"
            )
        return config

"""Chronos models as an engine: T5, Bolt and Chronos-2.

Imports torch only when a model is loaded. Origins run one at a time: a batched matrix product rounds differently with
every batch size, so a fan made in a batch would differ from the fan made alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from forex_assets.core.fan import Array, Fan, fan_of_paths
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.forecasts.chronos.feeding import (
    FEEDING,
    Feeding,
    as_array,
    bolt_quantiles,
    drawn_of,
    feeding_of,
    mirrored,
    seed_of,
    without_length_advice,
)
from forex_assets.forecasts.chronos.grid import bolt_grid, t5_grid
from forex_assets.forecasts.chronos.loading import kind_of, own_randomness, pipeline_of
from forex_assets.forecasts.chronos.sampler import T5Sampler, sample_paths
from forex_assets.forecasts.chronos.settings_check import SETTINGS, Kind, check_config
from forex_assets.forecasts.engine import EngineError, EngineTraits, GridRequest, Origin
from forex_assets.forecasts.representation import Encoded, decode_paths, decode_quantiles, encode, fan_of_quantiles

SMALL_WIDTH: Final = 128
"""Model width up to which sampling uses one thread."""


@dataclass(frozen=True)
class ChronosEngine:
    """Engine: a Chronos model, loaded at first use, once a process.

    Args:
        location: local folder, or hub id (then the hub's client may fetch it).
        device: `auto` takes cuda if available.
        dtype: number type of the weights.
        label: hub id or name for people and tables; None for the folder's name or the hub id.
    """

    location: str
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    label: str | None = None

    @property
    def name(self) -> Kind:
        """Kind of model, by its pipeline class; loads it.

        Raises:
            EngineError: it cannot be loaded.
        """
        return kind_of(self._pipeline())

    @property
    def model(self) -> str:
        """Hub id or folder name."""
        folder = Path(self.location).expanduser()
        return self.label or (folder.resolve().name if folder.is_dir() else self.location)

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        """One fan an origin; ignores `config.model`.

        Raises:
            EngineError: a setting that the model lacks or needs, an impossible origin, a model that cannot be loaded.
        """
        pipeline, kind, feeding = self._pipeline(), self.name, self._feeding()
        check_config(kind, self.model, feeding, config)
        length = min(config.context_length, self._longest())
        return [
            _fan(pipeline, kind, origin, encode(origin.prices, config.representation, length), config, feeding)
            for origin in origins
        ]

    def forecast_grid(self, origins: Sequence[Origin], requests: Sequence[Sequence[GridRequest]]) -> list[list[Fan]]:
        """See `GridEngine`.

        T5 encodes a context and draws a path once, Bolt reads many contexts at once.

        Raises:
            EngineError: as `forecast`.
        """
        pipeline, kind, feeding, longest = self._pipeline(), self.name, self._feeding(), self._longest()
        for config in {r.config.fingerprint: r.config for row in requests for r in row}.values():
            check_config(kind, self.model, feeding, config)
        if kind == "chronos-t5":
            with _threads_for(pipeline):
                return [
                    t5_grid(pipeline, origin, row, feeding, longest)
                    for origin, row in zip(origins, requests, strict=True)
                ]
        if kind == "chronos-bolt":
            return bolt_grid(pipeline, origins, requests, longest)
        return [
            [self.forecast([Origin(o.prices, r.steps, o.covariates)], r.config)[0] for r in row]
            for o, row in zip(origins, requests, strict=True)
        ]

    @property
    def traits(self) -> EngineTraits:
        """Settings that change the fan, and the longest context; loads the model.

        Raises:
            EngineError: it cannot be loaded.
        """
        settings = SETTINGS[self.name]
        if self._feeding() is not None:  # the embedded model takes only the representation of its training
            settings = tuple(name for name in settings if name != "representation")
        return EngineTraits(settings, self._longest())

    def _feeding(self) -> Feeding | None:
        return feeding_of(getattr(self._pipeline().inner_model.config, FEEDING, None), self.model)

    def _longest(self) -> int:
        """Longest context in sessions."""
        limit, feeding = int(self._pipeline().model_context_length), self._feeding()
        # The value that sets the scale takes one place of the context.
        return limit if feeding is None else min(limit - 1, feeding.trained_context)

    def _pipeline(self) -> Any:
        return pipeline_of(self.location, self.device, self.dtype)


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
    with own_randomness(seed_of(config.seed, origin.prices)):
        if kind == "chronos-bolt":
            native = bolt_quantiles(pipeline, encoded.values[None], origin.steps)[0]
        else:
            covariates = _recent_covariates(origin, len(encoded.values))
            native = _chronos2_quantiles(pipeline, encoded.values, origin.steps, covariates)
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


def _chronos2_quantiles(pipeline: Any, values: Array, steps: int, covariates: dict[str, Array]) -> Array:
    """Quantiles in model space, shape (steps, 21); covariates may hold NaN."""
    task: dict[str, Any] = {"target": values.astype(np.float32)}
    if covariates:
        task["past_covariates"] = covariates
    with without_length_advice():
        return as_array(pipeline.predict([task], prediction_length=steps)[0][0]).T


def _recent_covariates(origin: Origin, length: int) -> dict[str, Array]:
    """Covariates of the context's sessions; drops those without any value there.

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


@contextmanager
def _threads_for(pipeline: Any) -> Iterator[None]:
    """One thread for a small T5, whose matrices are small."""
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

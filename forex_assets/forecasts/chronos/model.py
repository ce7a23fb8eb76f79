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

from forex_assets.core.fan import Array, Fan
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.forecasts.chronos.feeding import (
    FEEDING,
    Feeding,
    as_array,
    bolt_quantiles,
    feeding_of,
    quantile_fan,
    without_length_advice,
)
from forex_assets.forecasts.chronos.grid import bolt_grid, t5_grid
from forex_assets.forecasts.chronos.loading import kind_of, own_randomness, pipeline_of
from forex_assets.forecasts.chronos.settings_check import SETTINGS, Kind, check_config
from forex_assets.forecasts.engine import EngineError, EngineTraits, GridRequest, Origin
from forex_assets.forecasts.representation import encode
from forex_assets.forecasts.smoothing import steps_to_draw

ONE_FAN: Final = 100
"""Steps that Chronos-2 answers, so that all horizons show one fan."""

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
        longest = self._longest()
        return [_fan(pipeline, kind, origin, config, feeding, longest) for origin in origins]

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
        pipeline = self._pipeline()
        is_on_cpu = pipeline.inner_model.device.type == "cpu"
        is_single = self.name == "chronos-t5" and _is_small(pipeline) and is_on_cpu
        return EngineTraits(settings, self._longest(), is_single)

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
    pipeline: Any, kind: Kind, origin: Origin, config: InferenceConfig, feeding: Feeding | None, longest: int
) -> Fan:
    """The fan of one origin."""
    if origin.steps < 1:
        raise EngineError(f"steps is {origin.steps}; a forecast reaches at least one session ahead")
    length = min(config.context_length, longest)
    if kind == "chronos-t5":
        with _threads_for(pipeline):
            return t5_grid(pipeline, origin, [GridRequest(config, origin.steps)], feeding, longest)[0]
    encoded = encode(origin.prices, config.representation, length)
    reach = int(pipeline.model_prediction_length)
    ahead = steps_to_draw(origin.steps, reach)
    with own_randomness(config.seed):
        if kind == "chronos-bolt":
            native = bolt_quantiles(pipeline, encoded.values[None], ahead)[0]
        else:
            covariates = _recent_covariates(origin, len(encoded.values))
            native = _chronos2_quantiles(pipeline, encoded.values, max(ahead, min(ONE_FAN, reach)), covariates)[:ahead]
    return quantile_fan(native, [float(level) for level in pipeline.quantiles], encoded, origin.steps)


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


def _is_small(pipeline: Any) -> bool:
    """Whether more threads would not help a model."""
    return int(getattr(pipeline.inner_model.config, "d_model", SMALL_WIDTH + 1)) <= SMALL_WIDTH


@contextmanager
def _threads_for(pipeline: Any) -> Iterator[None]:
    """One thread for a small T5, whose matrices are small."""
    import torch

    if not _is_small(pipeline):
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

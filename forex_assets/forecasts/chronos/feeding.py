"""Model inputs shared by single and grid forecasts."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np

from forex_assets.core.fan import Array, Fan
from forex_assets.core.inference_config import Representation
from forex_assets.core.schemas import QUANTILE_LEVELS
from forex_assets.forecasts.engine import EngineError
from forex_assets.forecasts.representation import Encoded, decode_paths, decode_quantiles, fan_of_quantiles
from forex_assets.forecasts.smoothing import mirrored_moves, smooth_fan

if TYPE_CHECKING:
    import torch

FEEDING: Final = "forex_assets"
"""Field of `config.json` in which the embedded model declares its feeding."""

FEWEST_PAIRS: Final = 100
"""Fewest mirror pairs of paths."""

FEWEST_PATHS: Final = 400
"""Fewest paths without mirror images."""


@dataclass(frozen=True)
class Feeding:
    """Input format of the embedded model; published models declare none.

    Attributes:
        representation: the only one it was trained on.
        context_scale: mean absolute value of every context, reached by one value in front.
        trained_context: longest context in training, sessions.
        is_sign_symmetric: training held up and down alike, so any lean of the answer is noise. Paths are then drawn in
            mirror pairs (antithetic variates), and the median is the last price.
    """

    representation: Representation
    context_scale: float
    trained_context: int
    is_sign_symmetric: bool = False


def feeding_of(declared: Any, model: str) -> Feeding | None:
    """The feeding that a model's `config.json` declares; None for none.

    Raises:
        EngineError: the declaration is not understood.
    """
    if declared is None:
        return None
    try:
        feeding = Feeding(**declared)
        is_sound = feeding.representation in get_args(Representation) and feeding.context_scale > 0
        if is_sound and feeding.trained_context > 1:
            return feeding
    except TypeError:
        pass  # not an object of these fields and types: refused below
    fields = ", ".join(Feeding.__dataclass_fields__)
    raise EngineError(f"{model}: {FEEDING} in its config.json is {declared!r}; it should hold {fields}")


def drawn_of(count: int, feeding: Feeding | None) -> int:
    """Paths to draw for a config's `num_samples`.

    At least as many as keep two seeds' 95 % widths within 5 %: 100 mirror pairs, else 400 paths.
    """
    if feeding is not None and feeding.is_sign_symmetric:
        return max(-(-count // 2), FEWEST_PAIRS)
    return max(count, FEWEST_PATHS)


def fan_of_draws(paths: Array, draws: Array, encoded: Encoded, steps: int, feeding: Feeding | None) -> Fan:
    """The smooth fan of sampled paths.

    Args:
        paths: in model space, shape (paths, steps drawn); half of them where the feeding is symmetric.
        draws: their uniform numbers.
        steps: of the fan.
    """
    moves = np.log(decode_paths(paths, encoded) / encoded.last)
    if feeding is not None and feeding.is_sign_symmetric:
        return smooth_fan(mirrored_moves(moves, draws), encoded.last, steps)
    return smooth_fan(np.quantile(moves, QUANTILE_LEVELS, axis=0).T, encoded.last, steps)


def quantile_fan(native: Array, levels: Sequence[float], encoded: Encoded, steps: int) -> Fan:
    """The smooth fan of a model's quantiles.

    Args:
        native: in model space, shape (steps answered, levels).
        levels: of the model.
        steps: of the fan.
    """
    fan = fan_of_quantiles(decode_quantiles(native, levels, encoded), levels)
    return smooth_fan(np.log(fan.quantiles / encoded.last), encoded.last, steps)


def bolt_quantiles(pipeline: Any, values: Array, steps: int) -> Array:
    """Bolt's deciles in model space.

    Past its own length Bolt continues each decile and reduces the 81 answers: the library's approximation.

    Args:
        values: contexts, shape (contexts, length).

    Returns:
        Shape (contexts, steps, 9).
    """
    import torch

    with without_length_advice():
        answer = pipeline.predict(torch.tensor(values, dtype=torch.float32), prediction_length=steps)
    return as_array(answer).transpose(0, 2, 1)


@contextmanager
def without_length_advice() -> Iterator[None]:
    """Silences the library's advice on prediction length.

    90 days are 62 to 65 steps, just past Bolt's 64.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="We recommend keeping prediction length")
        yield


def as_array(values: "torch.Tensor") -> Array:
    """A tensor as float64."""
    return np.asarray(values.numpy(), dtype=np.float64)

"""Model inputs shared by single and grid forecasts."""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np

from forex_assets.core.fan import Array
from forex_assets.core.inference_config import Representation
from forex_assets.forecasts.engine import EngineError

if TYPE_CHECKING:
    import torch

FEEDING: Final = "forex_assets"
"""Field of `config.json` in which the embedded model declares its feeding."""

SEEDING: Final = 16
"""Last prices in an origin's seed: length of the shortest context."""


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


def seed_of(seed: int, prices: Array) -> int:
    """Seed of an origin's draws, 63 bits.

    Made from the config's seed and the last prices. Other settings do not enter: two configs compared on one origin
    share their random numbers.
    """
    last = np.ascontiguousarray(prices[-SEEDING:], dtype="<f8").tobytes()
    return int.from_bytes(hashlib.sha256(seed.to_bytes(8, "big") + last).digest()[:8], "big") >> 1


def drawn_of(count: int, feeding: Feeding | None) -> int:
    """Paths to draw: half of `count` if the rest are mirror images."""
    return (count + 1) // 2 if feeding is not None and feeding.is_sign_symmetric else count


def mirrored(paths: Array, count: int, feeding: Feeding | None) -> Array:
    """The first `count` paths, mirror images included.

    Args:
        paths: shape (`drawn_of` or more, steps), in model space.
    """
    drawn = paths[: drawn_of(count, feeding)]
    return np.concatenate([drawn, -drawn])[:count] if feeding is not None and feeding.is_sign_symmetric else drawn


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

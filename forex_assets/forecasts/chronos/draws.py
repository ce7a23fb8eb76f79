"""Uniform numbers that fix a path: balanced, and common to all origins.

Independent numbers would give every evening another sampling error, and its bands would jump overnight. Common numbers
keep that error from one evening to the next; balanced ones make it small. Scrambled Sobol points choose the largest
movements of a Gaussian walk first, so its sampled distribution is nearly exact at every step (Moskowitz & Caflisch,
1996). Each number by itself is uniform, and those of one path are independent.
"""

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from forex_assets.core.fan import Array

if TYPE_CHECKING:
    import torch

ROWS: Final = 128
"""Rows made at once, a power of two as Sobol points need."""

TOP: Final = 1 - 2.0**-24
"""Largest number below one in single precision."""


def seed_of(seed: int, part: int = 0) -> int:
    """Seed of a stretch of the paths, 63 bits.

    Made from the config's seed alone: origins and settings compared share their random numbers.

    Args:
        seed: of the config.
        part: 0 up to the model's own length, then 1, 2 …
    """
    digest = hashlib.sha256(seed.to_bytes(8, "big") + part.to_bytes(8, "big")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def draws_of(seed: int, part: int, count: int, reach: int) -> "torch.Tensor":
    """Uniform numbers in [0, 1) of one stretch, shape (count, reach).

    A row does not depend on `count`.

    Args:
        seed: of the config.
        part: as `seed_of`.
        reach: the model's own length, steps.
    """
    import torch

    if part:  # Sobol points of another scrambling would go along with the first stretch's
        return torch.tensor(np.random.default_rng(seed_of(seed, part)).random((count, reach), dtype=np.float32))
    return torch.tensor(_rows(seed_of(seed, part), -(-count // ROWS), reach)[:count])


def path_draws(seed: int, count: int, steps: int, reach: int) -> "torch.Tensor":
    """Uniform numbers of whole paths, shape (count, steps)."""
    import torch

    parts = [draws_of(seed, part, count, reach) for part in range(-(-steps // reach))]
    return torch.cat(parts, dim=1)[:, :steps]


@lru_cache(maxsize=8)
def _rows(seed: int, blocks: int, reach: int) -> np.ndarray:
    """Whole blocks of rows, single precision; products of whole blocks round alike."""
    from scipy.special import ndtr, ndtri
    from torch import float64
    from torch.quasirandom import SobolEngine

    points = SobolEngine(reach, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
    rotation, batches = _largest_first(reach), []
    for _ in range(blocks):
        uniform = np.clip(points.draw(ROWS, dtype=float64).numpy(), 2.0**-31, 1 - 2.0**-31)
        batches.append(ndtr(ndtri(uniform) @ rotation))
    return np.asarray(np.minimum(np.concatenate(batches), TOP), dtype=np.float32)


def _largest_first(steps: int) -> Array:
    """Orthogonal matrix from ranked movements of a walk to its increments.

    The eigenvectors of the walk's covariance min(s, t), the largest first: the first is nearly a steady drift.
    """
    ahead = np.arange(1, steps + 1, dtype=np.float64)
    values, vectors = np.linalg.eigh(np.minimum.outer(ahead, ahead))
    # A sign by rule: eigenvectors of other libraries may point the other way.
    signs = np.where(vectors.sum(axis=0) < 0, -1.0, 1.0)
    walks = (vectors * signs * np.sqrt(values))[:, ::-1].T
    return np.asarray(np.diff(walks, axis=1, prepend=0.0))

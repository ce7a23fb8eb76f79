"""Ridge regression on standardized inputs, for several penalties."""

from typing import Final

import numpy as np

from forex_assets.core.fan import Array

PENALTIES: Final = (0.01, 0.1, 1.0, 10.0)
"""Penalties relative to an input variance of 1."""
CLIP: Final = 4.0
"""Limit of standardized inputs, against outliers."""
STILL: Final = 1e-9
"""Relative spread below which an input counts as constant."""


def ridge_predictions(x: Array, z: Array, at: Array) -> Array:
    """Ridge predictions at `at`, as departures from the mean of `z`.

    With s the inputs less their mean over their standard deviation (population's, both of `x` alone), cut at ±4:
    beta = (s's / n + penalty · I)⁻¹ s'(z - mean z) / n; prediction s(at) · beta.

    Args:
        x: inputs, shape (n, k), finite.
        z: shape (n,).
        at: inputs to predict at, shape (k,).

    Returns:
        Shape (penalties,), in the order of `PENALTIES`.
    """
    center, spread = x.mean(axis=0), x.std(axis=0)
    moves = spread > STILL * np.maximum(1.0, np.abs(center))
    scale = np.where(moves, spread, np.inf)
    s, s_at = (np.clip((values - center) / scale, -CLIP, CLIP) for values in (x, at))
    # One decomposition serves all penalties.
    variances, axes = np.linalg.eigh(s.T @ s / len(z))
    slopes = axes.T @ (s.T @ (z - z.mean())) / len(z)
    weights = 1.0 / (np.maximum(variances, 0.0)[None, :] + np.array(PENALTIES)[:, None])
    return np.asarray(weights @ (slopes * (axes.T @ s_at)))

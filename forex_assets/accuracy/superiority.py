"""Hansen's test of superior predictive ability, from `arch`: whether a loss is lower by more than chance."""

import math
from typing import Final

import numpy as np

from forex_assets.core.fan import Array

REPETITIONS: Final = 2000
SEED: Final = 0


def spa_p_value(without: Array, with_copper: Array, block: float, repetitions: int = REPETITIONS) -> float | None:
    """P-value of "the second is no better than the first" (Hansen, 2005; consistent recentring, stationary bootstrap).

    Args:
        without: losses of the benchmark, shape (n,), in time order.
        with_copper: losses of what is to be better, shape (n,); or (n, k) of k such, and the test is of the best.
        block: mean length of the bootstrap's blocks, in rows.
        repetitions: resamples.

    Returns:
        From 0 to 1; None where fewer than three rows or equal losses throughout leave nothing to test.
    """
    from arch.bootstrap import SPA

    models = np.reshape(with_copper, (len(without), -1))
    differs = (models != without[:, None]).any(axis=0)
    if len(without) < 3 or not differs.any():
        return None
    test = SPA(without, models[:, differs], block_size=math.ceil(block), reps=repetitions, seed=SEED)
    test.compute()
    return float(test.pvalues["consistent"])

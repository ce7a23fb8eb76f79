"""Hansen's test of superior predictive ability, from `arch`."""

import math
from typing import Final

import numpy as np

from forex_assets.core.fan import Array

REPETITIONS: Final = 2000
SEED: Final = 0


def spa_p_value(benchmark: Array, others: Array, block: float, repetitions: int = REPETITIONS) -> float | None:
    """P-value of "no better than the benchmark" (Hansen, 2005).

    Consistent recentring, stationary bootstrap.

    Args:
        benchmark: losses, shape (n,), in time order.
        others: losses of one forecast, shape (n,), or of k, shape (n, k), of which the best is tested.
        block: mean length of the bootstrap's blocks, in rows.
        repetitions: resamples.

    Returns:
        From 0 to 1; None with fewer than three rows, or losses equal throughout.
    """
    from arch.bootstrap import SPA

    models = np.reshape(others, (len(benchmark), -1))
    differs = (models != benchmark[:, None]).any(axis=0)
    if len(benchmark) < 3 or not differs.any():
        return None
    test = SPA(benchmark, models[:, differs], block_size=math.ceil(block), reps=repetitions, seed=SEED)
    test.compute()
    return float(test.pvalues["consistent"])

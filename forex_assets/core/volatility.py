"""Volatility of a price series, exponentially weighted."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

DECAY: Final = 0.97
"""Weight of the previous variance: half-life 23 sessions."""

SEED_RETURNS: Final = 20


def ewma_volatility(prices: NDArray[np.float64], decay: float = DECAY) -> float:
    """EWMA standard deviation of the log return per session.

    The recursion (RiskMetrics, 1996), on returns r_1 … r_n of the prices:
    v_m = mean of r_1² … r_m², m = min(20, n); v_t = decay · v_{t-1} + (1 - decay) · r_t² for t = m+1 … n; sd = √v_n.
    The mean return is taken as zero: over a day it is far below its standard error.

    Args:
        prices: shape (n + 1,), any unit, oldest first; all are used.
        decay: weight of the previous variance, from 0 to 1.

    Returns:
        The sd; 0 if the price never moved.

    Raises:
        ValueError: fewer than two prices, or one not positive and finite.
    """
    prices = np.asarray(prices, dtype=np.float64)
    if prices.ndim != 1 or len(prices) < 2:
        raise ValueError(f"a volatility needs at least two prices, there are {prices.size}")
    if not (np.isfinite(prices).all() and (prices > 0).all()):
        raise ValueError("a price is not a positive, finite number")
    squares = np.diff(np.log(prices)) ** 2
    seeded = min(SEED_RETURNS, len(squares))
    variance = float(squares[:seeded].mean())
    for square in squares[seeded:]:
        variance = decay * variance + (1.0 - decay) * float(square)
    return float(np.sqrt(variance))

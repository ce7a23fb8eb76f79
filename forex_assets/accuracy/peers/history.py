"""What the peer engines share: the history that they fit, and how a fit that fails is told."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from forex_assets.core.fan import Array, Fan
from forex_assets.forecasts.engine import EngineError, Origin

SESSIONS: Final = 500
"""Sessions that a peer fits, two years. A constant, not `context_length`: that is tuned for another model's sake."""

FEWEST: Final = 100
"""Sessions below which none of them is worth fitting."""

PERCENT: Final = 100.0
"""Log moves are fitted in percent: the libraries' optimizers stop at tolerances made for numbers near one."""


def recent_logs(prices: Array) -> Array:
    """Log prices of the last 500 sessions, natural logarithm of CLP per USD, oldest first; shape (≤ 500,).

    Raises:
        ValueError: fewer than 100 prices, one that is not positive and finite, or a price that never moved.
    """
    recent = np.asarray(prices, dtype=np.float64)[-SESSIONS:]
    if len(recent) < FEWEST:
        raise ValueError(f"{len(recent)} prices, at least {FEWEST} are needed: take a later origin or a longer history")
    if not (np.isfinite(recent).all() and (recent > 0).all()):
        raise ValueError("a price is not a positive, finite number: see to the history")
    if (recent == recent[0]).all():
        raise ValueError(f"the price never moved from {recent[0]:g}, there is nothing to fit: see to the history")
    return np.log(recent)


def in_percent(moves: Array) -> Array:
    """Log moves as percent, to nine decimals.

    What lies below is the rounding of logarithms, which changes with the unit of the price and sends an optimizer on
    another way to its end: without it a fan in pesos and one in cents differ by 1e-4 of the price.
    """
    return np.round(PERCENT * moves, 9)


def one_by_one(engine: str, origins: Sequence[Origin], fan_of: Callable[[Origin], Fan]) -> list[Fan]:
    """One fan an origin, each made without a look at the others.

    Raises:
        EngineError: one failed; the message names engine, origin and reason. No simpler fit takes its place: a table
            of scores must not hide that a method did not work.
    """
    fans = []
    for number, origin in enumerate(origins, start=1):
        try:
            fans.append(fan_of(origin))
        # Libraries raise anything, bare `Exception` included, where a fit fails.
        except Exception as error:
            raise EngineError(
                f"{engine}: origin {number} of {len(origins)} ({_words(origin)}): {error or type(error).__name__}"
            ) from error
    return fans


def _words(origin: Origin) -> str:
    """How an origin, which knows no date, can be found again."""
    last = f", the last {origin.prices[-1]:g}" if len(origin.prices) else ""
    return f"{len(origin.prices)} prices{last}, {origin.steps} steps"

"""History and error messages shared by the benchmark engines."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from forex_assets.core.fan import Array, Fan
from forex_assets.forecasts.engine import EngineError, Origin

SESSIONS: Final = 500
"""Sessions fitted: two years. Not `context_length`, which is tuned for another model."""

FEWEST: Final = 100
"""Smallest number of sessions to fit."""

PERCENT: Final = 100.0
"""Factor to percent: the optimizers' tolerances suit numbers near one."""


def recent_logs(prices: Array) -> Array:
    """Log prices of the last 500 sessions, oldest first, shape (≤ 500,).

    Raises:
        ValueError: fewer than 100 prices, a price not positive and finite, or one that never moved.
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
    """Log moves in percent, to nine decimals.

    Smaller digits are rounding of the logarithm, depend on the price's unit and change the optimizer's path: unrounded,
    a fan in pesos and one in cents differ by 1e-4 of the price.
    """
    return np.round(PERCENT * moves, 9)


def one_by_one(engine: str, origins: Sequence[Origin], fan_of: Callable[[Origin], Fan]) -> list[Fan]:
    """One fan an origin, each independent of the others.

    Raises:
        EngineError: a fit failed; the message names engine, origin and reason. No simpler fit takes its place: scores
            must not hide that a method failed.
    """
    fans = []
    for number, origin in enumerate(origins, start=1):
        try:
            fans.append(fan_of(origin))
        # Libraries raise any exception, bare `Exception` included, for a failed fit.
        except Exception as error:
            raise EngineError(
                f"{engine}: origin {number} of {len(origins)} ({_words(origin)}): {error or type(error).__name__}"
            ) from error
    return fans


def _words(origin: Origin) -> str:
    """Describes an origin, which has no date."""
    last = f", the last {origin.prices[-1]:g}" if len(origin.prices) else ""
    return f"{len(origin.prices)} prices{last}, {origin.steps} steps"

"""Converts prices to model space and answers back to prices.

T5's bins are .73 % of a raw USD/CLP price wide, about a day's move; in units of volatility around the last price they
are fine enough. Quantiles are interpolated in log price, on the normal score z of the level.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from forex_assets.core.fan import Array, Fan, completion, normal_scores
from forex_assets.core.inference_config import Representation
from forex_assets.core.schemas import QUANTILE_LEVELS
from forex_assets.forecasts.baselines import origin_volatility
from forex_assets.forecasts.engine import EngineError

MIN_SCALE: Final = 1e-6
"""Scale of a history that never moved: keeps its fan finite."""

LOWEST_LEVEL: Final = 0.01
"""Lowest price as a part of the last: models may answer zero."""

MAX_LOG_MOVE: Final = 20.0
"""Largest log move, a factor of 485 million: more means broken weights."""

_MEAN_LEVELS: Final = tuple((i + 0.5) / 1000 for i in range(1000))


@dataclass(frozen=True)
class Encoded:
    """A context in model space, with the numbers to decode answers.

    Attributes:
        values: shape (context,), oldest first; unit by representation: volatilities from the last price
            (`anchored`, the last is 0), volatilities a session (`returns`), CLP per USD (`levels`).
        last: last known price, CLP per USD.
        scale: EWMA(.97) sd of the log return per session.
    """

    values: Array
    representation: Representation
    last: float
    scale: float


def encode(prices: Array, representation: Representation, context_length: int) -> Encoded:
    """The last `context_length` values of a history in model space.

    A shorter history is taken whole. The scale comes from the last 500 sessions, so that configs differing only in
    context share units.

    Args:
        prices: CLP per USD, oldest first, shape (n,), n ≥ 2.
        context_length: values; `returns` needs one price more.

    Raises:
        EngineError: fewer than two prices, or one that is not positive and finite.
    """
    prices = np.asarray(prices, dtype=np.float64)
    scale = max(origin_volatility(prices), MIN_SCALE)
    last = float(prices[-1])
    if representation == "anchored":
        values = np.log(prices[-context_length:] / last) / scale
    elif representation == "returns":
        values = np.diff(np.log(prices[-context_length - 1 :])) / scale
    else:
        values = prices[-context_length:].copy()
    return Encoded(values, representation, last, scale)


def decode_paths(samples: Array, encoded: Encoded) -> Array:
    """Converts sampled paths to prices; returns are cumulated along each path.

    Args:
        samples: in model space, shape (samples, steps).

    Returns:
        CLP per USD, shape (samples, steps), all positive.

    Raises:
        EngineError: an answer that is not finite or beyond e^20 times the last price.
    """
    samples = np.asarray(samples, dtype=np.float64)
    if encoded.representation == "levels":
        _check_finite(samples)
        return np.maximum(samples, LOWEST_LEVEL * encoded.last)
    moves = np.cumsum(samples, axis=1) if encoded.representation == "returns" else samples
    return _price(encoded, moves)


def decode_quantiles(quantiles: Array, levels: Sequence[float], encoded: Encoded) -> Array:
    """Converts a model's quantiles to price quantiles at the same levels.

    Exact for `anchored` and `levels`, which are monotone maps. `returns` are marginal quantiles of each session's
    return, added as **independent** increments: medians by sum, deviations from the median by root of the sum of
    squares on each side. That is exact for independent normal returns, too narrow for trending ones, too wide for
    reverting ones. Crossing quantiles are sorted, which never makes them worse (Chernozhukov et al., 2010).

    Args:
        quantiles: in model space, shape (steps, levels).
        levels: ascending; `returns` needs .5 among them.

    Returns:
        CLP per USD, shape (steps, levels), ascending along the levels.

    Raises:
        EngineError: `returns` without a median, or an answer that is not finite or beyond e^20 times the last price.
    """
    ordered = np.sort(np.asarray(quantiles, dtype=np.float64), axis=1)
    if encoded.representation == "levels":
        _check_finite(ordered)
        return np.maximum(ordered, LOWEST_LEVEL * encoded.last)
    if encoded.representation == "returns":
        if 0.5 not in levels:
            raise EngineError(f"representation is returns, which needs a median; the model has levels {list(levels)}")
        median = ordered[:, [list(levels).index(0.5)]]
        deviation = ordered - median
        spread = np.sqrt(np.cumsum(deviation**2, axis=0))
        ordered = np.cumsum(median, axis=0) + np.sign(np.array(levels) - 0.5) * spread
    return _price(encoded, ordered)


def complete_quantiles(prices: Array, levels: Sequence[float], wanted: Sequence[float] = QUANTILE_LEVELS) -> Array:
    """Interpolates a model's quantiles at the wanted levels.

    Between two levels log price is linear in the normal score of the level: exact for a log-normal, where linear in the
    level itself would be 6 % too wide at .025 between .01 and .05. Beyond them the tail is normal: median +
    (outermost - median) · z_wanted / z_outermost, a placeholder until the tails have been measured.

    Args:
        prices: CLP per USD at `levels`, shape (steps, levels), ascending along the levels.
        levels: of the model, ascending, with .5 among them and others on both sides.
        wanted: ascending.

    Returns:
        CLP per USD, shape (steps, wanted), ascending.

    Raises:
        EngineError: the model has no median, or no level on one side of it.
    """
    if 0.5 not in levels or levels[0] >= 0.5 or levels[-1] <= 0.5:
        raise EngineError(f"a fan needs a median and levels on both sides of it; the model has {list(levels)}")
    # Rounding can put two equal neighbours out of order by a last bit.
    completed = np.exp(np.log(prices) @ completion(normal_scores(wanted), levels).T)
    return np.asarray(np.maximum.accumulate(completed, axis=1))


def fan_of_quantiles(prices: Array, levels: Sequence[float]) -> Fan:
    """Fan of a model that answers quantiles.

    The mean is that of the completed quantile function at 1,000 equally likely levels: such models give a median only.

    Args:
        prices: CLP per USD at `levels`, shape (steps, levels).
        levels: of the model, ascending.
    """
    return Fan(complete_quantiles(prices, levels, _MEAN_LEVELS).mean(axis=1), complete_quantiles(prices, levels))


def _check_finite(answer: Array) -> None:
    """Refuses NaN and infinity."""
    if not np.isfinite(answer).all():
        raise EngineError("the model answered a level that is not finite; its weights are unfit")


def _price(encoded: Encoded, moves: Array) -> Array:
    """Prices at log moves in units of volatility from the last price.

    Raises:
        EngineError: a move beyond `MAX_LOG_MOVE`, or NaN.
    """
    logs = encoded.scale * moves
    if not (np.abs(logs) < MAX_LOG_MOVE).all():
        worst = float(logs.flat[np.argmax(np.where(np.isnan(logs), np.inf, np.abs(logs)))])
        raise EngineError(
            f"the model answered a log-move of {worst:g} ({encoded.representation}); its weights are unfit"
        )
    return np.asarray(encoded.last * np.exp(logs))

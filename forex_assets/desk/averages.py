"""Distributions of averages: of coming closes, and of the dólar observado.

The observado dated t averages the trades of the banking day before t. Trades of a day are spread evenly over it, and
the price is a driftless random walk with volatility σ per session.
"""

from collections.abc import Sequence

import numpy as np

from forex_assets.core.fan import QUANTILE_SCORES, Array
from forex_assets.core.schemas import QUANTILE_LEVELS
from forex_assets.desk.law import PriceLaw, lognormal_law
from forex_assets.forecasts.observado.fixing import deviation_of_fixing, weight_of_fixing


def mean_of_closes(price: float, sd: float, sessions: int) -> PriceLaw:
    """Returns the distribution of the mean of the next closes.

    Log-mean 0, variance σ²(h + 1)(2h + 1) / (6h).

    Args:
        price: last price, CLP per USD.
        sd: σ, of the log return per session.
        sessions: h, closes averaged, at least 1.
    """
    h = sessions
    return lognormal_law(price, sd * ((h + 1) * (2 * h + 1) / (6 * h)) ** 0.5)


def fixing_law(price: float, fixing: float, sd: float, days: int, *, is_from_average: bool = False) -> PriceLaw:
    """Returns the distribution of one observado.

    Centre and width as in `forecasts.observado`.

    Args:
        price: last price S, CLP per USD.
        fixing: last observado F, CLP per USD.
        sd: σ, of the log return per session.
        days: banking days from the price to the trades averaged; 0 are the trades of the price's own day.
        is_from_average: the price is an observado itself.
    """
    ahead = np.array([float(days)])
    width = deviation_of_fixing(ahead, is_from_average=is_from_average)
    return lognormal_law(float(_centres(price, fixing, ahead)[0]), sd * float(width[0]))


def mean_of_fixings(
    price: float,
    fixing: float,
    sd: float,
    known: Sequence[float],
    days: Sequence[int],
    *,
    is_from_average: bool = False,
) -> PriceLaw:
    """Returns the distribution of the average of a month's observados.

    Those known are fixed. Cov(A_i, A_j) = σ²(min(i, j) - ½), Var A_i = σ²(i - ⅔), each day's width scaled as in
    `fixing_law`.

    Args:
        price: last price, CLP per USD.
        fixing: last observado, CLP per USD.
        sd: σ, of the log return per session.
        known: observados of the month that are out.
        days: banking days from the price to the trades of each that is not; ascending.
        is_from_average: the price is an observado itself.

    Raises:
        ValueError: there is no observado to average.
    """
    count = len(known) + len(days)
    if not count:
        raise ValueError("an average of no observado")
    ahead = np.array(days, dtype=np.float64)
    centres = _centres(price, fixing, ahead)
    centre = (float(np.sum(known)) + float(centres.sum())) / count
    widths = sd * deviation_of_fixing(ahead, is_from_average=is_from_average)
    weights = widths * centres / (count * centre)
    return lognormal_law(centre, float(np.sqrt(weights @ _correlations(ahead) @ weights)))


def mean_of_issued(known: Sequence[float], quantiles: Array, days: Sequence[int]) -> PriceLaw:
    """Returns the distribution of a month's average from issued fans.

    Each quantile's distance from the median combines over the days as standard deviations do, with the correlations of
    `mean_of_fixings`: of log-normal fans the result is the same, and skew and tails of others are kept.

    Args:
        known: observados of the month that are out.
        quantiles: CLP per USD of each that is not, shape (days, 9), ascending.
        days: banking days from the price to the trades of each; ascending.
    """
    count = len(known) + len(days)
    centres = quantiles[:, QUANTILE_LEVELS.index(0.50)]
    centre = (float(np.sum(known)) + float(centres.sum())) / count
    weights = np.log(quantiles / centres[:, None]) * (centres / (count * centre))[:, None]
    variances = np.einsum("il,ij,jl->l", weights, _correlations(np.array(days, dtype=np.float64)), weights)
    return PriceLaw(centre * np.exp(np.sign(QUANTILE_SCORES) * np.sqrt(np.maximum(variances, 0.0))))


def _centres(price: float, fixing: float, ahead: Array) -> Array:
    return np.asarray(price * (fixing / price) ** weight_of_fixing(ahead))


def _correlations(ahead: Array) -> Array:
    """Returns correlations of day averages; day 0's own is independent."""
    variance = np.where(ahead == 0, 1.0, ahead - 2 / 3)
    covariance = np.minimum.outer(ahead, ahead) - 0.5
    covariance[(ahead == 0)[:, None] | (ahead == 0)[None, :]] = 0.0
    np.fill_diagonal(covariance, variance)
    return np.asarray(covariance / np.sqrt(np.outer(variance, variance)))

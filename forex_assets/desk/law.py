"""Distribution of one price: nine quantiles, read anywhere."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from forex_assets.core.fan import QUANTILE_SCORES, Array, completion
from forex_assets.core.schemas import QUANTILE_LEVELS
from forex_assets.core.scores import pit

_NORMAL = NormalDist()


@dataclass(frozen=True, eq=False)
class PriceLaw:
    """Distribution of a price, as `core.scores` reads a fan.

    Log price is linear in the normal score between quantiles, with normal tails.

    Attributes:
        quantiles: CLP per USD at `QUANTILE_LEVELS`, shape (9,), ascending.
    """

    quantiles: Array

    def probability_above(self, level: float) -> float:
        """Returns the chance of a price above a level."""
        return 1.0 - float(pit(np.array([level]), self.quantiles[None, :])[0])

    def quantile(self, probability: float) -> float:
        """Returns the price that is not passed with a probability.

        Raises:
            ValueError: the probability is not between 0 and 1.
        """
        if not 0 < probability < 1:
            raise ValueError(f"a quantile needs a probability between 0 and 1, not {probability}")
        return float(self.prices(np.array([_NORMAL.inv_cdf(probability)]))[0])

    def prices(self, scores: Array) -> Array:
        """Returns prices at normal scores, shape (n,)."""
        return np.asarray(np.exp(completion(scores) @ np.log(self.quantiles)))

    @property
    def median(self) -> float:
        """Median, CLP per USD."""
        return float(self.quantiles[QUANTILE_LEVELS.index(0.50)])


def lognormal_law(centre: float, sd: float) -> PriceLaw:
    """Returns a log-normal distribution.

    Args:
        centre: median, CLP per USD.
        sd: of the log price.
    """
    return PriceLaw(centre * np.exp(sd * QUANTILE_SCORES))

"""Chances of levels: above at a date, and touched by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from forex_assets.desk.outlook import DayLaw, Outlook, QuestionError
from forex_assets.desk.touches import touch_by

STEPS: Final = (1, 2, 5, 10, 20, 25, 50, 100)
"""Distances of round levels, CLP per USD."""

TABLE_LEVELS: Final = 9
PLAUSIBLE: Final = (100.0, 10_000.0)
"""Levels that can be meant, CLP per USD."""


@dataclass(frozen=True)
class Odds:
    """Chances of one level on one date.

    Attributes:
        level: CLP per USD.
        day: day and distribution of the question.
        above: chance of a close above the level on that day.
        touch: chance that a close reaches the level by then.
    """

    level: float
    day: DayLaw
    above: float
    touch: float

    @property
    def below(self) -> float:
        """Chance of a close at or below the level on that day."""
        return 1.0 - self.above


def odds(outlook: Outlook, levels: Sequence[float], day: DayLaw) -> list[Odds]:
    """Returns the chances of each level.

    Raises:
        QuestionError: a level is no price of the dollar.
    """
    for level in levels:
        if not PLAUSIBLE[0] <= level <= PLAUSIBLE[1]:
            raise QuestionError(
                f"level {level:g}: a price of the dollar lies between {PLAUSIBLE[0]:g} and {PLAUSIBLE[1]:g} CLP"
            )
    price, sd = outlook.price, outlook.sd
    return [
        Odds(level, day, day.law.probability_above(level), touch_by(day.law, price, level, sd, day.sessions))
        for level in levels
    ]


def round_levels(day: DayLaw, count: int = TABLE_LEVELS) -> list[float]:
    """Returns round levels that span the 95 % band.

    Args:
        day: whose band; about `count` levels.
    """
    low, high = float(day.law.quantiles[0]), float(day.law.quantiles[-1])
    step = next((s for s in STEPS if (high - low) / s <= count), STEPS[-1])
    return [float(level) for level in np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step]


def nearest_round(price: float, step: float = 50.0) -> float:
    """Returns the round level nearest to a price."""
    return round(price / step) * step

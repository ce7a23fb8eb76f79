"""An effect in words, and what the data could have shown where they show none."""

import math
from typing import Final

from forex_assets.accuracy.compare import Skill

NORMAL_95: Final = 1.96
POWER_80: Final = 2.80
"""Standard errors of an effect that a two-sided test at 5 % finds in 80 % of cases: 1.96 + .84."""
POWER_NOTE: Final = "80 % power at 5 %: 2.8 standard errors"


def verdict(effect: Skill, moved: int, overlap: float) -> str:
    """The answer in words: `helps by x % [a, b]`, or that there is none and what the data could have shown.

    Args:
        effect: RMSE skill of the engine with copper against itself without.
        moved: fans that copper changed; a comparison of equal fans could have shown nothing.
        overlap: forecasts that run at once.
    """
    if not moved:
        return "no effect established; copper was never switched on"
    if effect.value is None or effect.low is None or effect.high is None:
        return f"too little to judge, n = {effect.n}"
    if effect.low > 0:
        return f"helps by {_percent(effect.value, effect.low, effect.high)}"
    if effect.high < 0:
        return f"hurts by {_percent(-effect.value, -effect.high, -effect.low)}"
    size = detectable(effect, overlap)
    if size is None:
        return (
            f"no effect established; {effect.n / overlap:.0f} independent forecasts could have shown none of any size"
        )
    return f"no effect established; the data could have shown one of {100 * size:.1f} % or more"


def detectable(effect: Skill, overlap: float) -> float | None:
    """RMSE skill that such data show with 80 % power at 5 %; None where they can show none, or there is no interval.

    2.8 standard errors, by the larger of two measures. The interval's half width over 1.96 is that of the difference
    made here; a ridge that shrinks to nothing makes next to none, and its narrow interval is no power. Whatever cuts
    the squared error by a share g must move forecasts by m with E m² ≥ g · E z², and the gain 2 z m - m² of each then
    varies by 4 g - 2 g² (normal errors, m unrelated to what is left): g² = c (4 g - 2 g²) / N, c = 2.8², on the
    N = n / overlap independent forecasts, from which g = 4 c / (N + 2 c).

    Args:
        effect: RMSE skill with its 95 % interval.
        overlap: forecasts that run at once.
    """
    if effect.low is None or effect.high is None:
        return None
    power = POWER_80**2
    gain = 4 * power / (effect.n / overlap + 2 * power)
    if gain >= 1:
        return None
    return max(POWER_80 * (effect.high - effect.low) / 2 / NORMAL_95, 1 - math.sqrt(1 - gain))


def _percent(value: float, low: float, high: float) -> str:
    """`x % [a, b]`."""
    return f"{100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"

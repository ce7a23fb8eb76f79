"""Words for an effect, and the smallest effect the data could show."""

import math
from typing import Final

from forex_assets.accuracy.compare import Skill

NORMAL_95: Final = 1.96
POWER_80: Final = 2.80
"""Standard errors of a detectable effect: 80 % power at 5 %.

Two-sided: 1.96 + .84.
"""


def verdict(effect: Skill, moved: int, overlap: float) -> str:
    """Verdict: `helps by x % [a, b]`, or no effect.

    Args:
        effect: RMSE skill of the engine with copper against itself without.
        moved: number of fans that copper changed.
        overlap: origins that a forecast spans.
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
    """Smallest RMSE skill detected with 80 % power at 5 %, two-sided.

    None without an interval, or where the sample is too small for any. The standard error is the larger of two: the
    interval's half width over 1.96, and that of `smallest_gain`.

    Args:
        effect: RMSE skill with its 95 % interval.
        overlap: origins that a forecast spans.
    """
    if effect.low is None or effect.high is None:
        return None
    least = smallest_gain(POWER_80, effect.n / overlap)
    return None if least is None else max(POWER_80 * (effect.high - effect.low) / 2 / NORMAL_95, least)


def smallest_gain(reach: float, independent: float) -> float | None:
    """Smallest RMSE skill detectable on so many errors; None if none.

    A cut of the squared error by a share g moves forecasts by m with E m² ≥ g E e². Each squared error then changes by
    2 e m - m², whose variance is 4 g - 2 g² (normal errors, m unrelated to the rest). With g² = c² (4 g - 2 g²) / N,
    g = 4 c² / (N + 2 c²). An observed difference near 0 has a narrow interval, but no such power.

    Args:
        reach: c, standard errors of a detectable effect.
        independent: N, effective sample size.
    """
    gain = 4 * reach**2 / (independent + 2 * reach**2)
    return None if gain >= 1 else 1 - math.sqrt(1 - gain)


def _percent(value: float, low: float, high: float) -> str:
    """`x % [a, b]`."""
    return f"{100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"

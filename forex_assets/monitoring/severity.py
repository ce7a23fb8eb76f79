"""Severity of a significant drift, by effect size."""

import math
from typing import Final

from forex_assets.monitoring.statistic_series import CORRELATION, EWMA, KS, LEAD_LAG, PSI, VARIANCE

SEVERITIES: Final = ("NONE", "LOW", "MEDIUM", "HIGH")
"""Severities, ascending."""

SEVERITY_CUTS: Final[dict[str, tuple[float, float]]] = {
    # Effect sizes from which a significant change is MEDIUM and HIGH; a smaller one is LOW.
    # A shift of a normal's mean by .5 and .8 sd, Cohen's medium and large, is a KS distance of
    KS: (0.20, 0.31),
    # .2 as published; .5 is a shift by .7 sd.
    PSI: (0.20, 0.50),
    # Volatility × 1.4 and × 2. A fall has no effect size; KS and PSI detect it.
    VARIANCE: (math.log(2), math.log(4)),
    EWMA: (math.log(2), math.log(4)),
    # Cohen's medium and large, q and r.
    CORRELATION: (0.3, 0.5),
    LEAD_LAG: (0.3, 0.5),
}


def severity_of(statistic: str, effect: float) -> str:
    """Severity of a significant change, by effect size.

    Raises:
        KeyError: there is no such statistic.
    """
    medium, high = SEVERITY_CUTS[statistic]
    return SEVERITIES[1 + (effect >= medium) + (effect >= high)]

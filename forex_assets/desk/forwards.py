"""Forward rates by covered interest parity."""

from datetime import date
from typing import Final

YEAR: Final = 360
"""Days of a money-market year, simple interest (actual/360)."""


def forward_rate(price: float, peso_rate: float, dollar_rate: float, days: int) -> float:
    """Returns the forward, CLP per USD.

    S · (1 + i_CLP · t) / (1 + i_USD · t), t = days / 360.

    Args:
        price: spot, CLP per USD.
        peso_rate: simple yearly rate in pesos, .05 for 5 %.
        dollar_rate: simple yearly rate in dollars.
        days: calendar days from spot to delivery.

    Raises:
        ValueError: a rate is outside -5 % to 100 %, most likely a percentage.
    """
    for name, rate in (("peso", peso_rate), ("dollar", dollar_rate)):
        if not -0.05 <= rate <= 1.0:
            raise ValueError(
                f"the {name} rate is {rate:g}, or {100 * rate:g} % a year; it must lie between -5 and 100 %"
            )
    t = days / YEAR
    return price * (1 + peso_rate * t) / (1 + dollar_rate * t)


def days_to(spot: date, delivery: date) -> int:
    """Returns calendar days from spot to delivery, at least 0."""
    return max(0, (delivery - spot).days)

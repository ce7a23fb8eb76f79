"""Prices in which a gap of several sessions is no single return."""

from functools import cache
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forex_assets.core.holidays import YEARS, market_calendar
from forex_assets.market.prices import USDCLP, PriceSeries

_WEEKDAYS: Final = "1111100"


@cache
def _sessions(calendar: str) -> np.busdaycalendar:
    rests = [day for day in market_calendar(calendar).holidays if day.year in YEARS]
    return np.busdaycalendar(weekmask=_WEEKDAYS, holidays=np.array(sorted(rests), dtype="datetime64[D]"))


def sessions_between(rows: pl.DataFrame, series: PriceSeries = USDCLP) -> NDArray[np.int64]:
    """Counts sessions from each row to the next, at least 1.

    Args:
        rows: `session`, ascending, shape (n,).

    Returns:
        Shape (n - 1,); above 1 where sessions are missing.
    """
    days = rows["session"].to_numpy().astype("datetime64[D]")
    counts = np.busday_count(days[:-1], days[1:], busdaycal=_sessions(series.calendar))
    return np.maximum(counts, 1).astype(np.int64)


def per_session_prices(rows: pl.DataFrame, series: PriceSeries = USDCLP) -> NDArray[np.float64]:
    """Returns prices whose every log return is of one session.

    A return over k sessions is divided by √k, which keeps its variance that of a session. The last price stays; prices
    before a gap move. Without gaps the prices are returned as they are.

    Args:
        rows: usable prices, ascending by session.
    """
    prices = rows[series.value].to_numpy().astype(np.float64)
    steps = sessions_between(rows, series)
    if not (steps > 1).any():
        return prices
    returns = np.diff(np.log(prices)) / np.sqrt(steps)
    ahead = np.concatenate([np.cumsum(returns[::-1])[::-1], [0.0]])
    return np.asarray(prices[-1] * np.exp(-ahead), dtype=np.float64)

"""Current fans of several settings, for comparison."""

import time
from collections.abc import Mapping

import polars as pl

from forex_assets.accuracy.backtest_run import inputs_of
from forex_assets.core.horizon import target_of
from forex_assets.core.session import Session
from forex_assets.forecasts.forecast import last_session, make_forecast
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import USDCLP
from forex_assets.market.quotes import origin_at
from forex_assets.optimizer.timing import Side


def newest_fans(session: Session, sides: Mapping[str, Side]) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """The engines' own fans as of the clock, no band corrected.

    Args:
        sides: by name, of one horizon.

    Returns:
        The prices (`USDCLP_SCHEMA`), and `FORECAST_SCHEMA` by title.
    """
    prices, features = inputs_of(session)
    start, fans = origin_at(session, prices), {}
    last = last_session(prices, start)
    for name, side in sides.items():
        target = target_of(side.config.horizon, session.today, last, calendar_of(USDCLP))
        fan = make_forecast(side.engine, side.config, target, prices, features, clock=time.perf_counter, start=start)
        fans[f"{name}: its own fan, bands not corrected"] = fan
    return prices, fans

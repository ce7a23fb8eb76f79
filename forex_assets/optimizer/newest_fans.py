"""What several settings say from the newest prices, to be looked at side by side."""

import time
from collections.abc import Mapping

import polars as pl

from forex_assets.accuracy.backtest_run import inputs_of
from forex_assets.core.horizon import target_of
from forex_assets.forecasts.forecast import make_forecast, usable
from forex_assets.market.prices import USDCLP
from forex_assets.optimizer.timing import Side
from forex_assets.platform import Platform


def newest_fans(platform: Platform, sides: Mapping[str, Side]) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """The engines' own fans as of the clock, no band corrected.

    Args:
        platform: prices, calendar, clock.
        sides: by name, of one horizon.

    Returns:
        The prices (`USDCLP_SCHEMA`), and `FORECAST_SCHEMA` by title.
    """
    prices, features = inputs_of(platform.session)
    last, fans = usable(prices)["session"][-1], {}
    for name, side in sides.items():
        target = target_of(side.config.horizon, platform.settings.as_of_date, last, platform.calendar(USDCLP))
        fan = make_forecast(side.engine, side.config, target, prices, features, clock=time.perf_counter)
        fans[f"{name}: its own fan, bands not corrected"] = fan
    return prices, fans

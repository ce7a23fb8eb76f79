"""Jobs and schedule of the forecasting location.

No job has both partitioned and unpartitioned assets: Dagster would run the latter once a partition.
"""

import dagster as dg

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.conditions import MARKET_CRON

market_refresh = dg.define_asset_job(
    names.MARKET_JOB,
    selection=dg.AssetSelection.assets(
        keys.USDCLP,
        keys.COPPER,
        keys.OBSERVADO,
        keys.COPPER_LME,
        keys.DRIVERS,
        keys.QUOTES,
        keys.ORIGIN,
        keys.REVISIONS,
        keys.FEATURES,
    ),
    description="Fetches prices, picks the level that fans start from, lists revisions, computes features.",
)

origin_refresh = dg.define_asset_job(
    names.ORIGIN_JOB,
    selection=dg.AssetSelection.assets(keys.OBSERVADO, keys.QUOTES, keys.ORIGIN),
    description="Asks for the dólar observado of the next banking day; picks the level that fans start from again.",
)

forecast_all_horizons = dg.define_asset_job(
    names.FORECAST_JOB,
    selection=dg.AssetSelection.assets(
        *(keys.LATEST, keys.LEDGER, keys.REALIZED),
        *(keys.OBSERVADO_FORECAST, keys.OBSERVADO_LEDGER, keys.OBSERVADO_REALIZED),
    ),
    description="Forecasts each chosen horizon from stored prices and features, records and scores them.",
)

backtest_all_horizons = dg.define_asset_job(
    names.BACKTEST_JOB,
    selection=dg.AssetSelection.assets(keys.BACKTEST, keys.COPPER_EFFECT, keys.OBSERVADO_BACKTEST),
    description="Backtests each chosen horizon; past dates already run are skipped.",
)

refresh_market_on_weekdays = dg.ScheduleDefinition(
    name="refresh_market_on_weekdays",
    job=market_refresh,
    cron_schedule=MARKET_CRON,
    execution_timezone=names.SANTIAGO,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Weekdays at 19:00 in Santiago, after the peso's close and copper's settlement. Forecasts follow by "
    "their automation condition.",
)

follow_new_inputs = dg.AutomationConditionSensorDefinition(
    "follow_new_inputs",
    target=dg.AssetSelection.all(include_sources=True),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Runs every asset whose automation condition holds: features and forecasts after new prices or "
    "settings.",
)

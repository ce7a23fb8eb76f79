"""Jobs and the schedule.

One job never spans partitioned and unpartitioned assets: Dagster would run the latter once a partition.
"""

import dagster as dg

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.conditions import MARKET_CRON

market_refresh = dg.define_asset_job(
    names.MARKET_JOB,
    selection=dg.AssetSelection.assets(keys.USDCLP, keys.COPPER, keys.REVISIONS, keys.FEATURES),
    description="Prices in, revisions noted, features made.",
)

forecast_all_horizons = dg.define_asset_job(
    names.FORECAST_JOB,
    selection=dg.AssetSelection.assets(keys.LATEST, keys.LEDGER, keys.REALIZED),
    description="A fan for each horizon chosen, from the prices and features that stand; kept, and the record scored.",
)

backtest_all_horizons = dg.define_asset_job(
    names.BACKTEST_JOB,
    selection=dg.AssetSelection.assets(keys.BACKTEST, keys.COPPER_EFFECT),
    description="Past forecasts of each horizon chosen, scored; what was run before is not run again.",
)

refresh_market_on_weekdays = dg.ScheduleDefinition(
    name="refresh_market_on_weekdays",
    job=market_refresh,
    cron_schedule=MARKET_CRON,
    execution_timezone=names.SANTIAGO,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Weekdays at 19:00 in Santiago: the peso has closed and copper has settled. Forecasts follow by "
    "their automation condition.",
)

follow_new_inputs = dg.AutomationConditionSensorDefinition(
    "follow_new_inputs",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Runs every asset whose automation condition holds: features and forecasts after new prices.",
)

"""Jobs and the schedule.

One job never spans partitioned and unpartitioned assets: Dagster would run the latter once a partition.
"""

import dagster as dg

from forex_assets.core import names as contracts
from forex_assets.core.dagster.conditions import MARKET_CRON

market_refresh = dg.define_asset_job(
    contracts.MARKET_JOB,
    selection=dg.AssetSelection.assets(contracts.USDCLP, contracts.COPPER, contracts.REVISIONS, contracts.FEATURES),
    description="Prices in, revisions noted, features made.",
)

forecast_all_horizons = dg.define_asset_job(
    contracts.FORECAST_JOB,
    selection=dg.AssetSelection.assets(contracts.LATEST, contracts.LEDGER, contracts.REALIZED),
    description="A fan for each horizon chosen, from the prices and features that stand; kept, and the record scored.",
)

backtest_all_horizons = dg.define_asset_job(
    contracts.BACKTEST_JOB,
    selection=dg.AssetSelection.assets(contracts.BACKTEST, contracts.COPPER_EFFECT),
    description="Past forecasts of each horizon chosen, scored; what was run before is not run again.",
)

refresh_market_on_weekdays = dg.ScheduleDefinition(
    name="refresh_market_on_weekdays",
    job=market_refresh,
    cron_schedule=MARKET_CRON,
    execution_timezone=contracts.SANTIAGO,
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

"""Optimization location: drift, decisions, searches, deployments.

Forecasts do not need it.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from forex_assets.core.dagster import keys
from forex_assets.core.dagster.executor import in_process_or_multiprocess
from forex_assets.core.dagster.io_manager import WarehouseIO
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.deployment import assets as deployment
from forex_assets.deployment import jobs as deployment_jobs
from forex_assets.deployment import sensors as deployment_sensors
from forex_assets.forecasts.resources import ForecastEngines
from forex_assets.locations import optimization_jobs as schedules
from forex_assets.market import sensors as market_sensors
from forex_assets.market.resources import MarketSources
from forex_assets.monitoring import assets as monitoring
from forex_assets.optimizer import assets as optimization
from forex_assets.optimizer import checks as optimizer_checks
from forex_assets.optimizer import sensors
from forex_assets.replay import assets as replay

ELSEWHERE = (keys.USDCLP, keys.COPPER)
ELSEWHERE_BY_HORIZON = (keys.LEDGER, keys.REALIZED, keys.BACKTEST)
"""Tables of the forecasting location, as stubs for the lineage graph."""


def build(overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Builds the definitions.

    Args:
        overrides: resources by name, in place of the defaults.
    """
    session = SessionResource()
    resources = {
        "session": session,
        "engines": ForecastEngines(),
        "sources": MarketSources(),
        "io_manager": WarehouseIO(session=session),
    }
    return dg.Definitions(
        assets=[
            *(dg.AssetSpec(key, group_name=key.path[0]) for key in ELSEWHERE),
            *(
                dg.AssetSpec(key, group_name=key.path[0], partitions_def=keys.HORIZON_PARTITIONS)
                for key in ELSEWHERE_BY_HORIZON
            ),
            *dg.load_assets_from_modules((monitoring, optimization, deployment, replay)),
        ],
        asset_checks=dg.load_asset_checks_from_modules([optimizer_checks]),
        jobs=[
            schedules.report_drift,
            schedules.decide_all_horizons,
            schedules.optimize,
            deployment_jobs.deploy,
            deployment_jobs.watch_deployment,
        ],
        schedules=[schedules.report_drift_on_weekdays, schedules.decide_on_weekdays],
        sensors=[
            sensors.optimize_on_trigger,
            market_sensors.warn_on_price_fallback,
            deployment_sensors.deploy_on_approval,
            deployment_sensors.watch_deployments,
            schedules.follow_new_forecasts,
        ],
        resources={**resources, **(overrides or {})},
        executor=in_process_or_multiprocess,
    )


defs = build()

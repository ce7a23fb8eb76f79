"""Forecasting location: prices, features, forecasts, accuracy, report."""

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg

from forex_assets.accuracy import assets as accuracy
from forex_assets.accuracy import checks as accuracy_checks
from forex_assets.accuracy.observado import assets as observado_accuracy
from forex_assets.core.dagster.executor import in_process_or_multiprocess
from forex_assets.core.dagster.io_manager import WarehouseIO
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.desk import assets as desk
from forex_assets.desk import checks as desk_checks
from forex_assets.features import assets as features
from forex_assets.forecasts import assets as forecasts
from forex_assets.forecasts import checks as forecast_checks
from forex_assets.forecasts import sensors as forecast_sensors
from forex_assets.forecasts.observado import assets as observado
from forex_assets.forecasts.resources import ForecastEngines
from forex_assets.locations import forecasting_jobs as jobs
from forex_assets.market import assets as market
from forex_assets.market import checks as market_checks
from forex_assets.market import sensors as market_sensors
from forex_assets.market.resources import MarketSources
from forex_assets.operations.alerts import jobs as alert_jobs
from forex_assets.operations.alerts import sensors as alerts
from forex_assets.operations.backup import jobs as backup
from forex_assets.operations.report_mail import jobs as report_mail
from forex_assets.operations.tracking import jobs as tracking
from forex_assets.operations.tracking import sensors as tracking_sensors
from forex_assets.operations.tracking.resources import mlflow_runs
from forex_assets.report import assets as report

ASSETS: Final = (market, features, forecasts, observado, accuracy, observado_accuracy, desk, report)
CHECKS: Final = (market_checks, forecast_checks, accuracy_checks, desk_checks)
"""Modules whose assets and checks are in this location."""


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
        "mlflow": mlflow_runs,
        "io_manager": WarehouseIO(session=session),
    }
    return dg.Definitions(
        assets=dg.load_assets_from_modules(ASSETS),
        asset_checks=dg.load_asset_checks_from_modules(CHECKS),
        jobs=[
            jobs.market_refresh,
            jobs.origin_refresh,
            jobs.forecast_all_horizons,
            jobs.backtest_all_horizons,
            alert_jobs.deliver_alerts,
            report.report_daily,
            report_mail.mail_report,
            backup.back_up,
            tracking.track_runs,
        ],
        schedules=[jobs.refresh_market_on_weekdays, report.report_on_weekdays, backup.back_up_nightly],
        sensors=[
            jobs.follow_new_inputs,
            forecast_sensors.observe_configs,
            market_sensors.poll_observado,
            alerts.gather_alerts,
            alerts.send_alerts,
            report_mail.mail_report_daily,
            tracking_sensors.record_runs,
        ],
        resources={**resources, **(overrides or {})},
        executor=in_process_or_multiprocess,
    )


defs = build()

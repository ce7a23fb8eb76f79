"""The forecasting location: prices, features, forecasts, and how they turned out. Lists only."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from forex_assets.defs import (
    accuracy,
    alerts,
    backup,
    checks,
    checks_accuracy,
    features,
    forecasts,
    jobs,
    market,
    report,
    tracking,
)
from forex_assets.resources.parquet_io import WarehouseIO
from forex_assets.resources.platform import PlatformResource


def build(overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The location's definitions; `overrides` replaces resources by name."""
    platform = PlatformResource()
    return dg.Definitions(
        assets=[
            market.usdclp,
            market.copper_hgf_usd_lb,
            market.revisions,
            features.copper,
            forecasts.inference,
            forecasts.latest,
            forecasts.ledger,
            accuracy.realized,
            accuracy.backtest,
            accuracy.scorecard_asset,
            accuracy.copper_effect_asset,
            report.daily,
        ],
        asset_checks=[*checks.ALL, *checks_accuracy.ALL],
        jobs=[
            jobs.market_refresh,
            jobs.forecast_all_horizons,
            jobs.backtest_all_horizons,
            alerts.deliver_alerts,
            report.report_daily,
            backup.back_up,
            tracking.track_runs,
        ],
        schedules=[jobs.refresh_market_on_weekdays, report.report_on_weekdays, backup.back_up_nightly],
        sensors=[jobs.follow_new_inputs, alerts.gather_alerts, alerts.send_alerts, tracking.record_runs],
        resources={"platform": platform, "io_manager": WarehouseIO(platform=platform), **(overrides or {})},
    )


defs = build()

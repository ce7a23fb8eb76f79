"""When assets update by themselves, and when they count as late. Stated once."""

from datetime import timedelta

import dagster as dg

from forex_assets.core.dagster.keys import INFERENCE_CONFIG
from forex_assets.core.names import SANTIAGO

MARKET_CRON = "0 19 * * 1-5"
"""After the peso's close and copper's settlement; the hour that a bare date stands for."""

CATCH_UP_CRON = "30 22 * * 1-5"
"""A level-triggered second chance: `eager` loses an update that lands in the tick of the asset's own run."""

BACKTEST_CRON = "0 6 * * 6"
"""Saturdays: a week's new origin, before the desk is back; a large model may take hours."""

DRIFT_CRONS = ["50 19 * * 1-5", "20 22 * * 1-5"]
"""Before the decisions, and once more for what was lost."""

DECISION_CRONS = ["0 20 * * 1-5", "30 22 * * 1-5"]
"""After the forecasts are due, and once more for what was lost. Of an evening the first counts, local time."""

MARKET_FRESHNESS = dg.FreshnessPolicy.cron(
    deadline_cron="30 19 * * 1-5", lower_bound_delta=timedelta(minutes=30), timezone=SANTIAGO
)
FORECAST_FRESHNESS = dg.FreshnessPolicy.cron(
    deadline_cron="0 20 * * 1-5", lower_bound_delta=timedelta(hours=1), timezone=SANTIAGO
)


def on_new_inputs(*optional: dg.AssetKey) -> dg.AutomationCondition[dg.AssetKey]:
    """When an input is new and its blocking checks have passed; in any case once more in the evening.

    Inputs that are not `optional` are waited for until each has been made once.

    A forecast made twice from the same inputs is the same forecast, so the second chance costs seconds and no truth.
    """
    idle = ~dg.AutomationCondition.in_progress()
    passed = dg.AutomationCondition.all_deps_blocking_checks_passed()
    catch_up = dg.AutomationCondition.cron_tick_passed(CATCH_UP_CRON, SANTIAGO)
    # The settings file is there whether or not Dagster has looked at it yet; only tables can be missing.
    missing = dg.AutomationCondition.any_deps_missing()
    missing_tables = missing.ignore(dg.AssetSelection.assets(INFERENCE_CONFIG, *optional))
    eager = dg.AutomationCondition.eager().replace(missing, missing_tables)
    return ((eager | (catch_up & ~missing_tables)) & passed & idle).with_label("on_new_inputs")


def on_saturdays() -> dg.AutomationCondition[dg.AssetKey]:
    """Once a week, before the desk is back, whatever was updated when."""
    due = dg.AutomationCondition.cron_tick_passed(BACKTEST_CRON, SANTIAGO)
    return (due & ~dg.AutomationCondition.in_progress()).with_label("on_saturdays")

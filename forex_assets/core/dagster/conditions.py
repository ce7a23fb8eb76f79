"""Automation conditions, schedules and freshness of assets."""

from datetime import timedelta

import dagster as dg

from forex_assets.core.dagster.keys import INFERENCE_CONFIG
from forex_assets.core.names import SANTIAGO

MARKET_CRON = "0 19 * * 1-5"
"""Weekdays 19:00, after the peso's close and copper's settlement."""

CATCH_UP_CRON = "30 22 * * 1-5"
"""Level-based catch-up: `eager` loses updates during the asset's own run."""

BACKTEST_CRON = "0 6 * * 6"
"""Saturdays 06:00: a new origin a week; large models take hours."""

DRIFT_CRONS = ["50 19 * * 1-5", "20 22 * * 1-5"]
"""Before the decisions, and a retry late in the evening."""

DECISION_CRONS = ["0 20 * * 1-5", "30 22 * * 1-5"]
"""After the forecasts, and a retry; an evening's first decision counts."""

MARKET_FRESHNESS = dg.FreshnessPolicy.cron(
    deadline_cron="30 19 * * 1-5", lower_bound_delta=timedelta(minutes=30), timezone=SANTIAGO
)
FORECAST_FRESHNESS = dg.FreshnessPolicy.cron(
    deadline_cron="0 20 * * 1-5", lower_bound_delta=timedelta(hours=1), timezone=SANTIAGO
)


def on_new_inputs(*optional: dg.AssetKey) -> dg.AutomationCondition[dg.AssetKey]:
    """Runs on new inputs with passed checks, and every evening.

    Required inputs must exist. The evening run and that of the first evaluation catch up on inputs that came while no
    daemon ran; they repeat the same forecast from the same inputs, so they are harmless.

    Args:
        optional: inputs that may be missing.
    """
    idle = ~dg.AutomationCondition.in_progress()
    passed = dg.AutomationCondition.all_deps_blocking_checks_passed()
    catch_up = dg.AutomationCondition.cron_tick_passed(CATCH_UP_CRON, SANTIAGO)
    at_start = dg.AutomationCondition.initial_evaluation()
    due = on_any_update(*optional) | ((catch_up | at_start) & ~_required_missing(*optional))
    return (due & passed & idle).with_label("on_new_inputs")


def on_any_update(*optional: dg.AssetKey) -> dg.AutomationCondition[dg.AssetKey]:
    """Runs on new inputs, whatever their checks say.

    Args:
        optional: inputs that may be missing.
    """
    missing = dg.AutomationCondition.any_deps_missing()
    eager: dg.AutomationCondition[dg.AssetKey] = dg.AutomationCondition.eager().replace(  # type: ignore[assignment]
        missing, _required_missing(*optional)
    )
    return eager


def _required_missing(*optional: dg.AssetKey) -> dg.AutomationCondition[dg.AssetKey]:
    """Holds while a required input is missing.

    The settings file exists even if Dagster never observed it; only tables can be missing.
    """
    return dg.AutomationCondition.any_deps_missing().ignore(dg.AssetSelection.assets(INFERENCE_CONFIG, *optional))


def observed_nightly() -> dg.AutomationCondition[dg.AssetKey]:
    """Observes a source once an evening, beside its own sensor."""
    return dg.AutomationCondition.cron_tick_passed(CATCH_UP_CRON, SANTIAGO)


def on_saturdays() -> dg.AutomationCondition[dg.AssetKey]:
    """Runs once a week, whatever was updated."""
    due = dg.AutomationCondition.cron_tick_passed(BACKTEST_CRON, SANTIAGO)
    return (due & ~dg.AutomationCondition.in_progress()).with_label("on_saturdays")

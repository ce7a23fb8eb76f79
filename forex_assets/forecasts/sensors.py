"""Sensor that notices edited inference settings."""

import dagster as dg

from forex_assets.core.dagster.config_observations import changed_configs
from forex_assets.core.dagster.resources import SessionResource


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports edited `configs/chronos_<horizon>.json` to Dagster, so that a forecast with them follows. "
    "Reads four small files and starts no run.",
)
def observe_configs(context: dg.SensorEvaluationContext, session: SessionResource) -> dg.SensorResult | dg.SkipReason:
    """Compares each file with the last observation; no cursor can be lost."""
    observations = changed_configs(context.instance, session.session().configs)
    if not observations:
        return dg.SkipReason("no settings have changed")
    return dg.SensorResult(asset_events=observations)

"""Observations of `config/inference`: tells Dagster that current settings changed."""

from collections.abc import Iterable

import dagster as dg

from forex_assets.core.config_store import ConfigError, ConfigStore
from forex_assets.core.dagster import keys
from forex_assets.core.horizon import HORIZONS

DATA_VERSION_TAG = "dagster/data_version"
UNREADABLE = "cannot be read"
"""Data version of a settings file that cannot be read."""


def config_version(configs: ConfigStore, horizon: str) -> str:
    """Returns the data version of a horizon's settings: their fingerprint."""
    try:
        return configs.read(horizon).fingerprint
    except ConfigError:
        return UNREADABLE


def changed_configs(
    instance: dg.DagsterInstance, configs: ConfigStore, horizons: Iterable[str] = HORIZONS
) -> list[dg.AssetObservation]:
    """Returns observations of settings that Dagster does not know yet."""
    versions = {horizon: config_version(configs, horizon) for horizon in horizons}
    return [
        dg.AssetObservation(keys.INFERENCE_CONFIG, partition=horizon, tags={DATA_VERSION_TAG: version})
        for horizon, version in versions.items()
        if version != _observed_version(instance, horizon)
    ]


def report_changed_configs(
    instance: dg.DagsterInstance, configs: ConfigStore, horizons: Iterable[str] = HORIZONS
) -> None:
    """Reports changed settings at once; automation then forecasts with them."""
    for observation in changed_configs(instance, configs, horizons):
        instance.report_runless_asset_event(observation)


def _observed_version(instance: dg.DagsterInstance, horizon: str) -> str | None:
    wanted = dg.AssetRecordsFilter(asset_key=keys.INFERENCE_CONFIG, asset_partitions=[horizon])
    observations = instance.fetch_observations(wanted, limit=1).records
    event = observations[0].asset_observation if observations else None
    return None if event is None else event.data_version

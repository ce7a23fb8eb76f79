"""Sensors as earlier programs call them, and a package under its earlier name; see `cases_aliases.json`."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg

from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.store.folder import Folder
from forex_assets.core.store.warehouse import Warehouse as CurrentWarehouse
from forex_assets.deployment.deployer import Deployer as CurrentDeployer
from forex_assets.deployment.deployment_store import DeploymentStore as CurrentDeploymentStore
from forex_assets.forecasts.resources import ForecastEngines
from forex_assets.market import sensors as market_sensors
from forex_assets.market.resources import MarketSources
from forex_assets.operations.alerts import sensors as alert_sensors
from forex_assets.operations.backup import archive
from forex_assets.operations.backup.restore import restore
from forex_assets.optimizer import sensors as optimizer_sensors

__all__ = [
    "Deployer",
    "DeploymentStore",
    "Warehouse",
    "backup_archive",
    "gather_alerts",
    "optimize_on_trigger",
    "warn_on_price_fallback",
]


class Warehouse(CurrentWarehouse):
    """Also tells a table's file, as earlier."""

    def path(self, key: str, partition: str | None = None) -> Path:
        """File of a table in a folder."""
        return Path(self.place()) / f"{key if partition is None else f'{key}/{partition}'}.parquet"


class DeploymentStore(CurrentDeploymentStore):
    """Takes a folder's path, as earlier."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Folder(folder))


class Deployer(CurrentDeployer):
    """Takes a folder's path, as earlier."""

    def __init__(self, configs: Path, *rest: Any, **more: Any) -> None:
        super().__init__(Folder(configs, follows_links=True), *rest, **more)


class SensorAdapter:
    """Evaluates a sensor with today's resources, whatever resources the caller's context names."""

    def __init__(self, sensor: dg.SensorDefinition) -> None:
        self._sensor, self.name = sensor, sensor.name

    def __call__(self, context: dg.SensorEvaluationContext) -> Any:
        offered = {"session": SessionResource(), "engines": ForecastEngines(), "sources": MarketSources()}
        wanted = {name: offered[name] for name in self._sensor.required_resource_keys if name in offered}
        return self._sensor(dg.build_sensor_context(context.instance, cursor=context.cursor, resources=wanted))


backup_archive = SimpleNamespace(**{**vars(archive), "restore": restore})
gather_alerts = SensorAdapter(alert_sensors.gather_alerts)
optimize_on_trigger = SensorAdapter(optimizer_sensors.optimize_on_trigger)
warn_on_price_fallback = SensorAdapter(market_sensors.warn_on_price_fallback)

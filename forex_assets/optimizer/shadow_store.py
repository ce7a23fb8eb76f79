"""Stores shadow tests of challengers, one JSON file a horizon."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict

from forex_assets.core.horizon import days_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.store.records import Records
from forex_assets.core.store.warehouse import Warehouse

ROOT: Final = "optimizer/shadow"


class Shadow(BaseModel):
    """A challenger in a shadow test.

    Attributes:
        config: settings to deploy if it wins.
        champion: fingerprint of the current settings when the test began.
        since: first day of its forecasts.
        until: last day.
        validation_id: inconclusive report.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: InferenceConfig
    champion: str
    since: date
    until: date
    validation_id: str

    def runs_on(self, day: date) -> bool:
        """Whether it forecasts on a day."""
        return self.since <= day <= self.until

    def is_over(self, today: date) -> bool:
        """Whether its last forecast has reached its target date."""
        return today > self.until + timedelta(days=days_of(self.config.horizon))


@dataclass(frozen=True)
class ShadowStore:
    """Shadow tests of one warehouse."""

    warehouse: Warehouse

    def exists(self, horizon: str) -> bool:
        """Tells whether a horizon has a shadow test."""
        return self._records(horizon).files.state(f"{horizon}.json") is not None

    def read(self, horizon: str) -> Shadow | None:
        """The shadow test of a horizon; None where there is none.

        Raises:
            WarehouseError: the file cannot be read or holds no such record.
        """
        return self._records(horizon).get(horizon)

    def write(self, shadow: Shadow) -> None:
        """Begins a shadow test in place of any other of its horizon.

        Raises:
            WarehouseError: the disk or a permission does not allow it.
        """
        horizon = shadow.config.horizon
        self._records(horizon).put(horizon, shadow)

    def remove(self, horizon: str) -> None:
        """Ends the shadow test of a horizon; none is no error.

        Raises:
            WarehouseError: a permission does not allow it.
        """
        self._records(horizon).remove(horizon)

    def _records(self, horizon: str) -> Records[Shadow]:
        days_of(horizon)
        return Records(self.warehouse.records.under(ROOT), Shadow, "remove it to end the shadow test")

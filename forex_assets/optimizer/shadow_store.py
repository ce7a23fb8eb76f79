"""Challengers that run beside the champion: one small file a horizon. What they are worth is said elsewhere."""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from forex_assets.core.horizon import days_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.core.store.warehouse import Warehouse, WarehouseError

ROOT: Final = "optimizer/shadow"


class Shadow(BaseModel):
    """A challenger on trial.

    Attributes:
        config: its settings, as they would go live.
        champion: fingerprint of the settings that were live when it began.
        since: first day on which it forecasts.
        until: last one.
        validation_id: report that could not tell.
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
        """Whether its last forecast has reached its target."""
        return today > self.until + timedelta(days=days_of(self.config.horizon))


@dataclass(frozen=True)
class ShadowStore:
    """The files of one warehouse.

    Args:
        warehouse: where they lie.
    """

    warehouse: Warehouse

    def path(self, horizon: str) -> Path:
        """The file of a horizon.

        Raises:
            ValueError: there is no such horizon.
        """
        days_of(horizon)
        return self.warehouse.root / ROOT / f"{horizon}.json"

    def read(self, horizon: str) -> Shadow | None:
        """The challenger on trial; None where there is none.

        Raises:
            WarehouseError: the file cannot be read or is no such record.
        """
        path = self.path(horizon)
        try:
            return Shadow.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, ValidationError) as error:
            reason = str(error).splitlines()[0]
            raise WarehouseError(f"{path} cannot be used ({reason}); remove it: the trial ends with it") from error

    def write(self, shadow: Shadow) -> Path:
        """Put a challenger on trial, in place of any other of its horizon.

        Raises:
            WarehouseError: the disk or a permission does not allow it.
        """
        path = self.path(shadow.config.horizon)
        text = json.dumps(shadow.model_dump(mode="json"), indent=2) + "\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes_atomically(path, text.encode())
        except OSError as error:
            raise WarehouseError(f"cannot write {path}: {error.strerror}; see to space and permissions") from error
        return path

    def remove(self, horizon: str) -> None:
        """End the trial; none is no error.

        Raises:
            WarehouseError: a permission does not allow it.
        """
        path = self.path(horizon)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise WarehouseError(f"cannot remove {path}: {error.strerror}; see to its permissions") from error

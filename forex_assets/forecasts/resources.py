"""Engines as a Dagster resource."""

from dataclasses import replace

import dagster as dg
from pydantic import Field

from forex_assets.core.session import Session
from forex_assets.forecasts.engines import Engines, engines_of


class ForecastEngines(dg.ConfigurableResource[Engines]):
    """Gives assets the engines of the session's settings."""

    model: str | None = Field(default=None, description="overrides FOREX_MODEL: embedded, ewma, a hub id or a folder")

    def of(self, session: Session) -> Engines:
        """The engines of a run."""
        engines = engines_of(session.settings)
        return engines if self.model is None else replace(engines, model=self.model)

"""Price sources as a Dagster resource."""

import dagster as dg
from pydantic import Field

from forex_assets.core.session import Session
from forex_assets.market.price_sources import PriceSources


class MarketSources(dg.ConfigurableResource[PriceSources]):
    """Gives assets the run's price sources."""

    deadline_s: float | None = Field(default=None, gt=0, description="seconds over those of FOREX_SOURCE_DEADLINE_S")

    accepts_revision: bool = Field(default=False, description="whether most stored closes may change in one fetch")

    def of(self, session: Session) -> PriceSources:
        """Returns the sources of a run."""
        deadline_s = self.deadline_s or session.settings.source_deadline_s
        return PriceSources(session, deadline_s, self.accepts_revision)

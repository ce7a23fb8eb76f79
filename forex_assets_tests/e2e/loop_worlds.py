"""A generated market, and engines that are good or bad on purpose: for the closed loop. No test lies here.

Engines are chosen by the config's context length, so that settings have known worth: 90 sessions know the next prices a
little, 270 are as wrong as no model should be, 180 is the plain walk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import dagster as dg
import numpy as np

from forex_assets.core.dagster.io_manager import WarehouseIO
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.fan import Fan
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.session import Session, open_session
from forex_assets.forecasts.baselines import origin_volatility, random_walk
from forex_assets.forecasts.engine import EngineError, EngineTraits, Origin
from forex_assets.forecasts.engines import Engines
from forex_assets.forecasts.resources import ForecastEngines
from forex_assets.market.price_sources import sources_of

BROKEN: set[int] = set()
"""Context lengths with which the engine fails from now on."""


class KnowingEngine:
    """Engine: settings of known worth, on prices that it knows to the end.

    Args:
        future: every price that there will be, oldest first; where an origin's prices end in it, it can look ahead.
    """

    name, model = "chronos-t5", "knowing"

    def __init__(self, future: Sequence[float]) -> None:
        self.future = np.asarray(future, dtype=np.float64)

    @property
    def traits(self) -> EngineTraits:
        return EngineTraits(("context_length",), 1000)

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        if config.context_length in BROKEN:
            raise EngineError(f"context_length {config.context_length} is broken now")
        return [self._fan(origin, config.context_length) for origin in origins]

    def _fan(self, origin: Origin, length: int) -> Fan:
        last, sd = float(origin.prices[-1]), origin_volatility(origin.prices)
        walk = random_walk(last, sd, origin.steps)
        if length == 180:
            return walk
        place = int(np.flatnonzero(np.isclose(self.future, last, rtol=1e-12))[-1])
        ahead = self.future[place + 1 : place + 1 + origin.steps]
        truth = np.concatenate([ahead, np.full(origin.steps - len(ahead), ahead[-1] if len(ahead) else last)])
        part = 0.5 if length == 90 else -0.2
        shift = (truth / last) ** part
        return Fan(walk.mean * shift, walk.quantiles * shift[:, None])


@cache
def all_prices() -> tuple[float, ...]:
    """The generated market to the end of 2025, later than any clock of the tests."""
    return tuple(sources_of(open_session(as_of="2025-12-31")).sample().usdclp["clp_per_usd"])


@dataclass(frozen=True)
class KnowingEngines(Engines):
    """Engines that are all `KnowingEngine`s."""

    def engine(self, resolved: Any) -> KnowingEngine:
        del resolved
        return KnowingEngine(all_prices())


class KnowingForecastEngines(ForecastEngines):
    """Hands assets `KnowingEngines`."""

    def of(self, session: Session) -> Engines:
        engines = super().of(session)
        return KnowingEngines(engines.model, engines.device, engines.dtype)


def resources() -> Mapping[str, Any]:
    """Overrides of both locations."""
    session = SessionResource()
    return {
        "session": session,
        "engines": KnowingForecastEngines(),
        "io_manager": WarehouseIO(session=session),
    }


def run(definitions: dg.Definitions, instance: dg.DagsterInstance, job: str, horizon: str | None, **tags: str) -> bool:
    """A job in this process; whether it went well."""
    done = definitions.resolve_job_def(job).execute_in_process(
        instance=instance, partition_key=horizon, tags=tags, raise_on_error=False
    )
    return done.success

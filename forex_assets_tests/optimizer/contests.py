"""A generated market with an engine whose fans are as wide as the temperature says: 1 is right, the rest is wrong."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from forex_assets.core.fan import Fan
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.session import Session, open_session
from forex_assets.forecasts.baselines import origin_volatility, random_walk
from forex_assets.forecasts.chronos.finder import ResolvedModel
from forex_assets.forecasts.engine import Engine, EngineTraits, Origin
from forex_assets.forecasts.engines import Engines, engines_of
from forex_assets.forecasts.resources import ForecastEngines
from forex_assets.market.ingestion import ingest_usdclp
from forex_assets.market.price_sources import PriceSources
from forex_assets.optimizer.search_run import run_search


@dataclass
class WidthEngine:
    """Engine: the EWMA walk, its volatility times the temperature; counts the fans that it made."""

    name: str = "width"
    model: str = "width"
    fingerprints: list[str] = field(default_factory=list)

    @property
    def traits(self) -> EngineTraits:
        return EngineTraits(settings=("temperature",))

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        self.fingerprints += [config.fingerprint] * len(origins)
        factor = config.temperature or 1.0
        return [random_walk(float(o.prices[-1]), factor * origin_volatility(o.prices), o.steps) for o in origins]


ENGINE = WidthEngine()


@dataclass(frozen=True)
class WidthEngines(Engines):
    """Engines that give that engine for every model."""

    def engine(self, resolved: ResolvedModel) -> Engine:
        return ENGINE


class WidthResource(ForecastEngines):
    """`WidthEngines` for assets."""

    def of(self, session: Session) -> Engines:
        return WidthEngines(**vars(engines_of(session.settings)))


@dataclass(frozen=True)
class Setup:
    """A run's session and engines."""

    session: Session
    engines: Engines


def width_setup() -> Setup:
    """A new session with the width engine."""
    session = open_session()
    return Setup(session, WidthEngines(**vars(engines_of(session.settings))))


def plain_setup() -> Setup:
    """A new session with the engines of the environment."""
    session = open_session()
    return Setup(session, engines_of(session.settings))


def both(setup: Setup) -> tuple[Session, Engines]:
    """A setup's session and engines, the session new as for each run."""
    return open_session(), setup.engines


def set_live(folder: Path, horizon: str = "7d", **changes: object) -> InferenceConfig:
    """Write a horizon's config with some settings changed."""
    path = folder / f"configs/chronos_{horizon}.json"
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(values))
    return InferenceConfig.model_validate(values)


def fill(workspace: Path, tables: Path) -> Setup:
    """The generated market's peso in the workspace; made once, then copied."""
    setup = width_setup()
    if tables.exists():
        shutil.copytree(tables, workspace / "warehouse")
    else:
        prices = ingest_usdclp(PriceSources(setup.session, 1.0)).prices
        setup.session.tables_for("market/usdclp", prices).write("market/usdclp", prices)
        shutil.copytree(workspace / "warehouse", tables)
    return setup


def search(setup: Setup, horizon: str = "7d") -> str:
    """Search a horizon and keep its table; the fingerprint that was chosen."""
    result = run_search(setup.session, setup.engines, [horizon])[horizon]
    setup.session.tables.write("optimizer/candidate_config", result.table, horizon)
    return result.chosen

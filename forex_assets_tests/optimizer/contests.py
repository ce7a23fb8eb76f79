"""A generated market with an engine whose fans are as wide as the temperature says: 1 is right, the rest is wrong."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from forex_assets.core.fan import Fan
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.settings import load_settings
from forex_assets.forecasts.baselines import origin_volatility, random_walk
from forex_assets.forecasts.chronos.finder import ResolvedModel
from forex_assets.forecasts.engine import Engine, EngineTraits, Origin
from forex_assets.market.ingestion import ingest_usdclp
from forex_assets.optimizer.search_run import run_search
from forex_assets.platform import Platform, PlatformResource


@dataclass
class WidthEngine:
    """Engine: the EWMA walk, its volatility times the temperature; counts the fans that it made."""

    name: str = "width"
    model: str = "width"
    made: list[str] = field(default_factory=list)

    @property
    def traits(self) -> EngineTraits:
        return EngineTraits(settings=("temperature",))

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        self.made += [config.fingerprint] * len(origins)
        factor = config.temperature or 1.0
        return [random_walk(float(o.prices[-1]), factor * origin_volatility(o.prices), o.steps) for o in origins]


ENGINE = WidthEngine()


class WidthPlatform(Platform):
    """The platform with that engine, whatever model is configured."""

    def engine(self, found: ResolvedModel) -> Engine:
        return ENGINE


class WidthResource(PlatformResource):
    """The same for assets."""

    def platform(self) -> Platform:
        return WidthPlatform(load_settings(**self.overrides))


def set_live(folder: Path, horizon: str = "7d", **changes: object) -> InferenceConfig:
    """Write a horizon's config with some settings changed."""
    path = folder / f"configs/chronos_{horizon}.json"
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(values))
    return InferenceConfig.model_validate(values)


def fill(workspace: Path, tables: Path) -> WidthPlatform:
    """The generated market's peso in the workspace; made once, then copied."""
    platform = WidthPlatform(load_settings())
    if tables.exists():
        shutil.copytree(tables, workspace / "warehouse")
    else:
        prices = ingest_usdclp(platform.sources).prices
        platform.warehouse_for("market/usdclp", prices).write("market/usdclp", prices)
        shutil.copytree(workspace / "warehouse", tables)
    return platform


def search(platform: Platform, horizon: str = "7d") -> str:
    """Search a horizon and keep its table; the fingerprint that was chosen."""
    found = run_search(platform, [horizon])[horizon]
    platform.warehouse.write("optimizer/candidate_config", found.table, horizon)
    return found.chosen

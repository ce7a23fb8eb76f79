"""Transitional: hands rooms that still take a `Platform` their session, engines and sources. To be deleted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.config_store import ConfigStore
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.finding import Finding
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import Policy
from forex_assets.core.session import SAMPLE_FOLDER as SAMPLE_FOLDER
from forex_assets.core.session import Branch, Session, session_on
from forex_assets.core.settings import Settings
from forex_assets.core.store.warehouse import Warehouse
from forex_assets.deployment.deployment_store import DeploymentStore, deployments_of
from forex_assets.forecasts.chronos.finder import ResolvedModel
from forex_assets.forecasts.engine import Engine
from forex_assets.forecasts.engines import Engines, engines_of
from forex_assets.market.price_sources import PriceSources, calendar_of
from forex_assets.market.price_store import PriceStore
from forex_assets.market.prices import Attempt, PriceSeries, PriceSource
from forex_assets.market.sample import SampleMarket
from forex_assets.market.sources.central_bank import CentralBankSource
from forex_assets.market.sources.fred import FredMonthly
from forex_assets.monitoring.request_store import RequestStore, requests_of


@dataclass(frozen=True)
class Platform:
    """Everything built from one set of settings."""

    settings: Settings

    @cached_property
    def session(self) -> Session:
        return session_on(self.settings)

    @cached_property
    def engines(self) -> Engines:
        return engines_of(self.settings)

    @cached_property
    def sources(self) -> PriceSources:
        return PriceSources(self.session, self.settings.source_deadline_s)

    @property
    def now(self) -> datetime:
        return self.session.now

    @property
    def configs(self) -> ConfigStore:
        return self.session.configs

    @property
    def policy(self) -> Policy:
        return self.session.policy

    @property
    def requests(self) -> RequestStore:
        return requests_of(self.session)

    @property
    def deployments(self) -> DeploymentStore:
        return deployments_of(self.session)

    def calendar(self, series: PriceSeries) -> SessionCalendar:
        return calendar_of(series)

    def daily_sources(self, series: PriceSeries) -> list[PriceSource]:
        return self.sources.daily(series)

    @property
    def central_bank(self) -> CentralBankSource:
        return self.sources.central_bank

    @property
    def fred(self) -> FredMonthly:
        return self.sources.fred

    @property
    def live_warehouse(self) -> Warehouse:
        return self.session.live_tables

    @property
    def sample_warehouse(self) -> Warehouse:
        return self.session.sample_tables

    @property
    def store(self) -> PriceStore:
        return self.sources.histories

    @property
    def reading_branch(self) -> Branch:
        return self.session.market

    @property
    def warehouse(self) -> Warehouse:
        return self.session.tables

    def warehouse_for(self, key: str, frame: pl.DataFrame) -> Warehouse:
        return self.session.tables_for(key, frame)

    def ingest_branch(self) -> Branch:
        return self.sources.branch()

    def probe(self) -> list[Attempt]:
        return self.sources.probe()

    def all_sources(self) -> Mapping[str, PriceSource]:
        return self.sources.every()

    def sample(self) -> SampleMarket:
        return self.sources.sample()

    def find_model(self, configured: str) -> ResolvedModel:
        return self.engines.find(configured)

    def model_for(self, config: InferenceConfig) -> tuple[ResolvedModel, InferenceConfig]:
        return self.engines.resolve(config)

    def engine(self, found: ResolvedModel) -> Engine:
        return self.engines.engine(found)


class PlatformResource(SessionResource):
    """Hands assets that still take one the `Platform`."""

    def platform(self) -> Platform:
        """The platform of the run's session."""
        return platform_of_session(self.session())


def platform_of_session(session: Session) -> Platform:
    """A platform on a session."""
    made = Platform(session.settings)
    made.__dict__["session"] = session
    return made


def on_platform(rule: Callable[[Platform], Finding]) -> Callable[[Session], Finding]:
    """A rule on the platform as a rule on the session."""
    return lambda session: rule(platform_of_session(session))

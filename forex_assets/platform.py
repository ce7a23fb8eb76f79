"""The composition root: from settings to the plain objects that assets and the command line use. No rule lives here."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import dagster as dg
import polars as pl
from pydantic import Field

from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.config_store import ConfigStore
from forex_assets.core.holidays import market_calendar
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import Policy
from forex_assets.core.policy_store import read_policy
from forex_assets.core.processes import PROCESS_TAG, process_name
from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.core.settings import Settings, load_settings
from forex_assets.core.store.warehouse import Warehouse
from forex_assets.deployment.deployment_store import DeploymentStore
from forex_assets.forecasts.baselines import EwmaEngine
from forex_assets.forecasts.chronos.finder import Found, effective_config, find_model, label_of
from forex_assets.forecasts.engine import Engine
from forex_assets.market.price_store import PriceStore
from forex_assets.market.prices import COPPER, USDCLP, Attempt, PriceSeries, PriceSource
from forex_assets.market.sample import SampleMarket, sample_market
from forex_assets.market.source_probe import probe_sources
from forex_assets.market.sources.central_bank import CentralBankSource
from forex_assets.market.sources.fred import FredMonthly
from forex_assets.market.sources.yahoo import YahooSource
from forex_assets.monitoring.request_store import RequestStore

Branch = Literal["live", "sample"]
SAMPLE_FOLDER = "sample"
POLICY_FILE = "policy.yaml"
YAHOO_SYMBOLS = {USDCLP.name: "CLP=X", COPPER.name: "HG=F"}


@dataclass(frozen=True)
class Platform:
    """Everything built from one set of settings.

    Attributes:
        settings: where everything comes from.
    """

    settings: Settings

    @property
    def now(self) -> datetime:
        """The clock, UTC."""
        return self.settings.now

    @property
    def configs(self) -> ConfigStore:
        """The live inference settings."""
        return ConfigStore(self.settings.configs)

    @property
    def policy(self) -> Policy:
        """When to search for better settings: `configs/policy.yaml`."""
        return read_policy(self.settings.configs / POLICY_FILE)

    @property
    def requests(self) -> RequestStore:
        """Searches that people asked for."""
        return RequestStore(self.settings.warehouse / "optimizer" / "requests")

    @property
    def deployments(self) -> DeploymentStore:
        """What was done to the live settings: there is one set of them, whatever the market."""
        return DeploymentStore(self.settings.warehouse / "optimizer" / "deployments")

    def calendar(self, series: PriceSeries) -> SessionCalendar:
        """Sessions of the market that a series is quoted on."""
        return market_calendar(series.calendar)

    def daily_sources(self, series: PriceSeries) -> list[PriceSource]:
        """Sources of daily prices, in the order in which they are asked."""
        s = self.settings
        yahoo = YahooSource(
            series, YAHOO_SYMBOLS[series.name], s.yahoo_url, self.calendar(series), deadline_s=s.source_deadline_s
        )
        return [yahoo, self.central_bank] if series is USDCLP else [yahoo]

    @property
    def central_bank(self) -> CentralBankSource:
        """Banco Central de Chile's dólar observado."""
        s = self.settings
        user, password = (v.get_secret_value() if v else None for v in (s.bcch_user, s.bcch_password))
        return CentralBankSource(user, password, s.bcch_url, self.calendar(USDCLP), deadline_s=s.source_deadline_s)

    @property
    def fred(self) -> FredMonthly:
        """FRED's monthly copper price."""
        s = self.settings
        key = s.fred_api_key.get_secret_value() if s.fred_api_key else None
        return FredMonthly(api_key=key, root_url=s.fred_url, deadline_s=s.source_deadline_s)

    @property
    def live_warehouse(self) -> Warehouse:
        """Tables made from real prices."""
        return Warehouse(self.settings.warehouse)

    @property
    def sample_warehouse(self) -> Warehouse:
        """Tables made from the generated market, in a folder of their own."""
        return self.live_warehouse.branch(SAMPLE_FOLDER)

    @property
    def store(self) -> PriceStore:
        """Stored histories of real prices; the generated market needs none."""
        return PriceStore(self.live_warehouse)

    @property
    def reading_branch(self) -> Branch:
        """Which tables stand: in `auto`, the real ones as soon as there are any."""
        if self.settings.market != "auto":
            return self.settings.market
        key = f"market/{USDCLP.name}"
        return "sample" if not self.live_warehouse.exists(key) and self.sample_warehouse.exists(key) else "live"

    @property
    def warehouse(self) -> Warehouse:
        """The tables to read from now."""
        return self.sample_warehouse if self.reading_branch == "sample" else self.live_warehouse

    def warehouse_for(self, key: str, frame: pl.DataFrame) -> Warehouse:
        """Where a table belongs: one that holds generated rows never lands among the real ones.

        An empty price table is a real one, since the generated market is never empty; other empty tables go where what
        they were made from is.
        """
        if "source" in frame.columns and not frame.is_empty():
            is_sample = (frame["source"] == SAMPLE_SOURCE).any()
            return self.sample_warehouse if is_sample else self.live_warehouse
        if self.settings.market != "sample" and key in {f"market/{USDCLP.name}", f"market/{COPPER.name}"}:
            return self.live_warehouse
        return self.warehouse

    def ingest_branch(self) -> Branch:
        """Which market to take prices from: `auto` is sample only where no source answers and nothing is stored."""
        if self.settings.market != "auto":
            return self.settings.market
        if any(self.store.sources(series) for series in (USDCLP, COPPER)):
            return "live"
        return "live" if any(answer.is_ok for answer in self.probe()) else "sample"

    def probe(self) -> list[Attempt]:
        """Whether each source answers at all."""
        return probe_sources(self.all_sources(), self.now)

    def all_sources(self) -> Mapping[str, PriceSource]:
        """Every source by a name for people."""
        return {
            "Yahoo CLP=X": self.daily_sources(USDCLP)[0],
            "Yahoo HG=F": self.daily_sources(COPPER)[0],
            "Banco Central": self.central_bank,
            "FRED PCOPPUSDM": self.fred,
        }

    def sample(self) -> SampleMarket:
        """The generated market as of the clock."""
        # All years there are: a window that moves with the clock would drop its oldest rows as time goes by.
        return sample_market(self.now, {s.calendar: self.calendar(s) for s in (USDCLP, COPPER)}, years=100)

    def find_model(self, configured: str) -> Found:
        """Which model `FOREX_MODEL` comes to for a config, and why."""
        return find_model(self.settings.model, configured)

    def model_for(self, config: InferenceConfig) -> tuple[Found, InferenceConfig]:
        """The model for a config, and the settings that it runs with: others where the embedded one stands in."""
        found = self.find_model(config.model)
        return found, effective_config(config, found)

    def engine(self, found: Found) -> Engine:
        """The engine of a found model; Chronos is loaded once a process, on first use."""
        if found.kind == "ewma" or found.location is None:
            return EwmaEngine()
        from forex_assets.forecasts.chronos.model import ChronosEngine

        return ChronosEngine(found.location, self.settings.device, self.settings.dtype, label=label_of(found))


class PlatformResource(dg.ConfigurableResource[Platform]):
    """Hands assets the `Platform`; its settings come from the environment when a run starts, or from `overrides`."""

    overrides: dict[str, str] = Field(
        default_factory=dict, description="settings by field name, such as as_of or model, over the environment's"
    )

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Notes which process a launched run dies with: its steps' parent. The command line has noted its own."""
        run, instance = context.run, context.instance
        if run is not None and instance is not None and PROCESS_TAG not in run.tags:
            instance.add_run_tags(run.run_id, {PROCESS_TAG: process_name(os.getppid())})

    def platform(self) -> Platform:
        """A platform on the settings of this moment."""
        return Platform(load_settings(**self.overrides))

"""One run's view of clock, policy, configs, market and tables."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import polars as pl

from forex_assets.core import names
from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.config_store import ConfigStore
from forex_assets.core.policy import Policy
from forex_assets.core.policy_store import read_policy
from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.core.settings import Settings, load_settings
from forex_assets.core.store.opening import open_store
from forex_assets.core.store.port import Store
from forex_assets.core.store.seen_tables import SeenTables
from forex_assets.core.store.warehouse import Warehouse

Branch = Literal["live", "sample"]
SAMPLE_FOLDER: Final = "sample"
CONFIGS_FOLDER: Final = "configs"
"""Folder of the settings in an object store."""


@dataclass(frozen=True)
class Session:
    """One run's view of clock, policy, configs and tables.

    No unchanged file is read twice through one session. A long-lived process makes a new one for each run or tick.

    Attributes:
        settings: folders and choices from the environment.
        now: the clock, UTC; fixed when the session is made.
    """

    settings: Settings
    now: datetime
    _seen: SeenTables = field(default_factory=SeenTables, repr=False, compare=False)
    _origin: Literal["live", "stored"] | None = field(default=None, repr=False)

    def at_present(self) -> "Session":
        """Returns a session at the current time, on tables read before."""
        return replace(self, now=self.settings.now)

    def with_search_origin(self, origin: Literal["live", "stored"] | None) -> "Session":
        """Returns a session with another `search.origin`; None keeps the policy's."""
        return self if origin is None else replace(self, _origin=origin)

    @property
    def today(self) -> date:
        """Day of the clock in Santiago."""
        return self.now.astimezone(SANTIAGO).date()

    @cached_property
    def store(self) -> Store:
        """Store of every record: `FOREX_STORE`, by default the warehouse folder."""
        return open_store(self.settings.store_address)

    @cached_property
    def config_files(self) -> Store:
        """Files of the settings: `FOREX_CONFIGS`, or `configs` in an object store."""
        if self.settings.has_remote_store:
            return self.store.under(CONFIGS_FOLDER)
        return open_store(self.settings.configs, follows_links=True)

    @cached_property
    def policy(self) -> Policy:
        """Policy of the loop, `policy.yaml` of the configs.

        Raises:
            PolicyError: the file cannot be used.
        """
        policy = read_policy(self.config_files)
        if self._origin is None:
            return policy
        return policy.model_copy(update={"search": policy.search.model_copy(update={"origin": self._origin})})

    @cached_property
    def configs(self) -> ConfigStore:
        """Current inference settings of each horizon."""
        return ConfigStore(self.config_files)

    @cached_property
    def live_tables(self) -> Warehouse:
        """Tables made from real prices."""
        return Warehouse(open_store(self.settings.store_address, follows_links=True), self._seen)

    @cached_property
    def sample_tables(self) -> Warehouse:
        """Tables made from the generated market, in a folder apart."""
        return self.live_tables.branch(SAMPLE_FOLDER)

    @property
    def market(self) -> Branch:
        """Market that is read; `auto` prefers real tables."""
        if self.settings.market != "auto":
            return self.settings.market
        has_live = self.live_tables.exists(names.USDCLP)
        return "sample" if not has_live and self.sample_tables.exists(names.USDCLP) else "live"

    @property
    def tables(self) -> Warehouse:
        """Tables of the market that is read."""
        return self.sample_tables if self.market == "sample" else self.live_tables

    def tables_for(self, key: str, frame: pl.DataFrame) -> Warehouse:
        """Returns where a table is written; generated and real rows never mix.

        An empty price table counts as real, since the generated market is never empty; other empty tables go to the
        market that is read.

        Args:
            key: such as `market/usdclp`.
        """
        if "source" in frame.columns and not frame.is_empty():
            is_sample = (frame["source"] == SAMPLE_SOURCE).any()
            return self.sample_tables if is_sample else self.live_tables
        if self.settings.market != "sample" and key in {names.USDCLP, names.COPPER, names.OBSERVADO, names.COPPER_LME}:
            return self.live_tables
        return self.tables


def open_session(**overrides: str | Path | None) -> Session:
    """Opens a session on the current environment.

    Args:
        overrides: settings by field name, over the environment.

    Raises:
        SettingsError: a setting cannot be used.
    """
    return session_on(load_settings(**overrides))


def session_on(settings: Settings) -> Session:
    """Opens a session on given settings."""
    return Session(settings, settings.now)

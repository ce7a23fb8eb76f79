"""One run's view of the platform: clock, policy, configs, market branch, tables. Made once and handed on."""

from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Final, Literal

import polars as pl

from forex_assets.core import names
from forex_assets.core.config_store import ConfigStore
from forex_assets.core.policy import Policy
from forex_assets.core.policy_store import read_policy
from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.core.settings import Settings, load_settings
from forex_assets.core.store.warehouse import SeenTables, Warehouse

Branch = Literal["live", "sample"]
SAMPLE_FOLDER: Final = "sample"
POLICY_FILE: Final = "policy.yaml"


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

    @property
    def today(self) -> date:
        """The clock's day in Santiago."""
        return self.settings.as_of_date

    @cached_property
    def policy(self) -> Policy:
        """Limits and budgets of the loop: `configs/policy.yaml`.

        Raises:
            PolicyError: the file cannot be used.
        """
        return read_policy(self.settings.configs / POLICY_FILE)

    @cached_property
    def configs(self) -> ConfigStore:
        """The current inference settings of each horizon."""
        return ConfigStore(self.settings.configs)

    @cached_property
    def live_tables(self) -> Warehouse:
        """Tables made from real prices."""
        return Warehouse(self.settings.warehouse, self._seen)

    @cached_property
    def sample_tables(self) -> Warehouse:
        """Tables made from the generated market, in a folder of their own."""
        return self.live_tables.branch(SAMPLE_FOLDER)

    @property
    def market(self) -> Branch:
        """Which tables are read: with `FOREX_MARKET=auto` the real ones as soon as there are any."""
        if self.settings.market != "auto":
            return self.settings.market
        has_live = self.live_tables.exists(names.USDCLP)
        return "sample" if not has_live and self.sample_tables.exists(names.USDCLP) else "live"

    @property
    def tables(self) -> Warehouse:
        """The tables to read from."""
        return self.sample_tables if self.market == "sample" else self.live_tables

    def tables_for(self, key: str, frame: pl.DataFrame) -> Warehouse:
        """Where a table is written: generated rows never land among real ones.

        An empty price table counts as real, since the generated market is never empty; other empty tables go to the
        branch that is read.

        Args:
            key: of the table, such as `market/usdclp`.
            frame: its rows.
        """
        if "source" in frame.columns and not frame.is_empty():
            is_sample = (frame["source"] == SAMPLE_SOURCE).any()
            return self.sample_tables if is_sample else self.live_tables
        if self.settings.market != "sample" and key in {names.USDCLP, names.COPPER}:
            return self.live_tables
        return self.tables


def open_session(**overrides: str | None) -> Session:
    """A session on the environment's settings of this moment, `overrides` by field name over them.

    Raises:
        SettingsError: a setting cannot be used.
    """
    return session_on(load_settings(**overrides))


def session_on(settings: Settings) -> Session:
    """A session on given settings."""
    return Session(settings, settings.now)

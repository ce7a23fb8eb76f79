"""Every rule on one price table, in one list.

The asset checks and `forex-assets doctor` run this list, so that both say the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

import polars as pl

from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.finding import Finding
from forex_assets.market import completeness, quality
from forex_assets.market.prices import COPPER, PriceSeries


@dataclass(frozen=True)
class Rule:
    """One rule on a price table.

    Attributes:
        judge: the rule; takes prices, series, and what `needs` names.
        needs: `calendar`, or `day` for calendar and day.
        blocks: whether a failure of the peso blocks forecasts; copper never blocks.
        is_of_age: whether a failure may come from a source that is refused.
    """

    judge: Callable[..., Finding]
    needs: Literal["nothing", "calendar", "day"] = "nothing"
    blocks: bool = False
    is_of_age: bool = False

    @property
    def name(self) -> str:
        """Name of the finding and of the check."""
        return self.judge.__name__

    def finding(self, prices: pl.DataFrame, series: PriceSeries, calendar: SessionCalendar, day: date) -> Finding:
        """Runs the rule."""
        more = {"nothing": (), "calendar": (calendar,), "day": (calendar, day)}[self.needs]
        return self.judge(prices, series, *more)


RULES: Final = (
    Rule(quality.sessions_strictly_increase, blocks=True),
    Rule(quality.sessions_are_business_days, "calendar"),
    Rule(quality.has_no_nulls, blocks=True),
    Rule(quality.prices_are_in_range, blocks=True),
    Rule(quality.moves_are_ordinary),
    Rule(quality.is_current, "day", is_of_age=True),
    Rule(quality.is_not_stale, "day", blocks=True, is_of_age=True),
    Rule(quality.prices_keep_moving),
    Rule(completeness.no_sessions_are_missing, "calendar", is_of_age=True),
    Rule(completeness.last_finished_price_is_current, "day", is_of_age=True),
    Rule(completeness.stored_prices_are_not_rewritten),
)


def findings(prices: pl.DataFrame, series: PriceSeries, calendar: SessionCalendar, as_of: date) -> tuple[Finding, ...]:
    """Runs every rule on one price table."""
    common = tuple(rule.finding(prices, series, calendar, as_of) for rule in RULES)
    return (*common, quality.copper_is_in_usd_per_pound(prices)) if series.name == COPPER.name else common

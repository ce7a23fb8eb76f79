"""Asset checks: statements that should hold. The rules, and why each blocks or warns: `domain.market.quality`."""

from collections.abc import Callable
from itertools import combinations

import dagster as dg
import polars as pl

from forex_assets.core.dagster import keys
from forex_assets.core.dagster.keys import table_key
from forex_assets.core.dagster.metadata import check_metadata
from forex_assets.core.schemas import COPPER_SCHEMA, USDCLP_SCHEMA, Schema, empty
from forex_assets.forecasts.quality import fans_reach_their_target, quantiles_do_not_cross
from forex_assets.market import quality
from forex_assets.market.alignment import copper_and_peso_move_on_the_same_day, sources_agree
from forex_assets.market.history import prices_at
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries
from forex_assets.market.quality import Finding
from forex_assets.platform import Platform, PlatformResource

Rule = Callable[[Platform], Finding]
SERIES: dict[str, tuple[dg.AssetKey, Schema]] = {
    USDCLP.name: (keys.USDCLP, USDCLP_SCHEMA),
    COPPER.name: (keys.COPPER, COPPER_SCHEMA),
}


def check_of(
    key: dg.AssetKey, name: str, rule: Rule, description: str | None, *, blocks: bool
) -> dg.AssetChecksDefinition:
    """One rule as an asset check; a blocking one stops what is downstream, a warning one only says so.

    Checks read the warehouse and not their asset as an input: that of a partitioned asset would load partitions that
    have not been made.
    """

    @dg.asset_check(asset=key, name=name, description=(description or name).split("\n")[0], blocking=blocks)
    def check(platform: PlatformResource) -> dg.AssetCheckResult:
        finding = rule(platform.platform())
        return dg.AssetCheckResult(
            passed=finding.passed,
            severity=dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN,
            description=finding.message,
            metadata=check_metadata(finding.values),
        )

    return check


def _prices(platform: Platform, series: PriceSeries) -> pl.DataFrame:
    """The table as materialized; empty where it is not, so that a check has something to fail on."""
    key, schema = SERIES[series.name]
    frame = platform.warehouse.read(table_key(key))
    return empty(schema) if frame is None else frame


Judge = Callable[[pl.DataFrame, PriceSeries, Platform], Finding]
QUALITY: dict[str, tuple[Judge, str | None, bool]] = {
    # name: (rule, what it says, whether it blocks for the peso; copper never blocks)
    "sessions_strictly_increase": (
        lambda prices, series, _: quality.sessions_strictly_increase(prices, series),
        quality.sessions_strictly_increase.__doc__,
        True,
    ),
    "sessions_are_business_days": (
        lambda prices, series, ready: quality.sessions_are_business_days(prices, series, ready.calendar(series)),
        quality.sessions_are_business_days.__doc__,
        False,
    ),
    "has_no_nulls": (
        lambda prices, series, _: quality.has_no_nulls(prices, series),
        quality.has_no_nulls.__doc__,
        True,
    ),
    "prices_are_in_range": (
        lambda prices, series, _: quality.prices_are_in_range(prices, series),
        quality.prices_are_in_range.__doc__,
        True,
    ),
    "moves_are_ordinary": (
        lambda prices, series, _: quality.moves_are_ordinary(prices, series),
        quality.moves_are_ordinary.__doc__,
        False,
    ),
    "is_current": (
        lambda prices, series, ready: quality.is_current(
            prices, series, ready.calendar(series), ready.settings.as_of_date
        ),
        quality.is_current.__doc__,
        False,
    ),
    "is_not_stale": (
        lambda prices, series, ready: quality.is_not_stale(
            prices, series, ready.calendar(series), ready.settings.as_of_date
        ),
        quality.is_not_stale.__doc__,
        True,
    ),
    "prices_keep_moving": (
        lambda prices, series, _: quality.prices_keep_moving(prices, series),
        quality.prices_keep_moving.__doc__,
        False,
    ),
}


def _quality(series: PriceSeries) -> list[dg.AssetChecksDefinition]:
    """Every rule of `QUALITY` on one series' own table."""

    def of(name: str, judge: Judge, words: str | None, *, blocks: bool) -> dg.AssetChecksDefinition:
        key = SERIES[series.name][0]
        return check_of(key, name, lambda ready: judge(_prices(ready, series), series, ready), words, blocks=blocks)

    return [
        of(name, judge, words, blocks=blocks and series is USDCLP) for name, (judge, words, blocks) in QUALITY.items()
    ]


def _lead_lag(platform: Platform) -> Finding:
    return copper_and_peso_move_on_the_same_day(_prices(platform, COPPER), _prices(platform, USDCLP))


def _overlap(platform: Platform) -> Finding:
    """Stored histories of the peso against each other; the generated market has one source, and nothing to compare."""
    store = platform.store
    names = store.sources(USDCLP) if platform.reading_branch == "live" else []
    views = {}
    for name in names:
        history = store.history(USDCLP, name)
        if history is not None:
            views[name] = prices_at(history, USDCLP, platform.now)
    return sources_agree(list(combinations(views.items(), 2)), USDCLP)


def _fans(platform: Platform) -> list[pl.DataFrame]:
    key = table_key(keys.LATEST)
    frames = (platform.warehouse.read(key, horizon) for horizon in platform.warehouse.partitions(key))
    return [frame for frame in frames if frame is not None]


ALL = [
    *_quality(USDCLP),
    *_quality(COPPER),
    check_of(
        keys.COPPER,
        "copper_is_in_usd_per_pound",
        lambda ready: quality.copper_is_in_usd_per_pound(_prices(ready, COPPER)),
        quality.copper_is_in_usd_per_pound.__doc__,
        blocks=False,
    ),
    check_of(
        keys.FEATURES,
        "copper_and_peso_move_on_the_same_day",
        _lead_lag,
        "The largest correlation of copper's and the peso's returns is at lag 0: elsewhere, one is dated a day off.",
        blocks=False,
    ),
    check_of(
        keys.USDCLP,
        "sources_agree",
        _overlap,
        "Where two sources cover the same sessions they tell the same story, each under its own dating rule.",
        blocks=False,
    ),
    check_of(
        keys.LATEST,
        "quantiles_do_not_cross",
        lambda platform: quantiles_do_not_cross(_fans(platform)),
        "Every quantile is finite, above zero and not below the one before it.",
        blocks=True,
    ),
    check_of(
        keys.LATEST,
        "fans_reach_their_target",
        lambda platform: fans_reach_their_target(_fans(platform)),
        "Each fan's steps run without a gap from the first session after the last price to its target date.",
        blocks=True,
    ),
]
